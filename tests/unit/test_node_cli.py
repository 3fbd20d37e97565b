"""`auditship up`, `down`, `status`, with processes that stand in for the node."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from auditship_indexer.cli import Program
from auditship_indexer.cli.node import NodeHooks
from auditship_indexer.clock import SystemClock
from auditship_indexer.node import Node
from auditship_indexer.node.detached import save_running
from auditship_indexer.node.identity import identify
from support.node import empty_distribution


class Site:
    """A state folder, the hooks that lead to it, and what was called."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.prepared: list[str] = []
        self.cluster: str | None = None
        self.hooks = NodeHooks(
            after_start=lambda address, _: self.prepared.append(address),
            state_dir=lambda _: state,
            cluster=lambda _: self.cluster,
        )

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(Program("auditship"), words, obj=self.hooks)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def sleeper(site: Site) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that the state folder remembers as the node."""
    process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    me = identify(process.pid)
    assert me is not None
    node = Node(
        address="http://127.0.0.1:1",
        process=me,
        data_folder=site.state / "node",
        supervisor=None,
        clock=SystemClock(),
    )
    save_running(site.state, node)
    yield process
    process.kill()
    process.wait()


def test_status_without_a_node_exits_3(site: Site) -> None:
    """`status` tells by its exit status that nothing runs; `down` then has nothing to do."""
    result = site.run("status")

    assert (result.exit_code, result.output) == (3, "OpenSearch is not running\n")
    assert site.run("down").exit_code == 0


@pytest.mark.usefixtures("sleeper")
def test_up_twice_says_so_and_prepares_again(site: Site) -> None:
    """A node that runs is left alone; setup is repeated, since it may have failed before."""
    result = site.run("up")

    assert result.exit_code == 0
    assert result.output == "Already running: OpenSearch 3.8.0 at http://127.0.0.1:1\n"
    assert site.prepared == ["http://127.0.0.1:1"]


def test_status_tells_where_and_how(site: Site, sleeper: "subprocess.Popen[bytes]") -> None:
    """Address, version, cluster health, pid and data folder, one a line."""
    result = site.run("status")

    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "address  http://127.0.0.1:1",
        "version  3.8.0",
        "cluster  no answer (ConnectionError)",
        f"pid      {sleeper.pid}",
        f"data     {site.state / 'node'}",
    ]


def test_down_ends_the_node_and_forgets_it(site: Site, sleeper: "subprocess.Popen[bytes]") -> None:
    """After `down` the process is gone and `status` says so."""
    result = site.run("down")

    assert result.output == f"Stopped OpenSearch 3.8.0 (pid {sleeper.pid})\n"
    assert sleeper.wait() == -15
    assert site.run("status").exit_code == 3


def test_cluster_of_the_configuration_is_used_instead(site: Site) -> None:
    """With a cluster in the configuration no node is started, but the cluster is prepared."""
    site.cluster = "https://search.example:9200"

    result = site.run("up")

    assert result.exit_code == 0
    assert site.prepared == ["https://search.example:9200"]
    assert list(site.state.iterdir()) == []


def test_used_port_exits_2_with_a_hint(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed start is two lines for a person, not a traceback."""
    empty_distribution(site.state / "cache")
    monkeypatch.setenv("AUDITSHIP_CACHE_DIR", str(site.state / "cache"))
    monkeypatch.setattr("auditship_indexer.node.process.unprivileged", lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = site.run("up", "--port", str(port))

    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: port {port} of 127.0.0.1: Address already in use\n"
        "Hint:  choose another with --port, or 0 for any free one\n"
    )
    assert site.prepared == []


def test_damaged_state_exits_4(site: Site) -> None:
    """A state file that is not ours is named, and nothing is started beside it."""
    (site.state / "node.json").write_text("{", encoding="ascii")

    result = site.run("status")

    assert result.exit_code == 4
    assert "node.json: cannot be read" in result.stderr
