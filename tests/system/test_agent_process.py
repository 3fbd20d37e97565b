"""The real agent process: killed, stopped, paused, and what is stored afterwards."""

import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from auditship_indexer.opensearch import Connection, connect
from support.agent_process import AgentProcess, Lines, stored_names
from support.bulk import BulkServer


class Writer:
    """An application that writes its log all the while, and renames it now and then."""

    def __init__(self, lines: Lines, *, total: int, rotate_each: int) -> None:
        self._lines = lines
        self._total = total
        self._rotate_each = rotate_each
        self._go = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._work)
        self.rotations = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.finish()

    def allow(self, pieces: int) -> None:
        """Let it write some pieces more."""
        self._go.release(pieces)

    def finish(self) -> None:
        """Let it write the rest, and wait for it."""
        self._go.release(self._total)
        self._thread.join()

    def _work(self) -> None:
        while self._lines.count < self._total:
            self._go.acquire()
            self._lines.write(10)
            if self._lines.count % self._rotate_each == 0:
                self.rotations += 1
                self._lines.rotate(f"audit.log.{self.rotations}")


@pytest.mark.parametrize("seed", range(2))
def test_kill_9_loses_nothing_and_doubles_nothing(
    tmp_path: Path, bulk_server: BulkServer, region: str, seed: int
) -> None:
    """F30: killed at random while lines are written, rotated and shipped: each stored once."""
    agent = AgentProcess(tmp_path / "with blanks", bulk_server.address, region)
    lines = Lines(agent.log)
    bulk_server.make_index(lines.index(region))
    chance = random.Random(seed)  # noqa: S311 - a test's choice of moments
    lines.write(10)
    with Writer(lines, total=3000, rotate_each=1000) as writer:
        for _ in range(5):
            agent.start()
            writer.allow(40)
            more = len(bulk_server.bulks) + chance.randint(1, 8)
            bulk_server.wait_for(lambda more=more: len(bulk_server.bulks) >= more)  # type: ignore[misc]  # bound at once
            agent.kill()
    agent.once()

    assert stored_names(dict(bulk_server.documents[lines.index(region)])) == lines.names()


def test_kill_9_on_the_real_node(tmp_path: Path, node_address: str, region: str) -> None:
    """F30: the same on a real OpenSearch: what is searched afterwards is each line once."""
    agent = AgentProcess(tmp_path, node_address, region)
    lines = Lines(agent.log)
    with Writer(lines, total=2000, rotate_each=1000) as writer:
        for share in (0.2, 0.5, 0.8):
            writer.allow(60)
            with agent.running():
                agent.wait(lambda share=share: _read(agent) >= share * 600)  # type: ignore[misc]  # bound at once
    agent.once()

    assert sorted(_names_on_node(node_address, region)) == sorted(lines.names())


def _read(agent: AgentProcess) -> int:
    status = agent.status()
    if status is None or agent.process is None or status.pid != agent.process.pid:
        return 0
    return sum(source.stored + source.present for source in status.sources)


def _names_on_node(address: str, region: str) -> Iterator[str]:
    with connect(Connection(hosts=(address,))) as client:
        client.indices.refresh(index=f"audit-{region}-*")
        query = {"size": 10_000, "query": {"exists": {"field": "file.name"}}}
        found: dict[str, Any] = client.search(index=f"audit-{region}-*", body=query)
        assert found["hits"]["total"]["relation"] == "eq"
        for hit in found["hits"]["hits"]:
            yield hit["_source"]["file"]["name"]


def test_sigterm_drains_and_exits_0(tmp_path: Path, bulk_server: BulkServer, region: str) -> None:
    """F59: on SIGTERM what was read is shipped, the checkpoint written, nothing sent again."""
    agent = AgentProcess(tmp_path, bulk_server.address, region)
    lines = Lines(agent.log)
    bulk_server.make_index(lines.index(region))
    lines.write(500)
    with agent.running():
        agent.wait_shipped()
        assert agent.stop() == 0
    sent = len(bulk_server.bulks)
    agent.once()

    assert len([r for r in bulk_server.bulks[sent:] if b'"file"' in (r.body or b"")]) == 0
    assert stored_names(dict(bulk_server.documents[lines.index(region)])) == lines.names()


def test_a_paused_process_goes_on(tmp_path: Path, bulk_server: BulkServer, region: str) -> None:
    """F63: SIGSTOP while lines are written and the log is renamed: nothing is missing then."""
    agent = AgentProcess(tmp_path, bulk_server.address, region)
    lines = Lines(agent.log)
    bulk_server.make_index(lines.index(region))
    lines.write(100)
    with agent.running():
        agent.wait_shipped()
        agent.signal(signal.SIGSTOP)
        lines.write(100)
        lines.rotate("audit.log.1")
        lines.write(100)
        agent.signal(signal.SIGCONT)
        agent.wait_shipped()
        assert agent.stop() == 0
    assert all(line["boot"] for line in agent.events() if line["event"] == "agent.started")
    agent.once()

    assert stored_names(dict(bulk_server.documents[lines.index(region)])) == lines.names()
