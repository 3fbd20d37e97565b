"""The schema of the native log against its reader: what one takes whole, the other takes whole."""

import copy
import json
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from auditship_agent.config import SourceConfig
from auditship_agent.line import Produced
from auditship_agent.parsing import preset_of
from support.native_schema import accepts
from support.transforming import EXAMPLES, as_line, stream

_LINES: Final = [json.loads(raw) for raw in (EXAMPLES / "native.jsonl").read_bytes().splitlines()]
_STREAM: Final = stream("native", storage_region="us-west-1")
_PRESET: Final = preset_of(SourceConfig("s", "native", ("/",)))
# What says that an event is less than its line, or than its action requires.
_LOSSES: Final = {"bad_field", "missing_field", "truncated", "labels_cut"}


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value of a line, objects and lists included."""
    found = [path] if path else []
    pairs = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in pairs:
        found += _places(inner, (*path, key))
    return found


def _with(line: Any, path: tuple[Any, ...], value: Any) -> Any:
    made = copy.deepcopy(line)
    at = made
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return made


# Other types; nothing here that the reader repairs (empty texts, digits in a text) or that it
# takes for absent (null, empty containers).
_ODD: Final = st.one_of(
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["text", "x y", "é", "2026-04-14T10:32:15Z"]),
    st.lists(st.integers() | st.just("a"), min_size=1, max_size=3),
    st.dictionaries(st.sampled_from(["odd", "id", "name"]), st.integers(1, 9), min_size=1),
)  # fmt: skip


def _loses(raw: bytes, produced: Produced) -> bool:
    """Return whether a line is dead, or its event is less than it."""
    if produced.outcome != "event":
        return True
    before = sum(_PRESET.unknown.counts.values())
    _PRESET.parse(raw)
    flags = json.loads(produced.documents[0].body)["audit"].get("flags", ())
    return bool(_LOSSES & set(flags)) or sum(_PRESET.unknown.counts.values()) != before


@given(st.sampled_from(_LINES), st.data())
def test_values_of_another_type_are_refused_by_both_or_by_neither(line: Any, data: Any) -> None:
    """The schema accepts a line exactly when its event holds all of it."""
    path = data.draw(st.sampled_from(_places(line)))
    raw = json.dumps(_with(line, path, data.draw(_ODD))).encode()

    assert accepts(raw) is not _loses(raw, _STREAM.produce(as_line(raw)))


@given(st.sampled_from(_LINES), st.data())
def test_missing_values_are_seen_by_both_or_by_neither(line: Any, data: Any) -> None:
    """What an action requires, and what a line must have: null and absent are the same."""
    paths = [path for path in _places(line) if isinstance(path[-1], str) and path[0] != "labels"]
    changed = copy.deepcopy(line)
    for path in data.draw(st.lists(st.sampled_from(paths), min_size=1, max_size=3, unique=True)):
        at = changed
        for key in path[:-1]:
            at = at.get(key) if isinstance(at, dict) else None
        if isinstance(at, dict) and path[-1] in at:
            at[path[-1]] = None
    raw = json.dumps(changed).encode()

    assert accepts(raw) is not _loses(raw, _STREAM.produce(as_line(raw)))


_TEXT: Final = st.text(max_size=12) | st.sampled_from(
    ["x" * 600, "ü" * 600, "-", "--", "@", "unix:", "/", "//", "a\n", "0" * 64, "audit.x"]
)  # fmt: skip
_ANY: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@given(st.sampled_from(_LINES), st.data())
def test_what_the_schema_accepts_is_an_event(line: Any, data: Any) -> None:
    """Whatever the values: accepted means an event, nothing dropped, nothing missing."""
    changed = line
    for _ in range(data.draw(st.integers(1, 3))):
        changed = _with(changed, data.draw(st.sampled_from(_places(changed))), data.draw(_ANY))
    raw = json.dumps(changed, ensure_ascii=data.draw(st.booleans())).encode(errors="replace")
    if not accepts(raw):
        return
    produced = _STREAM.produce(as_line(raw))

    assert produced.outcome == "event", produced
    found = json.loads(produced.documents[0].body)["audit"]
    odd = set(found.get("flags", ())) & _LOSSES
    assert odd <= ({"truncated"} if not raw.isascii() or b"\\u" in raw else set()), found
