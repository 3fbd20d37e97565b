"""The demo's child processes: started with a log each, awaited, ended in reverse order.

Each runs in a session of its own, so Ctrl-C reaches the demo alone, which then ends them. What
is left running on purpose is found again by `running.json`: pid and the kernel's start time, so
that a reused pid is never ended.
"""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

POLL_S = 0.05
END_S = 10.0
TAIL_LINES = 15


class DemoError(Exception):
    """The demo cannot go on; `log` is the log of the part that failed."""

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log

    def explain(self) -> str:
        """Return the message and the last lines of the log."""
        if self.log is None or not self.log.is_file():
            return f"Error: {self}"
        tail = self.log.read_text("utf-8", "replace").splitlines()[-TAIL_LINES:]
        return "\n".join([f"Error: {self}", f"The end of {self.log}:", *(f"  {x}" for x in tail)])


class LateError(DemoError):
    """Something did not happen in its time."""


@dataclass(frozen=True)
class Child:
    """A process that the demo started."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def check(self) -> None:
        """Raise `DemoError` when it has ended."""
        if (code := self.process.poll()) is not None:
            raise DemoError(f"{self.name} ended with exit code {code}", self.log)


@dataclass
class Troupe:
    """All children, and how to be rid of them."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    children: list[Child] = field(default_factory=list)

    def start(
        self, name: str, argv: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> Child:
        """Start a program; its output goes to `logs/<name>.log`."""
        log = self.folder / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=dict(environment or self.environment),
                start_new_session=True,
            )
        child = Child(name, process, log)
        self.children.append(child)
        self._save()
        return child

    def run(
        self, name: str, argv: Sequence[str], *, accept: frozenset[int] = frozenset({0})
    ) -> str:
        """Run a program to its end and return what it printed.

        Raises:
            DemoError: its exit code is not accepted.
        """
        log = self.folder / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as errors:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=self.folder,
                env=dict(self.environment),
                check=False,
            )
        if done.returncode not in accept:
            raise DemoError(f"{name} ended with exit code {done.returncode}", log)
        return done.stdout.decode("utf-8", "replace")

    def end(self) -> None:
        """End what is still running, newest first."""
        while self.children:
            _end(self.children.pop().process)
        (self.folder / "running.json").unlink(missing_ok=True)

    def finish(self, child: Child) -> None:
        """End one child that must end well.

        Raises:
            DemoError: its exit code is not 0.
        """
        _end(child.process)
        self.children.remove(child)
        self._save()
        if child.process.returncode != 0:
            raise DemoError(f"{child.name} ended with {child.process.returncode}", child.log)

    def _save(self) -> None:
        running = [
            {"name": child.name, "pid": child.process.pid, "start": _start(child.process.pid)}
            for child in self.children
        ]
        (self.folder / "running.json").write_text(json.dumps(running), "utf-8")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def end_left_running(folder: Path) -> list[str]:
    """End what an earlier run left; return the names of what was still there."""
    path = folder / "running.json"
    if not path.is_file():
        return []
    ended = []
    for each in reversed(json.loads(path.read_text("utf-8"))):
        if each["start"] is None or _start(each["pid"]) != each["start"]:
            continue
        _end_pid(each["pid"], each["start"])
        ended.append(each["name"])
    path.unlink()
    return ended


def _end_pid(pid: int, start: str) -> None:
    deadline = time.monotonic() + END_S
    os.kill(pid, signal.SIGTERM)
    while _start(pid) == start:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            return
        time.sleep(POLL_S)


def _start(pid: int) -> str | None:
    """Return the start time of a living process, in the kernel's ticks; None: there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    state, *rest = text.rpartition(")")[2].split()
    return None if state == "Z" else rest[18]


def wait_until(what: str, ready: Callable[[], bool], child: Child, *, timeout_s: float) -> None:
    """Poll until `ready`.

    Raises:
        DemoError: the child ended.
        LateError: the time is over.
    """
    deadline = time.monotonic() + timeout_s
    while not ready():
        child.check()
        if time.monotonic() > deadline:
            raise LateError(f"{what}: not within {timeout_s:.0f} s", child.log)
        time.sleep(POLL_S)


def answers(url: str) -> bool:
    """Tell whether a GET gives 200."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as reply:
            return bool(reply.status == 200)  # noqa: PLR2004 - HTTP's own number
    except (OSError, urllib.error.URLError):
        return False
