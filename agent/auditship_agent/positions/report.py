"""The position report: each 10 s one document that says how far a server's log is stored.

It answers "is this window complete?" also for a server without traffic, so it is sent even when
nothing happened. One that is lost is not sent again: the next one says more.
"""

from collections import deque
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from auditship_indexer.clock import iso_ms
from auditship_indexer.event.identity import day_of
from auditship_indexer.opensearch import agents_index_of_day

MOST_LETTERS: Final = 100
_MOST_LOOKS: Final = 1024  # more are made while the cluster is away for hours: the first go


class Letters(Struct, frozen=True):
    """Open dead letters, and where the first hundred of them stand."""

    open: int
    list: tuple[dict[str, str | int], ...]


class Held(Struct, frozen=True):
    """What waits for a person: an index, `cluster`, `clock` or `source NAME`."""

    index: str
    reason: str


class Position(Struct, frozen=True, omit_defaults=True, rename={"timestamp": "@timestamp"}):
    """One agent at one moment, as the cluster keeps it. Times are ISO 8601 UTC with ms.

    `acknowledged_to` is T such that every line that was in the files at T has its outcome; absent
    as long as no such T is known. `lines` and `files` are counts, by outcome and by state.
    """

    timestamp: str
    agent: dict[str, str]
    host: dict[str, str]
    cloud: dict[str, str]
    started: str
    files: dict[str, int]
    lag_bytes: int
    oldest_unacknowledged_s: float
    lines: dict[str, int]
    dead_letters: Letters
    gaps: int
    lost_bytes: int
    held: tuple[Held, ...]
    checkpoint_sequence: int
    acknowledged_to: str = ""
    clock_offset_ms: int | None = None

    def body(self, document_id: str) -> bytes:
        """Return the bulk body that creates the document."""
        action = msgspec.json.encode({"create": {"_id": document_id}})
        return b"%s\n%s\n" % (action, msgspec.json.encode(self))


class AcknowledgedTo:
    """The time up to which every line of the files has its outcome. What was true stays true.

    A look at all files finds every line that was there when it began. So as soon as nothing that
    was seen before its end waits any more, all lines of its begin have their outcome.
    """

    def __init__(self, known: str = "") -> None:
        self._ms = int(datetime.fromisoformat(known).timestamp() * 1000) if known else None
        self._looks: deque[tuple[int, float]] = deque(maxlen=_MOST_LOOKS)  # begin (wall), end

    def looked(self, began_ms: int, ended: float) -> None:
        """Note a look at all files: its begin in Unix ms, its end by the monotonic clock."""
        self._looks.append((began_ms, ended))

    def settled(self, oldest_waiting: float | None) -> None:
        """No line waits that was first seen before `oldest_waiting` (monotonic; None: none does).

        Call it only while every file is known of and can be read.
        """
        while self._looks and (oldest_waiting is None or self._looks[0][1] < oldest_waiting):
            began_ms, _ = self._looks.popleft()
            self._ms = began_ms if self._ms is None else max(self._ms, began_ms)

    def clock_stepped(self, now_ms: int) -> None:
        """The wall clock was wrong before or is now: forget looks, and what lies in the future."""
        self._looks.clear()
        if self._ms is not None:
            self._ms = min(self._ms, now_ms)

    @property
    def iso(self) -> str:
        """The time as text; empty while none is known."""
        return "" if self._ms is None else iso_ms(self._ms)


def index_of(region: str, now_ms: int) -> str:
    """Return the index that a report of this time belongs into."""
    return agents_index_of_day(region, day_of(now_ms))
