"""The one place that wires an agent, in the order in which data flows."""

import random
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from auditship_agent import __version__, positions
from auditship_agent.batch import Batch
from auditship_agent.checkpoint import CheckpointFile, Snapshot
from auditship_agent.config import AgentConfig, SourceConfig
from auditship_agent.deadletter import FOLDER, DeadLetterFile
from auditship_agent.deliver import Delivery
from auditship_agent.deliver.flow import Flow
from auditship_agent.deliver.hosts import Hosts
from auditship_agent.deliver.senders import Senders
from auditship_agent.durable import Disk, RealDisk
from auditship_agent.metrics import Metrics
from auditship_agent.pipeline.memory import Recorder, orphans_of
from auditship_agent.pipeline.own import Outbox, Source
from auditship_agent.pipeline.pipeline import Pipeline
from auditship_agent.pipeline.refusal import Refusals
from auditship_agent.pipeline.transform import Transform, in_window
from auditship_agent.positions import AcknowledgedTo
from auditship_agent.runner.openfiles import fitted
from auditship_agent.runner.state import boot_id, load_snapshot
from auditship_agent.runner.wake import Wake
from auditship_agent.source.catalog import Catalog
from auditship_agent.source.content import Content
from auditship_agent.source.framing import Framer
from auditship_agent.source.tailer import PIECE_BYTES
from auditship_agent.source.watch import Changes, Watcher
from auditship_indexer.clock import Clock, SystemClock
from auditship_indexer.errors import StateError
from auditship_indexer.event.identity import DAY_MS
from auditship_indexer.log import Log
from auditship_indexer.opensearch.bulk import BulkChannel


class Agent:
    """A wired agent: the pipeline and what the loop needs beside it."""

    def __init__(
        self,
        *,
        config: AgentConfig,
        folder: Path,
        pipeline: Pipeline,
        watcher: Watcher,
        changes: Changes,
        senders: Senders,
        letters: DeadLetterFile,
        recorder: Recorder,
        metrics: Metrics,
        wake: Wake,
        clock: Clock,
        log: Log,
        acknowledged_to: AcknowledgedTo,
    ) -> None:
        self.config = config
        self.folder = folder
        self.pipeline = pipeline
        self.watcher = watcher
        self.changes = changes
        self.senders = senders
        self.letters = letters
        self.recorder = recorder
        self.metrics = metrics
        self.wake = wake
        self.clock = clock
        self.log = log
        self.started_ms = clock.now_ms()
        self.acknowledged_to = acknowledged_to
        self.rejected = ""  # why the last reload was refused

    def close(self) -> None:
        """Release threads and descriptors; what is pending is read again at the next start."""
        self.pipeline.delivery.close()
        self.watcher.close()
        self.pipeline.catalog.close()


def build(
    config: AgentConfig,
    *,
    log: Log,
    accept_identity_change: bool = False,
    clock: Clock | None = None,
    disk: Disk | None = None,
    draw: Callable[[], float] = random.random,
) -> Agent:
    """Wire an agent on its (locked) state folder.

    Raises:
        ConfigError: a preset, key file or secret cannot be used.
        StateError: the state folder cannot be used, as `load_snapshot` says.
    """
    clock, disk = clock or SystemClock(), disk or RealDisk()
    folder = Path(config.state.dir)
    metrics = Metrics()
    metrics.info.labels(__version__).set(1)
    wake = Wake()
    changes = Changes(wake.set)
    transforms = {source.name: Transform(config, source) for source in config.sources}
    checkpoint = CheckpointFile(folder, disk)
    snapshot = load_snapshot(
        checkpoint, config, accept_identity_change=accept_identity_change, clock=clock, log=log
    )
    recorder = _recorder(config, snapshot, clock)
    catalog = _catalog(
        config, snapshot, recorder, transforms, clock=clock, log=log, metrics=metrics
    )
    letters = _letters(config, folder, disk, log)
    senders = Senders(config.delivery.max_in_flight, clock=clock, wake=wake.set)
    flow = Flow(config.delivery, draw)
    delivery = Delivery(
        config.delivery, hosts_of(config), senders, flow, clock=clock, log=log, metrics=metrics
    )
    pipeline = Pipeline(
        config,
        catalog=catalog,
        transforms=transforms,
        batch=Batch(config.batch, gzip=config.delivery.gzip),
        delivery=delivery,
        refusals=Refusals(
            config.dead_letter, letters, config.server.id, clock=clock, log=log, metrics=metrics
        ),
        outbox=Outbox(snapshot.own if snapshot else ()),
        own=speaker_of(config),
        checkpoint=checkpoint,
        recorder=recorder,
        clock=clock,
        log=log,
        metrics=metrics,
    )
    return Agent(
        config=config,
        folder=folder,
        pipeline=pipeline,
        watcher=Watcher(changes, log, method=config.watch.method),
        changes=changes,
        senders=senders,
        letters=letters,
        recorder=recorder,
        metrics=metrics,
        wake=wake,
        clock=clock,
        log=log,
        acknowledged_to=_acknowledged_to(config, folder),
    )


def _catalog(
    config: AgentConfig,
    snapshot: Snapshot | None,
    recorder: Recorder,
    transforms: dict[str, Transform],
    *,
    clock: Clock,
    log: Log,
    metrics: Metrics,
) -> Catalog:
    """Return the files, with what the checkpoint says of them still to be found."""
    away_s = max(0.0, (clock.now_ms() - recorder.written_ms) / 1000) if snapshot else 0.0
    catalog = Catalog(
        config.sources,
        fitted(config.limits, log),
        keep_days=config.state.keep_days,
        is_expired=Expiry(transforms, config.retention.days, clock),
        blind_since=clock.monotonic() - away_s,
        clock=clock,
        log=log,
        metrics=metrics,
    )
    for orphan in orphans_of(snapshot, clock.monotonic()) if snapshot else ():
        catalog.orphans.add(orphan)
    return catalog


def _acknowledged_to(config: AgentConfig, folder: Path) -> AcknowledgedTo:
    """Return what the last life on this folder knew, if it was that of the same server."""
    status = positions.read(folder)
    is_same = status is not None and status.server == config.server.id
    return AcknowledgedTo(status.acknowledged_to if status is not None and is_same else "")


def hosts_of(config: AgentConfig) -> Hosts:
    """Return the hosts of a configuration; connections are made when they are used."""
    return Hosts(
        config.opensearch.hosts,
        lambda address: BulkChannel(
            config.opensearch,
            address,
            timeout_s=config.delivery.timeout_s,
            pool_size=config.delivery.max_in_flight,
        ),
    )


def speaker_of(config: AgentConfig) -> Source:
    """Return who tells the agent's own events."""
    return Source(
        server_id=config.server.id,
        region=config.server.region,
        agent_id=config.agent_id,
        version=__version__,
    )


def _recorder(config: AgentConfig, snapshot: Snapshot | None, clock: Clock) -> Recorder:
    if snapshot is None:
        return Recorder(config, boot_id(), 0, clock)
    written_ms = int(datetime.fromisoformat(snapshot.written).timestamp() * 1000)
    return Recorder(config, boot_id(), snapshot.sequence, clock, written_ms=written_ms)


def _letters(config: AgentConfig, folder: Path, disk: Disk, log: Log) -> DeadLetterFile:
    letters = DeadLetterFile(
        folder / FOLDER,
        disk,
        max_bytes=config.dead_letter.max_bytes,
        min_free_bytes=config.dead_letter.min_free_bytes,
    )
    try:
        damage = letters.recover()
    except OSError as error:
        raise StateError(
            f"{folder / FOLDER}: {error.strerror}", hint="give it to the agent's user"
        ) from error
    for found in damage:
        log.error(
            "deadletter.damaged",
            path=str(found.path),
            records=found.records,
            kept=str(found.kept),
        )
    return letters


class Expiry:
    """Whether a file is older than retention, by its date and by its last complete line."""

    def __init__(self, transforms: dict[str, Transform], days: int, clock: Clock) -> None:
        self._transforms = transforms
        self._days = days
        self._clock = clock

    def __call__(self, source: SourceConfig, content: Content, modified_ms: int) -> bool:
        now_ms = self._clock.now_ms()
        if modified_ms >= now_ms - (self._days + 1) * DAY_MS:
            return False
        raw = _last_line(content, source.line_limit)
        verdict = self._transforms[source.name].preset.parse(raw) if raw else None
        if not isinstance(verdict, list):
            return False  # the line does not say how old it is: read the file
        return not any(in_window(record.time_ms, now_ms, self._days + 1) for record in verdict)


def _last_line(content: Content, limit: int) -> bytes:
    """Return the last complete line; an archive is read through for it. Raises as `read`."""
    size = content.size()
    begin = max(0, size - limit - PIECE_BYTES) if size is not None else 0
    framer = Framer(begin, limit)
    last = b""
    while piece := content.read(framer.searched, PIECE_BYTES):
        for line in framer.feed(piece):
            last = line.raw if line.whole else last
    return last


__all__ = ["Agent", "build"]
