"""The translation of each kind of node to the Query DSL."""

from typing import Any

import pytest

from auditship_indexer.query import (
    All,
    And,
    Compare,
    Equals,
    Exists,
    Not,
    Or,
    Tree,
    Wildcard,
    to_dsl,
)


def inner(tree: Tree) -> Any:
    dsl = to_dsl(tree)
    assert list(dsl) == ["bool"]
    assert list(dsl["bool"]) == ["filter"]
    (only,) = dsl["bool"]["filter"]
    return only


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (All(), {"match_all": {}}),
        (And(()), {"match_all": {}}),
        (Or(()), {"match_none": {}}),
        (Equals("user.id", "a"), {"term": {"user.id": "a"}}),
        (Equals("user.email", "JOHN@X"), {"term": {"user.email": "john@x"}}),
        (Equals("file.size", 5), {"term": {"file.size": 5}}),
        (Equals("event.id", "i"), {"ids": {"values": ["i"]}}),
        (
            Equals("@timestamp", 0),
            {
                "range": {
                    "@timestamp": {
                        "gte": "1970-01-01T00:00:00.000Z",
                        "lte": "1970-01-01T00:00:00.000Z",
                    }
                }
            },
        ),
        (Exists("share.id"), {"exists": {"field": "share.id"}}),
        (Wildcard("share.id", ("", "")), {"exists": {"field": "share.id"}}),
        (Wildcard("file.path", ("/A*", "")), {"prefix": {"file.path": {"value": "/A*"}}}),
        (
            Wildcard("file.path", ("/A*?", "\\b")),
            {"wildcard": {"file.path": {"value": "/A\\*\\?*\\\\b"}}},
        ),
        (
            Wildcard("file.name.lower", ("Ren", "MP4")),
            {"wildcard": {"file.name.lower": {"value": "ren*mp4"}}},
        ),
        (Not(Exists("share.id")), {"bool": {"must_not": [{"exists": {"field": "share.id"}}]}}),
        (
            Compare("@timestamp", "<", 1),
            {"range": {"@timestamp": {"lt": "1970-01-01T00:00:00.001Z"}}},
        ),
        (Compare("user.email", ">=", "A"), {"range": {"user.email": {"gte": "a"}}}),
        (
            Or((Equals("user.id", "a"), Exists("share.id"), Equals("user.id", "b"))),
            {
                "bool": {
                    "should": [
                        {"terms": {"user.id": ["a", "b"]}},
                        {"exists": {"field": "share.id"}},
                    ],
                    "minimum_should_match": 1,
                }
            },
        ),
    ],
)
def test_each_node_has_one_translation(tree: Tree, expected: dict[str, Any]) -> None:
    """Everything stands inside `bool.filter`; equalities of one field become one list."""
    assert inner(tree) == expected


def test_the_items_of_an_and_stand_side_by_side() -> None:
    """The cluster may cache each filter by itself."""
    tree = And((Equals("user.id", "a"), Exists("share.id")))
    assert to_dsl(tree) == {
        "bool": {"filter": [{"term": {"user.id": "a"}}, {"exists": {"field": "share.id"}}]}
    }


def test_a_name_is_searched_in_both_normal_forms() -> None:
    """Stored text is as received: NFC from one system, NFD from another."""
    composed, decomposed = "\u00fc", "u\u0308"
    assert inner(Equals("file.name", composed)) == {"terms": {"file.name": [composed, decomposed]}}
    assert inner(Wildcard("file.name.lower", ("\u00dc", "")))["bool"]["should"] == [
        {"prefix": {"file.name.lower": {"value": composed}}},
        {"prefix": {"file.name.lower": {"value": decomposed}}},
    ]


@pytest.mark.parametrize("field", ["event.acton", "ecs.version", "audit.original_time"])
def test_what_cannot_be_searched_is_refused(field: str) -> None:
    """Such a condition would be met by no event, without a word."""
    with pytest.raises(ValueError, match=field):
        to_dsl(Exists(field))


def test_a_number_takes_no_wildcard() -> None:
    """The cluster would refuse it with its own words."""
    with pytest.raises(ValueError, match="takes no wildcard"):
        to_dsl(Wildcard("file.size", ("1", "")))
