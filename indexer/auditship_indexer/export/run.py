"""Write one selection in one form."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any, BinaryIO, Final

from msgspec import Struct
from opensearchpy import OpenSearch

from auditship_indexer.export.drain import drain_days
from auditship_indexer.export.formats import Format
from auditship_indexer.query import Tree

_FLUSH_BYTES: Final = 262_144


class Exported(Struct, frozen=True):
    """What was written."""

    rows: int
    indices: int


def export(
    client: OpenSearch,
    days: dict[date, list[str]],
    tree: Tree,
    form: Format[Any],
    out: BinaryIO,
    *,
    progress: Callable[[int], None],
) -> Exported:
    """Write every row of `tree` in the indices of `days` to `out`; no day: the header alone.

    `progress` is called with the number of rows written so far.

    Raises:
        ClusterError: the rows are not exactly those that were counted. What is in `out` is then
            not an export.
        AuditshipError: no answer.
    """
    rows = 0
    with _collector_paused():
        buffer = bytearray(form.header)
        for row in drain_days(client, days, tree, form):
            buffer += form.write(row.source)
            rows += 1
            if len(buffer) >= _FLUSH_BYTES:
                out.write(buffer)
                buffer.clear()
                progress(rows)
        out.write(buffer)
    progress(rows)
    return Exported(rows, sum(map(len, days.values())))


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Rows are plain trees without cycles: looking for some costs a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
