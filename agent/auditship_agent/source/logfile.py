"""One log file as the catalog knows it: name, descriptor, generation, reading and progress."""

import os
from collections.abc import MutableMapping
from hashlib import sha256
from typing import Final, Literal

from auditship_agent.config import SourceConfig
from auditship_agent.source.archive import GzipContent
from auditship_agent.source.content import Content, FileId, Stamp
from auditship_agent.source.discovery import Found
from auditship_agent.source.orphans import Orphan
from auditship_agent.source.progress import ANCHOR_BYTES, Mark, Progress
from auditship_agent.source.tailer import FirstLine, Tailer

FileState = Literal["new", "live", "drained", "spare", "finished", "expired", "unreadable"]
NO_STAMP: Final = Stamp(0, 0, 0)
_HEAD_LINES: Final = 3
_UNREAD: Final = {"spare", "expired", "finished"}  # of a file without tailer: nothing is read
_LOOK_BYTES: Final = 4 * 1_048_576  # of a long first line that are searched in one step

Agenda = MutableMapping[FileId, "LogFile"]


class LogFile:
    """One file of the folders.

    `tailer` exists once the generation is known; `content` is None while the descriptor is closed.
    `agenda` is shared by all files of a catalog: who is in it is `dirty`, so that nobody has to
    walk through files that have nothing to do.
    """

    def __init__(
        self, source: SourceConfig, path: str, file_id: FileId, *, live: bool, agenda: Agenda
    ) -> None:
        self.source = source
        self.path = path
        self.home = path  # the name under which it was first seen
        self.folder = os.path.dirname(path)  # noqa: PTH120 - compared with strings, often
        self.file_id = file_id
        self.live = live  # it may still be written under this name
        self.state: FileState = "new"
        self.content: Content | None = None
        self.first: bytes | None = None
        self.tailer: Tailer | None = None
        self.progress = Progress(source.name)
        self._head: tuple[Mark, ...] = ()
        self.spare_of: LogFile | None = None
        self.gone = False  # no name leads to it; its descriptor is all there is
        self.error = ""
        self.stamp = NO_STAMP
        self.seen_ms = 0
        self.grown_at = 0.0  # monotonic: when bytes last came
        self.told_size = 0  # up to here the dead letter or a gap tells of a last line without LF
        self.found: Found | None = None  # what the last listing said
        self.tried_size = 0  # how far it was searched for its first line
        self.told_first: bytes | None = None  # what a damaged archive says its first line was
        self.is_lost = False  # a damaged archive of which a gap tells
        self.is_foreign = False  # an archive of a compressor that is not read
        self._agenda = agenda
        self._search = FirstLine(source.line_limit)
        self._sightings: list[tuple[float, int]] = []  # when the file had which size
        self.dirty = True

    @property
    def dirty(self) -> bool:
        """Whether something may be there to read or to find out."""
        return self.file_id in self._agenda

    @dirty.setter
    def dirty(self, value: bool) -> None:
        if value:
            self._agenda[self.file_id] = self
        else:
            self._agenda.pop(self.file_id, None)

    @property
    def size(self) -> int:
        """The largest size known, of the (uncompressed) content where that is known."""
        if self.tailer is None:
            return self.stamp.size
        return self.tailer.size_seen

    @property
    def lag(self) -> int:
        """Bytes that wait for their outcome."""
        if self.tailer is None and (self.is_foreign or self.state in _UNREAD):
            return 0
        return max(0, self.size - self.progress.acked)

    @property
    def is_told(self) -> bool:
        """Whether all bytes left as lines, or stand in the dead letter or a gap."""
        tailer = self.tailer
        return tailer is not None and max(tailer.offset, self.told_size) >= tailer.size_seen

    @property
    def size_to_keep(self) -> int:
        """The size for the checkpoint: what the dead letter has is not missing from the file."""
        assert self.tailer is not None  # noqa: S101 - only files that are read have an entry
        return self.tailer.offset if self.is_told else self.tailer.size_seen

    @property
    def is_archive(self) -> bool:
        """Whether it is an archive, as far as it was looked into."""
        if self.tailer is not None:
            return self.tailer.is_archive
        return self.content is not None and self.content.is_archive

    @property
    def is_damaged(self) -> bool:
        """Whether it is an archive of which not all is good."""
        return isinstance(self.content, GzipContent) and self.content.is_damaged

    @property
    def is_accounted(self) -> bool:
        """Whether it is known which lines the file has: it can be read, and was looked into."""
        if self.error:
            return self.is_foreign or self.state in {"finished", "expired", "spare"}
        return self.tailer is not None or not self.dirty

    def moved(self, path: str) -> None:
        """Follow a rename."""
        self.path = path
        self.folder = os.path.dirname(path)  # noqa: PTH120 - compared with strings, often

    def saw(self, size: int, now: float) -> None:
        """Note that the file has `size` bytes now, at second's grain."""
        if not self._sightings or size > self._sightings[-1][1]:
            if self._sightings and now - self._sightings[-1][0] < 1.0:
                now = self._sightings.pop()[0]
            self._sightings.append((now, size))

    def waiting_since(self) -> float | None:
        """Return when the oldest complete line without an outcome was first seen, if any."""
        acked = self.progress.acked
        if self._sightings and self._sightings[0][1] <= acked:
            self._sightings = [seen for seen in self._sightings if seen[1] > acked]
        read_to_end = self.tailer is None or (
            not self.dirty and self.progress.acked >= self.tailer.offset
        )
        return None if read_to_end or not self._sightings else self._sightings[0][0]

    def find_first(self) -> bool:
        """Search on for the first line; return whether `first` is known now.

        `dirty` stays set as long as looking on makes sense.

        Raises:
            OSError, CorruptArchiveError: it cannot be read.
        """
        assert self.content is not None  # noqa: S101 - opened and prepared by the caller
        line = self._search.look(self.content, _LOOK_BYTES)
        if line is not None:
            self.first = line.sha256
        elif self._search.at_end:
            self.dirty = False
            self.tried_size = self.content.size() or 0
        return line is not None

    def begin(self, progress: Progress, place: Mark) -> None:
        """Start reading at `place`, now that the generation is known."""
        assert self.content is not None  # noqa: S101 - the first line was just read from it
        assert self.first is not None  # noqa: S101 - the same
        progress.source = self.source.name
        self.progress = progress
        self._head = _head_of(self.content.read(0, ANCHOR_BYTES))
        self.tailer = Tailer(self.content, self.first, place, self.source.line_limit)
        self.spare_of = None
        self.state = "live" if self.live and not self.gone else "drained"
        self.dirty = True

    def reconfigure(self, source: SourceConfig) -> None:
        """Take other settings of the source, between two turns."""
        longer = source.line_limit != self.source.line_limit
        self.source = source
        if longer and self.tailer is not None:
            self.tailer.limit(source.line_limit)

    def start_over(self) -> None:
        """Forget the generation: the same file holds another content now."""
        self.first = None
        self.tailer = None
        self.spare_of = None
        self.progress = Progress(self.source.name)
        self.state = "new"
        self.told_size = 0
        self.is_foreign = False
        self._search = FirstLine(self.source.line_limit)
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
        size = self.content.size()
        if size is not None and size < place.offset:
            return False
        back = min(ANCHOR_BYTES, place.offset)
        found = self.content.read(place.offset - back, back) if back else b""
        return len(found) == back and sha256(found).digest() == place.anchor

    def continues(self, orphan: Orphan) -> bool:
        """Whether the content is that of the orphan, up to its place. Raises as `Content.read`."""
        assert self.content is not None  # noqa: S101 - callers open it first
        size = self.content.size() or 0
        head = [mark for mark in orphan.head if mark.offset <= size]
        return self.holds(orphan.place) and (not head or self.holds(head[-1]))

    def orphaned(self, now: float) -> Orphan | None:
        """Return what is to be remembered of the generation, or None when none is known."""
        if self.first is None or self.tailer is None:
            return None
        orphan = Orphan(
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
            is_drained=not self.live,
            sought=self.state != "finished",
        )
        orphan.begin = max(orphan.begin, self.told_size)
        if self._head and self._head[-1].offset > orphan.place.offset:
            orphan.head = self._head  # the anchor alone would fit files that share a first line
        return orphan


def _head_of(head: bytes) -> tuple[Mark, ...]:
    """Return the ends of the first lines; `head` starts at 0 and is no longer than an anchor."""
    marks: list[Mark] = []
    end = 0
    while len(marks) < _HEAD_LINES and (end := head.find(b"\n", end) + 1):
        marks.append(Mark(end, sha256(head[:end]).digest()))
    return tuple(marks)


def same_tail(copy: LogFile, original: LogFile) -> bool:
    """Whether the end of what `copy` has stands at the same place in `original`.

    Both are open and prepared. Raises as `Content.read`.
    """
    assert copy.content is not None  # noqa: S101 - the caller opened both
    assert original.content is not None  # noqa: S101 - the same
    size = copy.content.size()
    other = original.content.size()
    if size is None or other is None or size > other:
        return False
    back = min(ANCHOR_BYTES, size)
    here = copy.content.read(size - back, back) if back else b""
    return here == (original.content.read(size - back, back) if back else b"")
