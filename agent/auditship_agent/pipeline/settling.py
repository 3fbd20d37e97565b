"""What replies settled becomes acknowledged, once its dead letters are durable.

A document without room in the dead letter waits alone: the other lines of its body count, and only
the file that its line stands in is not read further. A disk that syncs nothing holds everything.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from auditship_agent.body import complete, cut
from auditship_agent.deliver import Refused, Settled
from auditship_agent.pipeline.refusal import Refusals
from auditship_agent.pipeline.tally import Tally
from auditship_agent.source.progress import Progress
from auditship_indexer.clock import Clock

RETRY_S: Final = 1.0


class Settling:
    """Replies on their way to acknowledgement. `bury` records a refused document, or says no."""

    def __init__(
        self, bury: Callable[[Refused], bool], refusals: Refusals, tally: Tally, clock: Clock
    ) -> None:
        self._bury = bury
        self._refusals = refusals
        self._tally = tally
        self._clock = clock
        self._new: deque[Settled] = deque()
        self._left: list[Settled] = []  # only what found no room
        self._retry_at = float("-inf")
        self.stopped = False  # the disk does not make dead letters durable

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits for the disk."""
        return not self._new and not self._left

    def holds(self, owner: object) -> bool:
        """Whether a refused document of this file waits for room: then it is not read further."""
        return any(one.item.owner is owner for settled in self._left for one in settled.refused)

    def next_due(self) -> float | None:
        """Return when what waits is tried again (monotonic), if anything does."""
        return None if self.is_idle else self._retry_at

    def settle(self, new: Iterable[Settled]) -> bool:
        """Acknowledge what can be; return whether anything was."""
        self._new += new
        now = self._clock.monotonic()
        if now >= self._retry_at:
            self._new.extendleft(reversed(self._left))
            self._left.clear()
        elif self.stopped:
            return False
        self.stopped = False
        before = len(self._new)
        while self._new:
            if not self._acknowledge(self._new[0]):
                self.stopped = True
                break
            self._new.popleft()
        if not self.is_idle and now >= self._retry_at:
            self._retry_at = now + RETRY_S
        return len(self._new) < before

    def _acknowledge(self, settled: Settled) -> bool:
        """Acknowledge all lines but those that found no room; False: nothing is durable yet."""
        left = tuple(one for one in settled.refused if not self._bury(one))
        if not self._refusals.sync():
            return False
        # COMMIT POINT: dead letters of these lines are durable; a crash above reads them again.
        items = settled.body.items
        waits = {one.item for one in left}
        waiting = [at for at, item in enumerate(items) if item in waits] if waits else []
        complete(settled.body, (*settled.still_open, *waiting))
        for span in settled.body.spans:
            if isinstance(span.owner, Progress):
                self._tally.acknowledged(span.owner.source, span.owner.newly_acked())
        done = tuple(one for one in settled.refused if one not in left)
        self._tally.settled(msgspec.structs.replace(settled, refused=done))
        if left:
            on_their_way = {(id(items[at].owner), items[at].begin) for at in settled.still_open}
            still_open = tuple(
                position
                for position, at in enumerate(waiting)
                if (id(items[at].owner), items[at].begin) in on_their_way
            )
            (body,) = cut(settled.body, [waiting])
            self._left.append(Settled(body, still_open, left))
        return True
