"""Everything that can be known before the first line is shipped: `auditship-agent check`.

Each check is told as one line, with a hint where a person has to act. A missing cluster never stops
a start; here it is a failed check.
"""

from collections.abc import Iterator
from pathlib import Path

from auditship_agent.check.cluster import cluster, secrets
from auditship_agent.check.finding import Finding, fine
from auditship_agent.check.machine import descriptors, is_running, port, state, watches
from auditship_agent.check.neighbours import neighbours
from auditship_agent.check.rotation import read, rotation
from auditship_agent.check.sources import source
from auditship_agent.config import AgentConfig
from auditship_agent.source.discovery import Discovery

__all__ = ["Finding", "check"]


def check(config: AgentConfig, path: Path, *, local: bool) -> Iterator[Finding]:
    """Yield a finding for each check; `local` leaves the cluster out. Ships nothing."""
    count = len(config.sources)
    yield fine("configuration", f"{path}, {count} source{'s' if count != 1 else ''}")
    yield state(config)
    yield descriptors(config)
    yield port(config, running=is_running(config))
    yield from secrets(config)
    discovery = Discovery(config.sources)
    yield watches(config, len(discovery.folders()))
    listing = discovery.list()
    for name, other in listing.doubles:
        yield fine("same file", f"{name} is {other}: read once")
    yield from neighbours(config, listing.files)
    stanzas = read()
    for setting in config.sources:
        files = [found for found in listing.files if found.source is setting]
        yield from source(config, setting, files, dict(listing.errors))
        yield from rotation(setting, stanzas)
    if not local:
        for host in config.opensearch.hosts:
            yield cluster(config, host)
