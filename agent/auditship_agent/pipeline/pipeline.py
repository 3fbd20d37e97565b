"""One agent at work, stepped by its owner: `step` does a little of everything that is due.

Reading is bounded by what delivery can hold; a line is acknowledged when it is stored, already
stored, durably dead or ignored. The checkpoint follows what is acknowledged, never what was read.
Main thread only; no method waits.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from auditship_agent.batch import Batch
from auditship_agent.checkpoint import CheckpointFile
from auditship_agent.config import AgentConfig
from auditship_agent.deadletter import UNTERMINATED
from auditship_agent.deliver import Delivery, Refused, Settled
from auditship_agent.line import Line, Produced
from auditship_agent.metrics import Metrics
from auditship_agent.pipeline.memory import Recorder
from auditship_agent.pipeline.own import Outbox, Source
from auditship_agent.pipeline.refusal import Refusals
from auditship_agent.pipeline.saving import Saver
from auditship_agent.pipeline.settling import Settling
from auditship_agent.pipeline.tally import Tally
from auditship_agent.pipeline.transform import Stream, Transform
from auditship_agent.pipeline.turn import Turn
from auditship_agent.source.archive import CorruptArchiveError
from auditship_agent.source.catalog import Catalog
from auditship_agent.source.logfile import LogFile
from auditship_agent.source.progress import Progress
from auditship_agent.source.shelf import Gap
from auditship_agent.source.tailer import ReplacedError, Tailer
from auditship_indexer.clock import Clock
from auditship_indexer.log import Log

_RETRY_DISK_S: Final = 1.0
# A round over many long files is broken off, to be gone on with in the next step: meanwhile the
# folders have to be listed, or files that were rotated several times are looked for in vain.
_ROUND_S: Final = 0.25
_MAX_STREAMS: Final = 256  # they are quickly made anew


class Pipeline:
    """All stages of one agent. Build it by `runner.build`."""

    def __init__(
        self,
        config: AgentConfig,
        *,
        catalog: Catalog,
        transforms: Mapping[str, Transform],
        batch: Batch,
        delivery: Delivery,
        refusals: Refusals,
        outbox: Outbox,
        own: Source,
        checkpoint: CheckpointFile,
        recorder: Recorder,
        clock: Clock,
        log: Log,
        metrics: Metrics,
    ) -> None:
        self.config = config
        self.catalog = catalog
        self.transforms = transforms
        self.delivery = delivery
        self.refusals = refusals
        self.outbox = outbox
        self._own = own
        self._batch = batch
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._streams: dict[int, tuple[bytes, str, Stream]] = {}
        self._inside: dict[int, tuple[Progress, Tailer]] = {}  # whose lines the open body holds
        # NUL runs are told once the line behind them is done: then nobody reads them again.
        self._runs: list[tuple[Progress, int, Gap]] = []
        self._stopped: dict[int, float] = {}  # progress of a file -> when its bad line is retried
        self.lost_bytes = 0
        self.gaps = 0
        self.reading = True
        self.clock_hold = ""  # why no line may be judged now
        self.tally = Tally(metrics)
        self._settling = Settling(self._bury, refusals, self.tally, clock)
        self._saver = Saver(
            checkpoint, recorder, catalog, outbox, clock=clock, log=log, metrics=metrics
        )

    # -- one step -------------------------------------------------------------------------

    def step(self) -> bool:
        """Read, send and settle what is due now; return whether lines were read."""
        read = self._read_round() if self.reading and not self.clock_hold else False
        self._record_gaps()
        self._bury_unfinished()
        self._send_own()
        if self._batch.is_due(self._clock.monotonic()) or not self.reading:
            self._close_batch()
        self._settle()
        if self._saver.is_due(self.config.checkpoint):
            self.save()
        return read

    def next_due(self) -> float | None:
        """Return the monotonic time at which `step` has something to do by itself, if any."""
        times = [
            self._saver.due_at(self.config.checkpoint),
            self._settling.next_due(),
            self.delivery.next_due(),
            *self._stopped.values(),
        ]
        if self._batch.opened_at is not None:
            times.append(self._batch.opened_at + self.config.batch.max_age_s)
        return min((at for at in times if at is not None), default=None)

    @property
    def is_idle(self) -> bool:
        """Whether all that was read has its outcome and is in the checkpoint."""
        return not (
            self.delivery.pending
            or not self._settling.is_idle
            or self._saver.moved
            or not self.outbox.is_empty
            or self._batch.opened_at is not None
        )

    # -- reading --------------------------------------------------------------------------

    def _read_round(self) -> bool:
        """Give each file of a round its turn; return whether the next round is due at once."""
        read = moved = False
        now = self._clock.monotonic()
        self._stopped = {key: until for key, until in self._stopped.items() if until > now}
        if not self._saver.may_read(self.config.checkpoint):
            return False
        self.catalog.start_round(self._may_read)
        while self._has_room() and (file := self.catalog.next_in_round()) is not None:
            if self._may_read(file) and self.catalog.ensure_open(file):
                read = self._turn(file) or read
                moved |= not file.dirty
                self._settle()
            if self._clock.monotonic() - now >= _ROUND_S:
                return True  # the rest of the round is due at once
        return read or (moved and self.catalog.has_line)  # others were waiting for their turn

    def _has_room(self) -> bool:
        """Whether neither bodies nor replies without durable dead letters fill the memory."""
        return self.delivery.has_room and not self._settling.stopped

    def _may_read(self, file: LogFile) -> bool:
        if file.source.name in self.refusals.poisoned or file.tailer is None:
            return False
        if id(file.progress) in self._stopped or self._settling.holds(file.progress):
            return False
        return self._saver.may_read_on(file, self.config.checkpoint)

    def _turn(self, file: LogFile) -> bool:
        """Give one file its turn; return whether a line was read."""
        tailer = file.tailer
        assert tailer is not None  # noqa: S101 - `readable` yields only these
        before = tailer.offset
        turn = Turn(file, tailer, self._clock, self.config.retention.days)
        try:
            stream = self._stream(file)
            for line in tailer.turn(self.config.limits.turn_bytes):
                if not self._take(turn, stream, line):
                    break
            file.dirty = tailer.has_more()
        except ReplacedError as error:
            self.catalog.replaced(file, shrunk=error.shrunk)
        except (OSError, CorruptArchiveError) as error:
            self.catalog.failed(file, error)
        finally:
            self.tally.read(file.source.name, turn.lines, turn.results)
        if tailer.offset == before:
            return False
        self.catalog.grew(file)
        self._metrics.bytes_read.labels(file.source.name).inc(tailer.offset - before)
        return True

    def _stream(self, file: LogFile) -> Stream:
        """Return the maker of documents for the file's generation under its path of now."""
        assert file.first is not None  # noqa: S101 - `readable` yields only these
        known = self._streams.get(id(file.progress))
        if known is None or known[:2] != (file.first, file.path):
            stream = self.transforms[file.source.name].stream(file.first, file.path)
            if len(self._streams) >= _MAX_STREAMS:
                self._streams.clear()
            known = self._streams[id(file.progress)] = (file.first, file.path, stream)
        return known[2]

    def _take(self, turn: Turn, stream: Stream, line: Line) -> bool:
        """Give one line its place; False ends the turn (before or behind the line)."""
        file = turn.file
        produced = turn.judged(stream.produce(line))
        if not self.refusals.supersede(stream.generation, line):
            return self._stop_before(turn, line)
        if produced.outcome == "dead_letter":
            if not self.refusals.take_line(file, line, produced.reason, produced.detail):
                return self._stop_before(turn, line)
        else:
            self.refusals.fine(turn.name)
            produced = self._without_dead(produced)
        if line.nul_run:
            gap = Gap(turn.name, file.path, file.first or b"", line.begin, line.offset, "nul_run")
            self._runs.append((file.progress, line.end, gap))
        turn.count(produced)
        if not produced.documents:
            self.tally.not_an_event(turn.name, produced)
        self._batch.add(
            file.progress, line.offset - line.nul_run, line.end, produced.documents, turn.began_at
        )
        if not turn.is_inside:
            self._inside[id(file.progress)] = (file.progress, turn.tailer)
            turn.is_inside = True
        if self._batch.is_full:
            self._close_batch(turn.tailer, line.end)
            turn.is_inside = False
            self._settle()
        elif produced.documents:
            return True  # neither room nor poison changed
        if self.delivery.has_room and turn.name not in self.refusals.poisoned:
            return True
        turn.tailer.stop_at(line.end)
        return False

    def _without_dead(self, produced: Produced) -> Produced:
        """Leave out what was refused before a crash and is in the dead letter already."""
        left = self.refusals.unrecorded(produced.documents)
        if len(left) == len(produced.documents):
            return produced
        if left:
            return msgspec.structs.replace(produced, documents=left)
        return Produced("dead_letter", reason="rejected")

    def _stop_before(self, turn: Turn, line: Line) -> bool:
        """Read this file no further for a moment: its line cannot be recorded; others go on."""
        self._stopped[id(turn.file.progress)] = self._clock.monotonic() + _RETRY_DISK_S
        turn.tailer.stop_at(line.begin)
        return False

    # -- bodies and their outcome ---------------------------------------------------------

    def _close_batch(self, current: Tailer | None = None, end: int = 0) -> None:
        """Finish the open body; note for each file inside where a checkpoint may resume."""
        for progress, tailer in self._inside.values():
            progress.mark(tailer.mark_at(end) if tailer is current else tailer.place)
        self._inside.clear()
        body = self._batch.close()
        if body is None:
            return
        if body.items:
            self.delivery.submit(body)
        else:
            self._acknowledge([Settled(body)])
        self._batch.limit(self.delivery.learned_bytes)

    def _settle(self) -> None:
        """Acknowledge what replies settled, once its dead letters are durable."""
        self._acknowledge(self.delivery.poll())

    def _acknowledge(self, settled: Iterable[Settled]) -> None:
        self._saver.moved |= self._settling.settle(settled)

    def _bury(self, refused: Refused) -> bool:
        """Record the line of a document that will never be stored; False: no room, try again."""
        item = refused.item
        file = next((f for f in self.catalog.files.values() if f.progress is item.owner), None)
        line = None
        if file is not None and file.tailer is not None and self.catalog.ensure_open(file):
            try:
                line = file.tailer.reread(item.begin, item.end)
            except (OSError, CorruptArchiveError) as error:
                self.catalog.failed(file, error)
        return self.refusals.take_document(file, line, refused)

    # -- own events -----------------------------------------------------------------------

    def _record_gaps(self) -> None:
        self._saver.moved |= self.catalog.take_news()
        for gap in self.catalog.take_gaps():
            self._gap(gap)
        due = [one for one in self._runs if one[0].saved.offset >= one[1]]
        self._runs = [one for one in self._runs if one[0].saved.offset < one[1]]
        for _, _, gap in due:
            self._gap(gap)

    def _bury_unfinished(self) -> None:
        """Last lines without LF, of files that will not grow any more, become dead letters."""
        for file, line in self.catalog.take_unfinished():
            if self.refusals.take_unfinished(file, line):
                file.told_size = file.size
                self.tally.read(file.source.name, 1, {})
                self.tally.not_an_event(
                    file.source.name, Produced("dead_letter", reason=UNTERMINATED)
                )

    def _gap(self, gap: Gap) -> None:
        """Bytes are provably lost: say so in the index, the log and the metric."""
        self.gaps += 1
        self.lost_bytes += gap.end - gap.begin
        self._metrics.gaps.labels(gap.source, gap.reason).inc()
        self._metrics.lost_bytes.labels(gap.source, gap.reason).inc(gap.end - gap.begin)
        self._log.error(
            "gap.recorded", path=gap.path, begin=gap.begin, end=gap.end, reason=gap.reason
        )
        self.outbox.put(
            self._own.event(
                "agent.gap",
                self._clock.now_ms(),
                offset=gap.begin,
                end=gap.end,
                reason=gap.reason,
                path=gap.path,
                first=gap.first,
            )
        )

    def tell(self, action: str) -> None:
        """Put an event of the agent's own down; it is sent once a checkpoint holds it."""
        self.outbox.put(self._own.event(action, self._clock.now_ms()))

    def _send_own(self) -> None:
        now = self._clock.monotonic()
        for number, document in self.outbox.unsent():
            self._batch.add(self.outbox, number, number + 1, (document,), now)

    # -- for its owner --------------------------------------------------------------------

    def save(self) -> bool:
        """Write the checkpoint now; False (and red health) when the disk does not take it."""
        self._record_gaps()
        return self._saver.save()

    @property
    def save_failed(self) -> str:
        """Why the last checkpoint could not be written; empty when it was."""
        return self._saver.failed

    @property
    def checkpoint_age_s(self) -> float:
        """Seconds since the last checkpoint."""
        return self._saver.age_s

    def reconfigure(
        self, config: AgentConfig, transforms: Mapping[str, Transform], own: Source
    ) -> None:
        """Take another configuration between two steps. What is on its way goes on."""
        self._close_batch()
        self.config = config
        self.transforms = transforms
        self._own = own
        self._batch = Batch(config.batch, gzip=config.delivery.gzip)
        self._streams.clear()
        self.refusals.reconfigure(config.dead_letter)

    def show(self) -> None:
        """Bring the metrics up to date that nobody counts event by event."""
        self.refusals.show()
        for name, transform in self.transforms.items():
            self.tally.unknown(name, transform.preset.unknown.counts)

    def oldest_unacknowledged_s(self, source: str | None = None) -> float:
        """Return the age of the oldest complete line without an outcome, since first seen."""
        since = self.catalog.oldest_waiting(source)
        return 0.0 if since is None else max(0.0, self._clock.monotonic() - since)
