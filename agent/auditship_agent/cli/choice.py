"""Which configuration, source and preset a command that reads files is meant for."""

import os
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from auditship_agent.config import (
    PATH_VARIABLE,
    AgentConfig,
    ServerConfig,
    SourceConfig,
    find,
    load_agent,
)
from auditship_agent.parsing import PRESETS, is_file
from auditship_agent.pipeline.trial import trial_config, trial_source
from auditship_indexer.errors import ConfigError
from auditship_indexer.event.identity import CONTROL_REGION, REGION_FORM, SERVER_FORM

NATIVE: Final = "native"


def settings(
    config_path: Path | None, server: str | None, region: str | None
) -> AgentConfig | None:
    """Return the configuration with the options' server and region; None: neither was given.

    Raises:
        ConfigError: the configuration cannot be used, or an option has not the form of its setting.
    """
    config: AgentConfig | None = None
    if config_path is not None or ((server is None or region is None) and _has_configuration()):
        config = load_agent(find(config_path))
    if config is None and (server is None or region is None):
        return None
    known = config.server if config else ServerConfig("", "")
    server_id, region_name = server or known.id, region or known.region
    if not SERVER_FORM.fullmatch(server_id):
        raise ConfigError(f"--server: {server_id!r} does not match [a-z0-9._-]{{1,64}}")
    if not REGION_FORM.fullmatch(region_name) or region_name == CONTROL_REGION:
        raise ConfigError(
            f"--region: {region_name!r} does not match [a-z0-9_-]{{1,64}}, or is {CONTROL_REGION!r}"
        )
    chosen = ServerConfig(server_id, region_name)
    if config is not None:
        return msgspec.structs.replace(config, server=chosen)
    return msgspec.structs.replace(trial_config(), server=chosen)


def _has_configuration() -> bool:
    return bool(os.environ.get(PATH_VARIABLE)) or find(None).exists()


def source_of(config: AgentConfig, preset: str | None, name: str | None) -> SourceConfig:
    """Return the source that is named, or one of nothing but a preset.

    Raises:
        ConfigError: no source has that name.
        UsageError: neither is given, or the source has another preset.
    """
    if name is None:
        if preset is None:
            raise click.UsageError("give --preset, or --source with a configuration")
        return trial_source(preset)
    for source in config.sources:
        if source.name == name:
            if preset is not None and preset != source.preset:
                raise click.UsageError(f"source {name!r} has preset {source.preset!r}")
            return source
    raise ConfigError(
        f"--source: {name!r} is not in the configuration (it has: {_names(config) or 'none'})"
    )


def sampled(
    config_path: Path | None, preset: str | None, name: str | None
) -> tuple[AgentConfig, SourceConfig]:
    """Return what a sample is read with: a preset alone needs no configuration.

    Without one, and without a preset, it is a native log.

    Raises:
        ConfigError: the configuration cannot be used, or no source has that name.
        UsageError: it does not say which source is meant.
    """
    if preset is None and name is None and config_path is None and not _has_configuration():
        preset = NATIVE  # an integrator, far from any server
    if preset is not None and name is None:
        return trial_config(), trial_source(preset)
    config = load_agent(find(config_path))
    if name is None and len(config.sources) != 1:
        raise click.UsageError(f"give --preset, or --source with one of {_names(config)}")
    return config, source_of(config, preset, name or config.sources[0].name)


def _names(config: AgentConfig) -> str:
    return ", ".join(source.name for source in config.sources)


class PresetType(click.Choice[str]):
    """A built-in preset, or the path of a preset file."""

    def __init__(self) -> None:
        super().__init__(PRESETS)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name, or the absolute path."""
        if isinstance(value, str) and is_file(value):
            return str(Path(value).absolute())
        return super().convert(value, param, ctx)
