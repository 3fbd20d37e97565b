"""Read one generation of a log file from a known offset to its end.

A tailer owns a descriptor, not a path: a rename changes neither what it reads nor where it stands.
Only complete lines leave; the rest waits in the file, so that a stop in mid-line costs nothing.
Each turn starts with a look back: the bytes before the offset must still have the anchor's hash,
which finds a truncation that has already regrown.

Invariant: `offset` is the first byte of the first line that has not left this module.
Known loss: bytes cut off by a truncation before they were read. They become one gap event.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Final

from auditship_agent.line import Line
from auditship_agent.source.content import Content, FileId, PlainContent
from auditship_agent.source.framing import Framer
from auditship_agent.source.progress import ANCHOR_BYTES, Mark

PIECE_BYTES: Final = 65_536


class ReplacedError(Exception):
    """The file does not hold any more what was read from it: truncated, regrown or rewritten."""

    def __init__(self, *, shrunk: bool) -> None:
        super().__init__("shrunk" if shrunk else "content differs")
        self.shrunk = shrunk


class Tailer:
    """The reading of one content; knows nothing of paths, checkpoints or events."""

    def __init__(self, content: Content, file_id: FileId, start: Mark, limit: int) -> None:
        self.content: Content | None = content
        self.file_id = file_id
        self.is_archive = content.is_archive
        self.size_seen = start.offset
        self._limit = limit
        self._framer = Framer(start.offset, limit)
        self._searched = start.offset
        self._anchor = start.anchor
        self._window = b""  # the last bytes fed, which end at `_window_end`
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

        Raises:
            OSError: the file cannot be looked at.
        """
        if self.content is None:
            return False
        size = self.content.size()
        if size is None:
            return True
        self.size_seen = max(self.size_seen, size)
        return size != self._searched

    def turn(self, budget: int) -> Iterator[Line]:
        """Yield complete lines; stop behind the one in which `budget` bytes were read.

        A caller that stops early calls `stop_at`.

        Raises:
            ReplacedError: the file does not hold what was read; nothing was yielded.
            OSError, CorruptArchiveError: it cannot be read (further).
        """
        content = self.content
        if content is None or not self._look_back(content):
            return
        at = self._framer.searched
        used = 0
        while piece := content.read(at, PIECE_BYTES):
            if skipped := self._skip_hole(content, at, piece):
                at += skipped
                self._window = bytes(ANCHOR_BYTES)
                continue
            self._window = self._window[-ANCHOR_BYTES:] + piece
            at += len(piece)
            used += len(piece)
            self._searched = self._window_end = at
            self.size_seen = max(self.size_seen, at)
            before = self._framer.offset
            yield from self._framer.feed(piece)
            if self._framer.offset > before:
                self._anchor = self._anchor_at(self._framer.offset)
            elif not self._framer.skimming:
                continue  # a line that is kept whole is read to its end in one turn
            if used >= budget:
                break
        self._window = b""
        self._framer.forget_partial()

    def _look_back(self, content: Content) -> bool:
        """Check the anchor; return whether a line may be complete behind the offset."""
        offset = self._framer.offset
        size = content.size()
        if size is not None and size < self._searched:
            raise ReplacedError(shrunk=True)
        back = min(ANCHOR_BYTES, offset)
        self._window = content.read(offset - back, back) if back else b""
        self._window_end = offset
        if sha256(self._window).digest() != self._anchor:
            raise ReplacedError(shrunk=False)
        return self._framer.searched > offset or self._finds_end(content)

    def _finds_end(self, content: Content) -> bool:
        """Look for LF behind what was searched already, so that a slow line is read only once."""
        if self._searched <= self._framer.offset + PIECE_BYTES:
            return True
        while piece := content.read(self._searched, PIECE_BYTES):
            if b"\n" in piece or self._searched - self._framer.offset > self._limit:
                return True
            self._searched += len(piece)
            self.size_seen = max(self.size_seen, self._searched)
        return False

    def _skip_hole(self, content: Content, at: int, piece: bytes) -> int:
        """Let a hole count as the NUL run that it reads as, without reading it; return its size."""
        if piece[0] or at != self._framer.offset or not isinstance(content, PlainContent):
            return 0
        hole = content.next_data(at) - at
        if hole < PIECE_BYTES:
            return 0
        self._framer.skip_nul(hole)
        return hole

    def mark_at(self, offset: int) -> Mark:
        """Return the mark of a line's end: of the line just yielded, or, between turns, the place.

        The owner of a body calls it for each file that the body holds lines of.
        """
        return Mark(offset, self._anchor_at(offset)) if self._window else self.place

    def _anchor_at(self, offset: int) -> bytes:
        stop = len(self._window) - (self._window_end - offset)
        return sha256(self._window[max(0, stop - ANCHOR_BYTES) : stop]).digest()

    def reread(self, begin: int, end: int) -> Line | None:
        """Return a line that left before, or None when the file does not give it any more.

        Raises:
            OSError, CorruptArchiveError: it cannot be read now.
        """
        if self.content is None:
            return None
        raw = self.content.read(begin, end - begin)
        return next(Framer(begin, self._limit).feed(raw), None)

    def stop_at(self, offset: int) -> None:
        """End the turn at the begin or end of the line just yielded; the next starts there."""
        self._anchor = self._anchor_at(offset)
        self._framer = Framer(offset, self._limit)
        self._searched = offset
        self._window = b""

    def close(self) -> None:
        """Release the descriptor; the place stays known."""
        if self.content is not None:
            self.content.close()
            self.content = None
