"""`filter_path` of a reply, as the node applies it: named paths stay, what is empty goes."""

from fnmatch import fnmatchcase
from typing import Any, Final

_NOTHING: Final = object()


def filtered(value: dict[str, Any], expression: str) -> Any:
    """Return the part of a reply that a comma-separated list of dotted paths names."""
    kept = _kept(value, [path.split(".") for path in expression.split(",") if path])
    return {} if kept is _NOTHING else kept


def _kept(value: Any, paths: list[list[str]]) -> Any:
    if any(not path for path in paths):
        return value
    if isinstance(value, dict):
        parts = {name: _kept(part, _below(name, paths)) for name, part in value.items()}
        return {name: part for name, part in parts.items() if part is not _NOTHING} or _NOTHING
    if isinstance(value, list):
        items = [_kept(item, paths) for item in value]
        return [item for item in items if item is not _NOTHING] or _NOTHING
    return _NOTHING


def _below(name: str, paths: list[list[str]]) -> list[list[str]]:
    below = []
    for step, *rest in paths:
        if step == "**":
            below.append([step, *rest])
            if rest and fnmatchcase(name, rest[0]):
                below.append(rest[1:])
        elif fnmatchcase(name, step):
            below.append(rest)
    return below
