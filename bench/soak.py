"""Soak: the real agent and the real OpenSearch under rotation and kill -9, for minutes.

Writers append numbered lines to two logs. One is rotated by rename and create, one by copytruncate,
each every few seconds; old files are compressed and leave later. Agent and node are killed at
random moments. At the end each line must be stored exactly once, under the id that the published
formula gives, and a second run of the agent must change nothing. In the last part of the run the
agent is left alone (the node is not), so that its memory can be watched over one long life.
"""

import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import click
from msgspec import Struct
from opensearchpy import OpenSearch

from auditship_indexer.node import Node, NodeConfig, start
from auditship_indexer.opensearch import Connection, connect
from auditship_indexer.setup import run_setup
from bench.agent import Agent, AgentDiedError
from bench.machine import MIB, describe, keep, memory_of
from bench.memory import Sample, Trend, trend_of
from bench.oracle import Verdict, count_stored, expected_ids, judge, stored_ids
from bench.rotation import CopyRotation, RenameRotation, Rotation
from bench.soak_report import Result, told
from bench.writing import Writer

SERVER: Final = "fs-soak-1"
REGION: Final = "soak"
PATTERN: Final = f"audit-{REGION}-*"
ROTATE_S: Final = (2.0, 6.0)
AGENT_LIFE_S: Final = (5.0, 25.0)
AGENT_AWAY_S: Final = (0.0, 4.0)
NODE_LIFE_S: Final = (40.0, 100.0)
NODE_START_S: Final = 600.0  # a busy machine may need minutes to recover the translog
CALM_SHARE: Final = 0.6  # from here on the agent is left alone
GENTLE_SHARE: Final = 0.2  # of the agent's ends are by SIGTERM
QUICK_START: Final = ("-XX:TieredStopAtLevel=1",)
HEAP_MB: Final = 1024
CATCH_UP_S: Final = 180.0
ONCE_S: Final = 120.0
_LOOK_S: Final = 0.5


class Counts(Struct):
    """What was done to the two programs."""

    agent_killed: int = 0
    agent_stopped: int = 0
    node_killed: int = 0
    node_away_s: float = 0.0


class Soak:
    """One run in one folder: processes, and the threads that trouble them."""

    def __init__(self, folder: Path, *, minutes: float, rate: float, seed: int) -> None:
        self.folder = folder
        self.duration_s = minutes * 60
        self.seed = seed
        self.counts = Counts()
        self.samples: list[Sample] = []
        self.over = threading.Event()
        self.node: Node = start(_node(folder, 0))
        self._node_config = _node(folder, int(self.node.address.rpartition(":")[2]))
        with self.client() as client:
            run_setup(
                client,
                (REGION,),
                retention_days=120,
                now_ms=time.time_ns() // 1_000_000,
                echo=lambda _line: None,
                days=_days(),
            )
        renamed, cut = logs = [folder / "logs" / name / "audit.log" for name in ("renamed", "cut")]
        self.agent = Agent(folder, _settings(logs, self.node.address))
        self.began = time.monotonic()
        self.rotations = [
            _rotation(RenameRotation, renamed, folder / "kept", rate),
            _rotation(CopyRotation, cut, folder / "kept", rate),
        ]

    def client(self) -> contextlib.AbstractContextManager[OpenSearch]:
        """Return a client of the node."""
        return connect(Connection(hosts=(self.node.address,)))

    @property
    def _elapsed_s(self) -> float:
        return time.monotonic() - self.began

    # -- the threads -----------------------------------------------------------------------

    def trouble(self) -> None:
        """Let everything happen for the length of the run. Raises what a thread raised."""
        self.agent.start()
        jobs: list[Callable[[], None]] = [
            self.watch,
            self.kill_agents,
            self.kill_nodes,
            *(partial(self.rotate, rotation) for rotation in self.rotations),
        ]
        with ThreadPoolExecutor(len(jobs)) as pool:
            running = [pool.submit(self._guarded, job) for job in jobs]
            try:
                self.over.wait(max(0.0, self.duration_s - self._elapsed_s))
            finally:
                self.over.set()
        for job in running:
            job.result()

    def _guarded(self, job: Callable[[], None]) -> None:
        """End the whole run when one thread cannot go on."""
        try:
            job()
        except BaseException:
            self.over.set()
            raise

    def _chance(self, what: str) -> random.Random:
        return random.Random(f"{self.seed} {what}")  # noqa: S311 - a choice of moments

    def rotate(self, rotation: Rotation) -> None:
        """Rotate one log every few seconds."""
        chance = self._chance(rotation.way)
        while not self.over.wait(chance.uniform(*ROTATE_S)):
            rotation.rotate(retire=self.agent.has_read_rotated())

    def kill_agents(self) -> None:
        """End the agent at random moments, mostly by SIGKILL, and start it again."""
        chance = self._chance("agent")
        while not self.over.wait(chance.uniform(*AGENT_LIFE_S)):
            if self._elapsed_s > CALM_SHARE * self.duration_s:
                return
            if chance.random() < GENTLE_SHARE:
                self.agent.stop()
                self.counts.agent_stopped += 1
            else:
                self.agent.kill()
                self.counts.agent_killed += 1
            self.over.wait(chance.uniform(*AGENT_AWAY_S))
            self.agent.start()

    def kill_nodes(self) -> None:
        """SIGKILL the node at random moments; start it on the same data and port."""
        chance = self._chance("node")
        while not self.over.wait(chance.uniform(*NODE_LIFE_S)):
            at = time.monotonic()
            os.kill(self.node.pid, signal.SIGKILL)
            self.node.stop()
            self.node = start(self._node_config)
            self.counts.node_killed += 1
            self.counts.node_away_s += time.monotonic() - at

    def watch(self) -> None:
        """Sample the agent's memory each second."""
        while not self.over.wait(1.0):
            pid, life = self.agent.pid, self.agent.lives
            memory = memory_of(pid) if pid else None
            if memory is not None:
                self.samples.append(
                    Sample(round(self._elapsed_s, 1), life, memory.resident, memory.anonymous)
                )

    # -- the end ---------------------------------------------------------------------------

    def settle(self) -> tuple[int, float]:
        """End the writers; return what they wrote, and how long it took until all was stored."""
        written = sum(w.end() for rotation in self.rotations for w in rotation.writers)
        ended = time.monotonic()
        with self.client() as client:
            while count_stored(client, PATTERN) < written:
                if time.monotonic() - ended > CATCH_UP_S:
                    break  # the verdict says what is missing
                time.sleep(_LOOK_S)
        caught_up_s = time.monotonic() - ended
        self.agent.stop()
        self.agent.once(ONCE_S)
        return written, caught_up_s

    def verdict(self, written: int) -> tuple[Verdict, str]:
        """Compare files and index; then ship once more and see that nothing changes."""
        files = [path for rotation in self.rotations for path in rotation.files()]
        expected = dict(expected_ids(SERVER, files))
        with self.client() as client:
            stored = list(stored_ids(client, PATTERN))
            again = self.agent.once(ONCE_S)
            repeated = list(stored_ids(client, PATTERN))
        if sorted(stored) != sorted(repeated):
            again += "THE SECOND RUN CHANGED THE INDEX\n"
        return judge(written, expected, repeated), again

    def gaps(self) -> list[dict[str, Any]]:
        """Return the losses that the agent told of."""
        with self.client() as client:
            query = {"query": {"term": {"event.action": "agent.gap"}}, "size": 100}
            hits = client.search(index=PATTERN, body=query)["hits"]["hits"]
        return [
            {**hit["_source"]["audit"]["gap"], "reason": hit["_source"]["event"]["reason"]}
            for hit in hits
        ]

    def close(self) -> None:
        """End every process of this run."""
        self.over.set()
        for rotation in self.rotations:
            for writer in rotation.writers:
                writer.kill()
        with contextlib.suppress(AgentDiedError):
            self.agent.kill()
        self.node.stop()


def _node(folder: Path, port: int) -> NodeConfig:
    """Return a node that is quick to start: it does so every minute here."""
    return NodeConfig(
        data_folder=folder / "node",
        http_port=port,
        heap_mb=HEAP_MB,
        start_timeout_s=NODE_START_S,
        jvm_options=QUICK_START,
    )


def _days() -> list[date]:
    """Return the days of a run, with their neighbors: each index is one to recover at a start."""
    today = datetime.now(UTC).date()
    return [today + timedelta(days=n) for n in (-1, 0, 1)]


def _settings(logs: list[Path], address: str) -> dict[str, Any]:
    """Return the agent's configuration: defaults, but files are closed sooner."""
    sources = [
        {
            "name": log.parent.name,
            "preset": "native",
            "files": [str(log)],
            "finish_after_s": 10,
        }
        for log in logs
    ]
    return {
        "server": {"id": SERVER, "region": REGION},
        "sources": sources,
        "opensearch": {"hosts": [address]},
        "http": {"listen": "off"},
    }


def _rotation(kind: type[Rotation], log: Path, kept: Path, rate: float) -> Rotation:
    """Make a log with two writers."""
    name = log.parent.name
    log.parent.mkdir(parents=True)
    log.touch()
    writers = [Writer(log, f"{name}-{number}", rate / 4) for number in (1, 2)]
    return kind(log, writers, kept / name)


@contextlib.contextmanager
def _folder(*, keep_it: bool) -> Iterator[Path]:
    """A folder that the node's user can enter, with a blank in its name, as people have them."""
    folder = Path(tempfile.mkdtemp(prefix="auditship soak "))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        if keep_it:
            click.echo(f"kept: {folder}")
        else:
            shutil.rmtree(folder)


def _run(folder: Path, *, minutes: float, rate: float, seed: int) -> Result:
    soak = Soak(folder, minutes=minutes, rate=rate, seed=seed)
    try:
        soak.trouble()
        troubled_s = time.monotonic() - soak.began
        written, caught_up_s = soak.settle()
        verdict, again = soak.verdict(written)
        trend: Trend = trend_of(soak.samples)
        status = soak.agent.told.stat().st_size
        return Result(
            seconds=round(troubled_s, 1),
            seed=seed,
            verdict=verdict,
            rotations={rotation.way: rotation.count for rotation in soak.rotations},
            agent_killed=soak.counts.agent_killed,
            agent_stopped=soak.counts.agent_stopped,
            node_killed=soak.counts.node_killed,
            node_away_s=round(soak.counts.node_away_s, 1),
            caught_up_s=round(caught_up_s, 1),
            dead_letters=_dead_letters(soak.agent.state),
            gaps=soak.gaps(),
            second_run=again.splitlines(),
            agent_log_mib=round(status / MIB, 2),
            memory=trend,
            samples=soak.samples[::5],
        )
    finally:
        soak.close()


def _dead_letters(state: Path) -> int:
    return sum(
        len(path.read_bytes().splitlines()) for path in (state / "dead-letter").glob("0*.jsonl")
    )


@click.command()
@click.option("--minutes", type=click.FloatRange(min=0.5), default=10.0, show_default=True)
@click.option("--rate", type=float, default=1000.0, show_default=True, help="Lines a second.")
@click.option("--seed", type=int, help="Of the random moments; told in the result.")
@click.option("--note", default="", help="Put into the result.")
@click.option("--keep", "keep_it", is_flag=True, help="Leave the folder of the run.")
def main(*, minutes: float, rate: float, seed: int | None, note: str, keep_it: bool) -> None:
    """Run the soak; exit 1 when a line is lost or stored twice, or memory grows."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))
    machine = describe()
    seed = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    click.echo(f"{minutes:g} minutes, {rate:g} lines/s, seed {seed}")
    with _folder(keep_it=keep_it) as folder:
        result = _run(folder, minutes=minutes, rate=rate, seed=seed)
    text = told(machine, result, note)
    click.echo(text)
    click.echo(keep("soak", machine, result, text))
    sys.exit(0 if result.is_clean else 1)


if __name__ == "__main__":
    main()
