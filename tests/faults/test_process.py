"""The real process: killed at each step, reloaded, drained, locked out, watched by systemd."""

import json
import os
import signal
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

import pytest

from support.agent_process import AgentProcess, Lines, stored_names
from support.bulk import BulkServer
from support.bulk_script import hold_request, unauthorized
from support.commandline import call
from support.doomed_agent import STOP_AT

DOOMED: Final = (sys.executable, str(Path(__file__).parents[1] / "support" / "doomed_agent.py"))
STEPS: Final = [
    "make_folder dead-letter",
    "append 000001.jsonl",
    "sync_file 000001.jsonl",
    "sync_folder dead-letter",
    "write_synced checkpoint.new",
    "replace checkpoint.1",
    "replace checkpoint",
    "sync_folder state",
]
POINTS: Final = [  # before a step is after the one above it
    *(f"after {step}" for step in STEPS),
    "torn append 000001.jsonl",
    "torn write_synced checkpoint.new",
]


@pytest.fixture
def agent(tmp_path: Path, bulk_server: BulkServer, region: str) -> AgentProcess:
    """An agent that was not started yet; its index exists."""
    agent = AgentProcess(tmp_path, bulk_server.address, region)
    bulk_server.make_index(Lines(agent.log).index(region))
    return agent


def _once(agent: AgentProcess) -> None:
    done = call("once", "--deadline", "30", "--config", str(agent.config))
    assert done.code == 0, done


def _names(server: BulkServer) -> list[str]:
    return stored_names({k: v for docs in server.documents.values() for k, v in docs.items()})


def _actions(server: BulkServer) -> list[str]:
    """Return the actions of the agent's own events."""
    documents = [json.loads(v) for docs in server.documents.values() for v in docs.values()]
    actions = [document["event"]["action"] for document in documents]
    return sorted(action for action in actions if action.startswith("agent."))


def _letters(agent: AgentProcess) -> int:
    done = call("deadletter", "list", "--config", str(agent.config))
    return max(0, len(done.text.splitlines()) - 1)


# -- kill -9 at each step ----------------------------------------------------------------------


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_named_step(
    tmp_path: Path, bulk_server: BulkServer, region: str, point: str
) -> None:
    """F30: SIGKILL around or amid each step of the state folder: one outcome each."""
    agent = AgentProcess(tmp_path, bulk_server.address, region, entry=DOOMED)
    lines = Lines(agent.log)
    bulk_server.make_index(lines.index(region))
    lines.write(20)
    lines.write_bad(2)
    agent.environment[STOP_AT] = point
    with agent.running():
        lines.write(20)
        lines.write_bad(1)
        assert agent.ended() == -signal.SIGKILL
    lines.write(5)
    _once(agent)

    assert _names(bulk_server) == lines.names()
    assert _letters(agent) == 3


# -- stopping ----------------------------------------------------------------------------------


def test_start_and_stop_are_events(agent: AgentProcess, bulk_server: BulkServer) -> None:
    """`run` tells its start and its end, `once` does not; each log line has one event name."""
    Lines(agent.log).write(3)
    with agent.running():
        agent.wait_shipped()
        assert agent.stop() == 0
    _once(agent)

    assert _actions(bulk_server) == ["agent.start", "agent.stop"]
    names = agent.names()
    assert names[0] == "file.found"
    assert {"agent.started", "agent.stopped"} <= set(names)


def test_an_end_without_a_cluster(agent: AgentProcess, bulk_server: BulkServer) -> None:
    """F59: a second SIGTERM ends the drain; own events wait in the checkpoint, lines in the log."""
    lines = Lines(agent.log)
    lines.write(20)
    gate = bulk_server.gate()
    bulk_server.otherwise = hold_request(gate)
    with agent.running():
        bulk_server.wait_for(lambda: len(bulk_server.bulks) >= 1)
        agent.signal(signal.SIGTERM)
        kept = agent.state / "checkpoint"
        agent.wait(lambda: kept.exists() and b"agent.stop" in kept.read_bytes())
        agent.signal(signal.SIGTERM)
        assert agent.ended() == 0
    gate.open()
    _once(agent)

    assert _names(bulk_server) == lines.names()
    assert _actions(bulk_server) == ["agent.start", "agent.stop"]


# -- reload ------------------------------------------------------------------------------------


def _source(name: str, path: Path) -> dict[str, Any]:
    return {"name": name, "preset": "native", "files": [str(path)]}


def test_a_reload_takes_a_new_source(agent: AgentProcess, bulk_server: BulkServer) -> None:
    """F60: SIGHUP: the new file is read, the old one goes on where it was."""
    lines, more = Lines(agent.log), Lines(agent.log.with_name("more.log"))
    lines.write(10)
    more.count = 10
    with agent.running():
        agent.wait_shipped()
        more.write(10)
        agent.configure(sources=[_source("dosya", agent.log), _source("more", more.path)])
        agent.signal(signal.SIGHUP)
        agent.wait(lambda: len(_names(bulk_server)) == 20)
        assert agent.stop() == 0
    assert "config.reloaded" in agent.names()
    assert sum(b'"n0"' in (request.body or b"") for request in bulk_server.bulks) == 1


def test_a_wrong_configuration_is_refused_whole(
    agent: AgentProcess, bulk_server: BulkServer
) -> None:
    """F60: the old one stays; log, `status` and health tell of it; a right one mends it."""
    lines = Lines(agent.log)
    lines.write(5)
    with agent.running():
        agent.wait_shipped()
        good = agent.config.read_text(encoding="utf-8")
        for wrong in (good + "batch_: 1\n", good.replace("max_events: 50", "max_events: 0")):
            agent.config.write_text(wrong, encoding="utf-8")
            agent.signal(signal.SIGHUP)
            agent.wait(lambda: (s := agent.status()) and s.config_rejected)
        agent.config.write_text(good.replace(agent.region, "other"), encoding="utf-8")
        agent.signal(signal.SIGHUP)
        agent.wait(lambda: (s := agent.status()) and "server.region" in s.config_rejected)
        lines.write(5)
        agent.wait_shipped()
        assert len(_names(bulk_server)) == 10
        agent.config.write_text(good, encoding="utf-8")
        told = call("status", "--config", str(agent.config))
        assert told.code == 3
        assert "configuration rejected: " in told.text
        agent.signal(signal.SIGHUP)
        agent.wait(lambda: (s := agent.status()) and not s.config_rejected and not s.health)
        assert agent.stop() == 0
    (first, *_) = [e for e in agent.events() if e["event"] == "config.rejected"]
    assert "batch_: unknown setting" in first["why"]


def test_a_hundred_reloads_lose_nothing(agent: AgentProcess, bulk_server: BulkServer) -> None:
    """F60: while lines are written and shipped, under windows and batches that change each time."""
    lines = Lines(agent.log)
    with agent.running():
        agent.wait_ready()
        for number in range(100):
            agent.configure(delivery={"max_in_flight": 1 + number % 4}, batch={"max_events": 5})
            lines.write(5)
            agent.signal(signal.SIGHUP)
        agent.wait_shipped()
        assert agent.stop() == 0
    _once(agent)

    assert _names(bulk_server) == lines.names()
    assert "config.rejected" not in agent.names()


def test_a_new_password_ends_a_hold(
    agent: AgentProcess, bulk_server: BulkServer, tmp_path: Path
) -> None:
    """F48, F60: held for refused credentials; the file that a reload names lets everything flow."""
    lines = Lines(agent.log)
    lines.write(5)
    bulk_server.credentials = ("agent", "right")
    agent.configure(delivery={"hold_probe_s": 3600})
    with agent.running():
        agent.wait(lambda: (s := agent.status()) and "cluster" in s.held)
        secret = tmp_path / "password"
        secret.write_text("right", encoding="utf-8")
        secret.chmod(0o600)
        agent.configure(opensearch={"username": "agent", "password_file": str(secret)})
        agent.signal(signal.SIGHUP)
        agent.wait_shipped()
        assert agent.stop() == 0
    assert _names(bulk_server) == lines.names()


def test_a_rescan_on_demand(agent: AgentProcess, bulk_server: BulkServer) -> None:
    """SIGUSR1 finds a new file at once, where neither events nor timers would."""
    lines = Lines(agent.log)
    agent.configure(watch={"method": "poll", "poll_s": 3600, "rescan_s": 3600})
    with agent.running():
        agent.wait_ready()
        lines.write(5)
        agent.signal(signal.SIGUSR1)
        agent.wait_shipped()
        assert agent.stop() == 0
    assert _names(bulk_server) == lines.names()


# -- who may work here -------------------------------------------------------------------------


def test_a_second_agent_is_locked_out(agent: AgentProcess) -> None:
    """F35: it ends with exit 4 and names the process that works in the folder."""
    Lines(agent.log).write(1)
    with agent.running() as process:
        agent.wait_ready()
        for command in ("run", "once"):
            done = call(command, "--config", str(agent.config))
            assert done.code == 4
            assert f"is in use by the agent with process id {process.pid}\n" in done.err
            assert "Hint:" in done.err


def test_another_identity_is_locked_out(agent: AgentProcess) -> None:
    """F36: exit 4 until a person says that the change is meant."""
    Lines(agent.log).write(1)
    _once(agent)
    agent.configure(server={"id": "another"})

    done = call("run", "--config", str(agent.config))
    assert done.code == 4
    assert "--accept-identity-change" in done.err
    with agent.running("--accept-identity-change"):
        agent.wait_shipped()
        assert agent.stop() == 0


def test_status_of_a_killed_agent(agent: AgentProcess) -> None:
    """It does not run (exit 3), and the checkpoint says how far it was."""
    Lines(agent.log).write(5)
    with agent.running():
        agent.wait_shipped()
        running = call("status", "--config", str(agent.config))
        assert running.code == 0
        assert "up 0d 00:00" in running.text
        assert "lag 0 B" in running.text
    (agent.state / "status.json").unlink()

    stopped = call("status", "--json", "--config", str(agent.config))
    told = json.loads(stopped.text)
    assert (stopped.code, told["running"]) == (3, False)
    (file,) = told["sources"][0]["files"]
    assert file["acked"] == file["size"] == agent.log.stat().st_size
    assert "stopped" in call("status", "--config", str(agent.config)).text


def test_the_state_folder_is_private(agent: AgentProcess) -> None:
    """Nobody but the agent's user reads what is in it."""
    Lines(agent.log).write_bad()
    with agent.running():
        agent.wait_shipped()
        assert agent.stop() == 0
    assert agent.state.stat().st_mode & 0o777 == 0o700
    modes = {p.name: oct(p.stat().st_mode & 0o777) for p in agent.state.rglob("*") if p.is_file()}
    assert set(modes.values()) == {"0o600"}, modes


# -- the service manager and the port ----------------------------------------------------------


class Manager:
    """The socket of a service manager, and what it was told."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(20)

    def __enter__(self) -> "Manager":  # noqa: PYI034 - not to be subclassed
        return self

    def __exit__(self, *_error: object) -> None:
        self._socket.close()

    def until(self, state: str) -> list[str]:
        """Return what is told up to a state."""
        told: list[str] = []
        while not told or not told[-1].startswith(state):
            told.append(self._socket.recv(4096).decode())
        return told


def test_systemd_is_told(agent: AgentProcess, tmp_path: Path) -> None:
    """Ready after the start, alive while the loop turns, reloading, ready again, stopping."""
    path = tmp_path / "n"
    with Manager(path) as manager:
        agent.environment["NOTIFY_SOCKET"] = os.path.relpath(path)
        with agent.running():
            assert manager.until("READY=1") == ["READY=1"]
            manager.until("WATCHDOG=1")
            agent.signal(signal.SIGHUP)
            assert "MONOTONIC_USEC=" in manager.until("RELOADING=1")[-1]
            manager.until("READY=1")
            agent.signal(signal.SIGTERM)
            manager.until("STOPPING=1")
            assert agent.ended() == 0


def test_an_absent_service_manager_is_no_reason_to_stop(agent: AgentProcess) -> None:
    """Shipping goes on when nobody listens on the socket."""
    agent.environment["NOTIFY_SOCKET"] = "/nonexistent/notify"
    Lines(agent.log).write(3)
    with agent.running():
        agent.wait_shipped()
        assert agent.stop() == 0
    assert "notify.failed" in agent.names()


def _get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_metrics_and_health(agent: AgentProcess, bulk_server: BulkServer) -> None:
    """Green while all is well, 503 with the reason while held; `live` as long as the loop turns."""
    lines, port = Lines(agent.log), _free_port()
    agent.configure(http={"listen": f"127.0.0.1:{port}"})
    lines.write(4)
    lines.write_bad(1)
    with agent.running():
        agent.wait_shipped()
        assert _get(port, "/health") == (200, '{"ok": true, "reasons": []}\n')
        assert _get(port, "/health/live")[0] == 200
        assert _get(port, "/nothing")[0] == 404
        page = _get(port, "/metrics")[1]
        assert 'auditship_agent_lines_total{outcome="stored",source="dosya"} 4.0' in page
        assert 'auditship_agent_dead_letters_total{reason="bad_json",source="dosya"} 1.0' in page
        assert 'auditship_agent_lag_bytes{source="dosya"} 0.0' in page
        bulk_server.otherwise = unauthorized()
        lines.write(1)
        agent.wait(lambda: _get(port, "/health")[0] == 503)
        assert "held" in _get(port, "/health")[1]
        assert _get(port, "/health/live")[0] == 200


def test_a_reload_moves_the_port(agent: AgentProcess) -> None:
    """The new address answers, the old one is free; a used one is refused with all else."""
    before, after = _free_port(), _free_port()
    agent.configure(http={"listen": f"127.0.0.1:{before}"})
    with agent.running(), socket.create_server(("127.0.0.1", 0)) as used:
        agent.wait_ready()
        agent.configure(http={"listen": f"127.0.0.1:{used.getsockname()[1]}"})
        agent.signal(signal.SIGHUP)
        agent.wait(lambda: (s := agent.status()) and "http.listen" in s.config_rejected)
        assert _get(before, "/health/live")[0] == 200
        agent.configure(http={"listen": f"127.0.0.1:{after}"})
        agent.signal(signal.SIGHUP)
        agent.wait(lambda: (s := agent.status()) and not s.config_rejected)
        assert _get(after, "/health")[0] == 200
        with pytest.raises(OSError, match="refused"):
            _get(before, "/health")
