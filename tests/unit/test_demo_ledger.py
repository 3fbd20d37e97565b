"""The demo's oracle: requests sent against events stored."""

from typing import Any

import pytest

from demo.ledger import Difference, Expected, Ledger, Sent, compare
from demo.report import Report

UPLOAD = Expected("file.upload", "us-east-1", "mike@co.com", workspace="w_film", file="a.mov")


def _document(**more: Any) -> dict[str, Any]:
    return {
        "event": {"action": "file.upload", "dataset": "native"},
        "cloud": {"region": "us-east-1"},
        "audit": {"actor": "mike@co.com", "result": "success"},
        "workspace": {"id": "w_film", "name": "Film"},
        "file": {"name": "a.mov", "size": 7},
        **more,
    }


def _ledger(*expected: Expected) -> Ledger:
    return Ledger([Sent("PUT", 201, (each,)) for each in expected])


def test_equal_when_each_event_is_stored_once() -> None:
    """One request, one event: nothing to tell."""
    assert not compare(_ledger(UPLOAD), [_document()])


def test_a_lost_event_is_told() -> None:
    """What was sent and is not stored is missing, by its words."""
    told = "1 x file.upload success  mike@co.com  a.mov  us-east-1 w_film native"
    assert compare(_ledger(UPLOAD, UPLOAD), [_document()]) == Difference((told,), ())


def test_a_doubled_event_is_told() -> None:
    """What is stored twice is a surplus."""
    difference = compare(_ledger(UPLOAD), [_document(), _document()])
    assert (len(difference.missing), len(difference.surplus)) == (0, 1)


def test_another_reason_is_a_difference() -> None:
    """A wrong field shows on both sides."""
    denied = _document(audit={"actor": "mike@co.com", "result": "denied"})
    difference = compare(_ledger(UPLOAD), [denied])
    assert (len(difference.missing), len(difference.surplus)) == (1, 1)


def test_own_events_of_the_programs_do_not_count() -> None:
    """`agent.start` and `audit.search` are no acts of the product's users."""
    own = [_document(event={"action": name}) for name in ("agent.start", "audit.search")]
    assert not compare(_ledger(UPLOAD), [_document(), *own])


@pytest.mark.parametrize("stored", [0, 1])
def test_the_verdict_is_printed(stored: int) -> None:
    """Equal or not, with the counts, and what differs by name."""
    said: list[str] = []
    ledger = _ledger(UPLOAD)
    ledger.sent.append(Sent("HEAD /public/logo.svg", 200, (), "HEAD is no act"))
    difference = compare(ledger, [_document()] * stored)
    assert Report(said.append).verdict(ledger, stored, difference) == (stored == 1)
    text = "\n".join(said)
    assert "2 requests, 1 of them no act" in text
    assert ("missing: 1 x file.upload" in text) == (stored == 0)
