"""auditship beside the product: one OpenSearch, one agent a region, and the commands of a person.

Everything is run as a person would run it, by the installed commands and their configuration.
"""

import contextlib
import json
import os
import re
import sysconfig
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from demo.processes import Child, DemoError, LateError, Troupe, wait_until
from demo.regions import Product, Region

NODE_S = 150.0
AGENT_S = 20.0
STORED_S = 45.0
RETENTION_DAYS = 120
ADDRESS = re.compile(r"OpenSearch (\S+) at (http://\S+)")
READY = "Ctrl-C ends it"


@dataclass(frozen=True)
class Cluster:
    """The node that the demo started."""

    version: str
    address: str


@dataclass(frozen=True)
class Auditing:
    """Folders and commands of auditship in this demo."""

    folder: Path
    product: Product
    troupe: Troupe

    @property
    def config(self) -> Path:
        """Return the companion's settings."""
        return self.folder / "auditship.yaml"

    def agent_config(self, region: Region) -> Path:
        """Return an agent's settings."""
        return self.folder / f"agent-{region.name}.yaml"

    def start_node(self, state: Path) -> Cluster:
        """Start OpenSearch and make it ready (`auditship up`); return when it is."""
        settings = {
            "state": {"dir": str(state)},
            "regions": [region.name for region in self.product.regions],
            "retention": {"days": RETENTION_DAYS},
        }
        _write(self.config, settings)
        up = ["up", "--foreground", "--port", "0", "--config", str(self.config)]
        child = self.troupe.start("opensearch", [command("auditship"), *up])
        wait_until("OpenSearch", lambda: READY in _text(child), child, timeout_s=NODE_S)
        found = ADDRESS.search(_text(child))
        if found is None:
            raise DemoError("auditship up did not tell its address", child.log)
        return Cluster(found[1], found[2])

    def start_agents(self, cluster: Cluster) -> None:
        """Start an agent beside each storage server; return when each reads."""
        for region in self.product.regions:
            _write(self.agent_config(region), self._agent_settings(region, cluster))
            run = ["run", "--config", str(self.agent_config(region))]
            child = self.troupe.start(f"agent-{region.name}", [command("auditship-agent"), *run])
            _await_agent(region, child)

    def _agent_settings(self, region: Region, cluster: Cluster) -> dict[str, Any]:
        native = {
            "name": "storage",
            "preset": "native",
            "files": [str(region.native_log)],
            "storage_region": region.name,
        }
        caddy = {
            "name": "public",
            "preset": "caddy",
            "files": [str(self.product.access_log)],
            "storage_region": region.name,
        }
        first = region is self.product.regions[0]
        return {
            "server": {"id": f"fs-{region.name}", "region": region.name},
            "agent": {"id": f"a-{region.name}"},
            "state": {"dir": str(self.folder / f"agent-{region.name}")},
            "sources": [native, caddy] if first else [native],
            "opensearch": {"hosts": [cluster.address]},
            "retention": {"days": RETENTION_DAYS},
            "http": {"listen": "off"},
        }

    def await_stored(self, cluster: Cluster, events: int) -> None:
        """Wait until the index holds so many acts.

        When the time is over it returns: the comparison then says which events are missing.

        Raises:
            DemoError: an agent ended, or OpenSearch does not answer.
        """
        agents = self._agents()

        def stored() -> bool:
            for agent in agents:
                agent.check()
            return _count(cluster) >= events

        with contextlib.suppress(LateError):
            wait_until(f"{events} stored events", stored, agents[0], timeout_s=STORED_S)

    def end_agents(self) -> None:
        """End the agents; what they had read is stored when this returns.

        Raises:
            DemoError: an agent did not end well.
        """
        for agent in self._agents():
            self.troupe.finish(agent)

    def _agents(self) -> list[Child]:
        return [child for child in self.troupe.children if child.name.startswith("agent-")]

    def run(self, *words: str) -> str:
        """Run `auditship …` with the demo's configuration and return what it printed."""
        argv = [command("auditship"), *words, "--config", str(self.config)]
        return self.troupe.run(f"auditship-{words[0]}", argv)

    def events(self) -> Iterator[dict[str, Any]]:
        """Return every stored event."""
        for line in self.run("search", "--limit", "all", "--format", "ndjson").splitlines():
            yield json.loads(line)


def command(name: str) -> str:
    """Return the path of an installed command."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def state_folder(folder: Path) -> Path:
    """Return a fresh folder for the node's data.

    OpenSearch does not run as root: root's node belongs to another account, which may not be able
    to enter `folder`; so it gets a temporary folder, and a link to it stays in `folder`.
    """
    state = folder / "companion"
    if os.geteuid() != 0:
        return state
    made = Path(tempfile.mkdtemp(prefix="auditship demo "))
    made.chmod(0o755)
    state.symlink_to(made)
    return made


def _await_agent(region: Region, child: Child) -> None:
    def started() -> bool:
        return '"agent.started"' in _text(child)

    wait_until(f"the agent of {region.name}", started, child, timeout_s=AGENT_S)


def _count(cluster: Cluster) -> int:
    """Count the acts in the index, after making what is stored visible."""
    _ask(cluster, "/audit-*/_refresh", {})
    own = [{"prefix": {"event.action": prefix}} for prefix in ("agent.", "audit.")]
    found = _ask(cluster, "/audit-*/_count", {"query": {"bool": {"must_not": own}}})
    return int(found["count"])


def _ask(cluster: Cluster, path: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - the node's own http address
        cluster.address + path,
        json.dumps(body).encode() if body else b"",
        {"Content-Type": "application/json"},
        method="POST",
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as reply:
            answer: dict[str, Any] = json.load(reply)
    except OSError as error:
        raise DemoError(f"OpenSearch at {cluster.address} does not answer: {error}") from error
    return answer


def _text(child: Child) -> str:
    return child.log.read_text("utf-8", "replace")


def _write(path: Path, settings: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(settings, sort_keys=False), "utf-8")
