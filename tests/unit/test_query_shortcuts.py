"""Shortcuts build trees, never query text."""

import pytest

from auditship_indexer.errors import ConfigError
from auditship_indexer.query import All, And, Equals, Or, Shortcuts, Wildcard
from auditship_indexer.query.shortcuts import matches


def test_no_shortcut_selects_every_event() -> None:
    """Nothing asked, nothing left out."""
    assert Shortcuts().tree() == All()


def test_a_user_is_looked_up_under_each_of_his_names() -> None:
    """Actor, e-mail, name, id, API key."""
    assert Shortcuts(user=("u_7",)).tree() == Or(
        (
            Equals("audit.actor", "u_7"),
            Equals("user.email", "u_7"),
            Equals("user.name", "u_7"),
            Equals("user.id", "u_7"),
            Equals("api_key.id", "u_7"),
        )
    )


def test_an_action_is_a_verb_or_an_action() -> None:
    """In any case."""
    assert Shortcuts(action=("Blocked",)).tree() == Or(
        (
            Equals("audit.verb", "BLOCKED"),
            Equals("event.action", "blocked"),
        )
    )
    assert Shortcuts(action=("share.*",)).tree() == Or(
        (
            Wildcard("audit.verb", ("SHARE.", "")),
            Wildcard("event.action", ("share.", "")),
        )
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.txt", Or((Equals("file.name.lower", "a.txt"), Equals("file.id", "a.txt")))),
        ("/a/b.txt", Equals("file.path", "/a/b.txt")),
        ("/a/", Wildcard("file.path", ("/a/", ""))),
        ("/a*/", Wildcard("file.path", ("/a", "/", ""))),
    ],
)
def test_a_file_with_a_slash_is_a_path(text: str, expected: object) -> None:
    """Ending in a slash it is the subtree; else a name or an id."""
    assert Shortcuts(file=(text,)).tree() == expected


def test_repeats_mean_or_and_different_options_mean_and() -> None:
    """As documented for every command."""
    assert Shortcuts(result=("denied", "error"), file=("/a",)).tree() == And(
        (
            Equals("file.path", "/a"),
            Or((Equals("audit.result", "denied"), Equals("audit.result", "error"))),
        )
    )


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("*", ("", "")),
        ("a**b", ("a", "b")),
        (r"DOMAIN\john", None),
        (r"a\*b", None),
        (r"a\\*b", ("a\\", "b")),
    ],
)
def test_only_a_star_is_special_and_a_backslash_before_it(
    text: str, parts: tuple[str, ...] | None
) -> None:
    r"""`\*` is a star itself; elsewhere a backslash is a character of the name."""
    expected = Equals("user.id", text.replace(r"\*", "*"))
    assert matches("--user", "user.id", text) == (Wildcard("user.id", parts) if parts else expected)


@pytest.mark.parametrize("text", ["", "*a" * 17, "*" + "a" * 256])
def test_an_empty_value_or_a_pattern_that_the_cluster_may_refuse_is_told(text: str) -> None:
    """Before anything is asked."""
    with pytest.raises(ConfigError, match=r"^--user: "):
        Shortcuts(user=(text,)).tree()


def test_a_long_prefix_is_allowed() -> None:
    """Prefixes cost the cluster nothing."""
    assert isinstance(matches("--file", "file.path", "/" + "a" * 4000 + "*"), Wildcard)


def test_values_that_no_event_has_are_warned_of() -> None:
    """With the nearest known one; patterns and known values pass in silence."""
    asked = Shortcuts(action=("uplod", "share.*", "BLOCKED"), result=("failure", "Denied"))
    assert asked.warnings() == [
        "--action uplod: not among the known actions and verbs; did you mean upload?",
        "--result failure: a result is one of denied, error, success",
    ]
