"""What to look for: a tree of conditions, and the one translation of it to the cluster's language.

Command-line shortcuts build the tree directly, never query text, so no quote can break out of a
value. Everything here is pure; `now` is a parameter.
"""

from auditship_indexer.query.dsl import to_dsl
from auditship_indexer.query.shortcuts import Shortcuts
from auditship_indexer.query.tree import (
    All,
    And,
    Compare,
    Equals,
    Exists,
    Not,
    Or,
    Tree,
    Wildcard,
    both,
    either,
)
from auditship_indexer.query.windows import Window, parse_window

__all__ = [
    "All",
    "And",
    "Compare",
    "Equals",
    "Exists",
    "Not",
    "Or",
    "Shortcuts",
    "Tree",
    "Wildcard",
    "Window",
    "both",
    "either",
    "parse_window",
    "to_dsl",
]
