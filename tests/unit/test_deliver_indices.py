"""Indices that wait, and the order in which bodies ask for them."""

import io
from typing import Final

import pytest

from auditship_agent.deliver.indices import Indices
from auditship_agent.deliver.waiting import Queue, Waiting
from auditship_agent.metrics import Metrics
from auditship_indexer.log import Log
from support.clock import TestClock
from support.shipping import Owner, body_of

A: Final = "audit-x-2026.04.14"
B: Final = "audit-x-2026.04.15"


@pytest.fixture
def indices() -> Indices:
    """Nothing waits yet."""
    return Indices(30.0, log=Log(clock=TestClock(), out=io.StringIO()), metrics=Metrics())


def waiting(index: str, *, doubtful: bool = False) -> Waiting:
    body = body_of([("id", index, b"{}")], Owner(), gzip=False)
    return Waiting(body, doubtful_since=1.0 if doubtful else None)


def test_one_probe_at_a_time(indices: Indices) -> None:
    """A held index is due each 30 s, and not while it is asked."""
    indices.hold(A, "closed", 100.0)
    assert (indices.due(A), indices.due(B)) == (130.0, float("-inf"))
    indices.sent(A)
    indices.sent(B)
    assert indices.due(A) == float("inf")
    indices.answered(A)
    indices.answered(B)
    assert indices.due(A) == 130.0
    indices.accepted(A, 140.0)
    assert indices.due(A) == float("-inf")
    assert indices.has_accepted_since(A, 140.0)
    assert not indices.has_accepted_since(A, 140.1)
    assert not indices.has_accepted_since(A, None)


def test_missing_index_is_asked_for_once(indices: Indices) -> None:
    """While it is being made nobody is called; a hold by a person's fault stays one."""
    indices.is_missing(A, 100.0)
    indices.is_missing(A, 101.0)
    assert (indices.to_make(), indices.held) == ([A], {})
    indices.asked_for(A)
    assert indices.to_make() == []
    indices.not_made(A)
    assert indices.to_make() == []
    indices.is_missing(A, 140.0)
    assert indices.to_make() == [A]
    indices.hold(A, "no rights", 140.0)
    indices.is_missing(A, 170.0)
    assert (indices.to_make(), indices.held) == ([A], {A: "no rights"})
    indices.free(A)
    indices.not_made(A)  # somebody else made it meanwhile
    assert not indices.is_waiting(A)


def test_order_of_bodies(indices: Indices) -> None:
    """What was sent before goes first; what is not due lets others pass."""
    queue = Queue(indices)
    new, late, again = waiting(A), waiting(A), waiting(A)
    late.due = 50.0
    queue.append(new)
    queue.put_back(late)
    queue.put_back(again)
    assert (len(queue), queue.next_due()) == (3, float("-inf"))
    assert [queue.take(10.0) for _ in range(3)] == [again, new, None]
    assert queue.next_due() == 50.0
    assert queue.take(50.0) is late
    assert queue.next_due() == float("inf")


def test_held_index_is_asked_beyond_doubt_first(indices: Indices) -> None:
    """A doubtful body asks only when there is no other; it goes first where nothing is held."""
    queue = Queue(indices)
    doubtful, sure, other = waiting(A, doubtful=True), waiting(A), waiting(B)
    for one in (doubtful, sure):
        queue.append(one)
    indices.hold(A, "odd", 100.0)
    assert queue.take(110.0) is None
    assert queue.take(130.0) is sure
    assert queue.take(130.0) is doubtful
    queue.append(doubtful)
    queue.append(other)
    assert queue.take(130.0) is other
    indices.free(A)
    queue.append(other)
    assert queue.take(130.0) is doubtful
