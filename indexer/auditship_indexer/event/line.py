r"""One event as one line for people: `time  VERB  user  object  region`.

    2026-04-14 10:32:15  UPLOAD     john@dosya.dev      render-final.mp4 (12.4 GB)      eu-central-2

Text that comes from logs is neutralized: control, bidi, zero-width and line-separator characters
print as `\u{202e}`, so that no name can move the cursor or reverse a line.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from auditship_indexer.event.actions import ACTIONS
from auditship_indexer.event.results import reason_text

ARROW: Final = " → "
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_FILLERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_UNITS: Final = ("kB", "MB", "GB", "TB", "PB")
_HOLE: Final = re.compile(r"\{([a-z_]+)\}")
_BRACKETS: Final = re.compile(r" \(\{([a-z_]+)\}\)")

# hole of an action's text -> the fields that fill it, first one present
_HOLES: Final[dict[str, tuple[str, ...]]] = {
    "action": ("event.action",),
    "file": ("file.name", "file.path", "file.id"),
    "file_or_workspace": ("file.name", "file.path", "workspace.name", "workspace.id"),
    "gap_from": ("audit.gap.from",),
    "gap_to": ("audit.gap.to",),
    "key": ("api_key.target.name", "api_key.target.id"),
    "object": ("audit.object",),
    "old_name": ("file.previous.name", "file.previous.path"),
    "old_path": ("file.previous.path", "file.previous.name"),
    "path": ("file.path", "file.name", "file.id"),
    "role": ("user.changes.roles",),
    "rows": ("audit.rows",),
    "size": ("file.size",),
    "target": ("user.target.email", "user.target.name", "user.target.id"),
    "version": ("file.version",),
    "workspace": ("workspace.name", "workspace.id"),
}


def value_of(source: Mapping[str, Any], field: str) -> Any:
    """Return a field of a decoded document by its dotted name, or None."""
    value: Any = source
    for key in field.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def plain(text: str) -> str:
    r"""Return `text` with every character that could deceive the eye as `\u{hex}`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        f"\\u{{{ord(char):x}}}"
        if unicodedata.category(char) in _HIDDEN or char in _FILLERS
        else char
        for char in text
    )


def cells(text: str) -> int:
    """Return how many columns of a terminal `text` takes (East Asian wide: 2, combining: 0)."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def column(text: str, width: int) -> str:
    """Pad `text` to `width` columns, with two blanks at least behind it."""
    return text + " " * max(2, width - cells(text))


def size_text(size: int) -> str:
    """Return a size in decimal units: `512 B`, `12.4 GB`; one decimal, half up, exact."""
    if size < 1000:  # noqa: PLR2004 - decimal units
        return f"{size} B"
    scale = 1000
    for unit in _UNITS:
        tenths = (size * 10 + scale // 2) // scale
        if tenths < 10_000 or unit == _UNITS[-1]:  # noqa: PLR2004 - 1000.0 of a unit
            return f"{tenths // 10}.{tenths % 10} {unit}"
        scale *= 1000
    raise AssertionError("the last unit takes any size")


def _fill(source: Mapping[str, Any], hole: str) -> str | None:
    for field in _HOLES[hole]:
        value = value_of(source, field)
        if isinstance(value, list):
            value = ", ".join(map(str, value))
        if value is not None and value != "":
            return size_text(value) if hole == "size" else plain(str(value))
    return None


def _part(source: Mapping[str, Any], template: str) -> str | None:
    """Fill one part of a text; None when it says nothing without its unknown."""
    template = _BRACKETS.sub(
        lambda match: match[0] if _fill(source, match[1]) is not None else "", template
    )
    filled = {hole: _fill(source, hole) for hole in _HOLE.findall(template)}
    if filled and all(value is None for value in filled.values()):
        return None
    return _HOLE.sub(lambda match: filled[match[1]] or "", template).strip()


def _done_text(source: Mapping[str, Any], action: str) -> list[str]:
    known = ACTIONS.get(action)
    if known is None:
        return [plain(action)]
    parts = [_part(source, part) for part in known.text.split(ARROW)]
    told = [part for part in parts if part]
    return told or [plain(action)]


def _subject(source: Mapping[str, Any], action: str) -> str:
    family = action.partition(".")[0]
    if family == "share":
        subject: str | None = "share link"
    elif family in {"file", "folder"}:
        subject = _fill(source, "file")
    elif family == "member":
        subject = _fill(source, "target")
    elif action == "auth.login":
        subject = "login"
    else:
        subject = _done_text(source, action)[0]
    claimed = value_of(source, "audit.claimed_user")
    subject = subject or plain(action)
    return f"{subject} as {plain(str(claimed))}" if claimed else subject


def object_text(source: Mapping[str, Any]) -> str:
    """Return what the act was about: `render-final.mp4 (12.4 GB)`, `share link → expired`."""
    action = str(value_of(source, "event.action") or "")
    result = value_of(source, "audit.result")
    reason = value_of(source, "event.reason")
    if result == "denied":
        return _subject(source, action) + ARROW + (reason_text(plain(reason)) if reason else result)
    if result == "error" and action != "agent.gap":
        told = f"error: {reason_text(plain(reason))}" if reason else "error"
        return _subject(source, action) + ARROW + told
    return ARROW.join(_done_text(source, action))


def time_text(source: Mapping[str, Any]) -> str:
    """Return the time of the act in UTC, to the second."""
    return plain(str(source.get("@timestamp", ""))[:19].replace("T", " "))


def one_line(source: Mapping[str, Any]) -> str:
    """Return a decoded document as one line of 5 columns: time, verb, user, object, region."""
    return (
        column(time_text(source), 21)
        + column(plain(str(value_of(source, "audit.verb") or "")), 11)
        + column(plain(str(value_of(source, "audit.actor") or "")), 20)
        + column(object_text(source), 32)
        + plain(str(value_of(source, "cloud.region") or ""))
    )
