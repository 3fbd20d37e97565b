"""Every row of a selection, in order, in constant memory.

Each index (a region's day) is drained alone, by a point in time of its own, sorted by
`[@timestamp, _shard_doc]`: twice as fast as a sort by id, and complete, because `_shard_doc` is
unique within one index (over several it is not, and rows vanish where a page ends in a tie).
The order inside one millisecond, `log.offset` then `event.id`, is made here; the last millisecond
of a page waits for the next page. The regions of a day are merged by the same key, so the result
does not depend on the cluster.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from operator import attrgetter
from typing import Any, Final, Protocol, TypeVar

import msgspec
from msgspec import Struct
from opensearchpy import OpenSearch

from auditship_indexer.errors import ClusterError
from auditship_indexer.event.identity import day_of, parse_index_name
from auditship_indexer.export.formats import Format
from auditship_indexer.query import Tree, Window, to_dsl
from auditship_indexer.query.dsl import Dsl
from auditship_indexer.search import Hit, Page, open_snapshot
from auditship_indexer.search.snapshot import PAGE_ROWS

Source = TypeVar("Source")
Row = TypeVar("Row")


class Pager(Protocol):
    """Where pages come from: a point in time, or a test's list of rows."""

    indices: str

    def page(self, decoder: msgspec.json.Decoder[Page[Row]], body: Dsl) -> Page[Row]:
        """Return the page that `body` asks for."""


class Placed(Struct, gc=False, frozen=True):
    """A row with its place in the order: Unix ms, offset of its line, id."""

    ms: int
    offset: int
    id: str
    source: Any


_order: Final = attrgetter("ms", "offset", "id")


def indices_by_day(names: Iterable[str], window: Window) -> dict[date, list[str]]:
    """Return the daily indices that can hold events of the window, by day, both sorted."""
    days: dict[date, list[str]] = {}
    for name in sorted(names):
        parsed = parse_index_name(name)
        if parsed and _touches(parsed[1], window):
            days.setdefault(parsed[1], []).append(name)
    return dict(sorted(days.items()))


def _touches(day: date, window: Window) -> bool:
    if window.start_ms is not None and day < day_of(window.start_ms):
        return False
    return window.end_ms is None or day <= day_of(window.end_ms - 1)


def drain_days(
    client: OpenSearch, days: dict[date, list[str]], tree: Tree, form: Format[Source]
) -> Iterator[Placed]:
    """Yield every row of `tree` in the indices of `days`, oldest first.

    Raises:
        ClusterError: a point in time was lost, or gave another number of rows than it counted.
        AuditshipError: no answer.
    """
    query = to_dsl(tree)
    for names in days.values():
        with ExitStack() as open_ones:
            pagers = [open_ones.enter_context(open_snapshot(client, name)) for name in names]
            yield from merged(pagers, query, form)


def merged(pagers: Sequence[Pager], query: Dsl, form: Format[Source]) -> Iterator[Placed]:
    """Yield the rows of several indices in one order."""
    return heapq.merge(*(drain(pager, query, form) for pager in pagers), key=_order)


def drain(
    pager: Pager, query: Dsl, form: Format[Source], *, page_rows: int = PAGE_ROWS
) -> Iterator[Placed]:
    """Yield every row of one index in order: `@timestamp`, `log.offset`, `event.id`.

    Raises:
        ClusterError: the number of rows is not the one that the first page announced.
    """
    announced: int | None = None
    read = 0
    after: list[Any] | None = None
    waiting: list[Placed] = []
    while True:
        page = pager.page(form.decoder, _body(query, page_rows, after))
        if page.hits.total is not None:
            announced = page.hits.total.value
        hits = page.hits.hits
        waiting += [_placed(hit, form) for hit in hits]
        read += len(hits)
        if len(hits) < page_rows:
            break
        after = hits[-1].sort
        last_ms = waiting[-1].ms
        ready = sorted((row for row in waiting if row.ms < last_ms), key=_order)
        waiting = [row for row in waiting if row.ms == last_ms]
        yield from ready
    if read != announced:
        raise ClusterError(
            f"{pager.indices}: {read} rows came, but {announced} were counted",
            hint="nothing was kept; repeat the command",
        )
    yield from sorted(waiting, key=_order)


def _placed(hit: Hit[Source], form: Format[Source]) -> Placed:
    return Placed(hit.sort[0], form.offset(hit.source), hit.id, hit.source)


def _body(query: Dsl, size: int, after: list[Any] | None) -> Dsl:
    body: Dsl = {
        "query": query,
        "size": size,
        "track_total_hits": after is None,
        "sort": [{"@timestamp": "asc"}, {"_shard_doc": "asc"}],
    }
    return body if after is None else {**body, "search_after": after}
