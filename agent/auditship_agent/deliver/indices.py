"""Which indices take documents, and which wait: for a person, or until their day is made.

An index that waits is asked by one body each `probe_s`, whatever number of bodies is for it; the
others flow. It goes on as soon as one document of it got in.
"""

from typing import Final

from msgspec import Struct

from auditship_agent.metrics import Metrics
from auditship_indexer.log import Log

_LABEL: Final = "index"


class _Waiting(Struct):
    """An index that takes nothing; `why` is empty while nobody but the agent is needed."""

    why: str
    probe_at: float
    is_probed: bool = False
    is_missing: bool = False
    is_asked_for: bool = False


class Indices:
    """What is known of the indices. Main thread only; times are monotonic seconds."""

    def __init__(self, probe_s: float, *, log: Log, metrics: Metrics) -> None:
        self.probe_s = probe_s
        self._log = log
        self._metrics = metrics
        self._waiting: dict[str, _Waiting] = {}
        self._accepted_at: dict[str, float] = {}

    @property
    def held(self) -> dict[str, str]:
        """Indices that wait for a person, with the reason."""
        return {index: one.why for index, one in self._waiting.items() if one.why}

    def is_waiting(self, index: str) -> bool:
        """Whether documents of this index have to wait."""
        return index in self._waiting

    def due(self, index: str) -> float:
        """Return from when on a body for this index may be sent; infinity while it is asked."""
        waiting = self._waiting.get(index)
        if waiting is None:
            return float("-inf")
        return float("inf") if waiting.is_probed else waiting.probe_at

    def sent(self, index: str) -> None:
        """A body for this index is on its way: if the index waits, that is its probe."""
        if index in self._waiting:
            self._waiting[index].is_probed = True

    def answered(self, index: str) -> None:
        """The body for this index came back, with or without a reply."""
        if index in self._waiting:
            self._waiting[index].is_probed = False

    def accepted(self, index: str, now: float) -> None:
        """A document of this index was stored, or had been."""
        self._accepted_at[index] = now
        self.free(index)

    def has_accepted_since(self, index: str, since: float | None) -> bool:
        """Whether a document of this index got in at `since` or later; never for None."""
        return since is not None and self._accepted_at.get(index, float("-inf")) >= since

    def free(self, index: str) -> None:
        """What waits for this index may go at once."""
        waiting = self._waiting.pop(index, None)
        if waiting is not None and waiting.why:
            self._log.recovered(f"index:{index}", "index.resumed", index=index)
            self._metrics.held.labels(_LABEL).set(bool(self.held))

    def hold(self, index: str, why: str, now: float) -> None:
        """Documents of this index wait for a person; nothing is dropped."""
        self._waiting[index] = _Waiting(why, now + self.probe_s)
        self._metrics.held.labels(_LABEL).set(1)
        self._log.fault(f"index:{index}", "index.held", index=index, why=why)

    # -- days that were not made ahead ----------------------------------------------------

    def is_missing(self, index: str, now: float) -> None:
        """The index does not exist: it is to be made. A hold stays a hold."""
        waiting = self._waiting.setdefault(index, _Waiting("", 0.0))
        waiting.probe_at = now + self.probe_s
        waiting.is_missing = True

    def to_make(self) -> list[str]:
        """Return the missing indices that nobody was asked to make yet."""
        return [
            index for index, one in self._waiting.items() if one.is_missing and not one.is_asked_for
        ]

    def asked_for(self, index: str) -> None:
        """Somebody is making the index now."""
        self._waiting[index].is_asked_for = True

    def not_made(self, index: str) -> None:
        """The index could not be made: the next probe tells whether it is there."""
        if index in self._waiting:
            waiting = self._waiting[index]
            waiting.is_missing = waiting.is_asked_for = False
