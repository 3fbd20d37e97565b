"""The companion: sets OpenSearch up, searches, exports, and holds the event contract."""

from importlib.metadata import version

__version__ = version("auditship")
