"""Status and health of a running agent, gathered from its stages."""

import os

from auditship_agent import __version__
from auditship_agent.pipeline.tally import Count
from auditship_agent.positions import FileStatus, SourceStatus, Status
from auditship_agent.runner.agent import Agent
from auditship_agent.source.logfile import LogFile
from auditship_indexer.clock import iso_ms
from auditship_indexer.event.identity import generation

_DEAD_LETTER_ALARM = 0.9
_AWAY_ALARM_S = 10.0  # a node that is started again takes less


def status_of(agent: Agent) -> Status:
    """Return what `status.json` says now, and bring the gauges up to date."""
    delivery = agent.pipeline.delivery
    update_acknowledged(agent)
    sources = tuple(_source(agent, name) for name in agent.pipeline.catalog.sources)
    agent.pipeline.show()
    polls = bool(agent.watcher.polling)
    agent.metrics.watch_mode.labels("poll").set(polls)
    agent.metrics.watch_mode.labels("inotify").set(not polls)
    if (apart_ms := delivery.clock_apart_ms) is not None:
        agent.metrics.clock_offset.set(apart_ms / 1000)
    agent.metrics.held.labels("source").set(bool(agent.pipeline.refusals.poisoned))
    agent.metrics.held.labels("clock").set(bool(agent.pipeline.clock_hold))
    agent.metrics.checkpoint_age.set(agent.pipeline.checkpoint_age_s)
    agent.metrics.open_files.set(agent.pipeline.catalog.open_files)
    return Status(
        agent=agent.config.agent_id,
        server=agent.config.server.id,
        region=agent.config.server.region,
        version=__version__,
        pid=os.getpid(),
        started=iso_ms(agent.started_ms),
        written=iso_ms(agent.clock.now_ms()),
        hosts=len(agent.config.opensearch.hosts),
        window=delivery.flow.window,
        in_flight=delivery.in_flight,
        held=held_of(agent),
        health=tuple(health_of(agent)),
        dead_letters_open=len(agent.letters.open),
        dead_letter_bytes=agent.letters.bytes_used,
        lost_bytes=agent.pipeline.lost_bytes,
        checkpoint_sequence=agent.recorder.sequence,
        sources=sources,
        doubles=dict(agent.pipeline.catalog.listing.doubles),
        dead_letter_max_bytes=agent.config.dead_letter.max_bytes,
        checkpoint_age_s=round(agent.pipeline.checkpoint_age_s, 3),
        config_rejected=agent.rejected,
        acknowledged_to=agent.acknowledged_to.iso,
        hosts_away=delivery.hosts_away,
    )


def update_acknowledged(agent: Agent) -> bool:
    """Learn up to which time every line has its outcome; return whether all files are known of."""
    catalog = agent.pipeline.catalog
    if not catalog.is_complete:
        return False
    agent.acknowledged_to.settled(catalog.oldest_waiting())
    return True


def held_of(agent: Agent) -> dict[str, str]:
    """Return what waits for a person, with the reason."""
    pipeline = agent.pipeline
    held = dict(pipeline.delivery.held)
    if pipeline.delivery.flow.hold:
        held["cluster"] = pipeline.delivery.flow.hold
    if pipeline.clock_hold:
        held["clock"] = pipeline.clock_hold
    return held | {f"source {name}": "dead letters only" for name in pipeline.refusals.poisoned}


def health_of(agent: Agent) -> list[str]:
    """Return why the agent is not well; empty when it is."""
    pipeline = agent.pipeline
    reasons = []
    if pipeline.delivery.flow.hold:
        reasons.append(f"held: {pipeline.delivery.flow.hold}")
    if pipeline.clock_hold:
        reasons.append(f"held: {pipeline.clock_hold}")
    if agent.rejected:
        reasons.append(f"the configuration was rejected: {agent.rejected}")
    if pipeline.delivery.away_s > _AWAY_ALARM_S:
        away = "; ".join(f"{host}: {why}" for host, why in pipeline.delivery.hosts_away.items())
        reasons.append(f"no host of the cluster is there: {away}")
    if pipeline.delivery.alarm:
        reasons.append(f"nothing is stored: {pipeline.delivery.alarm}")
    reasons += [f"index {index} held: {why}" for index, why in pipeline.delivery.held.items()]
    reasons += [f"source {name} held: dead letters only" for name in pipeline.refusals.poisoned]
    oldest = pipeline.oldest_unacknowledged_s()
    if oldest > agent.config.health.max_age_s:
        reasons.append(f"the oldest line without outcome is {oldest:.0f} s old")
    if agent.letters.bytes_used > _DEAD_LETTER_ALARM * agent.config.dead_letter.max_bytes:
        reasons.append("the dead letter is over 90 % full")
    if pipeline.refusals.stopped:
        reasons.append(pipeline.refusals.stopped)
    if pipeline.save_failed:
        reasons.append(f"the checkpoint cannot be written: {pipeline.save_failed}")
    return reasons


def _source(agent: Agent, name: str) -> SourceStatus:
    catalog, count = agent.pipeline.catalog, agent.pipeline.tally.of(name)
    source = catalog.sources[name]
    files = [file for file in catalog.files.values() if file.source.name == name]
    oldest = agent.pipeline.oldest_unacknowledged_s(name)
    metrics = agent.metrics
    metrics.oldest.labels(name).set(oldest)
    metrics.lag_bytes.labels(name).set(sum(file.lag for file in files))
    for state in ("new", "live", "drained", "spare", "finished", "expired", "unreadable"):
        metrics.files.labels(name, state).set(sum(file.state == state for file in files))
    return _source_status(source.name, source.preset, count, oldest, agent, files)


def _source_status(  # noqa: PLR0917 - one caller, names as in the Struct
    name: str, preset: str, count: Count, oldest: float, agent: Agent, files: list[LogFile]
) -> SourceStatus:
    poisoned = name in agent.pipeline.refusals.poisoned
    return SourceStatus(
        name=name,
        preset=preset,
        read=count.read,
        stored=count.stored,
        present=count.present,
        ignored=count.ignored,
        dead=count.dead.total(),
        pending=count.pending,
        oldest_unacknowledged_s=round(oldest, 3),
        held="dead letters only" if poisoned else "",
        files=tuple(_file(agent, file) for file in files),
    )


def _file(agent: Agent, file: LogFile) -> FileStatus:
    name = generation(agent.config.server.id, file.first) if file.first else ""
    offset = file.tailer.offset if file.tailer else 0
    since = file.waiting_since()
    return FileStatus(
        path=file.path,
        state=file.state,
        generation=name,
        size=file.size,
        read=offset,
        acked=file.progress.acked,
        lag=file.lag,
        error=file.error,
        lag_s=round(agent.clock.monotonic() - since, 3) if since is not None else 0.0,
    )
