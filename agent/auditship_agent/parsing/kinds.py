"""The `as` of a preset file: a decoded value becomes a value of a record, or does not fit.

Each reader is made once for its field; `None` in is never asked. A value that does not fit costs
its own field and nothing more.
"""

from collections.abc import Callable
from typing import Any, Final

from auditship_agent.parsing.paths import resolve
from auditship_agent.parsing.pick import text_of
from auditship_agent.parsing.targets import (
    MAX_BY_ATTRIBUTE,
    MIN_BY_ATTRIBUTE,
    WORDS_BY_ATTRIBUTE,
)
from auditship_agent.parsing.times import decimal_ns, rfc3339
from auditship_indexer.event.fields import MAX_INTEGER

MISFIT: Final = object()
Reader = Callable[[Any], Any]
_UNITS_NS: Final = {"seconds": 9, "milliseconds": 6, "nanoseconds": 0, "int": 0}
_SIGNED_64: Final = 20  # most characters of an integer of 64 bits


def reader(kind: str, attribute: str) -> Reader:
    """Return what reads a value of `kind` for an attribute of a record, or gives MISFIT."""
    if attribute == "duration_ns":
        return _duration(_UNITS_NS[kind])
    if kind == "int":
        low = MIN_BY_ATTRIBUTE.get(attribute, 0)
        high = MAX_BY_ATTRIBUTE.get(attribute, MAX_INTEGER)
        return lambda value: _integer(value, low, high)
    if words := WORDS_BY_ATTRIBUTE.get(attribute):
        return lambda value: value if isinstance(value, str) and value in words else MISFIT
    if attribute == "file_sha256":
        return _sha256
    return _READERS[kind]


def integer(value: Any) -> int | None:
    """Return a whole number, also from its text; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < _SIGNED_64:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _integer(value: Any, low: int, high: int) -> Any:
    number = integer(value)
    return number if number is not None and low <= number <= high else MISFIT


def _text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return MISFIT
    text = text_of(value)
    return MISFIT if text is None else text


def _path(value: Any) -> Any:
    if not isinstance(value, str):
        return MISFIT
    return value if value[0] == "/" else "/" + value


def _raw_path(value: Any) -> Any:
    return resolve(value).text if isinstance(value, str) else MISFIT


def _bool(value: Any) -> Any:
    return value if isinstance(value, bool) else MISFIT


def _date(value: Any) -> Any:
    time = rfc3339(value) if isinstance(value, str) else None
    return MISFIT if time is None else time.ms


def _list(value: Any) -> Any:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        return MISFIT
    texts = [one for one in value if isinstance(one, str) and one]
    return texts if len(texts) == len(value) else MISFIT


def _sha256(value: Any) -> Any:
    if not isinstance(value, str) or len(value) != 64:  # noqa: PLR2004 - hex digits of SHA-256
        return MISFIT
    lowered = value.lower()
    return lowered if set(lowered) <= set("0123456789abcdef") else MISFIT


def _duration(scale: int) -> Reader:
    def read(value: Any) -> Any:
        text = text_of(value)
        ns = None if text is None or isinstance(value, bool) else decimal_ns(text, scale)
        return ns if ns is not None and ns <= MAX_INTEGER else MISFIT

    return read


_READERS: Final[dict[str, Reader]] = {
    "text": _text,
    "ip": _text,
    "ip_port": _text,
    "path": _path,
    "raw_path": _raw_path,
    "bool": _bool,
    "date": _date,
    "list": _list,
}
