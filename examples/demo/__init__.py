"""The demo: three regions of a real storage product, real traffic, and auditship at work on it."""
