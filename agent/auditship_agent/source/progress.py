"""What is settled of one file generation: the contiguous acknowledged prefix.

Bodies settle in any order, so ranges may complete ahead; `acked` moves over contiguous ones only.
A checkpoint may name only a place whose anchor is known: the last mark at or before `acked`.
"""

from bisect import bisect_left
from hashlib import sha256
from typing import Final

from msgspec import Struct

ANCHOR_BYTES: Final = 4096
NO_ANCHOR: Final = sha256(b"").digest()


class Mark(Struct, frozen=True):
    """A place between two lines, and the SHA-256 of the min(4096, offset) bytes before it."""

    offset: int
    anchor: bytes


class Progress:
    """Ranges of one generation that have their outcome. Used by the main thread only."""

    def __init__(self, source: str, saved: Mark | None = None) -> None:
        self.source = source
        self.saved = saved or Mark(0, NO_ANCHOR)
        self.acked = self.saved.offset
        self.checkpointed = self.saved.offset  # what the checkpoint on disk says
        self._counted = self.saved.offset
        self._ahead: list[tuple[int, int]] = []  # disjoint, sorted, all beyond `acked`
        self._marks: list[Mark] = []  # an empty deque takes ten times as much

    def newly_acked(self) -> int:
        """Return by how many bytes `acked` moved since the last call."""
        moved, self._counted = self.acked - self._counted, self.acked
        return moved

    def mark(self, mark: Mark) -> None:
        """Note a place that a checkpoint may name; one that lies before the last is no news."""
        last = self._marks[-1] if self._marks else self.saved
        if last.offset < mark.offset:
            self._marks.append(mark)
            self._advance()

    def complete(self, begin: int, end: int) -> None:
        """Note that every line in [begin, end) has its outcome; repeats are harmless."""
        begin = max(begin, self.acked)
        if begin >= end:
            return
        at = bisect_left(self._ahead, (begin, end))
        if at and self._ahead[at - 1][1] >= begin:
            at -= 1
            begin = min(begin, self._ahead[at][0])
        until = at
        while until < len(self._ahead) and self._ahead[until][0] <= end:
            end = max(end, self._ahead[until][1])
            until += 1
        self._ahead[at:until] = [(begin, end)]
        self._advance()

    def _advance(self) -> None:
        if self._ahead and self._ahead[0][0] <= self.acked:
            self.acked = self._ahead.pop(0)[1]
        while self._marks and self._marks[0].offset <= self.acked:
            self.saved = self._marks.pop(0)
