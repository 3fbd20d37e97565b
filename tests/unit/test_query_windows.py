"""Windows: what a time means, and what is refused."""

import pytest

from auditship_indexer.clock import iso_ms
from auditship_indexer.errors import ConfigError
from auditship_indexer.query import All, And, Compare, Window, parse_window

NOW = 1_776_162_735_123  # 2026-04-14T10:32:15.123Z, a Tuesday


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-04-01", "2026-04-01T00:00:00.000Z"),
        ("2026-04-01T10:00Z", "2026-04-01T10:00:00.000Z"),
        ("2026-04-01T10:00+03:00", "2026-04-01T07:00:00.000Z"),
        ("2026-04-01t10:00:01.5-0230", "2026-04-01T12:30:01.500Z"),
        ("2026-04-01T10:00:00.0009Z", "2026-04-01T10:00:00.000Z"),
        ("24h", "2026-04-13T10:32:15.123Z"),
        ("2w", "2026-03-31T10:32:15.123Z"),
        ("now", "2026-04-14T10:32:15.123Z"),
        ("now-7d/d", "2026-04-07T00:00:00.000Z"),
        ("now/w", "2026-04-13T00:00:00.000Z"),
        ("now/h+30m", "2026-04-14T10:30:00.000Z"),
        ("now-1M/M", "2026-03-01T00:00:00.000Z"),
        ("1y", "2025-04-14T10:32:15.123Z"),
        ("2026-03-31||-1M", "2026-02-28T00:00:00.000Z"),
    ],
)
def test_a_time_has_one_meaning(text: str, expected: str) -> None:
    """Days are UTC, digits below ms are cut, months end where they end, weeks begin on Monday."""
    start = parse_window(text, None, NOW).start_ms
    assert start is not None
    assert iso_ms(start) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-04-01T10:00", "needs a zone"),
        ("2026-04", "not a time"),
        ("1776162735123", "not a time"),
        ("2026-02-30", "no such time"),
        ("2026-04-01T25:00Z", "no such time"),
        ("2026-04-01T10:00+03:75", "no such time"),
        ("now-7d/q", "no date math"),
        ("now--7d", "no date math"),
        ("999999999y", "no such time"),
        ("yesterday", "not a time"),
        ("", "not a time"),
    ],
)
def test_what_is_no_time_is_refused(text: str, told: str) -> None:
    """The message names the option and the text."""
    with pytest.raises(ConfigError, match=told) as refused:
        parse_window(None, text, NOW)
    assert str(refused.value).startswith(f"--to {text}")


def test_the_hint_of_a_time_without_zone_is_ready_to_use() -> None:
    """The advice repeats what was typed, with a zone behind it."""
    with pytest.raises(ConfigError) as refused:
        parse_window("2026-04-01T10:00", None, NOW)
    assert "2026-04-01T10:00Z" in (refused.value.hint or "")


def test_from_after_to_is_refused() -> None:
    """A window that cannot hold anything by mistake is no empty answer."""
    with pytest.raises(ConfigError, match=r"--from 2026-05-01T00:00:00\.000Z is after --to 2026"):
        parse_window("2026-05-01", "2026-04-01", NOW)


def test_from_is_inclusive_and_to_exclusive() -> None:
    """The window becomes two comparisons; an open end none."""
    assert Window(1, 2).tree() == And(
        (
            Compare("@timestamp", ">=", 1),
            Compare("@timestamp", "<", 2),
        )
    )
    assert Window(None, 2).tree() == Compare("@timestamp", "<", 2)
    assert Window().tree() == All()


def test_a_window_says_what_it_is() -> None:
    """The resolved instants are printed, or which end is open."""
    assert str(Window(0, 1)) == (
        "from 1970-01-01T00:00:00.000Z to 1970-01-01T00:00:00.001Z (exclusive)"
    )
    assert str(Window()) == "from the oldest event to the newest event"
