"""The real `auditship-agent` process: started, signaled, killed; progress is read, not slept for.

agent = AgentProcess(tmp_path, server.address, region)
with agent.running():
    agent.wait(lambda: agent.acked(agent.log) == agent.log.stat().st_size)
    agent.kill()
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from auditship_agent import positions
from auditship_agent.positions import Status
from auditship_indexer.clock import iso_ms
from auditship_indexer.event.identity import index_name
from support.transforming import native

SERVER: Final = "fs-test-1"
PATIENCE_S: Final = 30.0
_LOOK_S: Final = 0.02
_COMMAND: Final = (sys.executable, "-c", "from auditship_agent.cli import main; main()")


class AgentProcess:
    """One agent with a folder of its own: `agent.yaml`, `logs/audit.log`, `state/`."""

    def __init__(
        self, folder: Path, address: str, region: str, *, entry: tuple[str, ...] = _COMMAND
    ) -> None:
        self.folder = folder
        self.region = region
        self.entry = entry
        self.state = folder / "state"
        self.log = folder / "logs" / "audit.log"
        self.config = folder / "agent.yaml"
        self.told = folder / "agent.stderr"
        self.environment: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.settings: dict[str, Any] = {
            "server": {"id": SERVER, "region": region},
            "state": {"dir": str(self.state)},
            "sources": [{"name": "dosya", "preset": "native", "files": [str(self.log)]}],
            "opensearch": {"hosts": [address]},
            "batch": {"max_events": 50, "max_age_s": 0.01},
            "delivery": {"retry_max_s": 0.05, "hold_probe_s": 0.05, "timeout_s": 10},
            "checkpoint": {"interval_s": 0.05},
            "dead_letter": {"min_free_bytes": 0},
            "watch": {"rescan_s": 0.2},
            "http": {"listen": "off"},
        }
        self.configure()

    def configure(self, **sections: Any) -> None:
        """Write the configuration; a section is merged into the one of before."""
        for name, section in sections.items():
            known = self.settings.get(name)
            if isinstance(known, dict) and isinstance(section, dict):
                section = {**known, **section}  # noqa: PLW2901 - the merged one
            self.settings[name] = section
        new = self.config.with_suffix(".new")
        new.write_text(yaml.safe_dump(self.settings), encoding="utf-8")
        new.replace(self.config)  # a reload never finds half a file

    # -- life ------------------------------------------------------------------------------

    def start(self, *arguments: str, command: str = "run") -> subprocess.Popen[bytes]:
        """Start `auditship-agent run`; what it tells goes to `told`."""
        with self.told.open("ab") as told:
            self.process = subprocess.Popen(
                [*self.entry, command, "--config", str(self.config), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=told,
                env={**os.environ, **self.environment},
            )
        return self.process

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the agent to its end."""
        return subprocess.run(
            [*self.entry, *arguments, "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            env={**os.environ, **self.environment},
        )

    def once(self) -> None:
        """Ship what is there, in a process of its own; fail unless everything has its outcome."""
        done = self.call("once", "--deadline", str(PATIENCE_S))
        assert done.returncode == 0, done.stdout + done.stderr

    @contextlib.contextmanager
    def running(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """A running agent, killed at the end unless it has ended before."""
        try:
            yield self.start(*arguments)
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL. Safe to repeat."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        """SIGTERM, and the exit code that comes of it."""
        self.signal(signal.SIGTERM)
        return self.ended()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def ended(self) -> int:
        """Wait for the end of the process and return its exit code."""
        assert self.process is not None
        return self.process.wait(PATIENCE_S)

    # -- what is seen ----------------------------------------------------------------------

    def wait(self, holds: Callable[[], object], *, alive: bool = True) -> None:
        """Return as soon as `holds()`; fail if the process ends before, or takes too long."""
        assert self.process is not None
        until = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < until, self.tail()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_LOOK_S)
                assert not alive or holds(), f"exit {self.process.returncode}: {self.tail()}"

    def wait_ready(self) -> None:
        """Return when the process reads its files: it says so in its log."""
        pid = self.process.pid if self.process else 0
        self.wait(lambda: (s := self.status()) is not None and s.pid == pid)

    def wait_shipped(self) -> None:
        """Return when every complete line of `audit.log` is acknowledged in the checkpoint."""
        self.wait(lambda: self.acked(self.log) == self.log.stat().st_size)

    def status(self) -> Status | None:
        """Return the last status that the agent told."""
        return positions.read(self.state)

    def acked(self, path: Path) -> int:
        """Return how much of a file the running agent has acknowledged."""
        status = self.status()
        pid = self.process.pid if self.process else 0
        if status is None or status.pid != pid:
            return -1
        found = [f for s in status.sources for f in s.files if f.path == str(path)]
        return found[0].acked if found else -1

    def events(self) -> list[dict[str, Any]]:
        """Return the log lines of all runs so far; each must be JSON with an event name."""
        lines = self.told.read_bytes().splitlines() if self.told.exists() else []
        return [json.loads(line) for line in lines]

    def names(self) -> list[str]:
        """Return the event names of the log lines."""
        return [line["event"] for line in self.events()]

    def tail(self) -> str:
        """Return the end of what the agent told."""
        return self.told.read_text(encoding="utf-8")[-4000:] if self.told.exists() else ""


class Lines:
    """Writes numbered lines of the native log, and finds them again among stored documents."""

    def __init__(self, path: Path, *, now_ms: int | None = None) -> None:
        self.path = path
        self.now_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        self.count = 0
        self._next = 0

    def line(self, name: str) -> bytes:
        """Return one good line about a file of this name."""
        return native(time=iso_ms(self.now_ms), file={"id": name, "name": name}) + b"\n"

    def write(self, count: int) -> None:
        """Append good lines, each unlike all others."""
        with self.path.open("ab", buffering=0) as log:
            for number in range(self.count, self.count + count):
                log.write(self.line(f"n{number}"))
        self.count += count

    def write_bad(self, count: int = 1) -> None:
        """Append lines that cannot become events."""
        with self.path.open("ab", buffering=0) as log:
            for _ in range(count):
                log.write(b'{"bad": %d\n' % self._next)
                self._next += 1

    def rotate(self, name: str) -> None:
        """Rename the log; the next write makes a new one."""
        self.path.rename(self.path.with_name(name))

    def index(self, region: str) -> str:
        """Return the index that the lines belong to."""
        return index_name(region, self.now_ms)

    def names(self) -> list[str]:
        """Return the names of all good lines, in order."""
        return [f"n{number}" for number in range(self.count)]


def stored_names(documents: dict[str, bytes]) -> list[str]:
    """Return the file names of stored source events, sorted by number; own events are left out."""
    events = [msgspec.json.decode(body) for body in documents.values()]
    names = [event["file"]["name"] for event in events if "file" in event]
    return sorted(names, key=lambda name: int(name[1:]))
