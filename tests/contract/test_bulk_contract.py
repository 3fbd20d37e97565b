"""One contract for `_bulk`: the scripted server of the tests answers as OpenSearch 3.8.0 does.

Each test runs against both. Where they differ, the node is right and support.bulk is mended.
"""

import gzip
import http.client
import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from support.bulk import BulkServer
from support.http_call import Reply, call

SHAPE: Final = (
    "filter_path=errors,items.create._id,items.create.status,"
    "items.create.error.type,items.create.error.reason"
)
JSON: Final = "application/json; charset=UTF-8"
OVER_THE_LIMIT: Final = 101 * 2**20  # bytes; just over the default `http.max_content_length`


@pytest.fixture(params=["fake", pytest.param("node", marks=pytest.mark.node)])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of the server under contract."""
    if request.param == "node":
        yield request.getfixturevalue("node_address")
    else:
        with BulkServer() as server:
            yield server.address


class Index:
    """One append-only index with an `ip` and a `date` field, as a client sees it."""

    def __init__(self, address: str, name: str, **settings: object) -> None:
        self.address = address
        self.name = name
        self.made = self.make(**settings)

    def make(self, **settings: object) -> Reply:
        fields = {
            "@timestamp": {"type": "date"},
            "client": {"properties": {"ip": {"type": "ip"}}},
        }
        body = {
            "settings": {
                "index": {"append_only.enabled": True, "final_pipeline": "_none", **settings}
            },
            "mappings": {"dynamic": False, "properties": fields},
        }
        raw = json.dumps(body).encode()
        return call(self.address, "PUT", f"/{self.name}", raw, content_type="application/json")

    def bulk(self, body: bytes, query: str = SHAPE, **headers: str) -> Reply:
        headers = {"content_type": "application/x-ndjson"} | headers
        return call(self.address, "POST", f"/{self.name}/_bulk?{query}", body, **headers)


@pytest.fixture
def index(address: str, region: str) -> Index:
    """An empty index of this test alone."""
    made = Index(address, f"audit-{region}-2026.04.14")
    assert made.made.status == 200
    return made


def lines(*parts: object) -> bytes:
    """Join action lines and documents; a string stands for itself."""
    texts = (part if isinstance(part, str) else json.dumps(part) for part in parts)
    return "".join(f"{text}\n" for text in texts).encode()


def creates(*ids: str) -> bytes:
    """Return a body that creates a small document for each id."""
    return b"".join(lines({"create": {"_id": id_}}, {"a": 1}) for id_ in ids)


def error_type(reply: Reply) -> str:
    """Return the error type of a refused request, after a look at the form of the refusal."""
    told = reply.json()
    assert list(told) == ["error", "status"]
    assert told["status"] == reply.status
    assert list(told["error"])[:3] == ["root_cause", "type", "reason"]
    assert told["error"]["root_cause"][0]["type"] == told["error"]["type"]
    assert reply.headers["content-type"] == JSON
    return str(told["error"]["type"])


def outcomes(reply: Reply) -> list[tuple[str, int, str | None]]:
    """Return (id, status, error type) of each item."""
    assert (reply.status, reply.headers["content-type"]) == (200, JSON)
    items = [one["create"] for one in reply.json()["items"]]
    return [(i["_id"], i["status"], i.get("error", {}).get("type")) for i in items]


def test_create_is_stored_once(index: Index) -> None:
    """A new id is stored with 201; the same id again is a conflict, 409, byte for byte."""
    first, again = index.bulk(creates("1")), index.bulk(creates("1"))

    assert first.body == b'{"errors":false,"items":[{"create":{"_id":"1","status":201}}]}'
    assert again.body == (
        b'{"errors":true,"items":[{"create":{"_id":"1","status":409,"error":{'
        b'"type":"version_conflict_engine_exception",'
        b'"reason":"[1]: version conflict, document already exists (current version [1])"}}}]}'
    )


def test_one_request_may_hold_an_id_twice(index: Index) -> None:
    """Of two creates of one id in a request, the first is stored and the second refused."""
    reply = index.bulk(creates("1", "1"))

    assert outcomes(reply) == [("1", 201, None), ("1", 409, "version_conflict_engine_exception")]


def test_keys_of_a_whole_reply(index: Index) -> None:
    """Without `filter_path` an item has the node's keys in the node's order."""
    reply = index.bulk(creates("1"), query="").json()
    again = index.bulk(creates("1"), query="").json()

    assert list(reply) == ["took", "errors", "items"]
    assert list(reply["items"][0]["create"]) == [
        "_index", "_id", "_version", "result", "_shards", "_seq_no", "_primary_term", "status",
    ]  # fmt: skip
    assert list(again["items"][0]["create"]) == ["_index", "_id", "status", "error"]
    assert list(again["items"][0]["create"]["error"]) == [
        "type", "reason", "index", "shard", "index_uuid",
    ]  # fmt: skip


def test_headers_of_a_reply(index: Index) -> None:
    """A reply names its version and length; there is no `Date` and no `Retry-After`."""
    reply = index.bulk(creates("1"))

    assert reply.headers == {
        "x-opensearch-version": "OpenSearch/3.8.0 (opensearch)",
        "content-type": JSON,
        "content-length": str(len(reply.body)),
    }


@pytest.mark.parametrize("verb", ["index", "update", "delete"])
def test_append_only(index: Index, verb: str) -> None:
    """Index over an id, update and delete are refused by an append-only index, item by item."""
    index.bulk(creates("1"))
    documents: dict[str, list[object]] = {
        "index": [{"a": 2}],
        "update": [{"doc": {"a": 2}}],
        "delete": [],
    }
    custom = " with a custom document id 1" if verb == "index" else ""

    whole = index.bulk(lines({verb: {"_id": "1"}}, *documents[verb]), query="").json()
    filtered = index.bulk(lines({verb: {"_id": "1"}}, *documents[verb]))

    assert whole["items"][0][verb]["status"] == 400
    assert whole["items"][0][verb]["error"] == {
        "type": "validation_exception",
        "reason": f"Validation Failed: 1: Operation [{verb.upper()}] is not allowed{custom} as "
        f"setting `index.append_only.enabled` is enabled for this index: {index.name};",
    }
    assert filtered.body == b'{"errors":true}'  # the filter names only `create`


def test_missing_index(address: str, region: str) -> None:
    """Where indices are not made by themselves, a missing one is a 404 of each item."""
    name = f"audit-{region}-2026.04.15"
    path = f"/{name}/_bulk?{SHAPE}"
    reply = call(address, "POST", path, creates("1"), content_type="application/x-ndjson")

    assert outcomes(reply) == [("1", 404, "index_not_found_exception")]
    assert reply.json()["items"][0]["create"]["error"]["reason"] == (
        f"no such index [{name}] and [action.auto_create_index] contains [-audit-*] "
        "which forbids automatic creation of the index"
    )


def test_bad_index_name(index: Index) -> None:
    """A name with capitals is a 400 of its item, the others are stored."""
    body = lines({"create": {"_index": "Audit-X", "_id": "1"}}, {"a": 1}) + creates("2")

    assert outcomes(index.bulk(body)) == [
        ("1", 400, "invalid_index_name_exception"),
        ("2", 201, None),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        {"@timestamp": "never"},
        {"@timestamp": ""},
        {"@timestamp": "2026-02-30T10:00:00Z"},
        {"client": {"ip": "zebra"}},
        {"client.ip": "zebra"},
        {"client": {"ip": ["192.0.2.1", "zebra"]}},
        '{"broken',
        "[1]",
        "",
    ],
)
def test_mapping_error(index: Index, bad: object) -> None:
    """A value that its field cannot hold, or no object at all: a 400 of that item alone."""
    body = creates("1") + lines({"create": {"_id": "bad"}}, bad) + creates("3")

    assert outcomes(index.bulk(body)) == [
        ("1", 201, None),
        ("bad", 400, "mapper_parsing_exception"),
        ("3", 201, None),
    ]


@pytest.mark.parametrize(
    "good",
    [
        {"@timestamp": "2026-04-14T10:50:17.000Z", "client": {"ip": "192.0.2.44"}},
        {"@timestamp": 1776163817000, "client.ip": "2001:db8::1"},
        {"@timestamp": "2026-04-14", "client": {"ip": None}},
        {"@timestamp": "2026", "client": {"ip": []}},
        {},
    ],
)
def test_values_that_fit(index: Index, good: object) -> None:
    """Dates as text or milliseconds, addresses of both families, nulls and empty lists fit."""
    assert outcomes(index.bulk(lines({"create": {"_id": "1"}}, good))) == [("1", 201, None)]


def test_mapping_error_tells_field_and_value(index: Index) -> None:
    """The reason quotes the value (so it is never logged raw), and the cause says why."""
    body = lines({"create": {"_id": "1"}}, {"client": {"ip": "zebra"}})

    assert index.bulk(body, query="").json()["items"][0]["create"]["error"] == {
        "type": "mapper_parsing_exception",
        "reason": "failed to parse field [client.ip] of type [ip] in document with id '1'. "
        "Preview of field's value: 'zebra'",
        "caused_by": {
            "type": "illegal_argument_exception",
            "reason": "'zebra' is not an IP string literal.",
        },
    }


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"nonsense\n{}\n", "json_parse_exception"),
        (creates("1")[:-1], "illegal_argument_exception"),
        (b"", "parse_exception"),
        (b"\n", "action_request_validation_exception"),
        (b'{"create":{"_id":"1"}}\n', "action_request_validation_exception"),
        (b'{"creat":{"_id":"1"}}\n{}\n', "illegal_argument_exception"),
        (b'{"create":{"_id":"1","x":1}}\n{}\n', "illegal_argument_exception"),
        (b"[]\n{}\n", "illegal_argument_exception"),
        (creates("x" * 513), "action_request_validation_exception"),
    ],
)
def test_refused_request(index: Index, body: bytes, kind: str) -> None:
    """A body that cannot be taken apart is a 400 of the request, never filtered."""
    reply = index.bulk(body)

    assert (reply.status, error_type(reply)) == (400, kind)


def test_refused_request_stores_nothing(index: Index) -> None:
    """Documents before the broken place are not stored either."""
    index.bulk(creates("1") + b"nonsense\n{}\n")

    assert outcomes(index.bulk(creates("1"))) == [("1", 201, None)]


def test_index_missing_in_the_request(index: Index) -> None:
    """Without an index in path and action the whole request is refused, each item counted."""
    reply = call(
        index.address, "POST", "/_bulk", creates("1", "2"), content_type="application/x-ndjson"
    )

    assert (reply.status, error_type(reply)) == (400, "action_request_validation_exception")
    assert reply.json()["error"]["reason"] == (
        "Validation Failed: 1: index is missing;2: index is missing;"
    )


def test_two_indices_in_one_request(index: Index, region: str) -> None:
    """`_index` of an action line decides; one missing index leaves the others alone."""
    other = Index(index.address, f"audit-{region}-2026.04.16")
    names = (index.name, other.name, f"audit-{region}-2026.04.17", index.name)
    body = b"".join(
        lines({"create": {"_index": name, "_id": str(n)}}, {"a": 1}) for n, name in enumerate(names)
    )
    reply = call(
        index.address, "POST", f"/_bulk?{SHAPE}", body, content_type="application/x-ndjson"
    )

    assert outcomes(reply) == [
        ("0", 201, None),
        ("1", 201, None),
        ("2", 404, "index_not_found_exception"),
        ("3", 201, None),
    ]


def test_gzip(index: Index) -> None:
    """A gzip body is taken, also one of several members."""
    body = gzip.compress(creates("1")) + gzip.compress(creates("2"))

    assert outcomes(index.bulk(body, content_encoding="gzip")) == [
        ("1", 201, None),
        ("2", 201, None),
    ]


def test_gzip_cut_short(index: Index) -> None:
    """A gzip body that ends early is read as far as it goes: here up to half a line."""
    reply = index.bulk(gzip.compress(creates("1"))[:-12], content_encoding="gzip")

    assert (reply.status, error_type(reply)) == (400, "illegal_argument_exception")


def test_gzip_cut_at_the_end_of_a_line(index: Index) -> None:
    """A gzip body that ends early behind a line is short: fewer items come back than were sent."""
    body = gzip.compress(creates("1"))
    trailer = 8  # CRC and length: their loss goes unseen

    assert outcomes(index.bulk(body[:-trailer], content_encoding="gzip")) == [("1", 201, None)]


def _wrong_sum(body: bytes) -> bytes:
    return body[:-8] + bytes([body[-8] ^ 1]) + body[-7:]


@pytest.mark.parametrize(
    "body",
    [b"this is not gzip\n", _wrong_sum(gzip.compress(creates("1"), mtime=0))],
    ids=["no gzip", "wrong sum"],
)
def test_gzip_that_is_none(index: Index, body: bytes) -> None:
    """A body that only claims to be gzip, or fails its checksum, ends the connection unanswered."""
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        index.bulk(body, content_encoding="gzip")

    assert outcomes(index.bulk(creates("1"))) == [("1", 201, None)]


def test_body_over_the_limit(index: Index) -> None:
    """The limit counts after decompression; the answer is 413 without a body."""
    body = gzip.compress(creates("1") + b"\n" * OVER_THE_LIMIT, 1)
    reply = index.bulk(body, content_encoding="gzip")

    assert (reply.status, reply.body) == (413, b"")
    assert reply.headers == {"content-length": "0", "connection": "close"}


def test_chunked_request(index: Index) -> None:
    """A body may come in chunks of unknown number."""
    body = creates("1")
    reply = call(
        index.address,
        "POST",
        f"/{index.name}/_bulk?{SHAPE}",
        iter([body[:7], body[7:]]),
        content_type="application/x-ndjson",
    )

    assert outcomes(reply) == [("1", 201, None)]


def test_content_type(index: Index) -> None:
    """Plain text is a 406 whose `error` is a text; JSON passes as NDJSON does."""
    refused = index.bulk(creates("1"), content_type="text/plain")
    taken = index.bulk(creates("1"), content_type="application/json")

    assert (refused.status, refused.json()) == (
        406,
        {"error": "Content-Type header [text/plain] is not supported", "status": 406},
    )
    assert taken.status == 200


def test_pretty_reply(index: Index) -> None:
    """`pretty` spreads the reply over lines; it says the same."""
    reply = index.bulk(creates("1"), query=f"pretty&{SHAPE}")

    assert reply.body.startswith(b'{\n  "errors" : false,\n  "items" : [\n    {\n      "create"')
    assert outcomes(reply) == [("1", 201, None)]


def test_reply_in_gzip(index: Index) -> None:
    """A client that accepts gzip gets it."""
    reply = index.bulk(creates("1"), accept_encoding="gzip")

    assert reply.headers["content-encoding"] == "gzip"
    assert gzip.decompress(reply.body).startswith(b'{"errors":false')


@pytest.mark.parametrize(
    ("expression", "kept"),
    [("items.*.status", {"items": [{"create": {"status": 201}}]}), ("nothing", {})],
)
def test_filter_path(index: Index, expression: str, kept: Any) -> None:
    """What `filter_path` does not name is left out, and what is empty then as well."""
    assert index.bulk(creates("1"), query=f"filter_path={expression}").json() == kept


def test_index_made_twice(index: Index) -> None:
    """Making an index answers with its name; a second time it is a 400 that says so."""
    again = index.make()

    assert index.made.json() == {
        "acknowledged": True,
        "shards_acknowledged": True,
        "index": index.name,
    }
    assert (again.status, error_type(again)) == (400, "resource_already_exists_exception")
    assert list(again.json()["error"]) == ["root_cause", "type", "reason", "index", "index_uuid"]


def test_looking_for_an_index(index: Index, region: str) -> None:
    """GET tells settings and mapping of an index, HEAD only whether there is one."""
    there = call(index.address, "GET", f"/{index.name}")
    head = call(index.address, "HEAD", f"/{index.name}")
    missing = call(index.address, "GET", f"/audit-{region}-2026.04.18")

    assert there.json()[index.name]["settings"]["index"]["append_only"] == {"enabled": "true"}
    assert (head.status, head.body) == (200, b"")
    assert (missing.status, error_type(missing)) == (404, "index_not_found_exception")
    assert call(index.address, "HEAD", f"/audit-{region}-2026.04.18").status == 404


@pytest.mark.parametrize(
    ("block", "status"), [("blocks.write", 403), ("blocks.read_only_allow_delete", 429)]
)
def test_blocked_index(index: Index, block: str, status: int) -> None:
    """A block, by an operator or by a full disk, is told on each item until it is lifted."""
    path = f"/{index.name}/_settings"
    on, off = (json.dumps({f"index.{block}": value}).encode() for value in (True, None))
    call(index.address, "PUT", path, on, content_type="application/json")
    blocked = index.bulk(creates("1"))
    call(index.address, "PUT", path, off, content_type="application/json")

    assert outcomes(blocked) == [("1", status, "cluster_block_exception")]
    assert outcomes(index.bulk(creates("1"))) == [("1", 201, None)]


def test_closed_index(index: Index) -> None:
    """A closed index refuses each item with a 400 that is not the document's fault."""
    call(index.address, "POST", f"/{index.name}/_close")

    assert outcomes(index.bulk(creates("1"))) == [("1", 400, "index_closed_exception")]


def test_final_pipeline(address: str, region: str) -> None:
    """One malformed document refuses a whole lot when its index has a final pipeline."""
    pipeline = f"stamp-{region}"
    piped = Index(address, f"audit-{region}-2026.04.19", final_pipeline=pipeline)
    without = piped.bulk(creates("1"))
    processors = b'{"processors":[{"set":{"field":"seen","value":"yes"}}]}'
    call(
        address, "PUT", f"/_ingest/pipeline/{pipeline}", processors, content_type="application/json"
    )
    spoiled = piped.bulk(creates("1") + lines({"create": {"_id": "bad"}}, '{"broken'))

    assert outcomes(without) == [("1", 400, "illegal_argument_exception")]
    assert outcomes(spoiled) == [
        ("1", 400, "parse_exception"),
        ("bad", 400, "parse_exception"),
    ]
    assert outcomes(piped.bulk(creates("1"))) == [("1", 201, None)]


def test_one_document_alone(index: Index) -> None:
    """`_create` answers 201, then 409; a document that the mapping refuses is a 400."""
    path = f"/{index.name}/_create/"
    first, again = (
        call(index.address, "PUT", path + "1", b'{"a":1}', content_type="application/json")
        for _ in range(2)
    )
    refused = call(
        index.address, "PUT", path + "2", b'{"@timestamp":"x"}', content_type="application/json"
    )

    assert (first.status, first.headers["location"]) == (201, f"/{index.name}/_doc/1")
    assert (again.status, error_type(again)) == (409, "version_conflict_engine_exception")
    assert (refused.status, error_type(refused)) == (400, "mapper_parsing_exception")
    assert call(index.address, "GET", f"/{index.name}/_doc/1").json()["_source"] == {"a": 1}


def test_banner(address: str) -> None:
    """GET / names product and version."""
    told = call(address, "GET", "/").json()

    assert told["version"]["distribution"] == "opensearch"
    assert told["version"]["number"] == "3.8.0"
