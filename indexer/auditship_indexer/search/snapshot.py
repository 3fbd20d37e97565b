"""A point in time over some indices: a fixed set of rows, read page by page.

Replies go from the wire straight into Structs. A page is whole or an error: with
`allow_partial_search_results=false` the cluster itself refuses what it cannot answer in full, and
failed shards and timeouts are looked for again here.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Struct
from opensearchpy import OpenSearch, OpenSearchException, Transport
from opensearchpy.exceptions import NotFoundError, TransportError
from opensearchpy.serializer import Deserializer, TextSerializer

from auditship_indexer.errors import ClusterError
from auditship_indexer.opensearch import asking, error_of, hosts_of, translate
from auditship_indexer.query.dsl import Dsl

KEEP_ALIVE: Final = "10m"  # between two pages; each page renews it
PAGE_ROWS: Final = 5_000

Source = TypeVar("Source")
Row = TypeVar("Row")


class Hit(Struct, Generic[Source], gc=False):
    """One row with its document; `sort` holds the values of the requested sort."""

    id: str = msgspec.field(name="_id")
    index: str = msgspec.field(name="_index")
    source: Source = msgspec.field(name="_source")
    sort: list[Any] = []


class Key(Struct, gc=False):
    """One row without its document."""

    sort: list[Any]


class Total(Struct, gc=False):
    """How many rows match; exact, because every request asks for that or for nothing."""

    value: int


class Hits(Struct, Generic[Row], gc=False):
    """The rows of one page. `total` is there only where it was asked for."""

    hits: list[Row]
    total: Total | None = None


class Shards(Struct, gc=False):
    """How many shards were asked and how many failed."""

    total: int
    failed: int
    failures: list[Any] = []


class Page(Struct, Generic[Row], gc=False):
    """One reply of `_search`."""

    timed_out: bool
    shards: Shards = msgspec.field(name="_shards")
    hits: Hits[Row]
    pit_id: str | None = None
    aggregations: dict[str, Any] = {}


# Hands a JSON body on as it came, for msgspec.
_AS_TEXT: Final = Deserializer({"application/json": TextSerializer()})


class Snapshot:
    """One open point in time. Not for use by two threads: each page may bring a new id."""

    def __init__(self, client: OpenSearch, indices: str, pit_id: str) -> None:
        self.indices = indices
        self._client = client
        self._pit_id = pit_id
        # The copy shares connections and retries with the client; only the reading differs.
        self._transport: Transport = copy.copy(client.transport)
        self._transport.deserializer = _AS_TEXT

    def page(self, decoder: msgspec.json.Decoder[Page[Row]], body: Dsl) -> Page[Row]:
        """Ask for one page of this point in time.

        Raises:
            ClusterError: the answer is partial, late or unreadable, or the point in time is lost.
            AuditshipError: no answer, as `opensearch.translate` says.
        """
        whole = {**body, "pit": {"id": self._pit_id, "keep_alive": KEEP_ALIVE}}
        try:
            page = decoder.decode(self._search(whole))
        except msgspec.MsgspecError as error:
            raise ClusterError(
                f"reading {self.indices}: the answer does not fit the contract: {error}",
                hint="was this index made by `auditship setup`?",
            ) from error
        self._pit_id = page.pit_id or self._pit_id
        _refuse_partial(page.shards, self.indices, timed_out=page.timed_out)
        return page

    def _search(self, body: Dsl) -> str:
        try:
            reply: str = self._transport.perform_request(
                "POST",
                "/_search",
                params={"allow_partial_search_results": "false"},
                body=body,
            )
        except OpenSearchException as error:
            if _is_lost(error):
                raise ClusterError(
                    f"reading {self.indices}: the cluster dropped the point in time",
                    hint="a node left, or the reader paused for longer than "
                    f"{KEEP_ALIVE}: repeat the command",
                ) from error
            raise translate(error, f"reading {self.indices}", at=hosts_of(self._client)) from error
        return reply

    def close(self) -> None:
        """Free the point in time. Safe to repeat."""
        # It ends by itself after KEEP_ALIVE: failing to free it early costs nobody an answer.
        with suppress(OpenSearchException):
            self._client.transport.perform_request(
                "DELETE", "/_search/point_in_time", body={"pit_id": [self._pit_id]}
            )


@contextmanager
def open_snapshot(client: OpenSearch, indices: str) -> Iterator[Snapshot]:
    """Fix what `indices` (a name or a pattern that matches at least one) hold now.

    Raises:
        AuditshipError: no answer, or a shard is not available.
    """
    with asking(client, f"opening a point in time over {indices}"):
        reply: Any = client.transport.perform_request(
            "POST",
            f"/{indices}/_search/point_in_time",
            params={"keep_alive": KEEP_ALIVE, "allow_partial_pit_creation": "false"},
        )
    snapshot = Snapshot(client, indices, str(reply["pit_id"]))
    try:
        yield snapshot
    finally:
        snapshot.close()


def _is_lost(error: OpenSearchException) -> bool:
    if not isinstance(error, NotFoundError):
        return False
    return error_of(error)[0] == "search_context_missing_exception" or (
        "search_context_missing_exception" in _causes(error)
    )


def _causes(error: TransportError) -> list[str]:
    body: Any = error.info
    found = body.get("error") if isinstance(body, dict) else None
    causes = found.get("root_cause") if isinstance(found, dict) else None
    return [str(cause.get("type")) for cause in causes or [] if isinstance(cause, dict)]


def _refuse_partial(shards: Shards, indices: str, *, timed_out: bool) -> None:
    if shards.failed:
        raise ClusterError(
            f"reading {indices}: {shards.failed} of {shards.total} shards failed: "
            f"{str(shards.failures[:1])[:300]}",
            hint="look at the cluster's health",
        )
    if timed_out:
        raise ClusterError(f"reading {indices}: the search timed out", hint="narrow the window")
