"""The agent's own events: written into the checkpoint first, then sent like lines.

So a retry after a crash has the same `_id`. Their identity is that of an event without a log line:
the line is the canonical document without `event.id`, the first line is empty.
"""

from hashlib import sha256
from typing import Final

import msgspec

from auditship_agent.checkpoint import Own
from auditship_agent.config import OWN_NAME
from auditship_agent.line import Document
from auditship_indexer.clock import iso_ms
from auditship_indexer.event.actions import verb
from auditship_indexer.event.document import (
    Act,
    Agent,
    Audit,
    Event,
    LogFile,
    LogPosition,
    Named,
    Region,
    User,
    Version,
    encode,
)
from auditship_indexer.event.document import Gap as GapField
from auditship_indexer.event.fields import ECS_VERSION, SCHEMA_VERSION
from auditship_indexer.event.identity import Lineage, event_id, generation, index_name
from auditship_indexer.event.results import category, kind_of_act, outcome

_EMPTY: Final = sha256(b"").digest()


class Source:
    """Who speaks: one agent of one server."""

    def __init__(self, *, server_id: str, region: str, agent_id: str, version: str) -> None:
        self.server_id = server_id
        self.region = region
        self.agent_id = agent_id
        self.version = version
        self._lineage = Lineage(server_id, _EMPTY)

    def event(self, action: str, now_ms: int, *, offset: int = 0, **parts: object) -> Own:
        """Return an own event of `now_ms`, named and encoded.

        `parts` of a gap: `reason`, `path`, `first` (SHA-256 of the first line), `end`; of a
        person's act: `user`, `object`, `rows`.
        """
        result = "error" if action == "agent.gap" else "success"
        event = Event(
            timestamp=iso_ms(now_ms),
            agent=Agent(self.agent_id, self.version),
            audit=Audit(
                actor="system",
                actor_type="system",
                result=result,
                schema=SCHEMA_VERSION,
                verb=verb(action, result),
            ),
            cloud=Region(self.region),
            ecs=Version(ECS_VERSION),
            event=Act(
                action=action,
                category=category(action, result),
                dataset="agent",
                kind="event",
                outcome=outcome(result),
                type=kind_of_act(action, result),
            ),
            host=Named(id=self.server_id),
        )
        if action == "agent.gap":
            _add_gap(event, self.server_id, offset, parts)
        if "user" in parts:
            _add_person(event, parts)
        body = encode(event)
        digest = self._lineage.digest(offset, sha256(body).digest())
        assert event.event is not None  # noqa: S101 - set above
        event.event.id = event_id(now_ms, digest)
        index = index_name(self.region, now_ms)
        return Own(document=encode(event).decode(), id=event.event.id, index=index)


def _add_person(event: Event, parts: dict[str, object]) -> None:
    name, rows = str(parts["user"]), parts["rows"]
    assert isinstance(rows, int)  # noqa: S101 - of our own making
    assert event.audit is not None  # noqa: S101 - set by the caller
    event.audit.actor, event.audit.actor_type = name, "user"
    event.audit.object, event.audit.rows = str(parts["object"]), rows
    event.user = User(name=name)


def _add_gap(event: Event, server_id: str, begin: int, parts: dict[str, object]) -> None:
    first, end, reason, path = parts["first"], parts["end"], parts["reason"], parts["path"]
    assert isinstance(first, bytes)  # noqa: S101 - of our own making
    assert isinstance(end, int)  # noqa: S101 - of our own making
    assert event.audit is not None  # noqa: S101 - set by the caller
    assert event.event is not None  # noqa: S101 - set by the caller
    event.audit.gap = GapField(begin, end)
    event.event.reason = str(reason)
    event.log = LogPosition(file=LogFile(str(path)), generation=generation(server_id, first))


class Outbox:
    """Own events that are written down and not yet stored; an owner of batch lines."""

    source = OWN_NAME

    def __init__(self, own: tuple[Own, ...] = ()) -> None:
        self._waiting: dict[int, Own] = dict(enumerate(own))
        self._unsent: list[int] = list(self._waiting)
        self._written = len(own)  # numbers below it stand in a checkpoint
        self._next = len(own)

    def put(self, own: Own) -> None:
        """Take an event; it may be sent once a checkpoint holds it."""
        self._waiting[self._next] = own
        self._next += 1

    @property
    def is_dirty(self) -> bool:
        """Whether an event stands in no checkpoint yet."""
        return self._written < self._next

    @property
    def is_empty(self) -> bool:
        """Whether all events are stored."""
        return not self._waiting

    def snapshot(self) -> tuple[Own, ...]:
        """Return what a checkpoint has to keep."""
        return tuple(self._waiting.values())

    def written(self) -> None:
        """A checkpoint holds all events now: they may be sent."""
        self._unsent += range(self._written, self._next)
        self._written = self._next

    def unsent(self) -> list[tuple[int, Document]]:
        """Return the events to send, each once, with their numbers."""
        numbers, self._unsent = self._unsent, []
        return [(number, document_of(self._waiting[number])) for number in numbers]

    def complete(self, begin: int, end: int) -> None:
        """Events of numbers [begin, end) are stored."""
        for number in range(begin, end):
            self._waiting.pop(number, None)


def document_of(own: Own) -> Document:
    """Return an own event as something to send."""
    event = msgspec.json.decode(own.document.encode(), type=Event)
    result = event.audit.result if event.audit else None
    return Document(own.id, own.index, own.document.encode(), 0, result or "success")
