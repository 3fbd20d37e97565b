"""All log files of one agent: which there are, who has work, whose turn it is.

`rescan` lists the folders and brings the shelf in line; `identity` says what each new file is,
`losses` what cannot be had any more. `replaced` takes in that a file does not hold any more what
was read from it.

Main thread only.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from auditship_agent.config import LimitsConfig, SourceConfig
from auditship_agent.line import Line
from auditship_agent.metrics import Metrics
from auditship_agent.source.archive import CorruptArchiveError
from auditship_agent.source.content import FileId, stamp_of
from auditship_agent.source.discovery import Discovery, Found, Listing
from auditship_agent.source.identity import ARCHIVES_AT_ONCE, Expiry, Identity
from auditship_agent.source.logfile import LogFile
from auditship_agent.source.losses import Losses
from auditship_agent.source.orphans import Orphans
from auditship_agent.source.shelf import Gap, Shelf
from auditship_agent.source.strangers import Strangers
from auditship_indexer.clock import Clock
from auditship_indexer.log import Log

HOT_S: Final = 1.0  # a file that gave bytes within this time is looked at all the time


class Catalog:
    """The files of all sources and the generations without a file.

    `is_expired(source, content, modified_ms)` tells whether a file is older than retention. What
    the first rescan finds may have been there since `blind_since` (monotonic seconds).
    """

    def __init__(
        self,
        sources: Iterable[SourceConfig],
        limits: LimitsConfig,
        *,
        keep_days: int,
        is_expired: Expiry,
        blind_since: float,
        clock: Clock,
        log: Log,
        metrics: Metrics,
    ) -> None:
        self._blind_since: float | None = blind_since
        self._shelf = Shelf(sources, limits, clock=clock, log=log, metrics=metrics)
        self._identity = Identity(self._shelf, is_expired)
        self._losses = Losses(self._shelf, keep_days=keep_days)
        self._strangers = Strangers(self._shelf)
        self._discovery = Discovery(list(self.sources.values()))
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._hot: dict[FileId, LogFile] = {}
        self._round: deque[LogFile] = deque()
        self._doubles: dict[str, str] = {}  # second names of files
        self.has_line = False  # archives wait until those of this round are read
        self._is_same = False  # the last rescan found what the one before had found
        self.listing = Listing((), (), (), (), frozenset())

    def reconfigure(
        self,
        sources: Iterable[SourceConfig],
        limits: LimitsConfig,
        *,
        keep_days: int,
        is_expired: Expiry,
    ) -> None:
        """Take other settings; a rescan follows. Files keep their descriptors and places.

        What was read of a source that is configured no more is remembered: `state.keep_days`.
        """
        self._shelf.sources = {source.name: source for source in sources}
        self._shelf.descriptors.limit = limits.max_open_files
        self._identity.is_expired = is_expired
        self._losses.keep_days(keep_days)
        self._discovery = Discovery(list(self.sources.values()))
        self._round.clear()
        for file in list(self.files.values()):
            source = self.sources.get(file.source.name)
            if source is None:
                self._hot.pop(file.file_id, None)
                self._shelf.drop(file)
            else:
                file.reconfigure(source)

    # -- what others see ------------------------------------------------------------------

    @property
    def sources(self) -> dict[str, SourceConfig]:
        """The sources by name."""
        return self._shelf.sources

    @property
    def files(self) -> dict[FileId, LogFile]:
        """The files by identity."""
        return self._shelf.files

    @property
    def orphans(self) -> Orphans:
        """The generations without a file."""
        return self._shelf.orphans

    @property
    def open_files(self) -> int:
        """How many descriptors are open."""
        return len(self._shelf.descriptors)

    @property
    def is_busy(self) -> bool:
        """Whether files are being found out about that need nothing but time."""
        return any(
            file.content is not None and (file.tailer is None or file.content.size() is None)
            for file in self._shelf.agenda.values()
        )

    @property
    def is_quiet(self) -> bool:
        """Whether no file has work, and the last rescan found nothing new."""
        return self._is_same and not self._shelf.agenda

    @property
    def is_complete(self) -> bool:
        """Whether every byte of every file is known of: none is unreadable, none is missing."""
        return (
            self._blind_since is None
            and not self.listing.errors
            and not any(orphan.has_unread for orphan in self.orphans)
            and all(file.is_accounted for file in self.files.values())
        )

    def oldest_waiting(self, source: str | None = None) -> float | None:
        """Return when the oldest complete line without an outcome was first seen, if any."""
        files = self.files.values()
        waiting = [f.waiting_since() for f in files if source in {None, f.source.name}]
        return min((at for at in waiting if at is not None), default=None)

    def folders(self) -> set[str]:
        """Return the folders that are to be watched."""
        return self._discovery.folders()

    def take_gaps(self) -> list[Gap]:
        """Return the losses that were found since the last call."""
        gaps, self._shelf.gaps = self._shelf.gaps, []
        return gaps

    def take_news(self) -> bool:
        """Return whether something was found out that a crash must not forget; forget it."""
        news, self._shelf.has_news = self._shelf.has_news, False
        return news

    def take_unfinished(self) -> list[tuple[LogFile, Line]]:
        """Return rotated files with a last line without LF; told again at each rescan.

        Whoever made it durable sets `told_size` of the file to its `size`.
        """
        unfinished, self._losses.unfinished = self._losses.unfinished, []
        return unfinished

    # -- the folders ----------------------------------------------------------------------

    def rescan(self) -> None:
        """List the folders once and bring the shelf in line with them."""
        strangers = self._strangers
        before = self.listing
        self.listing = self._discovery.list(strangers.adopted, strangers=strangers.are_wanted)
        self._is_same = self.listing is before
        if self._is_same:
            self._meet_again()
            self.identify()
            self._losses.settle()
            return
        self._doubles = dict(self.listing.doubles)
        for path, what in self.listing.errors:
            self._log.fault(f"file:{path}", "file.unreadable", path=path, error=what)
        present = {found.file_id for found in self.listing.files}
        for found in self.listing.files:
            self._meet(found)
        for file in list(self.files.values()):
            if file.file_id not in present and not self._is_hidden(file):
                self._vanished(file)
        self.identify()
        strangers.search(self.listing.strangers)
        for found in self.listing.strangers:
            if found.file_id in strangers.adopted:
                self._meet(found)
        self.identify()
        self._losses.settle()
        self._blind_since = None

    def _meet_again(self) -> None:
        """Take in a listing in which nothing is new: most of them, with thousands of files."""
        now_ms = self._clock.now_ms()
        for file in list(self.files.values()):
            if file.gone:
                self._vanished(file)
                continue
            file.seen_ms = now_ms
            if file.error and file.found is not None:
                self._meet(file.found)

    def _is_hidden(self, file: LogFile) -> bool:
        return file.path in self.listing.hidden or file.folder in self.listing.hidden

    def _meet(self, found: Found) -> None:
        """Bring name, size and dates of a file up to date."""
        file = self.files.get(found.file_id)
        if file is None:
            file = LogFile(
                found.source,
                found.path,
                found.file_id,
                live=found.live,
                agenda=self._shelf.agenda,
            )
            self.files[found.file_id] = file
            self._log.info("file.found", source=found.source.name, path=found.path)
            self.grew(file)
        file.seen_ms = self._clock.now_ms()
        known = found is file.found and found.path == file.path
        if known and not file.error and not file.gone:
            return  # nothing about it is new
        file.found = found
        file.gone = False
        self._rename(file, found)
        if found.stamp != file.stamp:
            self._changed(file, found)
        elif file.error and file.state in {"new", "live", "drained", "spare"}:
            file.dirty = True  # try again

    def _rename(self, file: LogFile, found: Found) -> None:
        if file.path != found.path and file.path not in self._doubles:
            self._log.info("file.rotated", path=found.path, before=file.path)
            self._metrics.rotations.labels(file.source.name, "rename").inc()
            file.moved(found.path)
            file.live = file.live and found.live and found.path == file.home
        if file.state in {"live", "drained"}:
            file.state = "live" if file.live else "drained"

    def _changed(self, file: LogFile, found: Found) -> None:
        """Other bytes, maybe: what was settled about the file is open again."""
        grown = found.stamp.size != file.stamp.size
        file.stamp = found.stamp
        file.dirty = True
        file.is_lost = False
        if grown or file.state == "unreadable":
            self.grew(file)
        if file.tailer is None and file.state not in {"new", "spare"}:
            self._shelf.descriptors.close(file)  # maybe something quite different now
            file.start_over()
        elif file.state in {"finished", "unreadable"}:
            self._shelf.descriptors.close(file)
            file.state = "live" if file.live else "drained"
        file.saw(found.stamp.size, self._seen_at())
        if file.tailer is not None and self._shelf.open(file):
            try:
                file.tailer.has_more()  # a file that is deleted before its turn has this size
            except (OSError, CorruptArchiveError) as error:
                self._shelf.failed(file, error)

    def _seen_at(self) -> float:
        """Return since when bytes may have been there that a listing finds."""
        return self._clock.monotonic() if self._blind_since is None else self._blind_since

    def _vanished(self, file: LogFile) -> None:
        """No name leads to the file any more; an open descriptor still reads it."""
        is_useful = file.content is not None and (file.tailer is not None or file.dirty)
        if not is_useful or (file.gone and file.error):
            self._shelf.drop(file)
            return
        if not file.gone:
            file.gone = True
            if file.tailer is not None:
                file.state = "drained"
            self._log.info("file.gone", path=file.path)
        self.look([file])

    def identify(self) -> None:
        """Find out what new files are."""
        self._identity.settle()

    def replaced(self, file: LogFile, *, shrunk: bool) -> None:
        """The file was truncated, regrown, replaced or rewritten: its rest is searched for."""
        tailer = file.tailer
        assert tailer is not None  # noqa: S101 - only a tailer can tell
        self._metrics.truncations.labels(file.source.name).inc()
        kind = "truncate" if shrunk else "replace"
        self._metrics.rotations.labels(file.source.name, kind).inc()
        if shrunk and self._keeps_place(file):
            return
        first, offset = file.first, tailer.offset
        self._shelf.remember(file)
        file.start_over()
        self._shelf.free_spares(file)
        self.identify()
        if not shrunk and file.first == first:
            self._log.error("source.rewritten", path=file.path, offset=offset)
        else:
            self._log.info("file.truncated", path=file.path, offset=offset)

    def _keeps_place(self, file: LogFile) -> bool:
        """Whether only bytes behind the last line were cut off: then they alone are lost."""
        tailer = file.tailer
        assert tailer is not None  # noqa: S101 - the caller's
        assert file.content is not None  # noqa: S101 - it was just read
        assert file.first is not None  # noqa: S101 - it has a tailer
        try:
            size = file.content.size()
            if not tailer.offset or size is None or not file.holds(tailer.place):
                return False
        except (OSError, CorruptArchiveError):
            return False
        gap = Gap(file.source.name, file.path, file.first, size, tailer.size_seen, "truncated")
        self._shelf.gaps.append(gap)
        self._log.info("file.truncated", path=file.path, offset=tailer.offset, size=size)
        tailer.give_up_rest(size)
        file.told_size = 0
        return True

    def failed(self, file: LogFile, error: OSError | CorruptArchiveError) -> None:
        """A file cannot be read: it is tried again at the next rescan, or when it changed."""
        self._shelf.failed(file, error)

    # -- turns ----------------------------------------------------------------------------

    def ensure_open(self, file: LogFile) -> bool:
        """Open the file if it is closed; False when the descriptor limit or the system says no."""
        return self._shelf.open(file)

    def start_round(self, may_read: Callable[[LogFile], bool]) -> None:
        """Lay out a round, unless one is under way: rotated files first, each file once.

        Archives take memory while they are read, and do not grow: they come a few at a time.
        """
        if not self._round:
            ready = [file for file in self._shelf.agenda.values() if may_read(file)]
            archives = [file for file in ready if file.is_archive]
            later = {file.file_id for file in archives[ARCHIVES_AT_ONCE:]}
            now = [file for file in ready if file.file_id not in later]
            self.has_line = bool(later)
            self._round.extend(sorted(now, key=lambda file: file.live))

    def next_in_round(self) -> LogFile | None:
        """Return the file whose turn it is; None at the end of the round."""
        while self._round:
            file = self._round.popleft()
            if file.dirty and file.tailer is not None:
                return file
        return None

    def grew(self, file: LogFile) -> None:
        """Note that the file has new bytes."""
        file.grown_at = self._clock.monotonic()
        self._hot[file.file_id] = file

    def hot(self) -> list[LogFile]:
        """Return the files that gave bytes a moment ago."""
        now = self._clock.monotonic()
        for file in [file for file in self._hot.values() if now - file.grown_at >= HOT_S]:
            del self._hot[file.file_id]
        return list(self._hot.values())

    def look_in(self, folders: set[str]) -> None:
        """Look at all files of some folders, and at those that have no name any more."""
        self.look(file for file in self.files.values() if file.folder in folders or file.gone)

    def look(self, files: Iterable[LogFile]) -> None:
        """Look at the sizes of files, and mark those that changed."""
        for file in files:
            try:
                if file.dirty:
                    continue
                if file.content is None:
                    self._look_by_name(file)
                elif file.tailer is not None and file.tailer.has_more():
                    file.dirty = True
                    file.saw(file.tailer.size_seen, self._clock.monotonic())
                elif file.tailer is None and file.state == "new":
                    file.dirty = file.content.size() != file.tried_size
            except (OSError, CorruptArchiveError) as error:
                self._shelf.failed(file, error)

    def _look_by_name(self, file: LogFile) -> None:
        """See whether a closed file changed; a name that leads elsewhere waits for the rescan."""
        if not file.live or file.state not in {"live", "new"}:
            return
        status = os.stat(file.path)  # noqa: PTH116 - of many files, often
        if FileId(status.st_dev, status.st_ino) == file.file_id:
            size = stamp_of(status).size
            if size != file.stamp.size:
                file.dirty = True
                file.saw(size, self._clock.monotonic())

    def close(self) -> None:
        """Release all descriptors."""
        self._shelf.descriptors.close_all()
