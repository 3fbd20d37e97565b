"""Text of a time -> Unix ms, cut and never rounded, from the decimal text (no binary float).

RFC 3339 for the native log; for web servers also epochs in seconds, ms, us or ns and the wall
forms of their encoders. What cutting lost is kept by the caller as `audit.original_time`.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000
_MAX_CACHE: Final = 4_096
_SECONDS: Final = {f"{second:02}.": second * 1000 for second in range(60)}
_FRACTIONS: Final = {f"{ms:03}Z": ms for ms in range(1000)}
_RFC3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):(\d\d))",
    re.ASCII,
)
_ISO8601_ZONE: Final = re.compile(r"(.*[+-]\d\d)(\d\d)", re.ASCII)
_EPOCH: Final = re.compile(r"(\d{1,20})(?:\.(\d+))?(?:[eE]\+?(\d{1,2}))?", re.ASCII)
_WALL: Final = re.compile(
    r"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?", re.ASCII
)
_COMMON: Final = re.compile(
    r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)", re.ASCII
)
MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
        start=1,
    )
}
_EPOCH_UNITS: Final = ((100_000_000_000, 9), (100_000_000_000_000, 6), (10**17, 3))


class Time(Struct, frozen=True, gc=False):
    """A point in time: `ns` since 1970, exact to the text's last digit (at most 9)."""

    ns: int
    flags: tuple[str, ...] = ()
    zoned: bool = True

    @property
    def ms(self) -> int:
        """Unix ms, digits below cut (towards the past)."""
        return self.ns // NS_PER_MS

    @property
    def is_exact(self) -> bool:
        """Whether ms tell all that the text told."""
        return self.zoned and self.ns % NS_PER_MS == 0


class Seconds:
    """Reads the canonical form by look-ups: a cache from the text of a minute to its Unix ms."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def canonical_ms(self, text: str) -> int | None:
        """Return Unix ms of the exact form `2026-04-14T10:32:15.000Z`, None for any other."""
        second_ms = _SECONDS.get(text[17:20])
        ms = _FRACTIONS.get(text[20:])
        if ms is None or second_ms is None:
            return None
        minute_ms = self._known.get(text[:17])
        if minute_ms is None:
            minute_ms = self._learn(text)
            if minute_ms is None:
                return None
        return minute_ms + second_ms + ms

    def _learn(self, text: str) -> int | None:
        minute = text[:17]
        time = rfc3339(f"{minute}00.000Z")
        if time is None or text[10] != "T":
            return None
        if len(self._known) >= _MAX_CACHE:
            self._known.clear()
        minute_ms = self._known[minute] = time.ms
        return minute_ms


def rfc3339(text: str) -> Time | None:
    """Read RFC 3339 with a zone and 0 to 9 digits of fraction; None when it is not that.

    Second 60 becomes `:59.999` with flag `leap_second`.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    day, clock, fraction, zulu, sign, hours, minutes = match.groups()
    zone: timezone = UTC
    if not zulu:
        offset = int(hours) * 60 + int(minutes)
        if int(hours) > 23 or int(minutes) > 59:  # noqa: PLR2004 - a clock
            return None
        zone = timezone(timedelta(minutes=-offset if sign == "-" else offset))
    return wall(day, clock, fraction, zone)


def wall(day: str, clock: str, fraction: str | None, zone: timezone | ZoneInfo) -> Time | None:
    """Return a time of the day in a zone; None when there is no such day or time.

    A named zone gives flag `time_zone_assumed`. A time that stands twice is the earlier one, one
    in the hole is shifted forward; both get flag `time_ambiguous`.
    """
    flags: list[str] = []
    if clock.endswith(":60"):
        clock, fraction = clock[:-2] + "59", "999"
        flags.append("leap_second")
    try:
        local = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=zone)
        seconds = _epoch(local, flags)
    except (ValueError, OverflowError):
        return None
    ns = int((fraction or "").ljust(9, "0"))
    return Time(seconds * NS_PER_S + ns, tuple(flags), not isinstance(zone, ZoneInfo))


_START: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)


def _epoch(local: datetime, flags: list[str]) -> int:
    """Return Unix seconds; a wall time that stands twice or never is settled and flagged."""
    if isinstance(local.tzinfo, ZoneInfo):
        flags.append("time_zone_assumed")
        # fold=0 is the earlier of two times, and shifts a time in the hole forward.
        if local.utcoffset() != local.replace(fold=1).utcoffset():
            flags.append("time_ambiguous")
    return (local.astimezone(UTC) - _START) // _SECOND


def epoch(text: str) -> Time | None:
    """Read a number since 1970: seconds, ms, us or ns, told apart by magnitude (from 1973 on)."""
    match = _EPOCH.fullmatch(text)
    if match is None:
        return None
    whole, fraction, exponent = match[1], match[2] or "", int(match[3] or 0)
    digits = whole + fraction.ljust(exponent, "0")
    point = len(whole) + exponent
    whole, fraction = digits[:point], digits[point:]
    number = int(whole)
    scale = next((power for limit, power in _EPOCH_UNITS if number < limit), 0)
    ns = int(whole + fraction.ljust(scale, "0")[:scale])
    limit = 253_402_300_800 * NS_PER_S  # the year 10000
    return Time(ns) if ns < limit else None


def web_server(text: str, zone: ZoneInfo | None) -> Time | None:
    """Read a time as web servers write it: RFC 3339, ISO 8601, wall or common log form.

    A form without a zone needs `zone`, and gets flag `time_zone_assumed`.
    """
    if time := rfc3339(_ISO8601_ZONE.sub(r"\1:\2", text)):
        return time
    if common := _COMMON.fullmatch(text):
        day, month, year, clock, hours, minutes = common.groups()
        number = MONTHS.get(month)
        return (number and rfc3339(f"{year}-{number:02d}-{day}T{clock}{hours}:{minutes}")) or None
    match = _WALL.fullmatch(text)
    if match is None or zone is None:
        return None
    year, month, day, clock, fraction = match.groups()
    return wall(f"{year}-{month}-{day}", clock, fraction, zone)


_NUMBER: Final = re.compile(r"(\d{1,15})(?:\.(\d+))?(?:[eE]-(\d{1,2}))?", re.ASCII)
_GO_PARTS: Final = re.compile(r"(?:\d{1,12}(?:\.\d{1,18})?(?:h|ms|m|s|µs|us|ns))++", re.ASCII)
_GO_PART: Final = re.compile(r"(\d+)(?:\.(\d+))?(h|ms|m|s|µs|us|ns)", re.ASCII)
_GO_NS: Final = {
    "h": 3600 * NS_PER_S, "m": 60 * NS_PER_S, "s": NS_PER_S, "ms": NS_PER_MS, "us": 1000,
    "µs": 1000, "ns": 1,
}  # fmt: skip
_NANOSECONDS_FROM: Final = 100_000


def span_ns(text: str) -> int | None:
    """Read a duration as web servers write it, in ns, cut: `0.0123` (seconds), `1.5ms`, `1m2s`.

    A whole number is no float of seconds: from 100,000 on it is ns, below that ms. None when it
    is no duration.
    """
    if match := _NUMBER.fullmatch(text):
        whole, fraction, exponent = match[1], match[2], int(match[3] or 0)
        if fraction is None and not exponent:
            return int(whole) * (1 if int(whole) >= _NANOSECONDS_FROM else NS_PER_MS)
        return _scaled(whole, fraction or "", NS_PER_S) // _power(exponent)
    if not _GO_PARTS.fullmatch(text):
        return None
    return sum(
        _scaled(whole, fraction, _GO_NS[unit]) for whole, fraction, unit in _GO_PART.findall(text)
    )


def _scaled(whole: str, fraction: str, unit_ns: int) -> int:
    digits = fraction[:18]
    return int(whole + digits) * unit_ns // _power(len(digits))


def _power(exponent: int) -> int:
    return int(10**exponent)


_DECIMAL: Final = re.compile(r"(\d{1,20})(?:\.(\d+))?(?:[eE]([+-]?\d{1,2}))?", re.ASCII)


def decimal_ns(text: str, scale: int) -> int | None:
    """Return a decimal number times 10^`scale` (0 to 9), cut to a whole one; None: it is none."""
    match = _DECIMAL.fullmatch(text)
    if match is None:
        return None
    whole, fraction, shift = match[1], match[2] or "", scale + int(match[3] or 0)
    if shift < 0:
        return int(whole[:shift] or "0")
    return int(whole + (fraction + "0" * shift)[:shift])
