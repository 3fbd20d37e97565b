"""A preset on its own: no configuration, no server, no cluster."""

import msgspec

from auditship_agent.config import AgentConfig, ServerConfig, SourceConfig
from auditship_agent.normalize import Normalizer
from auditship_agent.parsing import form_of, preset_of, self_test
from auditship_indexer.opensearch import Connection


def trial_source(preset: str) -> SourceConfig:
    """Return a source that has nothing but a preset."""
    return SourceConfig(name="trial", preset=preset, files=("/",))


def trial_config(*sources: SourceConfig) -> AgentConfig:
    """Return settings for what nobody ships."""
    return AgentConfig(
        server=ServerConfig("trial", "trial"),
        sources=sources,
        opensearch=Connection(hosts=("http://127.0.0.1:9200",)),  # nothing connects
    )


def preset_problems(preset: str) -> list[str]:
    """Run the tests inside a preset file; return what failed, one sentence each.

    A test speaks of the preset alone, so no setting of a server or source enters it.

    Raises:
        ConfigError: the file cannot be read.
    """
    source = trial_source(preset)
    # A file without tests can be wrong, too. A zone is a setting that some logs cannot do without.
    preset_of(msgspec.structs.replace(source, timezone="UTC"))
    normalizer = Normalizer(trial_config(source), source, form_of(preset).preset)
    return self_test(preset, normalizer.event)
