"""The `time` of a preset file, compiled: a decoded value becomes a point in time, or none.

Times are read from decimal text and cut, never rounded. A form without a zone needs `timezone`:
a wall time that stands twice is the earlier one, one that never was is shifted forward.
"""

import re
from collections.abc import Callable
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from auditship_agent.parsing.form import TimeForm
from auditship_agent.parsing.pick import text_of
from auditship_agent.parsing.times import (
    MONTHS,
    Seconds,
    Time,
    decimal_ns,
    rfc3339,
    wall,
    web_server,
)
from auditship_indexer.errors import ConfigError

Clock = Callable[[Any], Time | None]
_EPOCHS: Final = {"epoch_s": 9, "epoch_ms": 6, "epoch_us": 3, "epoch_ns": 0}
_YEAR_10000_NS: Final = 253_402_300_800 * 1_000_000_000
_PARTS: Final = {
    "Y": r"(?P<Y>\d{4})", "m": r"(?P<m>\d\d)", "d": r"(?P<d>\d\d)", "H": r"(?P<H>\d\d)",
    "M": r"(?P<M>\d\d)", "S": r"(?P<S>\d\d)", "f": r"(?P<f>\d{1,9})", "b": r"(?P<b>[A-Z][a-z]{2})",
    "z": r"(?P<z>[Zz]|[+-]\d\d:?\d\d)", "%": "%",
}  # fmt: skip
_SHORT: Final = {"%F": "%Y-%m-%d", "%T": "%H:%M:%S"}
_NEEDED: Final = frozenset("YdHMS")
FROM_SOURCE: Final = "source"


def clock(form: TimeForm, zone: str | None) -> Clock:
    """Return what reads the time of a record; `zone` is the source's, before the preset's.

    Raises:
        ConfigError: no such format or zone, or a form without a zone and no `timezone`.
    """
    own = form.timezone if form.timezone != FROM_SOURCE else None
    found = _zone(zone or own)
    if form.timezone == FROM_SOURCE and found is None:
        raise ConfigError(
            "timezone: this log writes times without a zone",
            hint="set timezone of the source to an IANA name, such as Europe/Berlin, or UTC",
        )
    formats = (form.format,) if isinstance(form.format, str) else form.format
    clocks = [_one(one, found) for one in formats]
    if len(clocks) == 1:
        return clocks[0]
    return lambda value: next((time for read in clocks if (time := read(value))), None)


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"timezone: {name!r} is not known",
            hint="use an IANA name, such as Europe/Berlin, or UTC",
        ) from error


def _one(name: str, zone: ZoneInfo | None) -> Clock:
    if name == "rfc3339":
        return _rfc3339()
    if name == "iso8601":
        return lambda value: web_server(value, zone) if isinstance(value, str) else None
    if name in _EPOCHS:
        return _epoch(_EPOCHS[name])
    if "%" in name:
        return _pattern(name, zone)
    raise ConfigError(
        f"time: {name!r} is no format",
        hint=f"use rfc3339, iso8601, {', '.join(_EPOCHS)}, or a form such as %Y-%m-%d %H:%M:%S",
    )


def _rfc3339() -> Clock:
    seconds = Seconds()

    def read(value: Any) -> Time | None:
        if not isinstance(value, str):
            return None
        time_ms = seconds.canonical_ms(value)
        return rfc3339(value) if time_ms is None else Time(time_ms * 1_000_000)

    return read


def _epoch(scale: int) -> Clock:
    def read(value: Any) -> Time | None:
        text = None if isinstance(value, bool) else text_of(value)
        ns = None if text is None else decimal_ns(text, scale)
        return Time(ns) if ns is not None and ns < _YEAR_10000_NS else None

    return read


def _pattern(form: str, zone: ZoneInfo | None) -> Clock:
    """Compile a strftime form: digits are ASCII and counted, nothing is skipped or guessed."""
    long = form
    for short, parts in _SHORT.items():
        long = long.replace(short, parts)
    pieces = re.split(r"%(.)", long)
    names = pieces[1::2]
    wrong = [name for name in names if name not in _PARTS]
    plain = [name for name in names if name != "%"]
    has_all = set(names) >= _NEEDED and bool({"m", "b"} & set(names))
    if wrong or len(set(plain)) != len(plain) or not has_all:
        raise ConfigError(
            f"time: {form!r} cannot be read",
            hint="use %Y, %m or %b, %d, %H, %M, %S, each once; %f and %z may be added",
        )
    if "z" not in names and zone is None:
        raise ConfigError(
            f"time: {form!r} has no zone",
            hint="set timezone to an IANA name, such as Europe/Berlin, or UTC",
        )
    regex = "".join(_PARTS[one] if odd else re.escape(one) for odd, one in _alternating(pieces))
    compiled = re.compile(regex, re.ASCII)
    return lambda value: _matched(compiled, value, zone)


def _alternating(pieces: list[str]) -> list[tuple[bool, str]]:
    return [(number % 2 == 1, piece) for number, piece in enumerate(pieces)]


def _matched(compiled: re.Pattern[str], value: Any, zone: ZoneInfo | None) -> Time | None:
    match = compiled.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    found = match.groupdict()
    month = found.get("m") or f"{MONTHS.get(found.get('b') or '', 0):02d}"
    day, time = f"{found['Y']}-{month}-{found['d']}", f"{found['H']}:{found['M']}:{found['S']}"
    fraction, offset = found.get("f"), found.get("z")
    if offset is not None:
        zoned = offset if len(offset) in {1, 6} else f"{offset[:3]}:{offset[3:]}"
        return rfc3339(f"{day}T{time}{'.' + fraction if fraction else ''}{zoned}")
    return None if zone is None else wall(day, time, fraction, zone)
