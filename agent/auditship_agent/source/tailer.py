"""Read one generation of a log file from a known offset to its end.

A tailer owns a descriptor, not a path: a rename changes neither what it reads nor where it stands.
Only complete lines leave; the rest waits in the file, so that a stop in mid-line costs nothing.
Each turn starts with a look back: the bytes before the offset must still have the anchor's hash,
and the last bytes read must still stand there, which finds a truncation that already regrew.

Invariant: `offset` is the first byte of the first line that has not left this module.
Known loss: bytes cut off by a truncation before they were read. They become one gap event.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Final

from auditship_agent.line import Line
from auditship_agent.source.content import Content, PlainContent
from auditship_agent.source.framing import Framer
from auditship_agent.source.progress import ANCHOR_BYTES, Mark

PIECE_BYTES: Final = 65_536
PREPARE_BYTES: Final = 16 * 1_048_576  # of an archive that are checked in one turn
_LAST_BYTES: Final = 64


class ReplacedError(Exception):
    """The file does not hold any more what was read from it: truncated, regrown or rewritten."""

    def __init__(self, *, shrunk: bool) -> None:
        super().__init__("shrunk" if shrunk else "content differs")
        self.shrunk = shrunk


class FirstLine:
    """The search for a file's first complete line: what its generation is made of."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._framer = Framer(0, limit)
        self.at_end = False  # no LF up to the file's end: look again when it grew

    def look(self, content: Content, budget: int = PREPARE_BYTES) -> Line | None:
        """Return the first line; None: not found within `budget` bytes, or `at_end`.

        Raises:
            OSError, CorruptArchiveError: as `Content.read`.
        """
        self.at_end = False
        size = content.size()
        if size is not None and size < self._framer.searched:
            self._framer = Framer(0, self._limit)  # truncated while it was searched
        until = self._framer.searched + budget
        while self._framer.searched < until:
            at = self._framer.searched
            piece = content.read(at, PIECE_BYTES)
            if not piece:
                self._framer.forget_partial()
                self.at_end = True
                return None
            if hole := hole_at(content, at, piece, self._framer):
                self._framer.skip_nul(hole)
                continue
            for line in self._framer.feed(piece):
                return line
        return None


class Tailer:
    """The reading of one content; knows nothing of paths, checkpoints or events.

    `first` is the SHA-256 of the first line: ids rest on it, so a reading from 0 proves it again.
    `size_seen` is the largest size known, bytes.
    """

    def __init__(self, content: Content, first: bytes, start: Mark, limit: int) -> None:
        self.content: Content | None = content
        self.is_archive = content.is_archive
        self.size_seen = start.offset
        self._first = first
        self._limit = limit
        self._framer = Framer(start.offset, limit)
        self._searched = start.offset
        self._last = b""  # the bytes before `_searched` as they were read
        self._anchor = start.anchor
        self._window = b""  # during a turn: the bytes read before `_window_end`
        self._window_end = start.offset

    @property
    def offset(self) -> int:
        """First byte of the first line that has not left."""
        return self._framer.offset

    @property
    def place(self) -> Mark:
        """The offset with its anchor; valid between turns."""
        return Mark(self._framer.offset, self._anchor)

    @property
    def has_partial(self) -> bool:
        """Whether bytes without LF stand behind the offset."""
        return self._searched > self._framer.offset

    def has_more(self) -> bool:
        """Look whether there is something to do: new bytes, or fewer than were seen.

        A larger size counts as seen only while the bytes before it are those that were read.

        Raises:
            OSError, CorruptArchiveError: the file cannot be looked at.
        """
        if self.content is None:
            return False
        size = self.content.size()
        if size is None:
            return True
        if size > self.size_seen:
            try:
                self._look_back(self.content)
            except ReplacedError:
                return True  # the next turn says so
            if not self._searched and not self._has_first(self.content):
                return True  # the same: only the first line tells a file of which nothing was read
            self.size_seen = size
        return size != self._searched or size < self.size_seen

    def turn(self, budget: int) -> Iterator[Line]:
        """Yield complete lines; stop behind the one in which `budget` bytes were read.

        A caller that stops early calls `stop_at`.

        Raises:
            ReplacedError: the file does not hold what was read; nothing was yielded.
            OSError, CorruptArchiveError: it cannot be read (further).
        """
        content = self.content
        if content is None or not content.prepare(PREPARE_BYTES):
            return
        self._look_back(content)
        if not self._framer.skimming and not self._finds_end(content):
            return
        self._window_end = self._framer.searched
        self._window = self._before(content, self._window_end)
        try:
            yield from self._lines(content, budget)
        finally:
            self._window = b""
            self._framer.forget_partial()

    def _lines(self, content: Content, budget: int) -> Iterator[Line]:
        begin = at = self._framer.searched
        size_seen = self.size_seen
        while piece := content.read(at, PIECE_BYTES):
            if hole := hole_at(content, at, piece, self._framer):
                self._framer.skip_nul(hole)
                self._take(at + hole, bytes(min(hole, ANCHOR_BYTES)))
                at += hole
                continue
            at += len(piece)
            self._take(at, piece)
            before = self._framer.offset
            for line in self._framer.feed(piece):
                if not before and line.begin == 0 and line.sha256 != self._first:
                    self.size_seen = size_seen
                    self.stop_at(0)
                    raise ReplacedError(shrunk=False)  # since its first line was looked at
                yield line
            if self._framer.offset > before:
                self._anchor = self._anchor_at(self._framer.offset)
            elif not self._framer.skimming:
                continue  # a line that is kept whole is read to its end in one turn
            if at - begin >= budget:
                return

    def _take(self, end: int, piece: bytes) -> None:
        """Note that everything up to `end` was read, and what its last bytes are."""
        self._window = self._window[-ANCHOR_BYTES:] + piece
        self._searched = self._window_end = end
        self._last = self._window[-_LAST_BYTES:]
        self.size_seen = max(self.size_seen, end)

    def _look_back(self, content: Content) -> None:
        """Prove that the file still is the one that was read."""
        size, last = content.size(), len(self._last)
        if size is not None and size < max(self._searched, self.size_seen):
            raise ReplacedError(shrunk=True)
        if last and content.read(self._searched - last, last) != self._last:
            raise ReplacedError(shrunk=False)
        if sha256(self._before(content, self.offset)).digest() != self._anchor:
            raise ReplacedError(shrunk=False)

    def _has_first(self, content: Content) -> bool:
        line = FirstLine(self._limit).look(content)
        return line is not None and line.sha256 == self._first

    @staticmethod
    def _before(content: Content, offset: int) -> bytes:
        back = min(ANCHOR_BYTES, offset)
        return content.read(offset - back, back) if back else b""

    def _finds_end(self, content: Content) -> bool:
        """Look for LF behind what was searched already, so that a slow line is read only once."""
        if self._searched <= self.offset + PIECE_BYTES:
            return True
        while piece := content.read(self._searched, PIECE_BYTES):
            if b"\n" in piece or self._searched - self.offset > self._limit:
                return True
            self._take(self._searched + len(piece), piece)
        self._window = b""
        return False

    def mark_at(self, offset: int) -> Mark:
        """Return the mark of a line's end: of the line just yielded, or, between turns, the place.

        The owner of a body calls it for each file that the body holds lines of.
        """
        return Mark(offset, self._anchor_at(offset)) if self._window else self.place

    def _anchor_at(self, offset: int) -> bytes:
        stop = len(self._window) - (self._window_end - offset)
        if stop < min(ANCHOR_BYTES, offset):  # far back, in a line of many pieces
            assert self.content is not None  # noqa: S101 - a turn is under way
            return sha256(self._before(self.content, offset)).digest()
        return sha256(self._window[max(0, stop - ANCHOR_BYTES) : stop]).digest()

    def reread(self, begin: int, end: int) -> Line | None:
        """Return a line that left before, or None when the file does not give it any more.

        Raises:
            OSError, CorruptArchiveError: it cannot be read now.
        """
        if self.content is None or not self.content.prepare(PREPARE_BYTES):
            return None
        raw = self.content.read(begin, end - begin)
        return next(Framer(begin, self._limit).feed(raw), None)

    def unfinished(self) -> Line | None:
        """Return what stands behind the last LF as a line; None: nothing, or it grew an LF.

        Raises:
            OSError, CorruptArchiveError: it cannot be read now.
        """
        content = self.content
        if content is None:
            return None
        self._look_back(content)
        while piece := content.read(self._framer.searched, PIECE_BYTES):
            if b"\n" in piece:
                break
            for _ in self._framer.feed(piece):
                pass  # without LF nothing leaves
        line = None if piece else self._framer.rest()
        self._framer.forget_partial()
        return line

    def limit(self, limit: int) -> None:
        """Change the longest line that is read whole, bytes; between turns."""
        self._limit = limit
        self.give_up_rest(self.size_seen)

    def stop_at(self, offset: int) -> None:
        """End the turn at the begin or end of the line just yielded; the next starts there."""
        self._anchor = self._anchor_at(offset)
        self._framer = Framer(offset, self._limit)
        self._searched = offset
        self._last = b""
        self._window = b""

    def give_up_rest(self, size: int) -> None:
        """Forget what was seen behind `size`: it was cut off. The offset stays, at most `size`."""
        self._framer = Framer(self.offset, self._limit)
        self._searched = self.offset
        self._last = b""
        self.size_seen = size


def hole_at(content: Content, at: int, piece: bytes, framer: Framer) -> int:
    """Return the size of the hole at `at` that counts as a NUL run without being read, or 0."""
    if piece[0] or not framer.takes_hole or not isinstance(content, PlainContent):
        return 0
    hole = content.next_data(at) - at
    return hole if hole >= PIECE_BYTES else 0
