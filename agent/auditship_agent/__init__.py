"""The agent: tails access logs on a storage server and ships each line as an audit event."""

from auditship_indexer import __version__

__all__ = ["__version__"]
