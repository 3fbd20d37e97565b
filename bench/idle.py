"""Idle: what an agent costs that watches many files in which nothing happens.

Each file holds a few lines, which are shipped first. Then nobody writes, and the CPU time of each
thread of the agent is taken from the kernel over a minute.
"""

import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
from msgspec import Struct

from auditship_indexer.node import NodeConfig, start
from auditship_indexer.opensearch import Connection, connect
from auditship_indexer.setup import run_setup
from bench.agent import Agent
from bench.machine import Machine, Memory, cpu_s, describe, keep, memory_of, table
from bench.writer import line

REGION: Final = "idle"
SHARE_LIMIT: Final = 0.001  # of one core
MEMORY_LIMIT_MIB: Final = 80.0
LINES_EACH: Final = 5
SHIP_S: Final = 120.0
SETTLE_S: Final = 15.0  # hot files cool down, the last checkpoint is written
_LOOK_S: Final = 0.5


class Idle(Struct, frozen=True):
    """The measurement."""

    files: int
    folders: int
    seconds: float
    share: float  # of one core
    threads: dict[str, float]  # CPU seconds of each thread within `seconds`
    memory: Memory

    @property
    def is_within(self) -> bool:
        """Whether the limits hold."""
        return self.share <= SHARE_LIMIT and self.memory.resident <= MEMORY_LIMIT_MIB


def write_logs(folder: Path, files: int, folders: int) -> list[str]:
    """Write the logs, spread over folders; return the patterns that name them."""
    now_ms = time.time_ns() // 1_000_000
    for number in range(files):
        log = folder / f"logs {number % folders}" / f"app-{number:05}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"".join(line(f"f{number}", n, now_ms) for n in range(LINES_EACH)))
    return [str(folder / f"logs {number}" / "app-*.log") for number in range(folders)]


def measure(agent: Agent, *, files: int, folders: int, seconds: float) -> Idle:
    """Return the costs of the running agent.

    Raises:
        TimeoutError: the agent did not ship the lines that were there.
    """
    until = time.monotonic() + SHIP_S
    while not agent.has_shipped():
        if time.monotonic() > until:
            raise TimeoutError(agent.last_words())
        time.sleep(_LOOK_S)
    time.sleep(SETTLE_S)
    pid = agent.pid
    assert pid is not None  # noqa: S101 - it has shipped, so it runs
    before, began = cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    after, elapsed = cpu_s(pid), time.monotonic() - began
    spent = {name: round(s - before.get(name, 0.0), 6) for name, s in after.items()}
    memory = memory_of(pid)
    assert memory is not None  # noqa: S101 - its threads were just read
    return Idle(files, folders, round(elapsed, 2), sum(spent.values()) / elapsed, spent, memory)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="auditship idle "))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _settings(patterns: list[str], address: str) -> dict[str, Any]:
    return {
        "server": {"id": "fs-idle-1", "region": REGION},
        "sources": [{"name": "app", "preset": "native", "files": patterns}],
        "opensearch": {"hosts": [address]},
        "http": {"listen": "off"},
    }


def told(machine: Machine, idle: Idle, note: str) -> str:
    """Return the measurement as Markdown."""
    rows = [
        ("files", f"{idle.files:,} in {idle.folders} folders, {LINES_EACH} lines each, no writer"),
        ("measured for", f"{idle.seconds:g} s"),
        ("CPU", f"{idle.share:.3%} of a core (limit {SHARE_LIMIT:.1%})"),
        *((f"thread {name}", f"{spent * 1000:.1f} ms") for name, spent in idle.threads.items()),
        ("resident", f"{idle.memory.resident:.1f} MiB (limit {MEMORY_LIMIT_MIB:g})"),
        ("of it anonymous", f"{idle.memory.anonymous:.1f} MiB"),
        ("peak", f"{idle.memory.peak:.1f} MiB"),
        *machine.rows(),
    ]
    return "\n".join(["# Idle agent\n", table(rows), f"{note}\n" if note else ""]).rstrip() + "\n"


@click.command()
@click.option("--files", type=int, default=1000, show_default=True)
@click.option("--folders", type=int, default=1, show_default=True)
@click.option("--seconds", type=float, default=60.0, show_default=True)
@click.option("--note", default="", help="Put into the result.")
def main(*, files: int, folders: int, seconds: float, note: str) -> None:
    """Measure an idle agent; exit 1 when it costs more than it may."""
    machine = describe()
    with _folder() as folder, start(NodeConfig(data_folder=folder / "node")) as node:
        with connect(Connection(hosts=(node.address,))) as client:
            now_ms = time.time_ns() // 1_000_000
            run_setup(client, (REGION,), retention_days=120, now_ms=now_ms, echo=lambda _line: None)
        agent = Agent(folder, _settings(write_logs(folder, files, folders), node.address))
        agent.start()
        try:
            idle = measure(agent, files=files, folders=folders, seconds=seconds)
        finally:
            agent.kill()
    text = told(machine, idle, note)
    click.echo(text)
    click.echo(keep("idle", machine, idle, text))
    sys.exit(0 if idle.is_within else 1)


if __name__ == "__main__":
    main()
