"""Who is who: a new file goes on with a generation, is a copy of a known file, or starts at 0.

Resume only where first line and anchor both match; else read from 0, which is always right, since
stored lines meet 409. A wrong guess costs time, never a line and never a double.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from auditship_agent.config import SourceConfig
from auditship_agent.source.archive import CorruptArchiveError, GzipContent
from auditship_agent.source.content import Content, foreign_codec, recognized
from auditship_agent.source.logfile import LogFile, same_tail
from auditship_agent.source.orphans import Orphan
from auditship_agent.source.progress import NO_ANCHOR, Mark, Progress
from auditship_agent.source.shelf import Gap, Shelf
from auditship_agent.source.tailer import PREPARE_BYTES

Expiry = Callable[[SourceConfig, Content, int], bool]
START: Final = Mark(0, NO_ANCHOR)
_ALL: Final = 1 << 62
ARCHIVES_AT_ONCE: Final = 2  # each takes memory while it is read


def resumable(file: LogFile, orphans: Iterable[Orphan]) -> Orphan | None:
    """Return the generation that the file continues; the one that was read furthest wins.

    A file that is smaller than a generation was seen continues it only under the same identity:
    then its end was cut off. Elsewhere the whole of it may still be found.

    Raises:
        OSError, CorruptArchiveError: the file cannot be read.
    """
    assert file.content is not None  # noqa: S101 - the caller opened it
    size = file.content.size() or 0
    matching = [
        orphan
        for orphan in orphans
        if (size >= orphan.size_to_keep or orphan.file_id == file.file_id)
        and file.continues(orphan)
    ]
    return max(
        matching,
        key=lambda one: (one.place.offset, one.file_id == file.file_id),
        default=None,
    )


def _entries_of(file: LogFile, orphans: Iterable[Orphan]) -> list[Orphan]:
    """Return further entries of this very file: all that they miss, the file has.

    A copy that was read for itself, beside its original, leaves an entry; after a restart it goes
    on where the original had been.

    Raises:
        OSError, CorruptArchiveError: the file cannot be read.
    """
    assert file.content is not None  # noqa: S101 - the caller opened it
    size = file.content.size() or 0
    return [
        one
        for one in orphans
        if one.file_id == file.file_id and size >= one.size_to_keep and file.continues(one)
    ]


def original_of(
    file: LogFile, twins: Sequence[LogFile], opens: Callable[[LogFile], bool]
) -> LogFile | None:
    """Return the file of which `file` is a copy, among those with the same first line.

    An original that cannot be read is none: the file is then read from 0.
    """
    for other in twins:
        if other is file or other.tailer is None or other.spare_of is not None:
            continue
        try:
            if opens(other) and same_tail(file, other):
                return other
        except (OSError, CorruptArchiveError):
            continue
    return None


class Identity:
    """Gives each new file of a shelf its place in the order of things."""

    def __init__(self, shelf: Shelf, is_expired: Expiry) -> None:
        self._shelf = shelf
        self.is_expired = is_expired

    def settle(self) -> None:
        """Look at all new files: where an entry stood first, then oldest first."""
        new = [file for file in self._shelf.agenda.values() if file.state in {"new", "spare"}]
        if not new:
            return
        hints = {orphan.file_id for orphan in self._shelf.orphans}
        twins: dict[bytes, list[LogFile]] = {}
        for file in self._shelf.files.values():
            if file.first is not None and file.tailer is not None:
                twins.setdefault(file.first, []).append(file)
        new.sort(key=lambda one: (one.file_id not in hints, one.stamp.modified_ns))
        for file in new:
            self._look(file, twins)

    def _look(self, file: LogFile, twins: dict[bytes, list[LogFile]]) -> None:
        shelf = self._shelf
        try:
            if file.state == "spare":
                self._check_spare(file)
            if file.state == "new" and shelf.open(file, briefly=True):
                self._identify(file, twins)
        except (OSError, CorruptArchiveError) as error:
            shelf.failed(file, error)
        shelf.descriptors.trim()

    def _opens(self, file: LogFile) -> bool:
        return self._shelf.open(file, briefly=True)

    def _is_prepared(self, file: LogFile) -> bool:
        """Check an archive in steps; at the limit at once, since its descriptor may not stay."""
        assert file.content is not None  # noqa: S101 - the caller opened it
        budget = _ALL if self._shelf.descriptors.is_full else PREPARE_BYTES
        return file.content.prepare(budget)

    def _identify(self, file: LogFile, twins: dict[bytes, list[LogFile]]) -> None:
        assert file.content is not None  # noqa: S101 - just opened
        file.open(recognized(file.content))
        codec = foreign_codec(file.content)
        if codec is not None:
            self._foreign(file, codec)
            return
        if not self._is_prepared(file) or not file.find_first():
            return
        self._place(file, twins)
        if isinstance(file.content, GzipContent) and self._is_in_line(file):
            file.content.rest()

    def _is_in_line(self, file: LogFile) -> bool:
        """Whether an archive will not be read at once."""
        if file.state == "spare":
            return True
        archives = sum(one.is_archive for one in self._shelf.agenda.values())
        return archives > ARCHIVES_AT_ONCE

    def _place(self, file: LogFile, twins: dict[bytes, list[LogFile]]) -> None:
        """Decide what a file is, now that its first line is known."""
        shelf = self._shelf
        assert file.first is not None  # noqa: S101 - the caller's
        same = twins.setdefault(file.first, [])
        orphan = resumable(file, shelf.orphans.of(file.first))
        if orphan is not None:
            self._resume(file, orphan)
        elif (original := original_of(file, same, self._opens)) is not None:
            file.state = "spare"
            file.spare_of = original
            file.dirty = False
            self._note_archive(file, was_archive=original.is_archive)
            shelf.log.info("file.spare", path=file.path, original=original.path)
        elif self._expired(file):
            return
        else:
            file.begin(Progress(file.source.name), START)
        if file.tailer is not None:
            file.saw(file.stamp.size, shelf.clock.monotonic())
            file.tailer.has_more()
            same.append(file)

    def _foreign(self, file: LogFile, codec: str) -> None:
        file.state = "unreadable"
        file.is_foreign = True  # what it should hold is an orphan, if anybody saw it
        file.error = f"unreadable archive: {codec} is not read; use gzip, or decompress it"
        file.dirty = False
        self._shelf.descriptors.close(file)
        self._shelf.log.warning("file.unreadable", path=file.path, error=file.error)

    def _expired(self, file: LogFile) -> bool:
        assert file.content is not None  # noqa: S101 - the caller opened it
        old = not file.source.read_expired and self.is_expired(
            file.source, file.content, file.stamp.modified_ms
        )
        if old:
            file.state = "expired"
            file.dirty = False
            self._shelf.descriptors.close(file)
            self._shelf.log.info("file.expired", path=file.path)
        return old

    def _resume(self, file: LogFile, orphan: Orphan) -> None:
        shelf = self._shelf
        shelf.orphans.remove(orphan)
        for other in _entries_of(file, shelf.orphans.of(orphan.first)):
            shelf.orphans.remove(other)
        if orphan.is_drained or orphan.path != file.path:
            file.live = False  # the name that it was written under leads elsewhere
        file.begin(orphan.progress, orphan.place)
        self._note_archive(file, was_archive=orphan.is_archive)
        file.is_lost = orphan.is_lost and orphan.file_id == file.file_id and file.is_damaged
        if orphan.begin > orphan.place.offset:
            file.told_size = orphan.begin
        size = file.content.size() if file.content else None
        if size is not None and size < orphan.size_to_keep:
            begin = max(size, orphan.begin)
            shelf.gaps.append(
                Gap(file.source.name, file.path, orphan.first, begin, orphan.size_seen, "truncated")
            )
        shelf.log.info(
            "file.resumed", path=file.path, offset=orphan.place.offset, before=orphan.path
        )

    def _note_archive(self, file: LogFile, *, was_archive: bool) -> None:
        """Count a file that was compressed."""
        if file.is_archive and not was_archive:
            self._shelf.metrics.rotations.labels(file.source.name, "archive").inc()

    def _check_spare(self, file: LogFile) -> None:
        """A spare that is no copy of its original any more is read for itself."""
        original = file.spare_of
        if original is None or not self._opens(original) or not self._opens(file):
            file.start_over()  # from 0 is always right
            return
        if not self._is_prepared(file):
            return
        file.dirty = False
        if not same_tail(file, original):
            file.start_over()
