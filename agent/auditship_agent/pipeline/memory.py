"""Between catalog and checkpoint: what is written down of each file, and how it is taken up."""

from datetime import datetime
from typing import Final

from auditship_agent.checkpoint import Entry, Snapshot
from auditship_agent.config import AgentConfig
from auditship_agent.pipeline.own import Outbox
from auditship_agent.source.catalog import Catalog
from auditship_agent.source.content import FileId
from auditship_agent.source.logfile import LogFile
from auditship_agent.source.orphans import Orphan
from auditship_agent.source.progress import Mark, Progress
from auditship_indexer.clock import Clock, iso_ms
from auditship_indexer.event.identity import generation

_SLACK_MS: Final = 60_000
_STATES: Final = {"live", "drained", "finished", "lost"}


def orphans_of(snapshot: Snapshot, now: float) -> list[Orphan]:
    """Return the generations of a checkpoint, to be found again by content.

    Each resumes at its acknowledged offset: what was read beyond it is read again.
    """
    orphans = []
    for entry in snapshot.entries:
        place = Mark(entry.acked, bytes.fromhex(entry.anchor))
        orphan = Orphan(
            source=entry.source,
            path=entry.path,
            file_id=FileId(entry.dev, entry.ino),
            first=bytes.fromhex(entry.first),
            progress=Progress(entry.source, place),
            place=place,
            size_seen=entry.size,
            since=now,
            seen_ms=int(datetime.fromisoformat(entry.seen).timestamp() * 1000),
            is_archive=entry.codec == "gzip",
            is_drained=entry.state == "drained",
        )
        orphan.is_lost = entry.state == "lost"
        orphans.append(orphan)
    return orphans


class Recorder:
    """Makes snapshots of one agent. `sequence` rises with each, `written_ms` never falls.

    It does not run ahead of the monotonic clock either: a wall clock that steps into the future
    for a moment must not make the guard wait for that future.
    """

    def __init__(
        self, config: AgentConfig, boot: str, sequence: int, clock: Clock, *, written_ms: int = 0
    ) -> None:
        self.config = config
        self._boot = boot
        self._clock = clock
        self._made_at: float | None = None
        self.sequence = sequence
        self.written_ms = written_ms

    def _stamp(self) -> str:
        now_ms, now = self._clock.now_ms(), self._clock.monotonic()
        if self._made_at is not None:
            most_ms = self.written_ms + round((now - self._made_at) * 1000) + _SLACK_MS
            now_ms = min(now_ms, most_ms)
        self._made_at = now
        self.written_ms = max(self.written_ms, now_ms)
        return iso_ms(self.written_ms)

    def snapshot(self, catalog: Catalog, outbox: Outbox) -> Snapshot:
        """Return the state to be saved now."""
        entries = [self._of_file(file) for file in catalog.files.values() if _has_entry(file)]
        entries += [self._of_orphan(orphan) for orphan in catalog.orphans]
        self.sequence += 1
        return Snapshot(
            agent=self.config.agent_id,
            boot=self._boot,
            entries=tuple(entries),
            own=outbox.snapshot(),
            region=self.config.server.region,
            sequence=self.sequence,
            server=self.config.server.id,
            written=self._stamp(),
        )

    def _of_file(self, file: LogFile) -> Entry:
        tailer, first = file.tailer, file.first
        state = "lost" if file.is_lost else file.state
        assert tailer is not None  # noqa: S101 - `_has_entry`
        assert first is not None  # noqa: S101 - `_has_entry`
        saved = file.progress.saved
        return Entry(
            acked=saved.offset,
            anchor=saved.anchor.hex(),
            codec="gzip" if tailer.is_archive else "plain",
            dev=file.file_id.device,
            first=first.hex(),
            generation=generation(self.config.server.id, first),
            ino=file.file_id.inode,
            path=file.path,
            seen=iso_ms(file.seen_ms),
            size=file.size_to_keep,
            source=file.source.name,
            state=state if state in _STATES else "drained",  # type: ignore[arg-type]  # narrowed by the set
        )

    def _of_orphan(self, orphan: Orphan) -> Entry:
        saved = orphan.progress.saved
        return Entry(
            acked=saved.offset,
            anchor=saved.anchor.hex(),
            codec="gzip" if orphan.is_archive else "plain",
            dev=orphan.file_id.device,
            first=orphan.first.hex(),
            generation=generation(self.config.server.id, orphan.first),
            ino=orphan.file_id.inode,
            path=orphan.path,
            seen=iso_ms(orphan.seen_ms),
            size=orphan.size_to_keep,
            source=orphan.source,
            state="lost" if orphan.is_lost else "drained" if orphan.is_drained else "live",
        )


def _has_entry(file: LogFile) -> bool:
    return file.tailer is not None and file.first is not None
