"""Reading events back: indices, points in time, the newest rows of a selection.

Every answer is whole or an error: no partial shards, no timeouts, and the rows that were read are
counted against the number that the cluster announced.
"""

from auditship_indexer.search.events import Found, newest
from auditship_indexer.search.indices import PATTERN, existing, refresh
from auditship_indexer.search.snapshot import Hit, Key, Page, Snapshot, open_snapshot
from auditship_indexer.search.workspaces import resolve_workspaces

__all__ = [
    "PATTERN",
    "Found",
    "Hit",
    "Key",
    "Page",
    "Snapshot",
    "existing",
    "newest",
    "open_snapshot",
    "refresh",
    "resolve_workspaces",
]
