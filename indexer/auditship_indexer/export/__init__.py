"""Selections as files: every row, in an order that does not depend on the cluster.

A file under its final name is whole: rows are drained from points in time, counted against what
the cluster announced, written under another name, synced, and only then renamed.
"""

from auditship_indexer.export.destination import open_destination
from auditship_indexer.export.drain import drain_days, indices_by_day
from auditship_indexer.export.formats import FORMATS, Format
from auditship_indexer.export.run import Exported, export
from auditship_indexer.export.table import COLUMNS, guard, undo

__all__ = [
    "COLUMNS",
    "FORMATS",
    "Exported",
    "Format",
    "drain_days",
    "export",
    "guard",
    "indices_by_day",
    "open_destination",
    "undo",
]
