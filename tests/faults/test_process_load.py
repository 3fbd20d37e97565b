"""Rows F41 and F59: the real process with a huge backlog, and ended in mid-request."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from support.agent_process import AgentProcess, Lines, stored_names
from support.bulk import BulkServer
from support.bulk_script import hold_reply, serve
from support.hasty_agent import DRAIN_S

MIB: Final = 2**20
HASTY: Final = (sys.executable, str(Path(__file__).parents[1] / "support" / "hasty_agent.py"))


def _names(server: BulkServer) -> list[str]:
    return stored_names({k: v for docs in server.documents.values() for k, v in docs.items()})


# -- F41 --------------------------------------------------------------------------------------


@pytest.fixture
def forgetful() -> Iterator[BulkServer]:
    """A cluster that keeps ids alone: the memory of this process is not what is measured."""
    with BulkServer(keep=False) as server:
        yield server


def _peak(agent: AgentProcess) -> int:
    """Return the most memory that the running process ever had, bytes."""
    assert agent.process is not None
    status = Path(f"/proc/{agent.process.pid}/status").read_text(encoding="ascii")
    (peak,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(peak) * 1024


def _has_acked(agent: AgentProcess, goal: int) -> bool:
    return agent.acked(agent.log) > goal


def test_a_huge_backlog(tmp_path: Path, forgetful: BulkServer, region: str) -> None:
    """F41: 256 MiB unread and a kill -9 in between: progress, in a fraction of the memory."""
    agent = AgentProcess(tmp_path, forgetful.address, region)
    agent.configure(batch={"max_events": 1_000}, delivery={"max_buffer_bytes": "2MiB"})
    lines = Lines(agent.log)
    index = lines.index(region)
    forgetful.make_index(index)
    chunk = b"".join(lines.line(f"n{number}") for number in range(4_000))
    with agent.log.open("wb") as log:
        while log.tell() < 256 * MIB:
            log.write(chunk)
    done = 0
    for _ in range(2):
        with agent.running():
            goal = done + MIB // 2
            agent.wait(partial(_has_acked, agent, goal))
            assert _peak(agent) < 80 * MIB
            done = agent.acked(agent.log)
            agent.kill()
    assert len(forgetful.documents[index]) >= done // (len(chunk) // 4_000 + 1)


# -- F59 --------------------------------------------------------------------------------------


def test_the_drain_takes_too_long(tmp_path: Path, bulk_server: BulkServer, region: str) -> None:
    """F59: the deadline passes with a request pending: exit 0, and what was stored meets 409."""
    agent = AgentProcess(tmp_path, bulk_server.address, region, entry=HASTY)
    agent.environment[DRAIN_S] = "0.2"
    lines = Lines(agent.log)
    bulk_server.make_index(lines.index(region))
    lines.write(20)
    lines.write_bad(1)
    gate = bulk_server.gate()
    bulk_server.otherwise = hold_reply(gate)
    with agent.running():
        gate.wait_for_arrivals(1)
        assert agent.stop() == 0
    (ended,) = [line for line in agent.events() if line["event"] == "agent.stopped"]
    assert ended["pending"] >= 1
    gate.open()
    bulk_server.otherwise = serve()
    with agent.running():
        agent.wait_shipped()
        assert agent.stop() == 0

    assert _names(bulk_server) == lines.names()
    assert sum(b'"n0"' in (request.body or b"") for request in bulk_server.bulks) >= 2
