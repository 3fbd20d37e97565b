"""Dotted paths and conditions of a preset file, compiled into closures once."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from auditship_agent.parsing.decode import Number

Values = dict[str, Any]
Getter = Callable[[Values], Any]
Test = Callable[[Any], bool]
Condition = Callable[[Values], bool]
_CLASS: Final = re.compile(r"[1-5]xx", re.ASCII)


def picker(paths: Iterable[str], nothing: frozenset[str] = frozenset()) -> Getter:
    """Return what reads the first of `paths` that is there; None, "" and `nothing` are absent."""
    names = tuple(paths)
    absent = nothing | {""}
    if len(names) == 1 and "." not in names[0]:
        (name,) = names

        def pick_key(values: Values) -> Any:
            found = values.get(name)
            return None if isinstance(found, str) and found in absent else found

        return pick_key
    getters = [_one(path) for path in names]
    if len(getters) == 1:
        (get,) = getters

        def pick(values: Values) -> Any:
            found = get(values)
            return None if isinstance(found, str) and found in absent else found

        return pick

    def pick_first(values: Values) -> Any:
        for get in getters:
            found = get(values)
            if found is not None and not (isinstance(found, str) and found in absent):
                return found
        return None

    return pick_first


def _one(path: str) -> Getter:
    keys = path.split(".")
    if len(keys) == 1:
        return lambda values: values.get(path)

    def get(values: Values) -> Any:
        found: Any = values
        for key in keys:
            if isinstance(found, dict):
                found = found.get(key)
            elif isinstance(found, list) and key.isdigit() and int(key) < len(found):
                found = found[int(key)]
            else:
                return None
        return found

    return get


def text_of(value: Any) -> str | None:
    """Return a scalar as text (a number by its digits); None for what is no scalar."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        return value.text
    return str(value) if isinstance(value, int) else None


def condition(when: dict[str, Any], nothing: frozenset[str] = frozenset()) -> Condition:
    """Return whether all keys of a `when` match. An empty one always does."""
    parts = [(picker([path], nothing), _test(wanted)) for path, wanted in when.items()]
    if len(parts) == 1:
        ((get, test),) = parts
        return lambda values: test(get(values))

    def holds(values: Values) -> bool:
        for get, test in parts:  # noqa: SIM110 - `all` would make a generator for each line
            if not test(get(values)):
                return False
        return True

    return holds


def _test(wanted: Any) -> Test:  # noqa: PLR0911 - a form of condition each
    if isinstance(wanted, dict) and set(wanted) == {"not"}:
        inner = _test(wanted["not"])
        return lambda found: not inner(found)
    if isinstance(wanted, list):
        return _any(wanted)
    if wanted == "present":
        return lambda found: found is not None
    if wanted == "absent":
        return lambda found: found is None
    text = text_of(wanted)
    if text is not None and _CLASS.fullmatch(text):
        digit = text[0]
        return lambda found: len(one := text_of(found) or "") == 3 and one[0] == digit  # noqa: PLR2004 - digits of a status
    if text is not None and text.endswith("*"):
        head = text[:-1]
        return lambda found: (one := text_of(found)) is not None and one.startswith(head)
    return lambda found: text_of(found) == text


def _any(wanted: list[Any]) -> Test:
    """Plain values are looked up at once; the other forms are tried in turn."""
    texts = {text for one in wanted if _is_plain(one) and (text := text_of(one)) is not None}
    others = [_test(one) for one in wanted if not _is_plain(one)]
    if not others:
        return lambda found: text_of(found) in texts
    return lambda found: text_of(found) in texts or any(test(found) for test in others)


def _is_plain(wanted: Any) -> bool:
    if not isinstance(wanted, str):
        return not isinstance(wanted, dict | list)
    special = wanted in {"present", "absent"} or wanted.endswith("*")
    return not special and not _CLASS.fullmatch(wanted)


def check_when(when: dict[str, Any]) -> str | None:
    """Return what is wrong with the values of a `when`, None when nothing is."""
    for path, wanted in when.items():
        for one in wanted if isinstance(wanted, list) else [wanted]:
            inner = one.get("not") if isinstance(one, dict) and set(one) == {"not"} else one
            for leaf in inner if isinstance(inner, list) else [inner]:
                if not isinstance(leaf, str | int):
                    return f"{path}: {leaf!r} is no text, number, list or {{not: value}}"
    return None
