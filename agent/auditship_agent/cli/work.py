"""The commands that need the whole agent: `run`, `once`, `check`, `status`."""

import gc
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
import msgspec

from auditship_agent import check, positions
from auditship_agent.checkpoint import CheckpointFile
from auditship_agent.cli import sample
from auditship_agent.config import AgentConfig, SourceConfig, find, load_agent
from auditship_agent.durable import RealDisk
from auditship_agent.runner import Agent, StateFolder, allocator, build, once, run
from auditship_agent.runner.report import held_of
from auditship_indexer.errors import ConfigError, StateError
from auditship_indexer.log import Log, adopt

_GARBAGE_OBJECTS: Final = 50_000  # the collector looks after so many new objects; 700 by itself


def _log(config: AgentConfig, *, quiet: bool = False) -> Log:
    level = "warning" if quiet and config.log.level == "info" else config.log.level
    return Log(level=level, repeat_s=config.log.repeat_s)


def _wired(path: Path, config: AgentConfig, log: Log, *, accept_identity_change: bool) -> Agent:
    """Build the agent; what its parts refuse is told with the file that says so."""
    try:
        return build(config, log=log, accept_identity_change=accept_identity_change)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}", hint=error.hint) from error


def follow(config_path: Path | None, *, accept_identity_change: bool) -> None:
    """Run until SIGTERM."""
    path = find(config_path)
    config = load_agent(path)
    allocator.keep_small()
    log = _log(config)
    adopt(log)
    with StateFolder(Path(config.state.dir)):
        agent = _wired(path, config, log, accept_identity_change=accept_identity_change)
        for transform in agent.pipeline.transforms.values():
            transform.normalizer.warm()
        _freeze()
        allocator.give_back()
        try:
            run(agent, lambda: load_agent(path))
        finally:
            agent.close()


def _freeze() -> None:
    """Drop the garbage of the start; what stays is never looked at again.

    The hot path makes no reference cycles, so that the collector has little to do: what makes
    some are faults and requests for metrics.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_OBJECTS)


def read_once(config_path: Path | None, deadline_s: float | None) -> bool:
    """Ship what is there and print the numbers; return whether nothing is pending."""
    path = find(config_path)
    config = load_agent(path)
    began = time.monotonic()
    with StateFolder(Path(config.state.dir)):
        agent = _wired(path, config, _log(config, quiet=True), accept_identity_change=False)
        _freeze()
        try:
            complete = once(agent, deadline_s=deadline_s)
        finally:
            agent.close()
        for source in config.sources:
            count = agent.pipeline.tally.of(source.name)
            click.echo(f"{source.name}: {count.told()} {time.monotonic() - began:.1f} s")
        for what, why in held_of(agent).items():
            click.echo(f"held: {what}: {why}", err=True)
        for host, why in agent.pipeline.delivery.hosts_away.items():
            click.echo(f"{host} is away: {why}", err=True)
    return complete


def verify(config_path: Path | None, *, local: bool) -> bool:
    """Print each check; return whether all are fine."""
    path = find(config_path)
    config = load_agent(path)
    fine = True
    for finding in check.check(config, path, local=local):
        click.echo(finding.lines())
        fine = fine and finding.ok
    return fine


def tell_sample(config: AgentConfig, source: SourceConfig, files: Sequence[str]) -> bool:
    """Print what a sample of a log holds; return whether it conforms."""
    found = sample.take(config, source, files, is_trial=source not in config.sources)
    for line in sample.told(found, files):
        click.echo(line)
    return not found.faults


def tell_status(config_path: Path | None, *, as_json: bool) -> bool:
    """Print the last status; return whether the agent runs, is well and holds nothing."""
    folder = Path(load_agent(find(config_path)).state.dir)
    running = StateFolder(folder).is_locked()
    try:
        status = positions.read(folder)
    except OSError as error:
        raise StateError(
            f"{error.filename}: {error.strerror}",
            hint="the state folder is the agent's: use root or the agent's user",
        ) from error
    if not running:
        snapshot, _ = CheckpointFile(folder, RealDisk()).load()
        now_ms = time.time_ns() // 1_000_000
        status = positions.at_rest(status, snapshot, now_ms) if snapshot else status
    if status is None:
        click.echo(f"{folder}: no agent has worked here yet", err=True)
        return False
    if as_json:
        told = msgspec.to_builtins(status) | {"running": running}
        click.echo(msgspec.json.encode(told).decode())
    else:
        click.echo(positions.told(status, running=running))
    return running and not status.held and not status.health
