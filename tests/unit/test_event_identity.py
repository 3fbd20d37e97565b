"""Ids, generations and index names: pure functions of the line, held to the published vector."""

import uuid
from datetime import date
from hashlib import sha256

import pytest

from auditship_indexer.event import Lineage, generation, index_name, sub_item
from auditship_indexer.event.identity import day_start_ms, event_id, parse_index_name

_MS = 1776162615123  # 2026-04-14T10:30:15.123Z
_FIRST = sha256(b'{"first":1}').digest()
_LINE = sha256(b'{"second":2}').digest()


def test_the_published_vector() -> None:
    """Server, first line, line, offset and time of event-schema.md section 6 give its ids."""
    lineage = Lineage("fs-eu-1", _FIRST)
    digest = lineage.digest(12, _LINE)

    assert event_id(_MS, digest) == "019d8b8a-af53-80b1-8abe-34172eeaa3bd"
    assert event_id(_MS, sub_item(digest, 1)) == "019d8b8a-af53-8110-84f7-0279a4b1ad8c"
    assert lineage.generation == "d64fcbf354787c9ff612d3c2181311cf"
    assert generation("fs-eu-1", _FIRST) == lineage.generation


def test_the_digest_is_the_formula_of_the_schema() -> None:
    """The prepared prefix hashes the very bytes that the schema names."""
    whole = sha256(
        b"auditship-event-1\0" + b"\x00\x07fs-eu-1" + _FIRST + (12).to_bytes(8, "big") + _LINE
    )

    assert Lineage("fs-eu-1", _FIRST).digest(12, _LINE) == whole.digest()


def test_an_id_is_a_uuid_of_version_8() -> None:
    """The layout is that of RFC 9562, so other programs can read the id."""
    made = uuid.UUID(event_id(_MS, Lineage("fs-eu-1", _FIRST).digest(12, _LINE)))

    assert made.version == 8
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == _MS


@pytest.mark.parametrize(
    ("server", "first", "offset", "line"),
    [
        ("fs-eu-2", _FIRST, 12, _LINE),
        ("fs-eu-1", _LINE, 12, _LINE),
        ("fs-eu-1", _FIRST, 13, _LINE),
        ("fs-eu-1", _FIRST, 12, _FIRST),
    ],
)
def test_each_input_changes_the_id(server: str, first: bytes, offset: int, line: bytes) -> None:
    """Another server, file, place or line is another event."""
    base = Lineage("fs-eu-1", _FIRST).digest(12, _LINE)

    assert Lineage(server, first).digest(offset, line) != base


def test_the_first_item_of_a_line_has_the_digest_of_the_line() -> None:
    """A line that gives one event needs no further hash."""
    digest = Lineage("fs-eu-1", _FIRST).digest(12, _LINE)

    assert sub_item(digest, 0) == digest


@pytest.mark.parametrize(
    ("time_ms", "name"),
    [
        (1776162615123, "audit-eu-central-2-2026.04.14"),
        (1776124799999, "audit-eu-central-2-2026.04.13"),
        (1776124800000, "audit-eu-central-2-2026.04.14"),
        (0, "audit-eu-central-2-1970.01.01"),
        (-1, "audit-eu-central-2-1969.12.31"),
    ],
)
def test_an_index_is_region_and_utc_day(time_ms: int, name: str) -> None:
    """A day begins at 00:00:00.000 UTC."""
    assert index_name("eu-central-2", time_ms) == name


def test_index_names_can_be_read_back() -> None:
    """Region and day come back from a name; what is no day is no daily index."""
    assert parse_index_name("audit-us-west-1-2026.04.14") == ("us-west-1", date(2026, 4, 14))
    assert day_start_ms(date(2026, 4, 14)) == 1776124800000
    for other in ("audit-us-west-1-2026.02.30", "audit-us-west-1", "auditship-agents-2026.04.14"):
        assert parse_index_name(other) is None
