"""Bytes of a line -> one JSON object, for lines that a preset's typed decoder refused.

A pure function that never raises on input: whatever the bytes, the answer is an object with the
oddities that were repaired, or the one reason why there is none. What a client can choose (bad
UTF-8, lone surrogates, control characters inside strings) is repaired and flagged, never refused.
"""

import json
import re
from collections import Counter
from typing import Any, Final, NoReturn

import msgspec
from msgspec import Struct

from auditship_agent.line import Dead, Ignored

MAX_DEPTH: Final = 64
_BOM: Final = b"\xef\xbb\xbf"
_WIDE_BOMS: Final = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
# Strings (also unterminated ones) are skipped in one step, so that the scan stays linear.
_BRACKET: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_MALFORMED: Final = re.compile(r"JSON is malformed: (.*) \(byte (\d+)\)")
_LETTER_ESCAPE: Final = (b"\\u005", b"\\u006", b"\\u007")  # a key may be spelled with these
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")


class Decoded(Struct, frozen=True, gc=False):
    """One JSON object of a line, and the flags of what was repaired."""

    value: dict[str, Any]
    flags: set[str]


class _Object(dict[str, Any]):
    """An object that remembers which of its keys stood twice."""

    twice: frozenset[str] = frozenset()


class Number(float):
    """A number that is no small integer, with its decimal text: times are cut, never rounded."""

    text: str = ""


class _NoNumberError(ValueError):
    """NaN and Infinity are not JSON."""


def is_blank(raw: bytes) -> bool:
    """Return whether a line holds nothing but a BOM, blanks and its CR."""
    return not raw.removeprefix(_BOM).strip(b" \t\r\v\f")


def decode(raw: bytes) -> Decoded | Ignored | Dead:
    """Decode a line as leniently as sources.md section 12 demands; never raises."""
    if is_blank(raw):
        return Ignored("empty_line")
    if _is_wide(raw):
        return Dead("bad_encoding", "UTF-16 or UTF-32; write UTF-8")
    body = raw.removeprefix(_BOM).removesuffix(b"\r")
    if too_deep(body):
        return Dead("too_deep", f"more than {MAX_DEPTH} levels")
    flags: set[str] = set()
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = body.decode(errors="replace")
        flags.add("bad_utf8")
    return _parsed(text, flags, body)


def _parsed(text: str, flags: set[str], body: bytes) -> Decoded | Dead:
    try:
        value, end = _DECODER.raw_decode(text, _start(text))
    except (ValueError, RecursionError):
        return Dead("bad_json", _position(body))
    if rest := text[end:].strip(" \t\r"):
        return _trailing(text, end, text.index(rest, end), is_object=isinstance(value, dict))
    if not isinstance(value, dict):
        return Dead("not_object", "the line is JSON, but not an object")
    if "\\u" in text and "\\ud" in text.lower():
        value = _scrubbed(value, flags)
    return Decoded(value, flags)


def _trailing(text: str, end: int, start: int, *, is_object: bool) -> Dead:
    """Tell an object with something behind it from text that only began like JSON."""
    place = len(text[:start].encode())
    if not is_object:
        return Dead("bad_json", f"text behind a value at byte {place}")
    if "\r" in text[end:start]:
        return Dead("bad_json", f"CR ends no line, at byte {place}")
    return Dead("trailing_data", f"text behind the object at byte {place}")


def _start(text: str) -> int:
    return len(text) - len(text.lstrip(" \t\r"))


def _position(body: bytes) -> str:
    """Say where JSON ends to be JSON, without a byte of the line's content."""
    try:
        msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        found = _MALFORMED.fullmatch(str(error))
        if found:
            return f"{found[1].replace(chr(39), '')} at byte {found[2]}"
        if "truncated" in str(error):
            return f"ends too early at byte {len(body)}"
    except (UnicodeDecodeError, RecursionError):
        return "not JSON"
    return "not JSON"


def _is_wide(raw: bytes) -> bool:
    if raw.startswith(_WIDE_BOMS):
        return True
    if b"\0" not in raw or len(raw) < 4:  # noqa: PLR2004 - two characters of UTF-16
        return False
    return any(2 * raw[parity::2].count(0) > len(raw[parity::2]) for parity in (0, 1))


def too_deep(raw: bytes) -> bool:
    """Return whether objects and arrays nest deeper than 64 levels."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for token in _BRACKET.finditer(raw):
        sign = token[0]
        if sign in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif sign in b"]}":
            depth -= 1
    return False


def may_repeat(raw: bytes, keys: tuple[bytes, ...]) -> bool:
    """Return whether one of the quoted `keys` could stand twice; false positives are allowed."""
    for key in keys:
        if raw.find(key) != raw.rfind(key):  # far quicker than to count
            return True
    return b"\\" in raw and spells_letters(raw)


def spells_letters(raw: bytes) -> bool:
    """Return whether a line has escapes that stand for plain letters, of which keys are made."""
    return any(escape in raw for escape in _LETTER_ESCAPE)


def repeats(value: Any, keys: frozenset[str]) -> bool:
    """Return whether a key of `keys` stood twice in an object that `decode` gave."""
    return isinstance(value, _Object) and not keys.isdisjoint(value.twice)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = _Object(pairs)
    if len(made) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        made.twice = frozenset(key for key, count in counts.items() if count > 1)
    return made


def _refuse(constant: str) -> NoReturn:
    raise _NoNumberError(constant)


def number(text: str) -> Number:
    """Return a number that keeps its decimal text."""
    made = Number(text)
    made.text = text
    return made


def _integer(text: str) -> int | Number:
    """Read an integer; one that no field could hold stays text, without a long conversion."""
    return int(text) if len(text) < 40 else number(text)  # noqa: PLR2004 - far beyond 64 bits


# strict=False: a raw control character in a string is a client's, so it is kept.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_constant=_refuse,
    parse_float=number,
    parse_int=_integer,
    strict=False,
)


def _scrubbed(value: dict[str, Any], flags: set[str]) -> dict[str, Any]:
    """Replace lone surrogates everywhere; the depth is bounded by `too_deep`."""

    def clean(item: Any) -> Any:
        if isinstance(item, str):
            fixed = _SURROGATE.sub("\ufffd", item)
            if fixed is not item and fixed != item:
                flags.add("bad_unicode")
            return fixed
        if isinstance(item, list):
            return [clean(one) for one in item]
        if isinstance(item, _Object):
            made = _Object((clean(key), clean(one)) for key, one in item.items())
            made.twice = item.twice
            return made
        return item

    cleaned = clean(value)
    return cleaned if isinstance(cleaned, dict) else value
