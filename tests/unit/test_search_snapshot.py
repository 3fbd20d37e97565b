"""Replies that are not a whole answer are refused."""

from typing import Any

import msgspec
import pytest
from opensearchpy import Connection, NotFoundError, OpenSearch, RequestError

from auditship_indexer.errors import AuditshipError, ClusterError
from auditship_indexer.search import Hit, Page, Snapshot

DECODER = msgspec.json.Decoder(Page[Hit[dict[str, Any]]])
WHOLE = {
    "pit_id": "p2",
    "timed_out": False,
    "_shards": {"total": 1, "failed": 0},
    "hits": {"hits": [{"_id": "a", "_index": "x", "_source": {"b": 1}, "sort": [1]}]},
}


class Scripted(Connection):
    """A connection that answers each request with the next of its replies."""

    def __init__(self, *, replies: list[Any], bodies: list[Any], **options: Any) -> None:
        super().__init__(**options)
        self.replies = replies
        self.bodies = bodies

    def perform_request(self, *_request: Any, **_options: Any) -> Any:
        self.bodies.append(msgspec.json.decode(_request[3]))
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return 200, {"content-type": "application/json"}, reply

    def close(self) -> None:
        pass


def snapshot(*replies: Any) -> tuple[Snapshot, list[Any]]:
    bodies: list[Any] = []
    client = OpenSearch(
        hosts=["http://127.0.0.1:9"],
        connection_class=Scripted,
        replies=list(replies),
        bodies=bodies,
    )
    return Snapshot(client, "audit-x", "p1"), bodies


def json(reply: Any) -> str:
    return msgspec.json.encode(reply).decode()


def test_a_page_renews_the_point_in_time() -> None:
    """The id may change with each reply; the next request carries the new one."""
    open_one, bodies = snapshot(json(WHOLE), json(WHOLE))
    assert open_one.page(DECODER, {"size": 1}).hits.hits[0].source == {"b": 1}
    open_one.page(DECODER, {"size": 1})
    assert [body["pit"]["id"] for body in bodies] == ["p1", "p2"]


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (json({**WHOLE, "timed_out": True}), "timed out"),
        (json({**WHOLE, "_shards": {"total": 3, "failed": 1}}), "1 of 3 shards failed"),
        (json({"timed_out": False}), "does not fit the contract"),
        (json(WHOLE)[:-5], "does not fit the contract"),
        ("<html>", "does not fit the contract"),
        (
            NotFoundError(404, "x", {"error": {"type": "search_context_missing_exception"}}),
            "dropped the point in time",
        ),
        (
            NotFoundError(
                404,
                "x",
                {
                    "error": {
                        "type": "search_phase_execution_exception",
                        "root_cause": [{"type": "search_context_missing_exception"}],
                    }
                },
            ),
            "dropped the point in time",
        ),
    ],
)
def test_half_an_answer_is_none(reply: Any, told: str) -> None:
    """Failed shards, timeouts, cut bodies, a lost point in time."""
    with pytest.raises(ClusterError, match=told):
        snapshot(reply)[0].page(DECODER, {"size": 1})


def test_other_refusals_are_translated() -> None:
    """With the server's own reason."""
    refusal = RequestError(400, "x", {"error": {"type": "some_exception", "reason": "because"}})
    with pytest.raises(AuditshipError, match=r"reading audit-x.*some_exception: because"):
        snapshot(refusal)[0].page(DECODER, {"size": 1})
