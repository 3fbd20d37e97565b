"""Preset `caddy`: whole events of real lines, ignored lines, traps and secrets."""

import json
from typing import Any

import pytest

from auditship_agent.config import SourceConfig
from auditship_agent.line import Dead, Ignored
from auditship_agent.parsing import preset_of
from support.transforming import EXAMPLES, as_line, caddy, event, stream


def _parse(raw: bytes) -> Any:
    return preset_of(SourceConfig(name="it", preset="caddy", files=("/x",))).parse(raw)


def _event(raw: bytes, **settings: Any) -> dict[str, Any]:
    return event(stream("caddy", **settings).produce(as_line(raw)))


def test_a_download_is_told_whole() -> None:
    """Every field of a plain download, and no other."""
    found = _event(
        caddy(
            user_id="john@dosya.dev",
            headers={"Authorization": ["REDACTED"]},
            resp_headers={"X-Request-Id": ["req-7"], "Content-Length": ["11"]},
        )
    )
    found.pop("agent")
    found.pop("log")
    found["event"].pop("id")

    assert found == {
        "@timestamp": "2026-04-14T10:32:15.123Z",
        "audit": {
            "actor": "john@dosya.dev",
            "actor_type": "user",
            "device": "cli",
            "result": "success",
            "schema": 1,
            "verb": "DOWNLOAD",
        },
        "client": {"ip": "203.0.113.10", "port": 51234},
        "cloud": {"region": "us-west-1"},
        "ecs": {"version": "9.4.0"},
        "event": {
            "action": "file.download",
            "category": ["file"],
            "dataset": "caddy",
            "duration": 250_000_000,
            "kind": "event",
            "outcome": "success",
            "start": "2026-04-14T10:32:14.873Z",
            "type": ["access"],
        },
        "file": {
            "directory": "/docs",
            "extension": "txt",
            "name": "a.txt",
            "path": "/docs/a.txt",
            "size": 11,
        },
        "host": {"id": "fs-usw-1"},
        "http": {
            "request": {"body": {"bytes": 0}, "id": "req-7", "method": "GET"},
            "response": {"body": {"bytes": 11}, "status_code": 200},
        },
        "network": {"protocol": "http"},
        "user": {"email": "john@dosya.dev"},
        "user_agent": {"name": "curl", "original": "curl/8.5.0", "version": "8.5.0"},
    }


def test_real_lines_become_what_they_were() -> None:
    """The recorded lines of Caddy 2.11 give these outcomes, in order."""
    told = []
    made = stream("caddy")
    for raw in (EXAMPLES / "caddy.jsonl").read_bytes().splitlines():
        produced = made.produce(as_line(raw))
        found = json.loads(produced.documents[0].body) if produced.documents else {}
        act = found.get("event", {}).get("action")
        told.append(f"{act} {found['file'].get('path')}" if act else produced.reason)

    assert told == [
        "file.download /a.txt",
        "file.download /a.txt",
        "not_an_act",
        "file.access /a.txt",
        "file.download /a.txt",
        "not_found",
        "file.list /",
        "file.download /docs/b c.txt",
        "file.download /docs/ü.txt",
        "file.download /a.txt",
        "file.download /a.txt",
        "file.download /docs/b c.txt",
        "file.download /docs/b c.txt",
        "file.download /gone/x",
        "auth_challenge",
        "file.download /secret/x",
        "not_found",
        "file.upload /up/a.txt",
        "file.delete /up/a.txt",
        "file.rename /up/n ew.txt",
        "folder.create /newdir",
        "file.download /zip/q",
        "not_an_act",
        "file.download /a.txt",
        "not_found",
        "not_an_act",
        "bad_request",
        "file.delete /up/dir",
        "file.download /a.txt",
        "not_found",
    ]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (caddy(logger="http.log.error"), "failed_twin"),
        (caddy(logger="http.log.error.log0"), "failed_twin"),
        (caddy(logger="tls.obtain"), "other_logger"),
        (b'{"level":"info","ts":1.5,"msg":"serving initial configuration"}', "other_logger"),
        (b'{"level":"info","ts":"x","logger":"admin","status":"odd"}', "other_logger"),
        (b"", "empty_line"),
    ],
)
def test_lines_of_other_loggers_are_ignored(raw: bytes, reason: str) -> None:
    """The error log repeats requests; the rest of Caddy's log tells no acts."""
    assert _parse(raw) == Ignored(reason)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (caddy(ts=None), "missing_field"),
        (caddy(status=None), "missing_field"),
        (caddy(method=None), "missing_field"),
        (caddy(uri=None), "missing_field"),
        (b'{"logger":"http.log.access","ts":1776162735.1,"status":200,"request":null}',
         "missing_field"),
        (caddy(ts="yesterday"), "bad_time"),
        (caddy(ts=True), "bad_time"),
        (caddy(ts="2026/04/14 10:32:15"), "bad_time"),
        (caddy(status="ok"), "bad_field"),
        (caddy(status=True), "bad_field"),
        (caddy(status=10**30), "bad_field"),
        (caddy(method=7), "bad_field"),
        (caddy(uri=["/a"]), "bad_field"),
        (caddy().replace(b'"status": 200', b'"status": 200, "status": 403'), "duplicate_key"),
        (caddy().replace(b'"method"', b'"uri": "/b", "method"'), "duplicate_key"),
        (caddy().replace(b'"ts"', b'"t\\u0073": 5.5, "ts"'), "duplicate_key"),
        (caddy()[:-5], "bad_json"),
        (caddy() + caddy(), "trailing_data"),
    ],
)  # fmt: skip
def test_deciding_fields_decide(raw: bytes, reason: str) -> None:
    """Without time, method, path or status there is no event; twice is not once."""
    verdict = _parse(raw)

    assert isinstance(verdict, Dead)
    assert verdict.reason == reason


@pytest.mark.parametrize(
    ("ts", "time", "original"),
    [
        ("1776162735.123456", "2026-04-14T10:32:15.123Z", "1776162735.123456"),
        ("1776162735.9999999", "2026-04-14T10:32:15.999Z", "1776162735.9999999"),
        ("1776162735.123", "2026-04-14T10:32:15.123Z", None),
        ("1776162735123.4567", "2026-04-14T10:32:15.123Z", "1776162735123.4567"),
        ("1776162735123456789", "2026-04-14T10:32:15.123Z", "1776162735123456789"),
        ('"2026-04-14T12:32:15.123+0200"', "2026-04-14T10:32:15.123Z", None),
        ('"2026-04-14T10:32:15.123456Z"', "2026-04-14T10:32:15.123Z",
         "2026-04-14T10:32:15.123456Z"),
    ],
)  # fmt: skip
def test_times_of_every_encoder(ts: str, time: str, original: str | None) -> None:
    """Seconds, ms, ns or text; what was cut stays as text."""
    found = _event(caddy().replace(b"1776162735.123", ts.encode()))

    assert found["@timestamp"] == time
    assert found["audit"].get("original_time") == original


@pytest.mark.parametrize(
    ("fields", "flag", "dropped"),
    [
        ({"bytes_read": -5}, ["bad_field"], ["http.request.body.bytes"]),
        ({"size": "many"}, ["bad_field"], ["http.response.body.bytes"]),
        ({"user_id": 7}, ["bad_field"], ["audit.actor"]),
        ({"duration": "long"}, ["bad_field"], ["event.duration"]),
        ({"resp_headers": []}, ["bad_field"], ["http.request.id"]),
        ({"headers": {"User-Agent": "curl"}}, ["bad_field"], ["user_agent.original"]),
    ],
)
def test_a_bad_value_costs_its_field_only(
    fields: dict[str, Any], flag: list[str], dropped: list[str]
) -> None:
    """The event is stored without the value."""
    audit = _event(caddy(**fields))["audit"]

    assert (audit["flags"], audit["dropped_fields"]) == (flag, dropped)


def test_numbers_may_be_texts() -> None:
    """`"201"` is read where a number is wanted; status 0 counts as 200."""
    assert _event(caddy(status="206"))["http"]["response"]["status_code"] == 206
    assert _event(caddy(status=0))["http"]["response"]["status_code"] == 200


def test_the_peer_is_told_where_it_is_not_the_client() -> None:
    """Behind a proxy `client_ip` is the client; the port is the proxy's and is not told."""
    found = _event(caddy(client_ip="198.51.100.7"))

    assert found["client"] == {"ip": "198.51.100.7"}
    assert found["source"] == {"ip": "203.0.113.10"}


def test_a_name_at_a_401_is_a_claim() -> None:
    """Caddy gives none; if it did, it would be no actor."""
    found = _event(caddy(status=401, user_id="eve", headers={"Authorization": ["REDACTED"]}))

    assert found["audit"]["actor"] == "anonymous"
    assert found["audit"]["claimed_user"] == "eve"
    assert "user" not in found


def test_unknown_keys_are_counted_and_header_names_are_not() -> None:
    """Header names belong to clients: a flood of them must not fill the metrics."""
    preset = preset_of(SourceConfig(name="it", preset="caddy", files=("/x",)))

    verdict = preset.parse(caddy(extra=1, headers={"X-Evil": ["1"]}))

    assert isinstance(verdict, list)
    assert preset.unknown.counts == {"extra": 1}


def test_a_compressed_reply_and_an_unread_body_give_no_size() -> None:
    """`file.size` needs a proof."""
    headers = {"Content-Encoding": ["gzip"], "Content-Length": ["11"]}
    packed = _event(caddy(resp_headers=headers))
    endless = _event(caddy(resp_headers={}))
    unread = _event(caddy(method="PUT", status=201, headers={"Content-Length": ["11"]}))
    read = _event(
        caddy(method="PUT", status=201, bytes_read=11, headers={"Content-Length": ["11"]})
    )

    assert "size" not in packed["file"]
    assert "size" not in endless["file"]
    assert "size" not in unread["file"]
    assert read["file"]["size"] == 11


@pytest.mark.parametrize(
    ("method", "status", "length", "reason"),
    [
        ("GET", 200, "12", "aborted"),
        ("GET", 206, "12", "aborted"),
        ("GET", 200, "11", None),
        ("GET", 200, "much", None),
        ("GET", 304, "12", None),
        ("PUT", 201, "12", None),
    ],
)
def test_fewer_bytes_than_promised_are_an_aborted_download(
    method: str, status: int, length: str, reason: str | None
) -> None:
    """Caddy logs the status that it sent, and the length that it meant to send."""
    line = caddy(method=method, status=status, resp_headers={"Content-Length": [length]})
    found = _event(line)

    assert found["event"].get("reason") == reason
    assert found["audit"]["result"] == ("error" if reason else "success")


def test_a_hash_is_no_end_of_a_path() -> None:
    """Caddy looks for the file behind `#`, too: the workspace is the one that it touched."""
    line = caddy(uri="/ws/acme/#/../../brand/a.txt?x#y")
    found = _event(line, paths=("/ws/{workspace}/{path*}",))

    assert found["workspace"] == {"id": "brand"}
    assert found["file"]["path"] == "/a.txt"


def test_long_texts_are_cut_and_flagged() -> None:
    """A 9 kB path, a 6 kB agent: stored, cut, named."""
    found = _event(caddy(uri="/" + "ü" * 4500, headers={"User-Agent": ["x" * 6000]}))

    assert found["audit"]["flags"] == ["truncated"]
    assert found["audit"]["truncated_fields"] == [
        "file.name",
        "file.path",
        "user_agent.original",
    ]
    assert len(found["file"]["path"].encode()) == 8191
    assert len(found["file"]["name"].encode()) == 1024
    assert len(found["user_agent"]["original"]) == 1024
