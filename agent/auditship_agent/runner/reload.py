"""A new configuration for a running agent: checked whole, then swapped between two turns.

What is being read, sent or waited for goes on: files keep their descriptors and places, bodies
their bytes. Identity and state folder cannot change without a restart.
"""

from auditship_agent.config import AgentConfig
from auditship_agent.pipeline.transform import Transform
from auditship_agent.runner.agent import Agent, Expiry, hosts_of, speaker_of
from auditship_agent.runner.openfiles import fitted
from auditship_agent.source.watch import Watcher
from auditship_indexer.errors import ConfigError
from auditship_indexer.opensearch.bulk import BulkChannel


def swap(agent: Agent, config: AgentConfig) -> None:
    """Let an agent go on with another configuration.

    Raises:
        ConfigError: it cannot be used, or not without a restart; nothing was changed.
    """
    _refuse_lasting(agent.config, config)
    transforms = {source.name: Transform(config, source) for source in config.sources}
    _check_secrets(config)
    # From here on nothing can fail, so that no half of a configuration is ever in use.
    before, agent.config = agent.config, config
    pipeline = agent.pipeline
    agent.log.set_level(config.log.level, config.log.repeat_s)
    agent.recorder.config = config
    pipeline.catalog.reconfigure(
        config.sources,
        fitted(config.limits, agent.log),
        keep_days=config.state.keep_days,
        is_expired=Expiry(transforms, config.retention.days, agent.clock),
    )
    pipeline.delivery.reconfigure(config.delivery, hosts_of(config))
    pipeline.reconfigure(config, transforms, speaker_of(config))
    if config.watch.method != before.watch.method:
        agent.watcher.close()
        agent.watcher = Watcher(agent.changes, agent.log, method=config.watch.method)


def _refuse_lasting(before: AgentConfig, after: AgentConfig) -> None:
    """Ids, indices and the lock of the state folder stand for the life of a process."""
    lasting = (
        ("server.id", before.server.id, after.server.id),
        ("server.region", before.server.region, after.server.region),
        ("state.dir", before.state.dir, after.state.dir),
    )
    for name, was, wanted in lasting:
        if was != wanted:
            raise ConfigError(
                f"{name}: cannot change from {was!r} to {wanted!r} while the agent runs",
                hint="restart the agent",
            )


def _check_secrets(config: AgentConfig) -> None:
    """Read passwords and certificates once, so that a missing file is told now."""
    for address in config.opensearch.hosts:
        BulkChannel(config.opensearch, address, timeout_s=1, pool_size=1).close()
