"""Canonical encoding: any values parse back to themselves, in one form, on one line."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, structs
from msgspec import json as msgjson

from auditship_indexer.event import Event, encode
from auditship_indexer.event.fields import MAX_INTEGER
from auditship_indexer.event.line import one_line
from support.full_event import bare

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
_SORTED = msgjson.Encoder(order="sorted")


def _values(kind: Any) -> st.SearchStrategy[Any]:
    if isinstance(kind, type) and issubclass(kind, Struct):
        return events(kind)
    if kind == list[str]:
        return st.lists(_TEXT, min_size=1, max_size=3, unique=True).map(sorted)
    if kind == dict[str, str]:
        return st.dictionaries(
            st.from_regex(r"[a-z0-9_]{1,8}\Z"), _TEXT, min_size=1, max_size=3
        ).map(lambda labels: dict(sorted(labels.items())))
    plain = {str: _TEXT, int: st.integers(-MAX_INTEGER, MAX_INTEGER), bool: st.booleans()}
    return plain[kind]


def events(kind: type[Struct]) -> st.SearchStrategy[Any]:
    """Return instances of a Struct type with any subset of its fields."""
    return st.builds(
        kind,
        **{
            field.name: _values(bare(field.type))
            if field.required
            else st.none() | _values(bare(field.type))
            for field in structs.fields(kind)
        },
    )


@given(events(Event))
def test_any_event_is_canonical(event: Event) -> None:
    """Equal to the sorting encoder and to sorted json; no LF; the same bytes each time."""
    body = encode(event)
    found = json.loads(body)

    assert body == _SORTED.encode(event) == encode(event)
    again = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert body == again.encode()
    assert b"\n" not in body


@given(events(Event))
def test_any_event_parses_back(event: Event) -> None:
    """Every value comes back as it was; an event prints as one line."""
    body = encode(event)

    assert encode(msgjson.decode(body, type=Event)) == body
    assert len(one_line(json.loads(body)).splitlines()) == 1
