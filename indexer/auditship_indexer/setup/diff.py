"""Tell a plan as a diff: `+` is new, `~` changes, and below it the rows with `-` and `+`."""

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from auditship_indexer.setup.plan import Change, Kind, Plan
from auditship_indexer.setup.rows import Rows, row_text, same

_FIELDS: Final = "mappings.properties."
_DAY_CHARS: Final = len("2026.04.14")


def diff(plan: Plan) -> Iterator[str]:
    """Yield the lines of a plan; notes come last, marked `!`. An empty plan yields only those."""
    for series, changes in groupby(plan.changes, key=_series):
        if series is None:
            for change in changes:
                yield from _one(change)
        else:
            yield _days(list(changes))
    for note in plan.notes:
        yield f"! {note}"


def _series(change: Change) -> str | None:
    """Days of one region are told in one line."""
    return change.name[:-_DAY_CHARS] if change.kind is Kind.INDEX else None


def _days(changes: list[Change]) -> str:
    first, last = changes[0].name, changes[-1].name[-_DAY_CHARS:]
    if len(changes) == 1:
        return f"+ index {first}"
    return f"+ index {first} to {last} ({len(changes)} days)"


def _one(change: Change) -> Iterator[str]:
    if change.before is None:
        yield f"+ {change.kind.value} {change.name}"
        yield from (f"+   {line}" for line in _folded(change.after))
        return
    yield f"~ {change.kind.value} {change.name}"
    for path in sorted(change.before.keys() | change.after.keys()):
        before, after = change.before.get(path), change.after.get(path)
        if before is not None and (after is None or not same(before, after)):
            yield f"-   {row_text(path, before)}"
        if after is not None and (before is None or not same(before, after)):
            yield f"+   {row_text(path, after)}"


def _folded(rows: Rows) -> Iterator[str]:
    """Tell the rows of something new; a whole mapping is one line."""
    for path, value in rows.items():
        if not path.startswith(_FIELDS):
            yield row_text(path, value)
    fields = sum(path.startswith(_FIELDS) for path in rows)
    if fields:
        yield f"{_FIELDS}*: {fields} fields"
