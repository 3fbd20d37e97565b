"""One host's `_bulk` as bytes: what is sent, and which replies are kept."""

from collections.abc import Iterator
from typing import Any

import pytest
from urllib3.exceptions import ReadTimeoutError

from auditship_indexer.opensearch import Connection
from auditship_indexer.opensearch.bulk import (
    BulkChannel,
    UnprotectedError,
    UnreachableError,
    _Pool,
)
from support.bulk import BulkServer
from support.bulk_script import pretty
from support.bulk_wire import Answer

INDEX = "audit-x-2026.04.14"
BODY = b'{"create":{"_id":"a"}}\n{"n":1}\n'


@pytest.fixture
def channel(bulk_server: BulkServer) -> Iterator[BulkChannel]:
    """A channel to a server with the index."""
    bulk_server.make_index(INDEX)
    connection = Connection(hosts=(bulk_server.address,))
    made = BulkChannel(connection, bulk_server.address, timeout_s=10, pool_size=1)
    yield made
    made.close()


def test_request(bulk_server: BulkServer, channel: BulkChannel) -> None:
    """Plain bodies say so; the reply is asked for with just what is judged."""
    reply = channel.post(INDEX, BODY, gzipped=False)
    (request,) = bulk_server.bulks
    assert (reply.status, request.raw) == (200, BODY)
    assert (request.method, request.path) == ("POST", f"/{INDEX}/_bulk")
    assert request.headers["content-type"] == "application/x-ndjson"
    assert "content-encoding" not in request.headers
    assert request.query["filter_path"] == (
        "errors,items.create._id,items.create.status,"
        "items.create.error.type,items.create.error.reason"
    )


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 404, 413, 429, 500, 503])
@pytest.mark.parametrize("body", [b"", b"[]", b'"x"', b"\xff", b"{", b"<html>"])
def test_reply_is_kept_whatever_it_is(
    bulk_server: BulkServer, channel: BulkChannel, status: int, body: bytes
) -> None:
    """The library neither parses nor judges it, follows nothing, and prints no warning."""
    headers = (
        ("content-type", "application/json"),
        ("location", "http://127.0.0.1:1/"),
        ("Warning", '299 OpenSearch-3.8.0 "deprecated"'),
    )
    body = b"" if status == 204 else body
    bulk_server.script(lambda _exchange: Answer(status, body, headers))
    reply = channel.post(INDEX, BODY, gzipped=False)
    assert (reply.status, reply.body) == (status, body)
    assert reply.headers["warning"] == headers[2][1]


def test_reply_belongs_to_its_request(bulk_server: BulkServer, channel: BulkChannel) -> None:
    """A request without a reply is never answered by the one before."""
    channel.post(INDEX, BODY, gzipped=False)
    bulk_server.pause()
    with pytest.raises(UnreachableError) as error:
        channel.post(INDEX, BODY, gzipped=False)
    assert error.value.kind in {"refused", "connection"}
    with pytest.raises(UnreachableError) as error:
        channel.post(INDEX, BODY, gzipped=False)
    assert error.value.kind == "refused"


def test_other_requests_are_the_librarys(bulk_server: BulkServer, channel: BulkChannel) -> None:
    """Beside `_bulk` the channel's client works as any."""
    bulk_server.script(pretty())
    channel.post(INDEX, BODY, gzipped=False)
    assert channel.client.info()["version"]["number"] == "3.8.0"


class Trickle:
    """A reply that comes byte by byte and never ends."""

    status = 200
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed

    def __init__(self) -> None:
        self.closed = 0

    def read1(self, _amount: int) -> bytes:
        return b"x"

    def close(self) -> None:
        self.closed += 1

    def urlopen(self, *_arguments: Any, **_options: Any) -> "Trickle":
        return self


def test_reply_that_never_ends() -> None:
    """However steadily it comes, a reply takes no longer than its time."""
    trickle = Trickle()
    ticks = iter(range(100))
    pool = _Pool(trickle, 60, lambda: float(next(ticks)))
    with pytest.raises(ReadTimeoutError):
        pool.urlopen("POST", "/x", b"")
    assert trickle.closed == 1


def test_no_index_comes_into_being_without_our_template(
    bulk_server: BulkServer, channel: BulkChannel
) -> None:
    """A cluster that makes indices by itself and never saw `auditship setup` gets no body."""
    bulk_server.cluster.templated = False
    for _ in range(2):
        with pytest.raises(UnprotectedError, match="run `auditship setup`"):
            channel.post("audit-x-2026.04.15", BODY, gzipped=False)
    assert bulk_server.bulks == []
    bulk_server.cluster.templated = True
    bulk_server.make_index("audit-x-2026.04.15")
    for _ in range(2):
        assert channel.post("audit-x-2026.04.15", BODY, gzipped=False).status == 200
    asked = [r for r in bulk_server.requests if "_simulate_index" in r.path]
    assert len(asked) == 3, "a good answer is remembered"


def test_every_index_of_a_body_is_asked_for(bulk_server: BulkServer, channel: BulkChannel) -> None:
    """A body may hold documents of other days; their indices are no less protected."""
    assert channel.post(INDEX, BODY, gzipped=False).status == 200
    bulk_server.cluster.templated = False
    with pytest.raises(UnprotectedError, match=r"audit-x-2026\.04\.20"):
        channel.post(INDEX, BODY, gzipped=False, others=[INDEX, "audit-x-2026.04.20"])
    assert len(bulk_server.bulks) == 1


@pytest.mark.parametrize("status", [403, 404, 405])
def test_who_may_not_ask_for_the_template_ships(
    bulk_server: BulkServer, channel: BulkChannel, status: int
) -> None:
    """Roles are given out with the templates, and a proxy may let nothing but `_bulk` through."""
    path = f"/_index_template/_simulate_index/{INDEX}"
    bulk_server.fixed["POST", path] = Answer(status, b"{}", ())
    assert channel.post(INDEX, BODY, gzipped=False).status == 200


def test_trouble_at_the_question_is_that_of_the_request(
    bulk_server: BulkServer, channel: BulkChannel
) -> None:
    """A busy cluster that cannot say is asked again later; nothing is sent meanwhile."""
    path = f"/_index_template/_simulate_index/{INDEX}"
    bulk_server.fixed["POST", path] = Answer(503, b"{}", ())
    assert channel.post(INDEX, BODY, gzipped=False).status == 503
    assert bulk_server.bulks == []
