"""The tree of a query: conditions on single fields, joined by and, or, not.

A condition on a field with several values holds when any value meets it, so `Not(Equals(f, a))`
means that no value is `a`.
"""

from collections.abc import Iterable
from typing import Literal, TypeAlias

from msgspec import Struct

Value: TypeAlias = str | int | bool
Operator: TypeAlias = Literal["<", "<=", ">", ">="]


class All(Struct, frozen=True):
    """Every event."""


class And(Struct, frozen=True):
    """Every item holds; of none: every event."""

    items: tuple["Tree", ...]


class Or(Struct, frozen=True):
    """At least one item holds; of none: no event."""

    items: tuple["Tree", ...]


class Not(Struct, frozen=True):
    """The item does not hold."""

    item: "Tree"


class Equals(Struct, frozen=True):
    """A value of the field is this one; on a folded field, after folding."""

    field: str
    value: Value


class Wildcard(Struct, frozen=True):
    """A whole value of the field is these parts with any run of characters between two of them.

    `("ren", ".mp4")` is `ren*.mp4`; `("/a/", "")` is everything that starts with `/a/`.
    """

    field: str
    parts: tuple[str, ...]


class Compare(Struct, frozen=True):
    """A value of the field stands in this relation to `value`; dates are Unix ms in UTC."""

    field: str
    op: Operator
    value: Value


class Exists(Struct, frozen=True):
    """The field has a value."""

    field: str


Tree: TypeAlias = All | And | Or | Not | Equals | Wildcard | Compare | Exists


def both(trees: Iterable[Tree]) -> Tree:
    """Join by and; what says nothing is left out."""
    items = tuple(tree for tree in trees if not isinstance(tree, All))
    if not items:
        return All()
    return items[0] if len(items) == 1 else And(items)


def either(trees: Iterable[Tree]) -> Tree:
    """Join by or."""
    items = tuple(trees)
    return items[0] if len(items) == 1 else Or(items)
