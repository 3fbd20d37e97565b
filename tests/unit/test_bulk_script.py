"""Each fault that the scripted `_bulk` can play: what the client sees, and what is stored."""

import http.client
import json
import threading
from typing import Final

import pytest

from support import bulk_script as play
from support.bulk import BulkServer
from support.bulk_wire import Answer
from support.http_call import Reply, call

INDEX: Final = "audit-x-2026.04.14"
IDS: Final = ("1", "2", "3")


def send(server: BulkServer, *ids: str) -> Reply:
    body = "".join(f'{{"create":{{"_id":"{id_}"}}}}\n{{"n":{id_}}}\n' for id_ in ids).encode()
    path = f"/{INDEX}/_bulk"
    return call(server.address, "POST", path, body, content_type="application/x-ndjson")


def told(reply: Reply) -> list[tuple[str, int]]:
    return [(one["create"]["_id"], one["create"]["status"]) for one in reply.json()["items"]]


@pytest.fixture
def server(bulk_server: BulkServer) -> BulkServer:
    bulk_server.make_index(INDEX)
    return bulk_server


@pytest.mark.parametrize(
    ("behavior", "status", "body"),
    [
        (play.too_many_requests(7), 429, b'"rejected_execution_exception"'),
        (play.breaker(), 429, b'"circuit_breaking_exception"'),
        (play.unavailable(), 503, b"SERVICE_UNAVAILABLE/1"),
        (play.read_only(), 403, b"FORBIDDEN/13"),
        (play.forbidden(), 403, b'"security_exception"'),
        (play.unauthorized(), 401, b"Unauthorized"),
        (play.parse_refused(), 400, b'"parse_exception"'),
        (play.too_large(), 413, b""),
        (play.bad_gateway(), 502, b"<html>"),
        (play.html_ok(), 200, b"<html>"),
        (play.redirect("http://127.0.0.1:1/"), 302, b""),
    ],
)
def test_refused_requests_store_nothing(
    server: BulkServer, behavior: play.Behavior, status: int, body: bytes
) -> None:
    """A request that is refused as a whole leaves the index as it was."""
    server.script(behavior)
    reply = send(server, *IDS)

    assert reply.status == status
    assert body in reply.body
    assert not server.documents.get(INDEX)


def test_headers_of_refusals(server: BulkServer) -> None:
    """`Retry-After` and `Location` are sent where a behavior names them."""
    server.script(play.too_many_requests(7), play.redirect("http://127.0.0.1:1/"))

    assert send(server, "1").headers["retry-after"] == "7"
    assert send(server, "1").headers["location"] == "http://127.0.0.1:1/"


@pytest.mark.parametrize(
    ("behavior", "statuses"),
    [
        (play.refuse_items(play.QUEUE_FULL, {1}), [201, 429, 201]),
        (play.refuse_items(play.FLOOD_STAGE), [429, 429, 429]),
        (play.refuse_items(play.FORBIDDEN, {0, 2}), [403, 201, 403]),
        (play.refuse_items(play.MAPPING, {2}), [201, 201, 400]),
        (play.slow(1), [201, 429, 429]),
    ],
)
def test_refused_items_are_not_stored(
    server: BulkServer, behavior: play.Behavior, statuses: list[int]
) -> None:
    """Items are refused by position; the others are stored, and stored only."""
    server.script(behavior)
    reply = send(server, *IDS)

    assert told(reply) == list(zip(IDS, statuses, strict=True))
    stored = [id_ for id_, status in zip(IDS, statuses, strict=True) if status == 201]
    assert list(server.documents.get(INDEX, {})) == stored


def test_lost_reply(server: BulkServer) -> None:
    """Everything is stored and nobody is told; sent again, it is a conflict."""
    server.script(play.lost_reply())
    with pytest.raises(http.client.RemoteDisconnected):
        send(server, *IDS)

    assert server.documents[INDEX] == {"1": b'{"n":1}', "2": b'{"n":2}', "3": b'{"n":3}'}
    assert told(send(server, *IDS)) == [("1", 409), ("2", 409), ("3", 409)]


def test_reset(server: BulkServer) -> None:
    """The connection is reset and nothing is stored."""
    server.script(play.reset())
    with pytest.raises(ConnectionResetError):
        send(server, *IDS)

    assert not server.documents.get(INDEX)


@pytest.mark.parametrize("chunked", [False, True])
def test_cut_reply(server: BulkServer, chunked: bool) -> None:  # noqa: FBT001 - a parameter
    """The reply ends early, by length or by a missing last chunk; everything is stored."""
    server.script(play.cut_reply(20, chunked=chunked))
    with pytest.raises(http.client.IncompleteRead) as cut:
        send(server, *IDS)

    assert cut.value.partial == b'{"took":1,"errors":f'
    assert len(server.documents[INDEX]) == 3


@pytest.mark.parametrize(
    ("behavior", "ids"),
    [
        (play.serve(), ["1", "2", "3"]),
        (play.pretty(), ["1", "2", "3"]),
        (play.huge(1_000_000), ["1", "2", "3"]),
        (play.short(), ["1", "2"]),
        (play.reordered(), ["3", "2", "1"]),
        (play.doubled(), ["1", "1", "2", "3"]),
        (play.wrong_ids(), ["not-1", "not-2", "not-3"]),
    ],
)
def test_changed_replies(server: BulkServer, behavior: play.Behavior, ids: list[str]) -> None:
    """The items of a reply are changed; what is stored is not."""
    server.script(behavior)

    assert [id_ for id_, _ in told(send(server, *IDS))] == ids
    assert list(server.documents[INDEX]) == list(IDS)


def test_huge_and_broken_replies(server: BulkServer) -> None:
    """A reply can be of any size, and no JSON."""
    server.script(play.huge(1_000_000), play.not_json())

    assert len(send(server, "1").body) == 1_000_000
    with pytest.raises(json.JSONDecodeError):
        json.loads(send(server, "2").body)


@pytest.mark.parametrize(("hold", "stored"), [(play.hold_reply, 1), (play.hold_request, 0)])
def test_held_replies(server: BulkServer, hold: object, stored: int) -> None:
    """A reply waits for its gate, with the documents stored or not yet; others pass by."""
    gate = server.gate()
    assert callable(hold)
    server.script(hold(gate))
    replies: list[Reply] = []
    waiting = threading.Thread(target=lambda: replies.append(send(server, "1")))
    waiting.start()
    gate.wait_for_arrivals(1)

    assert len(server.documents.get(INDEX, {})) == stored
    assert told(send(server, "2")) == [("2", 201)]
    gate.open()
    waiting.join()
    assert told(replies[0]) == [("1", 201)]


def test_script_then_otherwise(server: BulkServer) -> None:
    """Behaviors are used up in the order of arrival; then `otherwise` holds."""
    server.script(play.too_many_requests(), play.serve())
    server.otherwise = play.unavailable()

    assert [send(server, "1").status for _ in range(4)] == [429, 200, 503, 503]


def test_any_of_is_repeatable(server: BulkServer) -> None:
    """A random choice is the same for the same seed."""
    runs = []
    for _ in range(2):
        server.otherwise = play.any_of(play.serve(), play.unavailable(), seed=7)
        runs.append([send(server, "1").status for _ in range(12)])

    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 503}


def test_limit(server: BulkServer) -> None:
    """A body over `max_content_length` is a 413; one at the limit is taken."""
    server.max_content_length = len('{"create":{"_id":"1"}}\n{"n":1}\n')

    assert send(server, "1").status == 200
    assert send(server, "1", "2").status == 413


def test_credentials_and_date(server: BulkServer) -> None:
    """With credentials set, others get 401; a `Date` is sent when a test gives one."""
    server.credentials = ("agent", "secret")
    server.date = "Tue, 14 Apr 2026 10:50:18 GMT"
    known = "Basic YWdlbnQ6c2VjcmV0"

    assert call(server.address, "GET", "/").status == 401
    reply = call(server.address, "GET", "/", authorization=known)
    assert (reply.status, reply.headers["date"]) == (200, server.date)


def test_fixed_answers(server: BulkServer) -> None:
    """Any call can be given an answer of its own, as 403 for making an index."""
    server.fixed["PUT", "/audit-y-2026.04.14"] = Answer(403)

    assert call(server.address, "PUT", "/audit-y-2026.04.14").status == 403
    assert call(server.address, "PUT", "/audit-z-2026.04.14").status == 200


def test_records(server: BulkServer) -> None:
    """Every request is kept with its headers, raw body and actions, in order."""
    send(server, "1", "2")
    call(server.address, "GET", "/")

    assert [(r.method, r.path) for r in server.requests] == [
        ("POST", f"/{INDEX}/_bulk"),
        ("GET", "/"),
    ]
    (bulk,) = server.bulks
    assert bulk.headers["content-type"] == "application/x-ndjson"
    assert [(a.verb, a.index, a.id, a.document) for a in server.actions(bulk)] == [
        ("create", INDEX, "1", b'{"n":1}'),
        ("create", INDEX, "2", b'{"n":2}'),
    ]


def test_wait_for(server: BulkServer) -> None:
    """A test waits for what it wants to see, and is told when it does not come."""
    sender = threading.Thread(target=send, args=(server, "1"))
    sender.start()
    server.wait_for(lambda: len(server.documents.get(INDEX, {})) == 1)
    sender.join()

    with pytest.raises(TimeoutError, match="after 1 requests"):
        server.wait_for(lambda: len(server.bulks) == 2, timeout_s=0.0)


def test_pause_and_resume(server: BulkServer) -> None:
    """A paused server refuses connections; resumed, it answers on the same port."""
    address = server.address
    server.pause()
    with pytest.raises(ConnectionRefusedError):
        send(server, "1")
    server.resume()

    assert server.address == address
    assert told(send(server, "1")) == [("1", 201)]


def test_lasting_faults_of_an_index(server: BulkServer) -> None:
    """A fault of an index is told to each write until it is taken away."""
    server.cluster.faults[INDEX] = play.SHARD_LIMIT
    refused = told(send(server, "1"))
    del server.cluster.faults[INDEX]

    assert refused == [("1", 400)]
    assert told(send(server, "1")) == [("1", 201)]


def test_closing_opens_gates_and_forgets_bodies_on_request() -> None:
    """Closing never waits for a gate; without `keep` only ids are remembered."""
    with BulkServer(keep=False) as server:
        server.make_index(INDEX)
        send(server, "1")
        assert (server.documents[INDEX], server.requests[0].raw) == ({"1": b""}, b"")
        gate = server.gate()
        server.script(play.hold_reply(gate))
        held = threading.Thread(target=_swallow, args=(server,))
        held.start()
        gate.wait_for_arrivals(1)
    held.join()


def _swallow(server: BulkServer) -> None:
    """Send; whether the reply still leaves before the connection ends is open."""
    try:
        send(server, "2")
    except (OSError, http.client.HTTPException):
        return
