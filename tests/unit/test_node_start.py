"""Starts that fail, with a Java that only pretends; and who outlives whom."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditship_indexer.errors import NodeError
from auditship_indexer.node import NodeConfig, start
from auditship_indexer.node import supervise as supervise_module
from auditship_indexer.node.identity import identify
from auditship_indexer.node.process import _lock, _require_space
from support.node import FakeJava, empty_distribution, node_folder, wait_for_end


class SteppedClock:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def now_ms(self) -> int:
        return int(self._now_s * 1000)

    def monotonic(self) -> float:
        return self._now_s

    def sleep(self, seconds: float) -> None:
        self._now_s += seconds


@pytest.fixture
def place() -> Iterator[Path]:
    with node_folder() as folder:
        empty_distribution(folder / "cache")
        yield folder


def config(place: Path, port: int = 0) -> NodeConfig:
    return NodeConfig(data_folder=place / "node", cache_folder=place / "cache", http_port=port)


def pretend(place: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    java = FakeJava(place / "fake java", does=does)
    monkeypatch.setenv("OPENSEARCH_JAVA_HOME", str(java.home))


def test_dying_node_is_told_with_its_decisive_lines(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error holds what Java said last and what to do; nothing is left running."""
    pretend(place, monkeypatch, "echo 'java.io.IOException: No space left on device'; exit 1")

    with pytest.raises(NodeError, match=r"ended while it started:\n  java\.io\.IOExc") as caught:
        start(config(place))

    assert "free some space" in (caught.value.hint or "")


def test_lines_of_an_earlier_life_are_not_told(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log goes on from start to start; only what this start wrote explains its end."""
    log = place / "node" / "logs" / "auditship.log"
    log.parent.mkdir(parents=True)
    log.write_text("Caused by: java.io.IOException: long ago\n", encoding="ascii")
    pretend(place, monkeypatch, "echo 'Error: today'; exit 1")

    with pytest.raises(NodeError) as caught:
        start(config(place))

    assert str(caught.value) == "OpenSearch ended while it started:\n  Error: today"


def test_silent_death_is_told_too(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that is killed before it says anything gives a hint at memory."""
    pretend(place, monkeypatch, "kill -9 $$")

    with pytest.raises(NodeError, match="it wrote no log") as caught:
        start(config(place))

    assert "memory" in (caught.value.hint or "")


@pytest.mark.parametrize("detach", [False, True])
def test_start_that_hangs_is_ended(
    place: Path, monkeypatch: pytest.MonkeyPatch, *, detach: bool
) -> None:
    """After the time limit the node is killed, so that the next start finds its folder free."""
    pretend(place, monkeypatch, 'echo $$ > "$HOME/pid"; exec sleep 1000')

    with pytest.raises(NodeError, match="not usable after 120 s"):
        start(config(place), detach=detach, clock=SteppedClock())

    os.close(_lock(place / "node"))


def test_used_port_is_told_at_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is started when the port is taken."""
    pretend(place, monkeypatch, "exit 9")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(NodeError, match=f"port {port} of 127.0.0.1: Address already in use"):
            start(config(place, port))


def test_second_node_in_one_folder_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data folder serves one node at a time."""
    pretend(place, monkeypatch, "exit 9")
    (place / "node").mkdir()
    (place / "node" / "lock").write_text("4711")  # of a node that ended long ago
    lock = _lock(place / "node")
    try:
        with pytest.raises(NodeError, match="another node is being started in this data folder"):
            start(config(place))
    finally:
        os.close(lock)


def test_full_disk_refuses_the_start(tmp_path: Path) -> None:
    """A node that could not write its first index is not started."""
    with pytest.raises(NodeError, match="1 MB free, a node needs 100 MB"):
        _require_space(tmp_path, lambda _: 1_000_000)


class Parent:
    """A process that starts a sleeping node through the supervisor, then waits for ever."""

    PROGRAM = """
import json, os, signal, subprocess, sys
order = json.loads(sys.argv[2])
order["parent"] = os.getpid()
child = subprocess.Popen(
    [sys.executable, "-I", "-S", sys.argv[1], json.dumps(order)],
    stdout=subprocess.PIPE, text=True, pass_fds=[order["lock_fd"]],
)
said = child.stdout.readline().strip()
if order["detach"]:
    child.wait()
print(said, child.pid, flush=True)
signal.pause()
"""

    def __init__(self, folder: Path, *, detach: bool) -> None:
        lock = _lock(folder)
        order = {
            "command": ["/bin/sleep", "1000"],
            "cwd": str(folder),
            "env": {},
            "console": str(folder / "console.log"),
            "lock_fd": lock,
            "detach": detach,
            "identity": {},
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", self.PROGRAM, supervise_module.__file__, json.dumps(order)],
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=[lock],
        )
        os.close(lock)
        assert self._process.stdout is not None
        with self._process.stdout as out:
            self.node_pid, self.supervisor_pid = map(int, out.readline().split())

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def test_node_does_not_outlive_its_parent(tmp_path: Path) -> None:
    """SIGKILL of the process that started it ends the node."""
    parent = Parent(tmp_path, detach=False)
    assert identify(parent.node_pid) is not None

    parent.kill()

    assert wait_for_end(parent.node_pid)


def test_node_does_not_outlive_its_supervisor(tmp_path: Path) -> None:
    """SIGKILL of the supervisor ends the node as well."""
    parent = Parent(tmp_path, detach=False)

    os.kill(parent.supervisor_pid, signal.SIGKILL)

    assert wait_for_end(parent.node_pid)
    parent.kill()


def test_detached_node_lives_on_and_holds_its_folder(tmp_path: Path) -> None:
    """A detached node survives its parent, and the folder stays locked until it ends."""
    parent = Parent(tmp_path, detach=True)
    parent.kill()
    node = identify(parent.node_pid)
    assert node is not None
    with pytest.raises(NodeError, match=rf"another node runs .*pid {parent.node_pid}"):
        _lock(tmp_path)

    os.kill(parent.node_pid, signal.SIGKILL)

    assert wait_for_end(parent.node_pid)
    os.close(_lock(tmp_path))
    assert not node.alive()


def test_pid_that_was_used_again_is_another_process() -> None:
    """The same pid with another start time is not the process that was remembered."""
    me = identify(os.getpid())

    assert me is not None
    assert me.alive()
    assert not type(me)(pid=me.pid, start_ticks=me.start_ticks - 1, boot_id=me.boot_id).alive()
    assert not type(me)(pid=me.pid, start_ticks=me.start_ticks, boot_id="other").alive()
