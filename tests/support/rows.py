"""An index in memory that answers pages as a point in time over one index does."""

from typing import Any

import msgspec

from auditship_indexer.query.dsl import Dsl
from auditship_indexer.search.snapshot import Page, Row

Document = dict[str, Any]


class Rows:
    """Documents in the order of `@timestamp`, ties in the order in which they were given."""

    def __init__(
        self, rows: list[tuple[int, Document]], *, index: str = "audit-x-2026.04.14"
    ) -> None:
        self.indices = index
        self.pages = 0
        self.announced = len(rows)
        placed = sorted(enumerate(rows), key=lambda pair: (pair[1][0], pair[0]))
        self._hits = [
            {
                "_id": source["event"]["id"],
                "_index": index,
                "_source": source,
                "sort": [ms, place],
            }
            for place, (ms, source) in placed
        ]

    def page(self, decoder: msgspec.json.Decoder[Page[Row]], body: Dsl) -> Page[Row]:
        """Return the page behind `search_after`, through the real wire form."""
        self.pages += 1
        after = body.get("search_after", [-1, -1])
        hits = [hit for hit in self._hits if hit["sort"] > after][: body["size"]]
        found: Document = {"hits": hits}
        if body["track_total_hits"]:
            found["total"] = {"value": self.announced, "relation": "eq"}
        reply = {"timed_out": False, "_shards": {"total": 1, "failed": 0}, "hits": found}
        return decoder.decode(msgspec.json.encode(reply))
