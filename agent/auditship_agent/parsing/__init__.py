"""Parsing: the bytes of a line become records, by the preset of their source.

A preset is a pure function of a line and its source's settings; none imports another.
"""

from collections.abc import Callable

from auditship_agent.config import SourceConfig
from auditship_agent.parsing.caddy import CaddyPreset
from auditship_agent.parsing.native import NativePreset
from auditship_agent.parsing.preset import Preset, Unknown
from auditship_indexer.errors import ConfigError

__all__ = ["PRESETS", "Preset", "Unknown", "preset_of"]

PRESETS: dict[str, Callable[[SourceConfig], Preset]] = {
    NativePreset.name: NativePreset,
    CaddyPreset.name: CaddyPreset,
}


def preset_of(source: SourceConfig) -> Preset:
    """Return the preset that reads a source, set up with the source's settings.

    Raises:
        ConfigError: no such preset, or a path template that cannot be read.
    """
    made = PRESETS.get(source.preset)
    if made is None:
        raise ConfigError(
            f"sources: {source.name}: preset {source.preset!r} is not known",
            hint=f"use one of: {', '.join(sorted(PRESETS))}",
        )
    return made(source)
