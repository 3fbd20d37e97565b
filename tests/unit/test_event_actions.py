"""The taxonomy: what an action and a result imply, for every combination."""

import pytest

from auditship_indexer.event import ACTIONS, RESULTS, reason_text, verb
from auditship_indexer.event.actions import ACTION_FORM
from auditship_indexer.event.results import DENIED_REASONS, category, kind_of_act, outcome

# the closed lists of ECS 9.4.0 that we use
_CATEGORIES = {"api", "authentication", "configuration", "file", "host", "iam", "web"}
_TYPES = {"access", "admin", "change", "creation", "deletion", "denied", "end", "group", "info",
          "start", "user"}  # fmt: skip


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("result", RESULTS)
def test_each_combination_follows_section_3(action: str, result: str) -> None:
    """Denied: BLOCKED, category + api, type access and denied; else what the action says."""
    known = ACTIONS[action]
    categories, kinds = category(action, result), kind_of_act(action, result)

    assert categories == sorted(set(categories or ()))
    assert kinds == sorted(set(kinds or ()))
    assert outcome(result) == ("success" if result == "success" else "failure")
    if result == "denied":
        assert verb(action, result) == "BLOCKED"
        assert set(categories or ()) == {*known.category, "api"}
        assert kinds == ["access", "denied"]
    else:
        assert verb(action, result) == known.verb
        assert tuple(categories or ()) == known.category
        assert tuple(kinds or ()) == known.type


@pytest.mark.parametrize("action", ACTIONS)
def test_actions_have_their_form(action: str) -> None:
    """Names match the form that sources must use, verbs fit their column, words are ECS's."""
    known = ACTIONS[action]

    assert ACTION_FORM.fullmatch(action)
    assert len(known.verb) <= 9
    assert set(known.category) <= _CATEGORIES
    assert set(known.type) <= _TYPES


def test_unknown_actions_print_other() -> None:
    """An action that we do not know is stored without category and type."""
    assert verb("custom.act", "success") == verb("custom.act", "error") == "OTHER"
    assert verb("custom.act", "denied") == "BLOCKED"
    assert category("custom.act", "success") is None
    assert kind_of_act("custom.act", "denied") is None


def test_shares_never_count_as_files_made_or_deleted() -> None:
    """Counting `event.type: creation` counts files: share actions but the upload are none."""
    for action, known in ACTIONS.items():
        if action.startswith("share.") and action != "share.upload":
            assert not {"creation", "deletion"} & set(known.type), action


def test_reasons_have_words() -> None:
    """Words are the value with blanks, but for the few that the schema spells out."""
    assert reason_text("permission") == "permission denied"
    assert reason_text("ip_blocked") == "IP address blocked"
    assert reason_text("link_gone") == "link expired or revoked"
    assert reason_text("own_word") == "own word"
    assert "domain_restricted" in DENIED_REASONS
