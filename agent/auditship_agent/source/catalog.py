"""All log files of one agent: who is who after any rotation, and what is still to be read.

`rescan` lists the folders and decides, by content, what each file is: known, renamed, a copy, the
continuation of a generation that lost its file, or new. `replaced` handles a file that does not
hold any more what was read from it. Decisions that turn out wrong cost a second reading (409s).

Main thread only.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from msgspec import Struct

from auditship_agent.config import LimitsConfig, SourceConfig
from auditship_agent.metrics import Metrics
from auditship_agent.source.content import Content, CorruptArchiveError, open_content
from auditship_agent.source.discovery import Discovery, Found, Listing
from auditship_agent.source.logfile import LogFile, Orphan
from auditship_agent.source.progress import ANCHOR_BYTES, NO_ANCHOR, Mark, Progress
from auditship_indexer.clock import Clock
from auditship_indexer.log import Log

DAY_MS: Final = 86_400_000
START: Final = Mark(0, NO_ANCHOR)


class Gap(Struct, frozen=True):
    """Bytes [begin, end) of a generation that are provably lost."""

    source: str
    path: str
    first: bytes
    begin: int
    end: int
    reason: str


class Catalog:
    """The files of all sources and the generations without a file.

    `is_expired(source, content)` tells whether a file's last complete line is older than retention.
    """

    def __init__(
        self,
        sources: Iterable[SourceConfig],
        limits: LimitsConfig,
        *,
        keep_days: int,
        is_expired: Callable[[SourceConfig, Content, int], bool],
        clock: Clock,
        log: Log,
        metrics: Metrics,
    ) -> None:
        self.sources = {source.name: source for source in sources}
        self.files: dict[object, LogFile] = {}
        self.orphans: list[Orphan] = []
        self.gaps: list[Gap] = []
        self.listing = Listing((), (), ())
        self._discovery = Discovery(list(self.sources.values()))
        self._limits = limits
        self._keep_ms = keep_days * DAY_MS
        self._is_expired = is_expired
        self._clock = clock
        self._log = log
        self._metrics = metrics

    def folders(self) -> set[str]:
        """Return the folders that are to be watched."""
        return self._discovery.folders()

    def rescan(self) -> None:
        """List the folders once and bring the catalog in line with them."""
        self.listing = self._discovery.list()
        for path, what in self.listing.errors:
            self._log.fault(f"file:{path}", "file.unreadable", path=path, error=what)
        now_ms = self._clock.now_ms()
        present = set()
        for found in self.listing.files:
            present.add(found.file_id)
            file = self.files.get(found.file_id)
            if file is None:
                file = LogFile(found.source, found.path, found.file_id, live=found.live)
                file.grown_at = self._clock.monotonic()
                self.files[found.file_id] = file
                self._log.info("file.found", source=found.source.name, path=found.path)
            self._refresh(file, found, now_ms)
        for key, file in list(self.files.items()):
            if key not in present:
                self._vanished(file)
        self.identify()
        self._finish_all()
        self._search_over()

    def _refresh(self, file: LogFile, found: Found, now_ms: int) -> None:
        """Bring name, size and dates of a known file up to date."""
        file.seen_ms = now_ms
        file.gone = False
        if file.path != found.path:
            self._log.info("file.rotated", path=found.path, before=file.path)
            self._metrics.rotations.labels(file.source.name, "rename").inc()
            file.path = found.path
            file.live = False  # its first path leads elsewhere now
            if file.state == "live":
                file.state = "drained"
        if (found.size, found.modified_ms) != (file.size, file.modified_ms):
            file.size, file.modified_ms = found.size, found.modified_ms
            file.saw(found.size, self._clock.monotonic())
            file.dirty = True
            if file.state == "expired":
                file.start_over()
            elif file.state == "unreadable":
                file.state = "drained" if file.tailer else "new"
                file.grown_at = self._clock.monotonic()

    def _vanished(self, file: LogFile) -> None:
        """No name leads to the file any more; an open descriptor still reads it."""
        if file.content is None or file.tailer is None:
            self._drop(file)
        elif not file.gone:
            file.gone = True
            file.state = "drained"
            self._log.info("file.gone", path=file.path)

    def _drop(self, file: LogFile) -> None:
        """Take a file out, and remember its generation."""
        file.close()
        self.files.pop(file.file_id, None)
        orphan = file.orphaned(self._clock.monotonic())
        if orphan is not None and file.spare_of is None:
            self.orphans.append(orphan)
        for other in self.files.values():
            if other.spare_of is file:
                other.start_over()  # maybe it has what the original cannot give any more

    def identify(self) -> None:
        """Give each new file its generation: where an entry stood first, then oldest first."""
        hints = {orphan.file_id for orphan in self.orphans}
        new = [
            file for file in self.files.values() if file.state in {"new", "spare"} and file.dirty
        ]
        for file in sorted(new, key=lambda one: (one.file_id not in hints, one.modified_ms)):
            try:
                if file.state == "spare":
                    self._check_spare(file)
                if file.state == "new" and self.ensure_open(file):
                    self._identify(file)
            except (OSError, CorruptArchiveError) as error:
                self.unreadable(file, error)

    def _identify(self, file: LogFile) -> None:
        content = file.content
        assert content is not None  # noqa: S101 - just opened
        file.dirty = False
        first = file.search.look(content)
        if first is None:
            return
        file.first = first.sha256
        if self._resume(file) or self._is_spare(file):
            return
        if not file.source.read_expired and self._is_expired(
            file.source, content, file.modified_ms
        ):
            file.state = "expired"
            self._log.info("file.expired", path=file.path)
            file.close()
        else:
            file.begin(first.sha256, Progress(file.source.name, START), START)

    def _resume(self, file: LogFile) -> bool:
        """Go on where a generation with this content stopped; the furthest one wins."""
        matching = [o for o in self.orphans if o.first == file.first and file.holds(o.place)]
        if not matching:
            return False
        best = max(matching, key=lambda o: (o.file_id == file.file_id, o.place.offset))
        assert file.first is not None  # noqa: S101 - set by the caller
        self.orphans.remove(best)
        file.begin(file.first, best.progress, best.place)
        self._log.info("file.resumed", path=file.path, offset=best.place.offset, before=best.path)
        return True

    def _is_spare(self, file: LogFile) -> bool:
        """Whether the file is a copy of one that is open and being read."""
        for other in self.files.values():
            if other is file or other.first != file.first or other.spare_of is not None:
                continue
            if other.tailer is not None and self.ensure_open(other) and _same_tail(file, other):
                file.state = "spare"
                file.spare_of = other
                self._log.info("file.spare", path=file.path, original=other.path)
                return True
        return False

    def _check_spare(self, file: LogFile) -> None:
        """A spare that is no copy of its original any more is read for itself."""
        original = file.spare_of
        file.dirty = False
        if original is None or not self.ensure_open(file) or not self.ensure_open(original):
            return
        if not _same_tail(file, original):
            file.spare_of = None
            file.start_over()

    def replaced(self, file: LogFile, *, shrunk: bool) -> None:
        """The file was truncated, regrown or rewritten: its unread rest is searched for."""
        old = file.orphaned(self._clock.monotonic())
        event = "file.truncated" if shrunk else "source.rewritten"
        told = self._log.info if shrunk else self._log.error
        told(event, path=file.path, offset=old.place.offset if old else 0)
        self._metrics.rotations.labels(file.source.name, "truncate").inc()
        self._metrics.truncations.labels(file.source.name).inc()
        file.start_over()
        if old is not None:
            self.orphans.append(old)
        for spare in [one for one in self.files.values() if one.spare_of is file]:
            spare.spare_of = None
            spare.start_over()
        self.identify()

    def unreadable(self, file: LogFile, error: OSError | CorruptArchiveError) -> None:
        """Note that a file cannot be read; a damaged archive may still be being written."""
        file.error = str(error)
        file.dirty = False
        if isinstance(error, CorruptArchiveError):
            file.state = "unreadable"
            file.corrupt_at = error.offset
        else:
            self._log.fault(
                f"file:{file.path}", "file.unreadable", path=file.path, error=str(error)
            )

    def _give_up(self, file: LogFile) -> None:
        """A damaged archive did not change for long: what only it held is lost."""
        file.state = "finished"
        file.close()
        self._log.error("file.corrupt", path=file.path, offset=file.corrupt_at)
        known = [o.place.offset for o in self.orphans if o.first == file.first]
        known += [
            f.tailer.offset for f in self.files.values() if f.first == file.first and f.tailer
        ]
        begin = file.tailer.offset if file.tailer else 0
        if file.first is not None and max(known, default=0) <= max(begin, file.corrupt_at):
            gap = Gap(file.source.name, file.path, file.first, begin, begin, "corrupt_archive")
            self.gaps.append(gap)

    def ensure_open(self, file: LogFile) -> bool:
        """Open the file if it is closed; False when the descriptor limit or the system says no."""
        if file.content is not None:
            return True
        if not self._make_room():
            return False
        try:
            content, file_id = open_content(file.path)
        except OSError as error:
            self.unreadable(file, error)
            return False
        if file_id != file.file_id:  # the name leads elsewhere since the listing
            content.close()
            return False
        file.open(content)
        file.error = ""
        self._log.recovered(f"file:{file.path}", "file.readable", path=file.path)
        return True

    def _make_room(self) -> bool:
        """Close the coldest file that can be found again by its name, if the limit is reached."""
        open_files = [file for file in self.files.values() if file.content is not None]
        if len(open_files) < self._limits.max_open_files:
            return True
        idle = [f for f in open_files if not f.gone and not f.dirty and f.state != "drained"]
        if not idle:
            self._log.fault("open-files", "files.limit", open=len(open_files), level="warning")
            return False
        min(idle, key=lambda file: file.grown_at).close()
        return True

    def _finish_all(self) -> None:
        """Close what is read to its end and will not grow: rotated, archived, deleted."""
        now = self._clock.monotonic()
        for file in list(self.files.values()):
            tailer = file.tailer
            if file.state == "unreadable" and now - file.grown_at >= file.source.gap_after_s:
                self._give_up(file)
            if tailer is None or file.live or file.state in {"finished", "spare"} or file.dirty:
                continue
            quiet = now - file.grown_at >= file.source.finish_after_s
            settled = file.progress.acked >= tailer.offset
            if quiet and settled and not tailer.has_partial:
                file.state = "finished"
                self._log.info("file.finished", path=file.path, offset=tailer.offset)
                file.close()
                if file.gone:
                    self._drop(file)

    def _search_over(self) -> None:
        """Record what is lost of generations that no file continues; forget settled old ones."""
        now, now_ms = self._clock.monotonic(), self._clock.now_ms()
        for orphan in list(self.orphans):
            source = self.sources.get(orphan.source)
            patience = source.gap_after_s if source else 0.0
            if orphan.has_unread and now - orphan.since >= patience:
                orphan.lost = True
                reason = "truncated" if orphan.file_id in self.files else "deleted"
                gap = Gap(
                    orphan.source,
                    orphan.path,
                    orphan.first,
                    orphan.place.offset,
                    orphan.size_seen,
                    reason,
                )
                self.gaps.append(gap)
            old = now_ms - orphan.seen_ms > self._keep_ms
            if old and not orphan.has_unread and orphan.is_settled:
                self.orphans.remove(orphan)

    def readable(self) -> Iterator[LogFile]:
        """Yield files with something to read: rotated ones first, then in order of discovery."""
        ready = [file for file in self.files.values() if file.dirty and file.tailer is not None]
        yield from sorted(ready, key=lambda file: file.live)

    def look(self, files: Iterable[LogFile]) -> None:
        """Look at the sizes of open files and mark those that changed."""
        now = self._clock.monotonic()
        for file in files:
            try:
                if file.tailer is not None:
                    if file.tailer.has_more():
                        file.dirty = True
                        file.saw(file.tailer.size_seen, now)
                elif file.content is not None and file.state == "new":
                    size = file.content.size()
                    if size != file.size:
                        file.size = size or 0
                        file.dirty = True
            except OSError as error:
                self.unreadable(file, error)

    def close(self) -> None:
        """Release all descriptors."""
        for file in self.files.values():
            file.close()


def _same_tail(copy: LogFile, original: LogFile) -> bool:
    """Whether the end of what `copy` has stands at the same place in `original`."""
    assert copy.content is not None and original.content is not None  # noqa: S101, PT018 - opened
    size = copy.content.size()
    size = _measure(copy.content) if size is None else size
    back = min(ANCHOR_BYTES, size)
    here = copy.content.read(size - back, back)
    return here == original.content.read(size - back, back)


def _measure(content: Content) -> int:
    """Read an archive to its end and return its uncompressed size."""
    at = 0
    while piece := content.read(at, 1 << 20):
        at += len(piece)
    return at
