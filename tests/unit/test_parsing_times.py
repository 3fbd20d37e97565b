"""Times are read from their decimal text and cut, never rounded."""

from zoneinfo import ZoneInfo

import pytest

from auditship_agent.parsing.times import Seconds, epoch, rfc3339, span_ns, web_server

_MS = 1776162735000  # 2026-04-14T10:32:15.000Z
_ISTANBUL = ZoneInfo("Europe/Istanbul")
_BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "ms", "exact"),
    [
        ("2026-04-14T10:32:15Z", _MS, True),
        ("2026-04-14T10:32:15.000Z", _MS, True),
        ("2026-04-14t10:32:15z", _MS, True),
        ("2026-04-14T10:32:15.1Z", _MS + 100, True),
        ("2026-04-14T10:32:15.12Z", _MS + 120, True),
        ("2026-04-14T10:32:15.123999Z", _MS + 123, False),
        ("2026-04-14T10:32:15.999999999Z", _MS + 999, False),
        ("2026-04-14T10:32:15.123000000Z", _MS + 123, True),
        ("2026-04-14T10:32:15.000000001Z", _MS, False),
        ("2026-04-15T00:32:15+14:00", _MS, True),
        ("2026-04-14T05:02:15-05:30", _MS, True),
        ("2026-04-14T10:32:15-00:00", _MS, True),
        ("1969-12-31T23:59:59.999Z", -1, True),
        ("1969-12-31T23:59:59.9999Z", -1, False),
        ("0001-01-01T00:00:00Z", -62135596800000, True),
        ("9999-12-31T23:59:59.999Z", 253402300799999, True),
        ("2024-02-29T00:00:00Z", 1709164800000, True),
    ],
)
def test_rfc_3339_is_cut_to_ms(text: str, ms: int, exact: bool) -> None:  # noqa: FBT001 - a table
    """1 to 9 digits of fraction, any offset, either case; what is cut is known to be cut."""
    time = rfc3339(text)

    assert time is not None
    assert (time.ms, time.is_exact, time.flags) == (ms, exact, ())


def test_a_leap_second_is_the_last_ms_before_it() -> None:
    """Second 60 stays on its own day, flagged."""
    time = rfc3339("2016-12-31T23:59:60Z")

    assert time is not None
    assert (time.ms, time.flags) == (1483228799999, ("leap_second",))


BAD_TIMES = [
    "",
    " ",
    "2026-04-14",
    "2026-04-14T10:32:15",
    "2026-04-14T10:32Z",
    "2026-04-14T24:00:00Z",
    "2026-13-14T10:32:15Z",
    "2026-02-30T10:32:15Z",
    "2026-04-14T10:32:61Z",
    "2026-04-14T10:60:15Z",
    "0000-04-14T10:32:15Z",
    "10000-04-14T10:32:15Z",
    "04-14T10:32:15Z",
    "2026-04-14T10:32:15,123Z",
    "2026-04-14T10:32:15.Z",
    "2026-04-14T10:32:15.1234567890Z",
    "2026-04-14T10:32:15+2400",
    "2026-04-14T10:32:15+24:00",
    "2026-04-14T10:32:15+02:60",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "\u0662\u0660\u0662\u0666-04-14T10:32:15Z",
    "2026-04-14T10:32:15Z\n",
    "2026-04-14T10:32:15Z junk",
    "1_795_465_861",
    "now",
]


@pytest.mark.parametrize("text", BAD_TIMES)
def test_what_is_not_rfc_3339_is_refused(text: str) -> None:
    """No zone, no such day, foreign digits, a comma: not a time of the native log."""
    assert rfc3339(text) is None
    assert Seconds().canonical_ms(text) is None


def test_the_cache_agrees_with_the_parser() -> None:
    """The quick way answers for the exact form only, and the same."""
    seconds = Seconds()
    for _ in range(2):
        assert seconds.canonical_ms("2026-04-14T10:32:15.007Z") == _MS + 7
    for other in ("2026-04-14T10:32:60.007Z", "2026-04-14 10:32:15.007Z",
                  "2026-04-14T10:32:15.0\u06677Z", "2026-04-14T10:32:15.007z"):  # fmt: skip
        assert seconds.canonical_ms(other) is None


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1776162735.123456", 1776162735123456000),
        ("1776162735.9999999999", 1776162735999999999),
        ("1776162735", 1776162735000000000),
        ("1.776162735123e+09", 1776162735123000000),
        ("1.776162735e9", 1776162735000000000),
        ("1776162735123", 1776162735123000000),
        ("1776162735123.4567", 1776162735123456700),
        ("1776162735123456", 1776162735123456000),
        ("1776162735123456789", 1776162735123456789),
        ("0", 0),
    ],
)
def test_epochs_are_told_apart_by_magnitude(text: str, ns: int) -> None:
    """Seconds, ms, us and ns; digits come from the text, so no binary float moves them."""
    time = epoch(text)

    assert time is not None
    assert time.ns == ns


@pytest.mark.parametrize(
    "text", ["", "-1", "1e400", "1e99", "0x10", "1_776_162_735", "NaN", "1,5", "9" * 25, "null"]
)
def test_other_numbers_are_no_epoch(text: str) -> None:
    """Nothing before 1970, beyond year 9999, or with foreign marks."""
    assert epoch(text) is None


@pytest.mark.parametrize(
    ("text", "ms", "flags"),
    [
        ("2026-04-14T10:32:15.123Z", _MS + 123, ()),
        ("2026-04-14T12:32:15.123+0200", _MS + 123, ()),
        ("14/Apr/2026:12:32:15 +0200", _MS, ()),
        ("2026/04/14 13:32:15", _MS, ("time_zone_assumed",)),
        ("2026-04-14 13:32:15,123", _MS + 123, ("time_zone_assumed",)),
    ],
)
def test_web_servers_write_times_in_several_forms(
    text: str, ms: int, flags: tuple[str, ...]
) -> None:
    """ISO 8601, common log and wall forms; a wall form takes the source's zone and says so."""
    time = web_server(text, _ISTANBUL)

    assert time is not None
    assert (time.ms, time.flags) == (ms, flags)


def test_a_wall_time_keeps_its_text() -> None:
    """A time without a zone told less than its event claims, so the text must be kept."""
    time = web_server("2026/04/14 13:32:15", _ISTANBUL)

    assert time is not None
    assert not time.is_exact


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-10-25 02:30:00", "2026-10-25T00:30:00Z"),
        ("2026-03-29 02:30:00", "2026-03-29T01:30:00Z"),
    ],
)
def test_fold_and_hole_are_settled_and_flagged(text: str, utc: str) -> None:
    """An hour that stands twice is the earlier one; one that never was is shifted forward."""
    time, expected = web_server(text, _BERLIN), rfc3339(utc)

    assert time is not None
    assert expected is not None
    assert time.ms == expected.ms
    assert set(time.flags) == {"time_zone_assumed", "time_ambiguous"}


@pytest.mark.parametrize(
    "text", ["2026/04/14 13:32:15", "14/Xyz/2026:12:32:15 +0200", "32/Apr/2026:12:32:15 +0200", ""]
)
def test_a_wall_time_without_a_zone_is_refused(text: str) -> None:
    """The host's zone is never read."""
    assert web_server(text, None) is None


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0.008572649", 8572649),
        ("12.5", 12_500_000_000),
        ("9.4417e-05", 94417),
        ("0", 0),
        ("250", 250_000_000),
        ("94417000", 94417000),
        ("1.5ms", 1_500_000),
        ("94.417µs", 94417),
        ("1m2.5s", 62_500_000_000),
        ("2h", 7_200_000_000_000),
        ("17ns", 17),
    ],
)
def test_durations_become_ns(text: str, ns: int) -> None:
    """Float seconds, whole ms or ns, and Go's own text."""
    assert span_ns(text) == ns


@pytest.mark.parametrize("text", ["", "-1", "NaN", "null", "5 minutes", "1e400", "s", "{}"])
def test_other_texts_are_no_duration(text: str) -> None:
    """An event without a duration is better than one with a guessed one."""
    assert span_ns(text) is None
