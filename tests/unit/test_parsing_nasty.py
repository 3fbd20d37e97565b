"""`examples/logs/nasty.jsonl`: each class of section 12 of sources.md has its outcome."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.transforming import EXAMPLES, as_line, event, native, stream

_LINES = (EXAMPLES / "nasty.jsonl").read_bytes().split(b"\n")[:-1]
_OUTCOMES = (Path(__file__).parents[1] / "data" / "nasty.outcomes").read_text().splitlines()


@pytest.mark.parametrize(("number", "outcome"), list(enumerate(_OUTCOMES, start=1)))
def test_each_nasty_line_has_its_outcome(number: int, outcome: str) -> None:
    """Event with its flag, ignored or dead letter with its reason; never a crash."""
    raw = _LINES[number - 1]
    produced = stream().produce(as_line(raw))

    told: list[str] = [produced.outcome]
    if produced.reason:
        told.append(produced.reason)
    for document in produced.documents:
        told += json.loads(document.body)["audit"].get("flags", [])
        assert b"\n" not in document.body
    assert " ".join(told) == outcome


def test_every_line_has_a_row() -> None:
    """The list of outcomes is as long as the file."""
    assert len(_OUTCOMES) == len(_LINES)


def _file_name(raw: bytes) -> Any:
    return event(stream().produce(as_line(raw)))["file"]["name"]


@pytest.mark.parametrize(
    ("bad", "stored"),
    [
        (b"caf\xe9", "caf\ufffd"),
        (b"\xe2\x82", "\ufffd"),
        (b"\xc0\xae", "\ufffd\ufffd"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        (b"\\ud800", "\ufffd"),
        (b"\\ud800\\ud800", "\ufffd\ufffd"),
        (b"a\x0b\x0c\x1c\x1f\tb", "a\x0b\x0c\x1c\x1f\tb"),
        (b"\\ud83d\\ude00", "\U0001f600"),
        (b"e\xcc\x81", "e\u0301"),
        (b"\\u2028\\u0085\\u0000", "\u2028\u0085\0"),
    ],
)
def test_names_are_stored_as_received(bad: bytes, stored: str) -> None:
    """What is not text becomes U+FFFD, all else stays; no normal form, no escaping."""
    assert _file_name(native(file={"name": "NAME"}).replace(b"NAME", bad)) == stored


@pytest.mark.parametrize(
    ("ip", "client"),
    [
        ("203.0.113.7:51234", {"ip": "203.0.113.7", "port": 51234}),
        ("[2001:DB8::7]:443", {"ip": "2001:db8::7", "port": 443}),
        ("fe80::1%eth0", {"ip": "fe80::1"}),
        ("::ffff:192.0.2.1", {"ip": "192.0.2.1"}),
        ("::ffff:c000:201", {"ip": "192.0.2.1"}),
        ("AWS Internal", {"address": "AWS Internal"}),
        ("files.example.org", {"address": "files.example.org"}),
        ("10.0.0.0/8", {"address": "10.0.0.0/8"}),
        ("unix:", None),
        ("@", None),
        ("-", None),
    ],
)
def test_addresses_are_taken_apart(ip: str, client: dict[str, Any] | None) -> None:
    """Address and port, or the text that is no address, or nothing."""
    assert event(stream().produce(as_line(native(ip=ip)))).get("client") == client


def test_a_bom_and_a_cr_are_part_of_the_hash() -> None:
    """They are skipped for parsing and kept in the line's identity."""
    raw = native()
    ids = {stream().produce(as_line(one)).documents[0].id
           for one in (raw, raw + b"\r", b"\xef\xbb\xbf" + raw)}  # fmt: skip

    assert len(ids) == 3


def test_an_over_long_line_is_a_dead_letter() -> None:
    """The framer brings its head, length and hash."""
    line = as_line(native())
    produced = stream().produce(
        type(line)(line.raw, 0, 99_000_001, line.sha256, 99_000_000, whole=False)
    )

    assert (produced.outcome, produced.reason) == ("dead_letter", "line_too_long")
    assert produced.detail == "99000000 bytes"


def test_ids_that_are_too_long_never_merge() -> None:
    """Two long ids with an equal head stay two."""

    def found(tail: str) -> Any:
        return event(stream().produce(as_line(native(user={"id": "i" * 600 + tail}))))

    one, other = found("1"), found("2")
    assert one["user"]["id"].startswith("sha256:")
    assert len(one["user"]["id"]) == 71
    assert one["user"]["id"] != other["user"]["id"]
    assert one["audit"]["truncated_fields"] == ["user.id"]
    assert one["audit"]["actor"] == one["user"]["id"]


def test_a_long_name_is_cut_between_code_points() -> None:
    """At most the limit in bytes, and still UTF-8."""
    stored = _file_name(native(file={"name": "x" + "ü" * 600}))

    assert stored == "x" + "ü" * 511


def test_depth_is_counted_outside_of_texts() -> None:
    """Brackets in a name are a name; an unterminated text does not take quadratic time."""
    assert _file_name(native(file={"name": '[{"' * 100})) == '[{"' * 100
    for raw, reason in (
        (b'{"a":"' + b'\\"[' * 300_000, "bad_json"),
        (b"[" * 100_000, "too_deep"),
        (b'{"a":' * 100_000, "too_deep"),
    ):
        assert stream().produce(as_line(raw)).reason == reason


def test_labels_have_limits() -> None:
    """At most 32 keys of one form, values of 1,024 bytes; more is cut and flagged."""
    many = event(stream().produce(as_line(native(labels={f"k{n:02}": "v" for n in range(40)}))))
    odd = event(stream().produce(as_line(native(labels={"Ticket": "1", "a": "x" * 2000}))))

    assert len(many["labels"]) == 32
    assert many["audit"]["flags"] == ["labels_cut"]
    assert odd["labels"] == {"a": "x" * 1024}
    assert odd["audit"]["flags"] == ["labels_cut"]


def test_lists_have_limits() -> None:
    """Sorted, unique, at most 64 items."""
    user = {"id": "u", "roles": [f"r{n:03}" for n in range(99, -1, -1)] + ["r000"]}
    found = event(stream().produce(as_line(native(user=user))))

    assert found["user"]["roles"] == [f"r{n:03}" for n in range(64)]
    assert found["audit"]["truncated_fields"] == ["user.roles"]
