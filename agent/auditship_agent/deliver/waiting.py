"""Bodies that wait for their turn or their next try, in order."""

from collections import deque

from msgspec import Struct

from auditship_agent.body import Body
from auditship_agent.deliver.indices import Indices


class Waiting(Struct, eq=False):
    """A body that is not settled. Times are monotonic seconds."""

    body: Body
    due: float = float("-inf")
    attempt: int = 0  # times that its documents were told to come again, in a row
    lost: int = 0  # times that no true reply came for it, in a row
    doubtful_since: float | None = None  # refused then, maybe for one document's own fault


class Queue:
    """The bodies that wait; `indices` says which of them have to wait for their index."""

    def __init__(self, indices: Indices) -> None:
        self._indices = indices
        self._bodies: deque[Waiting] = deque()

    def __len__(self) -> int:
        """Return the number of bodies that wait."""
        return len(self._bodies)

    def append(self, waiting: Waiting) -> None:
        """Add a new body behind the others."""
        self._bodies.append(waiting)

    def put_back(self, waiting: Waiting) -> None:
        """Add a body that was sent: it goes before those that were not."""
        self._bodies.appendleft(waiting)

    def next_due(self) -> float:
        """Return when the first body may go; infinity when only a reply can change that."""
        return min(map(self._due, self._bodies), default=float("inf"))

    def take(self, now: float) -> Waiting | None:
        """Return the next body that may go now, taken out of the queue.

        A held index is asked by a body that is beyond doubt, if there is one: its own fault would
        keep a doubtful one out for ever, and with it all that wait behind.
        """
        found = None
        for waiting in self._bodies:
            if self._due(waiting) > now:
                continue
            found = found or waiting
            held = self._indices.is_waiting(waiting.body.index)
            if waiting.doubtful_since is None or not held:
                found = waiting
                break
        if found is not None:
            self._bodies.remove(found)
        return found

    def _due(self, waiting: Waiting) -> float:
        return max(waiting.due, self._indices.due(waiting.body.index))
