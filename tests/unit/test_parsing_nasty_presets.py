"""Section 12 of sources.md for every preset that reads JSON, and for the columns of S3.

`examples/logs/nasty.jsonl` goes through the classes for the native log; here each other format has
the same answers, at the places where it carries names, times and what decides.
"""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from auditship_agent.line import Produced
from auditship_agent.pipeline.transform import Stream
from support.preset_lines import MINIO, NGINX, S3, SEAWEED, SFTPGO, line_of
from support.transforming import as_line, caddy, check_produced, event, native, stream

_STREAMS: dict[str, Stream] = {
    "native": stream("native", storage_region="us-west-1"),
    "caddy": stream("caddy"),
    "nginx-json": stream("nginx-json"),
    "minio-audit": stream("minio-audit"),
    "seaweedfs": stream("seaweedfs"),
    "sftpgo": stream("sftpgo", timezone="Europe/Berlin"),
    "s3-access": stream("s3-access"),
}
_JSON = [name for name in _STREAMS if name != "s3-access"]
# What these servers' events always are, whatever their line holds.
_USUAL = {"ip_unverified", "ambiguous_action", "time_zone_assumed"}


def _minio(**fields: Any) -> bytes:
    return line_of(MINIO, api={**MINIO["api"], **fields.pop("api", {})}, **fields)


# A line that is an event, with other values at some of its own keys.
_LINE: dict[str, Callable[..., bytes]] = {
    "native": native,
    "caddy": caddy,
    "nginx-json": lambda **fields: line_of(NGINX, **fields),
    "minio-audit": _minio,
    "seaweedfs": lambda **fields: line_of(SEAWEED, **fields),
    "sftpgo": lambda **fields: line_of(SFTPGO, **fields),
}


def _named(preset: str, name: str) -> bytes:
    """Return a line of a file with this name, written as the server would write it."""
    if preset == "s3-access":
        line = S3.format(uri=f"GET /{quote(name)} HTTP/1.1", referer="-", agent="a")
        return line.replace(" k ", f" {quote(quote(name))} ").encode()
    place: dict[str, dict[str, Any]] = {
        "native": {"file": {"path": f"/docs/{name}"}},
        "caddy": {"uri": f"/docs/{quote(name)}"},
        "nginx-json": {"path": f"/docs/{name}", "raw_path": f"/docs/{quote(name)}"},
        "minio-audit": {"api": {"object": f"docs/{name}"}},
        "seaweedfs": {"key": f"docs/{name}"},
        "sftpgo": {"virtual_path": f"/docs/{name}"},
    }
    return _LINE[preset](**place[preset])


def produce(preset: str, raw: bytes) -> Produced:
    produced = _STREAMS[preset].produce(as_line(raw))
    check_produced(produced)
    return produced


def odd(found: dict[str, Any]) -> set[str]:
    return set(found["audit"].get("flags", ())) - _USUAL


@pytest.mark.parametrize("preset", _STREAMS)
@pytest.mark.parametrize(
    "name",
    [
        "nul\0 vt\x0b ff\x0c fs\x1c us\x1f",
        "ls\u2028 ps\u2029 nel\x85",
        "bidi\u202egnp.exe zero\u200bwidth\ufeff",
        "\u0430pple.txt",
        "e\u0301.txt",
        "\u00e9.txt",
        "\x1b[2J\x1b]0;owned\x07",
        "=cmd|' !A0",
        "+1", "-1", "@SUM(A1)", "\tTAB",
        "<script>alert(1)<script>",
        "'; DROP TABLE files; --",
        "{{7*7}}${jndi:ldap:x}%(x)s",
        "CON",
        'a\n{"v":1,"action":"forged"}\n',
        'a\r\n{"create":{}}',
        "\U0001f600",
        "back\\slash",
    ],
)  # fmt: skip
def test_hostile_names_are_one_field(preset: str, name: str) -> None:
    """Stored as they are, in the name and nowhere else; only LF ends a line."""
    produced = produce(preset, _named(preset, name))
    found = event(produced)

    assert found["file"]["name"] == name
    assert odd(found) == set()
    plain = event(produce(preset, _named(preset, "plain")))
    for one in (found, plain):
        del one["file"], one["event"]["id"], one["log"]
    assert found == plain


@pytest.mark.parametrize("preset", _JSON)
@pytest.mark.parametrize(
    ("raw", "stored", "flag"),
    [
        (b"caf\xe9", "caf\ufffd", "bad_utf8"),
        (b"\xe2\x82", "\ufffd", "bad_utf8"),
        (b"\xc0\xae", "\ufffd\ufffd", "bad_utf8"),
        (b"\\ud800", "\ufffd", "bad_unicode"),
        (b"\\udc00\\ud800", "\ufffd\ufffd", "bad_unicode"),
    ],
)
def test_what_is_no_text_is_flagged(preset: str, raw: bytes, stored: str, flag: str) -> None:
    """Latin-1, cut sequences, overlong forms, lone surrogates: U+FFFD for each, and a flag."""
    found = event(produce(preset, _named(preset, "NAME").replace(b"NAME", raw)))

    assert found["file"]["name"] == stored
    assert odd(found) == {flag}


@pytest.mark.parametrize("preset", ["caddy", "s3-access"])
def test_escapes_that_are_no_text_are_flagged(preset: str) -> None:
    """Percent escapes of bytes that are not UTF-8."""
    raw = _named(preset, "NAME").replace(b"NAME", b"%E9" if preset == "caddy" else b"%25E9", 1)
    if preset == "s3-access":
        raw = raw.replace(b"/NAME ", b"/%E9 ")
    found = event(produce(preset, raw))

    assert found["file"]["name"] == "\ufffd"
    assert odd(found) == {"bad_utf8"}


_DEEP = "[" * 64 + "]" * 64


def _with(line: bytes, text: str) -> bytes:
    return b"{" + text.encode() + b"," + line[1:]


_SPOILED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "ignored empty_line"),
    "blanks": (lambda _: b" \t \r", "ignored empty_line"),
    "bom_only": (lambda _: b"\xef\xbb\xbf", "ignored empty_line"),
    "text": (lambda _: b"not JSON", "dead_letter bad_json"),
    "torn": (lambda line: line[:-1], "dead_letter bad_json"),
    "half": (lambda line: line[: len(line) // 2], "dead_letter bad_json"),
    "nan": (lambda line: _with(line, '"x":NaN'), "dead_letter bad_json"),
    "infinity": (lambda line: _with(line, '"x":-Infinity'), "dead_letter bad_json"),
    "cr_between": (lambda line: line + b"\r" + line, "dead_letter bad_json"),
    "glued": (lambda line: line + line, "dead_letter trailing_data"),
    "junk": (lambda line: line + b" junk", "dead_letter trailing_data"),
    "array": (lambda _: b"[1]", "dead_letter not_object"),
    "number": (lambda _: b"42", "dead_letter not_object"),
    "null": (lambda _: b"null", "dead_letter not_object"),
    "string": (lambda _: b'"text"', "dead_letter not_object"),
    "utf16": (lambda line: line.decode().encode("utf-16"), "dead_letter bad_encoding"),
    "utf16_be": (lambda line: line.decode().encode("utf-16-be"), "dead_letter bad_encoding"),
    "deep": (lambda line: _with(line, f'"x":{_DEEP}'), "dead_letter too_deep"),
    "brackets": (lambda _: b"[" * 100_000, "dead_letter too_deep"),
    "braces": (lambda _: b'{"a":' * 100_000, "dead_letter too_deep"),
    "not_too_deep": (lambda line: _with(line, f'"x":{_DEEP[1:-1]}'), "event "),
    "bom_and_cr": (lambda line: b"\xef\xbb\xbf" + line + b"\r", "event "),
    "blanks_around": (lambda line: b" \t" + line + b" ", "event "),
}


@pytest.mark.parametrize("preset", _JSON)
@pytest.mark.parametrize("kind", _SPOILED)
def test_lines_that_are_no_object(preset: str, kind: str) -> None:
    """Torn, glued, other encodings, too deep: the same answer whatever the preset."""
    spoiled, outcome = _SPOILED[kind]
    produced = produce(preset, spoiled(_LINE[preset]()))

    assert f"{produced.outcome} {produced.reason}" == outcome


_OTHERS = {
    "nothing": b"{}",
    "records": b'{"Records":[{"eventName":"PutObject"}]}',
    "docker": b'{"log":"{}\\n","stream":"stdout","time":"2026-04-14T10:32:15.000Z"}',
    "misspelt": b'{"Time":"2026-04-14T10:32:15Z","Operation":"put"}',
}


@pytest.mark.parametrize("preset", _JSON)
@pytest.mark.parametrize("kind", _OTHERS)
def test_lines_of_another_log_are_told(preset: str, kind: str) -> None:
    """A wrong preset or a wrapper that nobody named must not look like a log without acts."""
    produced = produce(preset, _OTHERS[kind])

    assert (produced.outcome, produced.reason) == ("dead_letter", "missing_field")


def test_lines_without_an_act_are_of_the_log() -> None:
    """A program writes other lines, too: with its own keys, or with nothing but a time."""
    lines = {
        "sftpgo": [b'{"level":"info","message":"x"}', b'{"time":"2026-04-14T10:32:15","x":1}'],
        "caddy": [b'{"level":"info","msg":"x"}', b'{"ts":1776162735.1,"x":1}'],
        "seaweedfs": [b'{"time":1776162735,"x":1}'],
    }
    for preset, raws in lines.items():
        assert [produce(preset, raw).outcome for raw in raws] == ["ignored"] * len(raws)


_TIMES = {"native": "time", "caddy": "ts", "nginx-json": "msec", "minio-audit": "time",
          "seaweedfs": "time", "sftpgo": "time"}  # fmt: skip
_DECIDING = [
    ("native", "action"), ("native", "result"), ("caddy", "status"), ("nginx-json", "status"),
    ("nginx-json", "method"), ("nginx-json", "path"), ("seaweedfs", "operation"),
    ("seaweedfs", "status"), ("sftpgo", "sender"),
]  # fmt: skip


@pytest.mark.parametrize(("preset", "key"), [*_TIMES.items(), *_DECIDING])
def test_what_decides_may_stand_once(preset: str, key: str) -> None:
    """A deciding key twice, also spelled with escapes: which one is meant, nobody knows."""
    line = _LINE[preset]()
    value = json.dumps(json.loads(line)[key])
    spelled = f'"\\u{ord(key[0]):04x}{key[1:]}"'

    for again in (f'"{key}"', spelled):
        produced = produce(preset, _with(line, f"{again}:{value}"))
        assert (produced.outcome, produced.reason) == ("dead_letter", "duplicate_key")
    assert produce(preset, _with(line, '"zzz":1,"zzz":2')).outcome == "event"


@pytest.mark.parametrize(("preset", "key"), _DECIDING)
@pytest.mark.parametrize("value", ["[]", "{}", "true", "1e400", "9" * 400, "1.5"])
def test_what_decides_has_its_type(preset: str, key: str, value: str) -> None:
    """Another type, beyond 64 bits, a boolean: `bad_field`, since no event can be made."""
    line = _LINE[preset](**{key: "HERE"}).replace(b'"HERE"', value.encode())
    produced = produce(preset, line)

    assert (produced.outcome, produced.reason) == ("dead_letter", "bad_field")


@pytest.mark.parametrize("preset", _JSON)
@pytest.mark.parametrize(
    "value",
    ["[]", "{}", "true", '""', '"1_795_465_861"', '"\u0662\u0660\u0662\u0666-04-14T10:32:15Z"',
     '"2026-13-14T10:32:15Z"', '"2026-04-14T24:00:00Z"', '"0000-04-14T10:32:15Z"',
     '"10000-04-14T10:32:15Z"', '"Apr 14 10:32:15"', "1e400", "-1", "9" * 400],
)  # fmt: skip
def test_times_that_are_none(preset: str, value: str) -> None:
    """No event without a time; which of them is none does not depend on the format."""
    key = _TIMES[preset]
    line = _LINE[preset](**{key: "HERE"}).replace(b'"HERE"', value.encode())
    produced = produce(preset, line)

    assert produced.outcome == "dead_letter"
    if value == '""':  # some presets take an empty text for an absent one
        assert produced.reason in {"bad_time", "missing_field"}
    else:
        assert produced.reason == "bad_time"


@pytest.mark.parametrize(
    ("preset", "fields", "dropped"),
    [
        ("native", {"bytes_in": -1}, "http.request.body.bytes"),
        ("native", {"file": {"id": "f", "size": "big"}}, "file.size"),
        ("caddy", {"bytes_read": -1}, "http.request.body.bytes"),
        ("caddy", {"duration": True}, "event.duration"),
        ("nginx-json", {"sent": "-1"}, "http.response.body.bytes"),
        ("nginx-json", {"took": "soon"}, "event.duration"),
        ("minio-audit", {"api": {"rx": "x"}}, "http.request.body.bytes"),
        ("minio-audit", {"userAgent": {}}, "user_agent.original"),
        ("seaweedfs", {"user_agent": {}}, "user_agent.original"),
        ("seaweedfs", {"remote_ip": []}, "client.ip"),
        ("sftpgo", {"size_bytes": -1}, "file.size"),
        ("sftpgo", {"elapsed_ms": "x"}, "event.duration"),
    ],
)
def test_any_other_field_costs_itself_only(
    preset: str, fields: dict[str, Any], dropped: str
) -> None:
    """An event without the field, which is named."""
    found = event(produce(preset, _LINE[preset](**fields)))

    assert "bad_field" in odd(found)
    assert dropped in found["audit"]["dropped_fields"]


@pytest.mark.parametrize("preset", _JSON)
def test_unknown_keys_are_counted_within_bounds(preset: str) -> None:
    """2,000 keys that nobody knows: an event, and at most 201 names."""
    many = ",".join(f'"k{n}":{n}' for n in range(2000))
    zone = "UTC" if preset == "sftpgo" else None
    own = stream(preset, timezone=zone)
    produced = own.produce(as_line(_with(_LINE[preset](), many)))

    assert produced.outcome == "event"
    counts = own._transform.preset.unknown.counts
    assert sum(counts.values()) >= 2000
    assert len(counts) <= 201


@pytest.mark.parametrize("preset", _STREAMS)
def test_long_paths_are_cut(preset: str) -> None:
    """9 kB of path: at most 8,192 bytes of it, at most 1,024 of its name."""
    found = event(produce(preset, _named(preset, "\u00fc" * 4500)))

    assert "truncated" in odd(found)
    assert {"file.name", "file.path"} <= set(found["audit"]["truncated_fields"])
    assert found["file"]["name"] == "\u00fc" * 512
    assert len(found["file"]["path"].encode()) in {8191, 8192}


@pytest.mark.parametrize(
    ("preset", "fields"),
    [
        ("native", {"user": {"name": "u" * 2000}, "user_agent": "a" * 6000}),
        ("caddy", {"user_id": "u" * 2000, "headers": {"User-Agent": ["a" * 6000]}}),
        ("nginx-json", {"user": "u" * 2000, "agent": "a" * 6000}),
        ("minio-audit", {"accessKey": "u" * 2000, "userAgent": "a" * 6000}),
        ("seaweedfs", {"requester": "u" * 2000, "user_agent": "a" * 6000}),
    ],
)
def test_long_users_and_agents_are_cut(preset: str, fields: dict[str, Any]) -> None:
    """6 kB of agent and 2 kB of user: cut, flagged, named."""
    found = event(produce(preset, _LINE[preset](**fields)))

    assert "truncated" in odd(found)
    assert {"user.name", "user_agent.original"} <= set(found["audit"]["truncated_fields"])
    assert found["user"]["name"] == "u" * 512
    assert found["user_agent"]["original"] == "a" * 1024


@pytest.mark.parametrize(
    "raw",
    [b"not a line", b"a b c", b'"', b'"" ' * 40, b"[" * 100_000, b"\xff\xfe" * 50, b'- - [x] "'],
)
def test_columns_that_do_not_fit(raw: bytes) -> None:
    """A text line that is no line of the format: `bad_columns`, or another encoding."""
    produced = produce("s3-access", raw)

    assert produced.outcome == "dead_letter"
    assert produced.reason in {"bad_columns", "bad_encoding"}
