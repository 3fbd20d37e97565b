"""The quick way makes the very documents of the plain way, whatever stands in a line."""

import itertools
import json
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditship_agent.config import EnrichConfig
from auditship_agent.pipeline.transform import Stream
from auditship_indexer.event.actions import ACTIONS
from auditship_indexer.event.results import DENIED_REASONS, ERROR_REASONS, RESULTS
from bench.database import country_database
from support.edits import edited
from support.transforming import EXAMPLES, as_line, native, stream, transform

_LINES: Final = [
    raw
    for name in ("native.jsonl", "nasty.jsonl")
    for raw in (EXAMPLES / name).read_bytes().split(b"\n")
]
_STREAMS: Final = {
    "bare": stream(),
    "stored": stream(storage_region="eu-central-2"),
    "unparsed": stream(enrich=EnrichConfig(user_agent=False)),
    "secondary": stream(role="secondary"),
}
_ODD: Final = st.sampled_from([
    "", "-", "--", '"', "\\", "/", "//", ".", "..", "a.", ".b", "a/", "/a/", "a\tb", "\x00", "\x1f",
    "\x7f", "\u2028", "ö", "İ.İ", "😀.PNG", "x" * 128, "ü" * 128, "😀" * 128, "x" * 200, "a.😀" * 9,
    "n." + "E" * 33, 'q".x"y', "back\\slash.t\\t", "null", "us-west-1", "system", "<>&'", "\ud800",
])  # fmt: skip
_TEXT: Final = st.one_of(_ODD, st.text(max_size=20), st.from_regex(r"[a-z]{1,8}\Z"))
_PATH: Final = st.builds("/{}/{}".format, _TEXT, _TEXT) | _TEXT
_NUMBER: Final = st.sampled_from([0, 1, -1, 2**53 - 1, 2**53, 1.0, "7", True])
_TIME: Final = st.one_of(
    st.datetimes().map(lambda at: at.isoformat(timespec="milliseconds") + "Z"),
    st.sampled_from([
        "2026-04-14T10:32:15.000Z", "2026-04-14T10:32:15Z", "2026-04-14T10:32:15.0001Z",
        "2026-04-14t10:32:15.000Z", "2026-04-14T23:59:60.000Z", "2026-04-14T10:32:15.000+02:00",
        "0001-01-01T00:00:00.000Z", "2026-02-30T00:00:00.000Z", "\uff12026-04-14T10:32:15.000Z",
    ]),
)  # fmt: skip


_REASONS: Final = sorted(DENIED_REASONS | ERROR_REASONS)


def _some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


_NAMED: Final = _some(id=_TEXT, name=_TEXT)
_FIELDS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "time": _TIME,
    "action": st.sampled_from([*sorted(ACTIONS), "a.b", "x"]),
    "result": st.sampled_from(["success", "denied", "error", "no"]),
    "reason": st.sampled_from([*_REASONS, "my_own", "BAD", ""]) | _TEXT,
    "id": _TEXT,
    "actor": st.sampled_from(["user", "api_key", "service", "system", "anonymous", "robot"]),
    "user": _some(id=_TEXT, email=_TEXT, name=_TEXT, roles=st.lists(_TEXT, max_size=2)),
    "api_key": _NAMED,
    "file": _some(
        id=_TEXT,
        name=_TEXT,
        path=_PATH,
        size=_NUMBER,
        previous_name=_TEXT,
        previous_path=_PATH,
        type=st.sampled_from(["file", "dir", "link"]),
        version=_TEXT,
        sha256=st.sampled_from(["a" * 64, "A" * 64, "a"]),
        mime_type=_TEXT,
        folder_id=_TEXT,
    ),
    "share": _some(
        id=_TEXT,
        scope=st.sampled_from(["anyone", "domain", "nobody"]),
        owner=_TEXT,
        attempt=_NUMBER,
        allowed_domains=st.lists(_TEXT, max_size=2),
        expires_at=_TIME,
        password_protected=st.booleans(),
    ),
    "workspace": _NAMED,
    "ip": st.sampled_from([
        "203.0.113.10", "198.51.100.9", "::ffff:203.0.113.10", "2001:DB8::0:7", "203.0.113.10:81",
        "01.2.3.4", "[2001:db8::7]:443", "-", "unix:", "somewhere", "1.2.3.4, 5.6.7.8", "ü" * 128,
    ]),
    "user_agent": st.sampled_from(["curl/8.5.0", "Mozilla/5.0 (X11) Firefox/137.0", "-"]) | _TEXT,
    "region": st.sampled_from(["us-west-1", "elsewhere"]),
    "storage_region": st.sampled_from(["us-west-1", "ü" * 64, ""]),
    "request_id": _TEXT,
    "method": st.sampled_from(["PUT", '"', "ü" * 8]),
    "status": _NUMBER,
    "bytes_in": _NUMBER,
    "bytes_out": _NUMBER,
    "port": _NUMBER,
    "proxy_ip": st.just("10.0.0.1"),
    "device": _some(kind=st.sampled_from(["browser", "fridge"]), id=_TEXT),
    "protocol": st.sampled_from(["sftp", "s3"]),
    "target": _some(id=_TEXT, email=_TEXT, role=_TEXT),
    "rule": _NAMED,
    "error": _some(code=_TEXT, message=_TEXT),
    "labels": st.dictionaries(_TEXT, _TEXT, max_size=2),
    "partial": st.booleans(),
    "started": _TIME,
    "unknown": _TEXT,
}  # fmt: skip


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """Return a good line with a few fields changed, left out or repeated."""
    names = draw(st.lists(st.sampled_from(sorted(_FIELDS)), max_size=4))
    changed = {name: draw(st.none() | _FIELDS[name]) for name in names}
    line = json.loads(native(**changed))
    dumped = json.dumps(line, ensure_ascii=draw(st.booleans()), separators=(",", ":"))
    if draw(st.integers(0, 9)) == 0:
        dumped = dumped[:-1] + f',"{draw(st.sampled_from(["time", "action", "v"]))}":1}}'
    return dumped.encode(errors="surrogatepass")


def check(made: Stream, raw: bytes) -> None:
    """Both ways give the same verdict and bytes, the first time and from what is remembered."""
    line = as_line(raw, 77)
    plain = made.produce_plainly(line)
    assert made.produce(line) == plain
    assert made.produce(line) == plain


@given(st.sampled_from(sorted(_STREAMS)), lines())
def test_hostile_values_make_the_same_document(name: str, raw: bytes) -> None:
    """Any value in any field: byte for byte what record, event and encoder make."""
    check(_STREAMS[name], raw)


@given(st.sampled_from(sorted(_STREAMS)), edited(st.sampled_from(_LINES)))
def test_edited_lines_make_the_same_document(name: str, raw: bytes) -> None:
    """Bytes of a line cut, doubled or exchanged: the same verdict by both ways."""
    check(_STREAMS[name], raw)


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_every_act_makes_the_same_document(action: str) -> None:
    """Each action with each result and reason, by a person, a key and nobody."""
    for result, reason in itertools.product(RESULTS, [None, *_REASONS]):
        for who in ({}, {"api_key": {"id": "ak_7"}}, {"user": None, "actor": "anonymous"}):
            raw = native(action=action, result=result, reason=reason, **who)
            check(_STREAMS["stored"], raw)


@pytest.mark.parametrize("name", sorted(_STREAMS))
def test_example_lines_make_the_same_document(name: str) -> None:
    """All lines of the examples, good and nasty, by both ways."""
    for raw in _LINES:
        check(_STREAMS[name], raw)


def test_a_replaced_country_database_is_heeded(tmp_path: Path) -> None:
    """Remembered addresses get the country of the new file, none without a file, by both ways."""
    database = tmp_path / "country.mmdb"
    database.write_bytes(country_database({"203.0.113.0/24": "SG"}))
    changing = transform(enrich=EnrichConfig(country_db=str(database)))
    made = changing.stream(b"first", "/var/log/app.log")
    check(made, native())

    new = tmp_path / "new.mmdb"
    new.write_bytes(country_database({"203.0.113.0/24": "TR"}))
    new.replace(database)
    changing.refresh()
    check(made, native())
    assert b'"country_iso_code":"TR"' in made.produce(as_line(native())).documents[0].body

    database.unlink()
    changing.refresh()
    check(made, native())
    assert b'"geo_unavailable"' in made.produce(as_line(native())).documents[0].body
