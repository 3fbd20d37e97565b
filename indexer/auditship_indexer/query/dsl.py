"""Translate a tree to the Query DSL of OpenSearch. Everything stands inside `bool.filter`.

So no score is computed and the cluster may cache. Folding is done here, not by the cluster:
a `wildcard` query does not fold every kind of field.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, assert_never

from auditship_indexer.clock import iso_ms
from auditship_indexer.event.fields import Kind
from auditship_indexer.query.fields import searchable
from auditship_indexer.query.fold import fold, spellings
from auditship_indexer.query.tree import (
    All,
    And,
    Compare,
    Equals,
    Exists,
    Not,
    Operator,
    Or,
    Tree,
    Value,
    Wildcard,
)

Dsl = dict[str, Any]
_RANGE: Final[dict[Operator, str]] = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
_SPECIAL: Final = re.compile(r"([\\*?])")


def to_dsl(tree: Tree) -> Dsl:
    """Return the `query` of a search request.

    Raises:
        ValueError: a condition names a field that does not exist or cannot be searched.
    """
    items = tree.items if isinstance(tree, And) else (tree,)
    return {"bool": {"filter": [_node(item) for item in items] or [{"match_all": {}}]}}


def _node(tree: Tree) -> Dsl:  # noqa: PLR0911 - one return a kind of node
    match tree:
        case All():
            return {"match_all": {}}
        case And(items):
            return {"bool": {"filter": [_node(item) for item in items] or [{"match_all": {}}]}}
        case Or(items):
            return _any(_merged(items))
        case Not(item):
            return {"bool": {"must_not": [_node(item)]}}
        case Equals(field, value):
            return _equals(field, [value])
        case Wildcard(field, parts):
            return _wildcard(field, parts)
        case Compare(field, op, value):
            searchable(field)
            return {"range": {field: {_RANGE[op]: _bound(field, value)}}}
        case Exists(field):
            return {"exists": {"field": searchable(field).name}}
    assert_never(tree)


def _any(items: list[Dsl]) -> Dsl:
    if len(items) == 1:
        return items[0]
    if not items:
        return {"match_none": {}}
    return {"bool": {"should": items, "minimum_should_match": 1}}


def _merged(items: Iterable[Tree]) -> list[Dsl]:
    """Translate the branches of an or; equalities on one field become one `terms` list."""
    values: dict[str, list[Value]] = {}
    others: list[Dsl] = []
    for item in items:
        if isinstance(item, Equals):
            values.setdefault(item.field, []).append(item.value)
        else:
            others.append(_node(item))
    return [_equals(field, wanted) for field, wanted in values.items()] + others


def _equals(name: str, wanted: list[Value]) -> Dsl:
    kind = searchable(name).kind
    values: list[Value] = []
    for value in wanted:
        values += _stored(kind, value) if isinstance(value, str) else [value]
    values = list(dict.fromkeys(values))
    if name == "event.id":  # not indexed by itself: it is the `_id`
        return {"ids": {"values": values}}
    if kind is Kind.DATE:
        return _any([_instant(name, value) for value in values])
    return {"term": {name: values[0]}} if len(values) == 1 else {"terms": {name: values}}


def _instant(name: str, value: Value) -> Dsl:
    bound = _bound(name, value)
    return {"range": {name: {"gte": bound, "lte": bound}}}


def _stored(kind: Kind, text: str) -> tuple[str, ...]:
    """Return the texts that the index may hold for `text`, in a fixed order, with repeats."""
    if kind is Kind.FOLDED:
        return tuple(fold(form) for form in spellings(text))
    return spellings(text) if kind is Kind.KEYWORD else (text,)


def _wildcard(name: str, parts: tuple[str, ...]) -> Dsl:
    kind = searchable(name).kind
    if kind not in {Kind.KEYWORD, Kind.FOLDED}:
        raise ValueError(f"field {name!r} takes no wildcard")
    if len(parts) > 1 and not any(parts):
        return {"exists": {"field": name}}
    spelled = zip(*(_stored(kind, part) for part in parts), strict=True)
    return _any([_pattern(name, form) for form in dict.fromkeys(spelled)])


def _pattern(name: str, parts: tuple[str, ...]) -> Dsl:
    if len(parts) == 1:
        return {"term": {name: parts[0]}}
    if len(parts) == 2 and not parts[1]:  # noqa: PLR2004 - one star, at the end
        return {"prefix": {name: {"value": parts[0]}}}
    return {"wildcard": {name: {"value": "*".join(_SPECIAL.sub(r"\\\1", p) for p in parts)}}}


def _bound(name: str, value: Value) -> Value:
    """Return a bound as the cluster reads it without rounding: dates to the millisecond."""
    kind = searchable(name).kind
    if kind is Kind.DATE and isinstance(value, int):
        return iso_ms(value)
    return fold(value) if kind is Kind.FOLDED and isinstance(value, str) else value
