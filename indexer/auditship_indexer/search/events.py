"""The newest rows of a selection, oldest first, in constant memory.

Order: `@timestamp`, `log.offset` (absent last), `event.id`, index. The first three are the order
that a reader sees; the index makes it total, so that `search_after` can neither skip nor repeat a
row even where one line was shipped into two regions. `_shard_doc` would not do: it is unique only
within one index, and rows vanish where a page ends inside a tie.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from auditship_indexer.errors import ClusterError
from auditship_indexer.event.line import value_of
from auditship_indexer.query.dsl import Dsl, to_dsl
from auditship_indexer.query.tree import Tree
from auditship_indexer.search.snapshot import PAGE_ROWS, Hit, Key, Page, Snapshot

Document = dict[str, Any]
_ROWS: Final = msgspec.json.Decoder(Page[Hit[Document]])
_KEYS: Final = msgspec.json.Decoder(Page[Key])
_KEY_ROWS: Final = 10_000  # the cluster refuses larger pages


class Found(Struct):
    """Rows of a selection. `total` is its size; `rows` may be fewer, by the limit.

    `workspace` is the name (else the id) of the workspace when all of them share one.
    """

    total: int
    rows: Iterator[Document]
    workspace: str | None


def newest(
    snapshot: Snapshot, tree: Tree, limit: int | None, *, page_rows: int = PAGE_ROWS
) -> Found:
    """Return the newest `limit` rows (None: all), oldest first. `rows` reads as it is walked.

    Raises:
        AuditshipError: no whole answer; also while `rows` is walked.
    """
    query = to_dsl(tree)
    if limit is not None and limit <= page_rows:
        page = snapshot.page(_ROWS, _body(query, newest_first=True, size=limit, total=True))
        documents = [hit.source for hit in reversed(page.hits.hits)]
        return Found(_total(page), iter(documents), _shared(documents))
    total, name = _overview(snapshot, query)
    wanted = total if limit is None else min(limit, total)
    after = None if wanted == total else _key_before(snapshot, query, wanted)
    return Found(total, _ascend(snapshot, query, after, wanted, page_rows), name)


def _body(
    query: Dsl,
    *,
    newest_first: bool,
    size: int,
    after: list[Any] | None = None,
    total: bool = False,
) -> Dsl:
    order, missing = ("desc", "_first") if newest_first else ("asc", "_last")
    body: Dsl = {
        "query": query,
        "size": size,
        "track_total_hits": total,
        "sort": [
            {"@timestamp": {"order": order}},
            {"log.offset": {"order": order, "missing": missing}},
            {"event.id": {"order": order}},
            {"_index": {"order": order}},
        ],
    }
    return body if after is None else {**body, "search_after": after}


def _total(page: Page[Any]) -> int:
    if page.hits.total is None:
        raise ClusterError("the cluster did not count the rows that match")
    return page.hits.total.value


def _overview(snapshot: Snapshot, query: Dsl) -> tuple[int, str | None]:
    """Count the selection, and tell the workspace when every row of it is of the same."""
    body = _body(query, newest_first=True, size=1, total=True)
    body["aggs"] = {
        name: {"terms": {"field": f"workspace.{name}", "size": 2}} for name in ("id", "name")
    }
    page = snapshot.page(_ROWS, body)
    total = _total(page)
    shared = all(
        not found["buckets"] or [bucket["doc_count"] for bucket in found["buckets"]] == [total]
        for found in page.aggregations.values()
    )
    return total, _shared([hit.source for hit in page.hits.hits]) if shared else None


def _shared(documents: list[Document]) -> str | None:
    found = {(value_of(d, "workspace.id"), value_of(d, "workspace.name")) for d in documents}
    if len(found) != 1:
        return None
    by_id, by_name = found.pop()
    name = by_name or by_id
    return None if name is None else str(name)


def _key_before(snapshot: Snapshot, query: Dsl, wanted: int) -> list[Any]:
    """Return the sort values of the row just older than the newest `wanted` ones."""
    after: list[Any] | None = None
    left = wanted + 1
    while True:
        body = _body(query, newest_first=True, size=min(left, _KEY_ROWS), after=after)
        keys = snapshot.page(_KEYS, {**body, "_source": False}).hits.hits
        left -= len(keys)
        if not keys or left < 0:
            raise ClusterError(f"{snapshot.indices}: fewer rows came than were counted")
        after = keys[-1].sort
        if left == 0:
            return after


def _ascend(
    snapshot: Snapshot, query: Dsl, after: list[Any] | None, wanted: int, page_rows: int
) -> Iterator[Document]:
    read = 0
    while True:
        body = _body(query, newest_first=False, size=page_rows, after=after)
        hits = snapshot.page(_ROWS, body).hits.hits
        for hit in hits:
            yield hit.source
        read += len(hits)
        if len(hits) < page_rows:
            break
        after = hits[-1].sort
    if read != wanted:
        raise ClusterError(f"{snapshot.indices}: {read} rows came, but {wanted} were counted")
