"""The canonical encoding: the plain encoding of the Structs is sorted, compact and complete."""

import json

import msgspec
import pytest

from auditship_indexer.event import FIELDS, Event, encode
from auditship_indexer.event.document import Act, Audit
from auditship_indexer.event.fields import Kind
from support.full_event import full_event, leaves
from support.transforming import EXAMPLES, event, native, stream
from support.transforming import as_line as line

ROW_8 = (
    '{"@timestamp":"2026-04-14T10:50:17.000Z","agent":{"id":"a-usw-1","version":"1.0.0"},'
    '"audit":{"actor":"guest@gmail.com","actor_type":"user","result":"denied","schema":1,'
    '"verb":"BLOCKED"},"client":{"ip":"192.0.2.44"},"cloud":{"region":"us-west-1"},'
    '"ecs":{"version":"9.4.0"},"event":{"action":"share.open","category":["api","file","web"],'
    '"dataset":"native","id":"019d8b9d-0628-8c0e-bbee-335e9f98f7bf","kind":"event",'
    '"outcome":"failure","reason":"domain_restricted","type":["access","denied"]},'
    '"host":{"id":"fs-usw-1"},"log":{"file":{"path":"/var/log/dosya/audit.log"},'
    '"generation":"912f467adb08c3f5a11b875e4b428c0b",'
    '"line_sha256":"951eaba9e94d4ffd2311ce1d924bfcecd0bb43aa669bfba0598dc39a6ae70472",'
    '"offset":0},"rule":{"id":"r_3","name":"acme only"},"share":{"allowed_domains":["acme.com"],'
    '"id":"s_a00","scope":"domain"},"user":{"email":"guest@gmail.com"},'
    '"workspace":{"id":"w_brand","name":"Brand Campaign 2026"}}'
)


def test_row_8_is_the_published_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """The eighth example, alone in its file, becomes the bytes that event-schema.md prints."""
    monkeypatch.setattr("auditship_agent.normalize.normalizer.__version__", "1.0.0")
    raw = (EXAMPLES / "native.jsonl").read_bytes().splitlines()[7]

    produced = stream(first=raw).produce(line(raw))

    (document,) = produced.documents
    assert document.body.decode() == ROW_8
    assert document.id == "019d8b9d-0628-8c0e-bbee-335e9f98f7bf"
    assert document.index == "audit-us-west-1-2026.04.14"


def test_declaration_order_is_the_order_of_keys() -> None:
    """An event with every field has the bytes of the sorting encoder and of sorted json."""
    made = full_event()
    body = encode(made)

    assert body == msgspec.json.Encoder(order="sorted").encode(made)
    again = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert body.decode() == again


def test_an_event_can_hold_exactly_the_fields_of_the_schema() -> None:
    """No field without a Struct, no Struct field outside the register."""
    assert set(leaves()) == set(FIELDS) - {"event.ingested"}


def test_only_control_characters_quote_and_backslash_are_escaped() -> None:
    """All else is raw UTF-8; short escapes where JSON has them, lower-case hex elsewhere."""
    every = "".join(map(chr, range(0x20))) + '"\\/\x7f\u2028é\U0001f600'
    body = encode(Event(timestamp=every)).decode()

    short = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"}
    controls = "".join(short.get(code, f"\\u{code:04x}") for code in range(0x20))
    assert body == f'{{"@timestamp":"{controls}\\"\\\\/\x7f\u2028é\U0001f600"}}'


def test_absent_values_leave_no_trace() -> None:
    """No nulls: an absent field is absent."""
    assert encode(Event(timestamp="t", audit=Audit(), event=Act(action="a"))) == (
        b'{"@timestamp":"t","audit":{},"event":{"action":"a"}}'
    )


def test_a_lone_surrogate_is_refused() -> None:
    """Parsers replace them; bytes that are not UTF-8 must never be stored."""
    with pytest.raises(UnicodeEncodeError):
        encode(Event(timestamp="\ud800"))


def test_no_event_has_empty_groups_lists_or_texts() -> None:
    """Rule 3 of the encoding, on a line with as many empty values as it can have."""
    raw = native(
        file={"id": "f", "name": "", "path": ""},
        target={"email": ""},
        permissions={"added": [], "removed": [""]},
        share={},
        device={"kind": ""},
        user_agent="",
        labels={"a": ""},
        error={"code": ""},
        organization={"id": ""},
    )

    def walk(value: object) -> None:
        assert value not in (None, "", [], {})
        for one in value.values() if isinstance(value, dict) else ():
            walk(one)

    found = event(stream().produce(line(raw)))
    walk(found)
    assert "flags" not in found["audit"]


def test_limits_are_those_of_the_register() -> None:
    """Every field that holds text of a source has a limit."""
    unlimited = {name for name, field in FIELDS.items() if not field.limit}

    free = {Kind.KEYWORD, Kind.FOLDED, Kind.STORED, Kind.UNMAPPED}
    assert not [name for name in unlimited if FIELDS[name].kind in free]
