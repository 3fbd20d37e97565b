"""Windows of time: from inclusive, to exclusive, on `@timestamp`.

    2026-04-01                 a UTC day: 00:00 of it
    2026-04-01T10:00Z          an instant; a time needs a zone
    24h                        so long ago; units s m h d w M y
    now-7d/d                   date math as the cluster writes it; / rounds down, weeks from Monday
    2026-04-14||+1d            date math on a date

Digits below the millisecond are cut, as they are in stored times.
"""

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

from msgspec import Struct

from auditship_indexer.clock import iso_ms
from auditship_indexer.errors import ConfigError
from auditship_indexer.query.tree import Compare, Tree, both

FORMS: Final = "2026-04-01, 2026-04-01T10:00Z, 24h, now-7d/d"
_DATE: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})"
    r"(?:[Tt ](\d{2})(?::?(\d{2})(?::?(\d{2})(?:[.,](\d+))?)?)?"
    r"([Zz]|[+-]\d{2}(?::?\d{2})?)?)?",
    re.ASCII,
)
_AGO: Final = re.compile(r"\d{1,9}[smhdwMy]", re.ASCII)
_MATH: Final = re.compile(r"([+-])(\d{1,9})([smhdwMy])|/([smhdwMy])", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STEP: Final = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


class Window(Struct, frozen=True):
    """From `start_ms` inclusive to `end_ms` exclusive, Unix ms in UTC; None is open."""

    start_ms: int | None = None
    end_ms: int | None = None

    def tree(self) -> Tree:
        """Return the window as a condition."""
        bounds: list[Tree] = []
        if self.start_ms is not None:
            bounds.append(Compare("@timestamp", ">=", self.start_ms))
        if self.end_ms is not None:
            bounds.append(Compare("@timestamp", "<", self.end_ms))
        return both(bounds)

    def __str__(self) -> str:
        start = "the oldest event" if self.start_ms is None else iso_ms(self.start_ms)
        end = "the newest event" if self.end_ms is None else f"{iso_ms(self.end_ms)} (exclusive)"
        return f"from {start} to {end}"


def parse_window(start: str | None, end: str | None, now_ms: int) -> Window:
    """Return the window of `--from` and `--to`.

    Raises:
        ConfigError: a text is not a time, has no zone, or from is after to.
    """
    window = Window(
        None if start is None else parse_instant("--from", start, now_ms),
        None if end is None else parse_instant("--to", end, now_ms),
    )
    if (
        window.start_ms is not None
        and window.end_ms is not None
        and (window.start_ms > window.end_ms)
    ):
        raise ConfigError(
            f"--from {iso_ms(window.start_ms)} is after --to {iso_ms(window.end_ms)}",
            hint="from is inclusive, to is exclusive",
        )
    return window


def parse_instant(option: str, text: str, now_ms: int) -> int:
    """Return an instant in Unix ms, UTC.

    Raises:
        ConfigError: the text is none of the forms above; `option` is told.
    """
    anchor, math = _cut(text.strip())
    try:
        at = _anchor(option, text, anchor, now_ms)
        instant = (_computed(at, math, option, text) - _EPOCH) // timedelta(milliseconds=1)
    except (OverflowError, ValueError) as error:
        raise ConfigError(f"{option} {text}: there is no such time: {error}") from error
    return instant


def _cut(text: str) -> tuple[str, str]:
    """Split into the anchor and the date math behind it."""
    if _AGO.fullmatch(text):
        return "now", f"-{text}"
    if text.startswith("now"):
        return "now", text[3:]
    anchor, _, math = text.partition("||")
    return anchor, math


def _anchor(option: str, text: str, anchor: str, now_ms: int) -> datetime:
    if anchor == "now":
        return _EPOCH + timedelta(milliseconds=now_ms)
    match = _DATE.fullmatch(anchor)
    if match is None:
        raise ConfigError(f"{option} {text}: not a time", hint=_advice(anchor))
    day, hour, minute, second, fraction, zone = match.groups()
    if hour is not None and zone is None:
        raise ConfigError(
            f"{option} {text}: a time needs a zone",
            hint=f"{anchor}Z for UTC, or for example {anchor}+03:00",
        )
    ms = int(f"{fraction or ''}000"[:3])
    at = datetime.fromisoformat(f"{day}T{hour or '00'}:{minute or '00'}:{second or '00'}")
    return at.replace(microsecond=ms * 1000, tzinfo=_zone(zone))


def _zone(text: str | None) -> timezone:
    if text is None or text in "Zz":
        return UTC
    hours, minutes = int(text[1:3]), int(text[3:].lstrip(":") or 0)
    if minutes > 59:  # noqa: PLR2004 - minutes of an hour
        raise ValueError(f"a zone has at most 59 minutes, not {minutes}")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(-offset if text[0] == "-" else offset)


def _advice(anchor: str) -> str:
    if anchor.isdigit() and len(anchor) > 4:  # noqa: PLR2004 - longer than a year
        return f"a bare number is no time; write one of {FORMS}"
    if re.fullmatch(r"\d{4}(-\d{2})?", anchor, re.ASCII):
        return f"a year or month alone is not a window; write --from {anchor[:4]}-04-01"
    return f"write one of {FORMS}"


def _computed(at: datetime, math: str, option: str, text: str) -> datetime:
    end = 0
    at = at.astimezone(UTC)
    for match in _MATH.finditer(math):
        if match.start() != end:
            break
        end = match.end()
        sign, count, unit, rounding = match.groups()
        at = _floor(at, rounding) if rounding else _moved(at, int(f"{sign}{count}"), unit)
    if end != len(math):
        raise ConfigError(
            f"{option} {text}: {math[end:]!r} is no date math",
            hint="steps are +1d or -7d, roundings /d; units s m h d w M y",
        )
    return at


def _moved(at: datetime, count: int, unit: str) -> datetime:
    if unit in _STEP:
        return at + count * _STEP[unit]
    months = at.year * 12 + at.month - 1 + count * (12 if unit == "y" else 1)
    year, month = divmod(months, 12)
    if not 1 <= year <= 9999:  # noqa: PLR2004 - the years of a calendar date
        raise OverflowError(f"year {year}")
    return at.replace(year=year, month=month + 1, day=min(at.day, monthrange(year, month + 1)[1]))


def _floor(at: datetime, unit: str) -> datetime:
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    match unit:
        case "y":
            return day.replace(month=1, day=1)
        case "M":
            return day.replace(day=1)
        case "w":
            return day - timedelta(days=day.weekday())
        case "d":
            return day
        case _:
            return day + (at - day) // _STEP[unit] * _STEP[unit]
