"""What cannot be had any more, and when that is certain: gaps, damaged archives, last lines.

Nothing is called lost before its content was searched for `gap_after_s`, and a file is finished
only when it was read to its end and stayed quiet for `finish_after_s`.
"""

from hashlib import sha256
from typing import Final

from auditship_agent.line import Line
from auditship_agent.source.archive import CorruptArchiveError, GzipContent
from auditship_agent.source.framing import Framer
from auditship_agent.source.logfile import LogFile
from auditship_agent.source.orphans import Orphan
from auditship_agent.source.progress import NO_ANCHOR, Mark, Progress
from auditship_agent.source.shelf import Gap, Shelf

DAY_MS: Final = 86_400_000
UNKNOWN_FIRST: Final = sha256(b"").digest()  # of a file whose first line nobody saw


class Losses:
    """Tells what is lost on a shelf, and lets go of what is settled.

    `unfinished` are rotated files with a last line that has no LF, for the dead letter.
    """

    def __init__(self, shelf: Shelf, *, keep_days: int) -> None:
        self._shelf = shelf
        self.keep_days(keep_days)
        self.unfinished: list[tuple[LogFile, Line]] = []

    def keep_days(self, days: int) -> None:
        """Set how long a generation without a file is remembered once it is settled."""
        self._keep_ms = days * DAY_MS

    def settle(self) -> None:
        """Go through files and orphans once."""
        self.unfinished = []
        now = self._shelf.clock.monotonic()
        for file in list(self._shelf.files.values()):
            quiet_s = now - file.grown_at
            if self._is_damaged(file) and quiet_s >= file.source.gap_after_s:
                self._give_up(file)
            elif self._is_over(file, now):
                self._finish(file)
        if not len(self._shelf.orphans):
            return
        twins: dict[bytes, list[LogFile]] = {}
        for file in self._shelf.files.values():
            if file.first is not None:
                twins.setdefault(file.first, []).append(file)
        for orphan in self._shelf.orphans:
            self._look_at(orphan, twins.get(orphan.first, []), now)

    # -- files ----------------------------------------------------------------------------

    @staticmethod
    def _is_damaged(file: LogFile) -> bool:
        return file.state == "unreadable" and not file.is_foreign

    @staticmethod
    def _is_over(file: LogFile, now: float) -> bool:
        tailer = file.tailer
        if tailer is None or (file.live and not file.gone and not tailer.is_archive):
            return False  # it may grow
        if file.dirty or file.state not in {"live", "drained"}:
            return False
        quiet = now - file.grown_at >= file.source.finish_after_s
        return quiet and file.progress.acked >= tailer.offset

    def _finish(self, file: LogFile) -> None:
        """Close a file that was read to its end; first its last line, if that has no LF."""
        assert file.tailer is not None  # noqa: S101 - `_is_over`
        if not file.is_told:
            self._tell_unfinished(file)
            return
        file.state = "finished"
        self._shelf.log.info("file.finished", path=file.path, offset=file.tailer.offset)
        self._shelf.descriptors.close(file)
        if file.gone:
            self._shelf.drop(file)

    def _tell_unfinished(self, file: LogFile) -> None:
        shelf, tailer = self._shelf, file.tailer
        assert tailer is not None  # noqa: S101 - `_is_over`
        assert file.first is not None  # noqa: S101 - the same
        if not shelf.open(file):
            return
        try:
            line = tailer.unfinished()
        except (OSError, CorruptArchiveError) as error:
            shelf.failed(file, error)
            return
        if line is None:
            file.dirty = True  # it did grow
        elif line.length:
            self.unfinished.append((file, line))
        else:
            file.told_size = tailer.size_seen
            shelf.gaps.append(
                Gap(file.source.name, file.path, file.first, line.begin, line.offset, "nul_run")
            )

    def _give_up(self, file: LogFile) -> None:
        """An archive stayed unreadable for long: what only it held is lost."""
        shelf = self._shelf
        file.state = "finished"
        content = file.content
        shelf.descriptors.close(file)
        if not isinstance(content, GzipContent):
            return
        shelf.log.error("file.corrupt", path=file.path, good_bytes=content.size())
        first = file.told_first = file.first or _first_of(content.head, file.source.line_limit)
        if file.is_lost or self._is_known(file, first, content.decoded):
            return
        file.is_lost = True
        begin = file.tailer.offset if file.tailer else 0
        begin = max([begin, *(orphan.size_seen for orphan in shelf.orphans.of(first))])
        end = max(begin, content.decoded)  # at least: what no checksum vouches for
        shelf.gaps.append(Gap(file.source.name, file.path, first, begin, end, "corrupt_archive"))
        if file.tailer is None:
            self._remember_lost(file, first)

    def _is_known(self, file: LogFile, first: bytes, decoded: int) -> bool:
        """Whether another file or generation had all that decompresses, or this loss was told."""
        shelf = self._shelf
        orphans = shelf.orphans.of(first)
        if any(orphan.is_lost and orphan.file_id == file.file_id for orphan in orphans):
            return True
        known = [orphan.size_seen for orphan in orphans]
        known += [f.size for f in shelf.files.values() if f.first == first and f is not file]
        return max(known, default=-1) >= decoded

    def _remember_lost(self, file: LogFile, first: bytes) -> None:
        """Keep, over a restart too, that the loss of an archive without a good line was told."""
        orphan = Orphan(
            source=file.source.name,
            path=file.path,
            file_id=file.file_id,
            first=first,
            progress=Progress(file.source.name),
            place=Mark(0, NO_ANCHOR),
            size_seen=0,
            since=self._shelf.clock.monotonic(),
            seen_ms=file.seen_ms,
            is_archive=True,
            sought=False,
        )
        orphan.is_lost = True
        self._shelf.orphans.add(orphan)

    # -- orphans --------------------------------------------------------------------------

    def _look_at(self, orphan: Orphan, twins: list[LogFile], now: float) -> None:
        shelf = self._shelf
        if orphan.has_unread:
            for file in twins:
                self._shrink(orphan, file)
        source = shelf.sources.get(orphan.source)
        patience = source.gap_after_s if source else float("inf")  # not configured: not our loss
        if now - orphan.since >= patience:
            orphan.sought = False
            if orphan.has_unread:
                self._tell_lost(orphan, twins)
        old = shelf.clock.now_ms() - orphan.seen_ms > self._keep_ms
        if old and orphan.is_settled and (source is None or not orphan.has_unread):
            shelf.orphans.remove(orphan)

    def _tell_lost(self, orphan: Orphan, twins: list[LogFile]) -> None:
        """Record what no file of the folders has. Bytes that turn up later are stored as usual."""
        shelf = self._shelf
        damaged = any(file.is_damaged or file.state == "unreadable" for file in twins)
        damaged |= any(_says_to_be(file, orphan.first) for file in shelf.files.values())
        orphan.is_lost = True
        reason = "truncated" if orphan.file_id in shelf.files else "deleted"
        shelf.gaps.append(
            Gap(
                orphan.source,
                orphan.path,
                orphan.first,
                orphan.begin,
                orphan.size_seen,
                "corrupt_archive" if damaged else reason,
            )
        )

    def _shrink(self, orphan: Orphan, file: LogFile) -> None:
        """Take from an orphan what a file with the same content has, which is read for itself."""
        if file.file_id == orphan.file_id or file.tailer is None:
            return
        if not self._shelf.open(file, briefly=True):
            return
        try:
            if file.continues(orphan):
                size = file.tailer.offset if file.is_damaged else file.size
                orphan.begin = max(orphan.begin, min(size, orphan.size_seen))
        except (OSError, CorruptArchiveError) as error:
            self._shelf.failed(file, error)
        finally:
            self._shelf.descriptors.trim()


def _says_to_be(file: LogFile, first: bytes) -> bool:
    """Whether a damaged archive without a good line may be the generation of a first line."""
    if file.first is None and isinstance(file.content, GzipContent):
        return _first_of(file.content.head, file.source.line_limit) == first
    return file.told_first == first


def _first_of(head: bytes, limit: int) -> bytes:
    """Return the hash of the first line of a damaged archive, as far as it can be told."""
    line = next(Framer(0, limit).feed(head), None)
    return line.sha256 if line else UNKNOWN_FIRST
