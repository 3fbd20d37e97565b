"""When the checkpoint is written, and what a disk that refuses it means for reading.

A late checkpoint costs re-sends only, so a slow disk may stretch the interval. A lasting failure
stops the reader in the end: a crash must not find much acknowledged and then deleted, yet unsaved.
"""

from typing import Final

from auditship_agent.checkpoint import CheckpointFile
from auditship_agent.config import CheckpointConfig
from auditship_agent.metrics import Metrics
from auditship_agent.pipeline.memory import Recorder
from auditship_agent.pipeline.own import Outbox
from auditship_agent.source.catalog import Catalog
from auditship_agent.source.logfile import LogFile
from auditship_indexer.clock import Clock
from auditship_indexer.log import Log

_REST_PER_WRITE: Final = 19  # a write may take 5 % of the time at most


class Saver:
    """The checkpoint of one pipeline. Main thread only."""

    def __init__(
        self,
        checkpoint: CheckpointFile,
        recorder: Recorder,
        catalog: Catalog,
        outbox: Outbox,
        *,
        clock: Clock,
        log: Log,
        metrics: Metrics,
    ) -> None:
        self._checkpoint = checkpoint
        self._recorder = recorder
        self._catalog = catalog
        self._outbox = outbox
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._tried_at = self._saved_at = clock.monotonic()
        self._rests_until = float("-inf")
        self.moved = False  # something was acknowledged since the last checkpoint
        self.failed = ""  # why the last try failed

    def due_at(self, config: CheckpointConfig) -> float | None:
        """Return when the next checkpoint is due (monotonic); None while nothing has changed."""
        if not self.moved and not self._outbox.is_dirty:
            return None
        return max(self._tried_at + config.interval_s, self._rests_until)

    def is_due(self, config: CheckpointConfig) -> bool:
        """Whether a checkpoint is due now."""
        due = self.due_at(config)
        return due is not None and self._clock.monotonic() >= due

    @property
    def age_s(self) -> float:
        """Seconds since the last checkpoint that was written."""
        return self._clock.monotonic() - self._saved_at

    def save(self) -> bool:
        """Write the checkpoint; False (and red health) when the disk does not take it."""
        began = self._tried_at = self._clock.monotonic()
        owners = [(file.progress, file.progress.saved) for file in self._catalog.files.values()]
        try:
            self._checkpoint.save(self._recorder.snapshot(self._catalog, self._outbox))
        except OSError as error:
            self.failed = str(error)
            self._metrics.checkpoint_writes.labels("failed").inc()
            self._log.fault("checkpoint", "checkpoint.failed", error=str(error))
            return False
        finally:
            took = self._clock.monotonic() - began
            self._rests_until = began + took * (1 + _REST_PER_WRITE)
            self._metrics.checkpoint_seconds.observe(took)
        self._saved_at = self._clock.monotonic()
        self.failed = ""
        self.moved = False
        self._outbox.written()
        for progress, saved in owners:
            progress.checkpointed = saved.offset
        self._metrics.checkpoint_writes.labels("ok").inc()
        self._log.recovered("checkpoint", "checkpoint.resumed")
        return True

    def may_read(self, config: CheckpointConfig) -> bool:
        """Whether reading may go on although checkpoints fail: while little is unsaved in all."""
        if not self.failed:
            return True
        files = self._catalog.files.values()
        unsaved = sum(file.progress.acked - file.progress.checkpointed for file in files)
        return unsaved < config.max_unsaved_bytes

    @staticmethod
    def may_read_on(file: LogFile, config: CheckpointConfig) -> bool:
        """Whether a file was not read too far ahead of its checkpoint."""
        assert file.tailer is not None  # noqa: S101 - only files with a generation are read
        ahead = file.tailer.offset - file.progress.checkpointed
        return ahead < config.max_unsaved_bytes
