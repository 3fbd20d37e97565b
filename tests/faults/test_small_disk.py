"""Row F33 on a real disk without room: the state folder of the real process is a small tmpfs."""

import os
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from auditship_agent.deadletter import records
from support.agent_process import AgentProcess, Lines, stored_names
from support.bulk import BulkServer

BALLAST = "ballast"


@pytest.fixture
def agent(tmp_path: Path, bulk_server: BulkServer, region: str) -> Iterator[AgentProcess]:
    """An agent whose state folder has 256 KiB."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts a tmpfs")
    agent = AgentProcess(tmp_path, bulk_server.address, region)
    agent.state.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs", str(agent.state)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no right to mount: {done.stderr.strip()}")
    bulk_server.make_index(Lines(agent.log).index(region))
    try:
        yield agent
    finally:
        agent.kill()
        subprocess.run(["umount", str(agent.state)], check=True)


def _fill(agent: AgentProcess) -> None:
    """Leave not one page."""
    with (agent.state / BALLAST).open("wb", buffering=0) as ballast:
        try:
            while ballast.write(b"x" * 4_096):
                pass
        except OSError:
            return


def test_no_space_left(agent: AgentProcess, bulk_server: BulkServer) -> None:
    """F33: good lines flow, bad ones wait; with room all goes on, or after a kill -9 without."""
    lines = Lines(agent.log)
    with agent.running():
        lines.write(5)
        lines.write_bad(1)
        agent.wait_shipped()
        for number in (1, 2):
            _fill(agent)
            lines.write(5)
            agent.wait(lambda: _stored(bulk_server) == lines.names())
            agent.wait(partial(_has_told, agent, "checkpoint.failed", number))
            lines.write_bad(40)
            lines.write(5)
            agent.wait(partial(_has_told, agent, "deadletter.failed", number))
            if number == 2:
                agent.kill()
            (agent.state / BALLAST).unlink()
            if number == 1:
                agent.wait_shipped()
                agent.wait(lambda: "checkpoint.resumed" in agent.names())
    agent.once()
    assert _stored(bulk_server) == lines.names()
    assert len(list(records(agent.state / "dead-letter"))) == 81


def _has_told(agent: AgentProcess, name: str, times: int) -> bool:
    return agent.names().count(name) >= times


def _stored(server: BulkServer) -> list[str]:
    return stored_names({k: v for docs in server.documents.values() for k, v in docs.items()})
