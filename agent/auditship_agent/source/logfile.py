"""One log file as the catalog knows it, and what is remembered of one that is gone."""

from collections import deque
from hashlib import sha256
from typing import Final, Literal

from auditship_agent.config import SourceConfig
from auditship_agent.line import Line
from auditship_agent.source.content import Content, FileId
from auditship_agent.source.framing import Framer
from auditship_agent.source.progress import ANCHOR_BYTES, Mark, Progress
from auditship_agent.source.tailer import PIECE_BYTES, Tailer

FileState = Literal["new", "live", "drained", "spare", "finished", "expired", "unreadable"]
_TURN_PIECES: Final = 64


class Orphan:
    """A generation without a file: its content is searched for by first line and anchor.

    `place` is how far it was read, `size_seen` the largest size it was known to have: what lies
    between is lost unless a file with the same content turns up.
    """

    def __init__(
        self,
        *,
        source: str,
        path: str,
        file_id: FileId,
        first: bytes,
        progress: Progress,
        place: Mark,
        size_seen: int,
        since: float,
        seen_ms: int,
        is_archive: bool,
        lost: bool = False,
    ) -> None:
        self.source = source
        self.path = path
        self.file_id = file_id
        self.first = first
        self.progress = progress
        self.place = place
        self.size_seen = size_seen
        self.since = since
        self.seen_ms = seen_ms
        self.is_archive = is_archive
        self.lost = lost  # its gap was recorded

    @property
    def has_unread(self) -> bool:
        """Whether bytes are known that nobody read."""
        return self.size_seen > self.place.offset and not self.lost

    @property
    def is_settled(self) -> bool:
        """Whether all that was read has its outcome."""
        return self.progress.acked >= self.place.offset


class FirstLine:
    """The search for a file's first complete line: what its generation is made of."""

    def __init__(self, limit: int) -> None:
        self._framer = Framer(0, limit)

    def look(self, content: Content) -> Line | None:
        """Return the first line, or None while it has no LF. Raises as `Content.read`."""
        for _ in range(_TURN_PIECES):
            piece = content.read(self._framer.searched, PIECE_BYTES)
            if not piece:
                self._framer.forget_partial()
                return None
            for line in self._framer.feed(piece):
                return line
        return None


class LogFile:
    """One file of the folders: its name of today, its reading, and its progress.

    `tailer` exists once the generation is known; `content` is None while the descriptor is closed.
    """

    def __init__(self, source: SourceConfig, path: str, file_id: FileId, *, live: bool) -> None:
        self.source = source
        self.path = path
        self.file_id = file_id
        self.live = live
        self.state: FileState = "new"
        self.content: Content | None = None
        self.first: bytes | None = None
        self.tailer: Tailer | None = None
        self.progress = Progress(source.name)
        self.spare_of: LogFile | None = None
        self.gone = False
        self.error = ""
        self.corrupt_at = 0
        self.size = 0
        self.modified_ms = 0
        self.seen_ms = 0
        self.grown_at = 0.0  # monotonic: when bytes last came
        self.dirty = True  # something may be there to read
        self.search = FirstLine(source.line_limit)
        self._sightings: deque[tuple[float, int]] = deque()  # when the file had which size

    def saw(self, size: int, now: float) -> None:
        """Note that the file has `size` bytes now, at second's grain."""
        if not self._sightings or size > self._sightings[-1][1]:
            if self._sightings and now - self._sightings[-1][0] < 1.0:
                now = self._sightings.pop()[0]
            self._sightings.append((now, size))

    def waiting_since(self) -> float | None:
        """Return when the oldest complete line without an outcome was first seen, if any."""
        while self._sightings and self._sightings[0][1] <= self.progress.acked:
            self._sightings.popleft()
        read_to_end = self.tailer is None or (
            not self.dirty and self.progress.acked >= self.tailer.offset
        )
        return None if read_to_end or not self._sightings else self._sightings[0][0]

    def begin(self, first: bytes, progress: Progress, place: Mark) -> None:
        """Start reading at `place`, now that the generation is known."""
        assert self.content is not None  # noqa: S101 - the first line was just read from it
        self.first = first
        self.progress = progress
        self.tailer = Tailer(self.content, self.file_id, place, self.source.line_limit)
        self.spare_of = None
        self.state = "live" if self.live and not self.gone else "drained"
        self.dirty = True

    def start_over(self) -> None:
        """Forget the generation: the same file holds another content now."""
        self.first = None
        self.tailer = None
        self.progress = Progress(self.source.name)
        self.state = "new"
        self.search = FirstLine(self.source.line_limit)
        self._sightings.clear()
        self.dirty = True

    def open(self, content: Content) -> None:
        """Take a (new) descriptor of the same file."""
        self.content = content
        if self.tailer is not None:
            self.tailer.content = content

    def close(self) -> None:
        """Release the descriptor; everything else stays known."""
        if self.content is not None:
            self.content.close()
            self.content = None
        if self.tailer is not None:
            self.tailer.content = None

    def holds(self, place: Mark) -> bool:
        """Whether the content has the anchor of `place`. Raises as `Content.read`."""
        assert self.content is not None  # noqa: S101 - callers open it first
        back = min(ANCHOR_BYTES, place.offset)
        found = self.content.read(place.offset - back, back) if back else b""
        return len(found) == back and sha256(found).digest() == place.anchor

    def orphaned(self, now: float) -> Orphan | None:
        """Return what is to be remembered of the generation, or None when none is known."""
        if self.first is None or self.tailer is None:
            return None
        return Orphan(
            source=self.source.name,
            path=self.path,
            file_id=self.file_id,
            first=self.first,
            progress=self.progress,
            place=self.tailer.place,
            size_seen=self.tailer.size_seen,
            since=now,
            seen_ms=self.seen_ms,
            is_archive=self.tailer.is_archive,
        )
