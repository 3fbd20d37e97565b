"""What is known at one moment: files, generations without a file, losses to be told.

The parts that decide (identity, losses) and the catalog work on one shelf.
"""

import errno
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from auditship_agent.config import LimitsConfig, SourceConfig
from auditship_agent.metrics import Metrics
from auditship_agent.source.archive import CorruptArchiveError
from auditship_agent.source.content import FileId
from auditship_agent.source.descriptors import Descriptors
from auditship_agent.source.logfile import LogFile
from auditship_agent.source.orphans import Orphan, Orphans
from auditship_indexer.clock import Clock
from auditship_indexer.log import Log

_MISSING: Final = {errno.ENOENT, errno.ESTALE}


class Gap(Struct, frozen=True):
    """Bytes [begin, end) of a generation that are provably lost; `end` = `begin`: end unknown."""

    source: str
    path: str
    first: bytes
    begin: int
    end: int
    reason: str


class Shelf:
    """Files by identity, who of them has work (`agenda`), orphans, gaps. Main thread only."""

    def __init__(
        self,
        sources: Iterable[SourceConfig],
        limits: LimitsConfig,
        *,
        clock: Clock,
        log: Log,
        metrics: Metrics,
    ) -> None:
        self.sources = {source.name: source for source in sources}
        self.files: dict[FileId, LogFile] = {}
        self.agenda: dict[FileId, LogFile] = {}
        self.orphans = Orphans()
        self.gaps: list[Gap] = []
        self.has_news = False  # bytes are being searched for that no checkpoint speaks of
        self.descriptors = Descriptors(limits.max_open_files)
        self.clock = clock
        self.log = log
        self.metrics = metrics

    def open(self, file: LogFile, *, briefly: bool = False) -> bool:
        """Open the file if it is closed; False when a limit or the system says no."""
        try:
            opened = self.descriptors.open(file, briefly=briefly)
        except OSError as error:
            self.failed(file, error)
            return False
        if not opened:
            self.log.fault("open-files", "files.limit", level="warning", open=len(self.descriptors))
            return False
        if file.error:
            file.error = ""
            self.log.recovered(f"file:{file.path}", "file.readable", path=file.path)
        return True

    def failed(self, file: LogFile, error: OSError | CorruptArchiveError) -> None:
        """A file cannot be read: it is tried again at the next rescan, or when it changed."""
        file.dirty = False
        file.error = str(error)
        if isinstance(error, CorruptArchiveError):
            file.state = "unreadable"
            file.error = f"unreadable archive: {error}"
            return
        if not file.gone:
            self.descriptors.close(file)
        if error.errno not in _MISSING:
            self.log.fault(f"file:{file.path}", "file.unreadable", path=file.path, error=str(error))

    def drop(self, file: LogFile) -> None:
        """Take a file out, and remember its generation."""
        self.descriptors.close(file)
        file.dirty = False
        self.files.pop(file.file_id, None)
        self.remember(file)
        self.free_spares(file)

    def remember(self, file: LogFile) -> Orphan | None:
        """Make an orphan of what was read of the file."""
        orphan = file.orphaned(self.clock.monotonic())
        if orphan is not None and file.spare_of is None:
            self.orphans.add(orphan)
            self.has_news |= orphan.has_unread
        return orphan

    def free_spares(self, original: LogFile) -> None:
        """Copies of a file may have what it cannot give any more."""
        for file in self.files.values():
            if file.spare_of is original:
                file.start_over()
