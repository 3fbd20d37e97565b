"""Contestants of `make bench` that are not ours: their configurations, as they were run."""
