"""Position reports of a running agent: gathered from its stages, each 10 s, and sent.

With thousands of quiet files the counting is what costs; so numbers that cannot have changed are
told again.
"""

from collections import Counter
from itertools import islice
from typing import Final

import msgspec

from auditship_agent import __version__, deadletter
from auditship_agent.deadletter import DeadLetter
from auditship_agent.deliver import Report
from auditship_agent.positions import MOST_LETTERS, Held, Letters, Position, index_of
from auditship_agent.runner.agent import Agent
from auditship_agent.runner.report import held_of, update_acknowledged
from auditship_indexer.clock import iso_ms
from auditship_indexer.event.identity import day_of, time_of

EACH_S: Final = 10.0


class Reporter:
    """Sends the position reports of one agent. Main thread only."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._last: Position | None = None
        self._is_complete = False  # as of `_last`: no file was missing or unreadable
        self._letters = Letters(0, ())
        self._letters_of: set[int] = set()
        self.due = agent.clock.monotonic() + EACH_S

    def tell(self, *, quiet: bool) -> None:
        """Send a report now. `quiet`: nothing has happened since the one before.

        Raises:
            OSError: the dead letters cannot be read.
        """
        agent = self._agent
        self.due = agent.clock.monotonic() + EACH_S
        position = self._last = self._again() if quiet else self._gathered()
        now_ms, server = agent.clock.now_ms(), agent.config.server
        name = f"{server.id}.{agent.config.agent_id}.{now_ms}"
        agent.pipeline.delivery.tell(
            Report(
                name,
                index_of(server.region, now_ms),
                server.region,
                day_of(now_ms),
                position.body(name),
            )
        )

    def _again(self) -> Position:
        if self._last is None or not self._is_complete:
            return self._gathered()
        agent = self._agent
        agent.acknowledged_to.settled(None)
        return msgspec.structs.replace(
            self._last,
            timestamp=iso_ms(agent.clock.now_ms()),
            acknowledged_to=agent.acknowledged_to.iso,
        )

    def _gathered(self) -> Position:
        agent, config = self._agent, self._agent.config
        pipeline = agent.pipeline
        self._is_complete = update_acknowledged(agent)
        files = pipeline.catalog.files.values()
        counts = [pipeline.tally.of(name) for name in pipeline.catalog.sources]
        return Position(
            timestamp=iso_ms(agent.clock.now_ms()),
            agent={"id": config.agent_id, "version": __version__},
            host={"id": config.server.id},
            cloud={"region": config.server.region},
            started=iso_ms(agent.started_ms),
            files=dict(Counter(file.state for file in files)),
            lag_bytes=sum(file.lag for file in files),
            oldest_unacknowledged_s=round(pipeline.oldest_unacknowledged_s(), 3),
            lines={
                "read": sum(count.read for count in counts),
                "stored": sum(count.stored for count in counts),
                "already_present": sum(count.present for count in counts),
                "ignored": sum(count.ignored for count in counts),
                "dead_letter": sum(count.dead.total() for count in counts),
                "pending": sum(count.pending for count in counts),
            },
            dead_letters=self._open_letters(),
            gaps=pipeline.gaps,
            lost_bytes=pipeline.lost_bytes,
            held=tuple(Held(what, why) for what, why in held_of(agent).items()),
            checkpoint_sequence=agent.recorder.sequence,
            acknowledged_to=agent.acknowledged_to.iso,
            clock_offset_ms=pipeline.delivery.clock_apart_ms,
        )

    def _open_letters(self) -> Letters:
        """Return what is open; the files are read again only when that has changed."""
        letters = self._agent.letters
        if letters.open != self._letters_of:
            found = islice(deadletter.records(letters.folder), MOST_LETTERS)
            self._letters = Letters(
                len(letters.open),
                tuple(map(_place_of, found)),
            )
            self._letters_of = set(letters.open)
        return self._letters


def _place_of(letter: DeadLetter) -> dict[str, str | int]:
    """Return where a dead letter stands, with the time of its event where that is known."""
    place: dict[str, str | int] = {
        "generation": letter.generation,
        "offset": letter.offset,
        "reason": letter.reason,
    }
    if letter.id is not None:
        place["time"] = iso_ms(time_of(letter.id))
    return place
