"""Whatever the bytes: one verdict, no exception, no secret, and never a dead letter by a client."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from auditship_agent.parsing.paths import Templates, resolve
from support.edits import edited
from support.transforming import EXAMPLES, as_line, caddy, check_produced, native, stream

_NATIVE = stream("native")
_CADDY = stream("caddy", paths=("/ws/{workspace}/{path*}",))
_STREAMS = {"native": _NATIVE, "caddy": _CADDY}
_SAMPLES = [
    raw
    for name in ("native.jsonl", "caddy.jsonl", "nasty.jsonl")
    for raw in (EXAMPLES / name).read_bytes().split(b"\n")
    if len(raw) < 3000
]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_KEYS = st.sampled_from(
    [
        "v",
        "time",
        "action",
        "result",
        "reason",
        "id",
        "started",
        "actor",
        "user",
        "api_key",
        "claimed_user",
        "acting_as",
        "target",
        "target_key",
        "group",
        "permissions",
        "file",
        "share",
        "workspace",
        "organization",
        "ip",
        "port",
        "proxy_ip",
        "user_agent",
        "device",
        "region",
        "storage_region",
        "service",
        "protocol",
        "request_id",
        "trace_id",
        "method",
        "status",
        "bytes_in",
        "bytes_out",
        "partial",
        "rule",
        "error",
        "labels",
    ]
)
_CADDY_KEYS = st.sampled_from(
    [
        "level",
        "ts",
        "logger",
        "msg",
        "request",
        "bytes_read",
        "user_id",
        "duration",
        "size",
        "status",
        "resp_headers",
    ]
)
_SURROGATES = st.text(st.characters(), max_size=60)  # lone surrogates included, as escapes


@given(st.binary(max_size=300), st.sampled_from(sorted(_STREAMS)))
def test_any_bytes_have_one_verdict(raw: bytes, preset: str) -> None:
    """F26, F27: nothing raises; the same line gives the same answer."""
    produced = _STREAMS[preset].produce(as_line(raw))

    check_produced(produced)
    assert _STREAMS[preset].produce(as_line(raw)) == produced


@given(edited(st.sampled_from(_SAMPLES)), st.sampled_from(sorted(_STREAMS)))
def test_edited_lines_have_one_verdict(raw: bytes, preset: str) -> None:
    """F27: good lines with bytes replaced, inserted and cut out."""
    check_produced(_STREAMS[preset].produce(as_line(raw)))


@given(st.dictionaries(_KEYS, _JSON, max_size=6))
def test_any_values_of_native_keys(fields: dict[str, Any]) -> None:
    """F27: any JSON in any field: an event, or a dead letter by a deciding field."""
    produced = _NATIVE.produce(as_line(native(**fields)))

    check_produced(produced)
    if not {"v", "time", "action", "result"} & set(fields):
        assert produced.outcome == "event" or produced.reason == "bad_json", fields
    if produced.reason == "bad_json":
        assert any(word in repr(fields) for word in ("nan", "inf"))


@given(st.dictionaries(_CADDY_KEYS, _JSON, max_size=4))
def test_any_values_of_caddy_keys(fields: dict[str, Any]) -> None:
    """The server's own keys, with anything in them."""
    line = json.loads(caddy())
    check_produced(_CADDY.produce(as_line(json.dumps({**line, **fields}).encode())))


def _texts_of_a_client(value: str) -> dict[str, Any]:
    return {
        "user": {"email": value, "name": value, "id": value},
        "file": {"name": value, "path": "/" + value, "mime_type": value, "previous_name": value},
        "user_agent": value,
        "claimed_user": value,
        "ip": value,
        "error": {"message": value},
        "request_id": value,
        "labels": {"a": value},
        "method": value,
        "protocol": value,
        "service": value,
    }


@given(_SURROGATES)
def test_no_text_of_a_client_kills_a_native_line(value: str) -> None:
    """F26, F29: names, paths, agents, addresses: stored as they are, or with a flag; never lost."""
    produced = _NATIVE.produce(as_line(native(**_texts_of_a_client(value))))

    check_produced(produced)
    assert produced.outcome == "event"
    found = json.loads(produced.documents[0].body)
    clean = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in value)
    assert found["file"].get("name") == ((clean or None) if len(clean.encode()) <= 1024 else ...)
    assert ("bad_unicode" in found["audit"].get("flags", ())) == (clean != value)


@given(_SURROGATES, st.sampled_from(["GET", "PUT", "DELETE", "MOVE", "MKCOL"]))
def test_no_text_of_a_client_kills_a_caddy_line(value: str, method: str) -> None:
    """F29: path, query, user, agent, destination, header names, methods."""
    headers = {
        "User-Agent": [value],
        "Destination": [value],
        "X-" + value: [value],
        "Content-Length": [value],
    }
    for verb in (method, "X" + value):
        raw = caddy(method=verb, status=403, uri="/a/" + value, user_id=value, headers=headers)
        produced = _CADDY.produce(as_line(raw))
        check_produced(produced)
        assert produced.outcome == "event"


_MARK = "MARKER0"


@given(st.text(max_size=20), st.text(max_size=20))
def test_secrets_of_caddy_never_leave(left: str, right: str) -> None:
    """Query, fragment and every header but the named ones, marked, are nowhere in the output."""
    secret = f"{left}{_MARK}{right}"
    headers = {
        name: [secret]
        for name in ("Authorization", "Cookie", "X-Api-Key", "Referer", "X-Forwarded-For")
    }
    produced = _CADDY.produce(
        as_line(
            caddy(
                uri="/ws/w/a.txt?token=" + secret,
                headers=headers,
                resp_headers={"Set-Cookie": [secret], "Location": [secret]},
            )
        )
    )

    assert produced.outcome == "event"
    assert _MARK.encode() not in produced.documents[0].body


@given(st.text(st.sampled_from("/.%2eEfF5cC0aw\\s?#:@ü"), max_size=40))
def test_no_spelling_reaches_another_workspace(tail: str) -> None:
    """A path below a workspace names it, or climbed out of it as the server's would."""
    resolved = resolve("/ws/brand/" + tail)
    place = Templates(["/ws/{workspace}/{path*}"]).place(resolved)

    assert not {"", ".", ".."} & set(resolved.segments)
    if resolved.segments[:2] == ("ws", "brand"):
        assert place.workspace == "brand"
        assert place.path == "/" + "/".join(resolved.segments[2:])
