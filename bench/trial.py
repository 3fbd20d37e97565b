"""One run of one contestant: started, watched until the sink has every document, ended."""

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from bench.machine import memory_of
from bench.peer import Contestant, Site

_LOOK_S: Final = 0.05
_GRACE_S: Final = 20.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class TrialError(Exception):
    """A contestant did not do its job; the message ends with its last words."""


class Trial(Struct, frozen=True):
    """What one run cost."""

    events: int
    cpu_s: float  # user and system, of the process and its children
    wall_s: float
    peak_mib: float
    requests: int
    wire_bytes: int
    gzipped: bool

    @property
    def per_event_us(self) -> float:
        """CPU microseconds an event."""
        return self.cpu_s / self.events * 1e6


class Sink:
    """The sink's process."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.port = port
        self._process = process

    def ask(self, path: str) -> Any:
        """Return what it tells under a path."""
        wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(wire):
            wire.request("GET", path)
            return json.loads(wire.getresponse().read())


@contextlib.contextmanager
def sink(*options: str) -> Iterator[Sink]:
    """Run a sink; it ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.sink", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        yield Sink(process, int(process.stdout.readline()))
    finally:
        process.kill()
        process.communicate()


def run(who: Contestant, log: Path, events: int, to: Sink, database: Path) -> Trial:
    """Let a contestant ship the log from cold, in a folder that is gone afterwards.

    Raises:
        TrialError: it ended too early, took too long, or the sink saw what it should not.
    """
    to.ask("/_reset")
    folder = Path(tempfile.mkdtemp(prefix="auditship bench "))
    try:
        return _watched(who, Site(folder, log, to.port, database), events, to)
    finally:
        shutil.rmtree(folder)


def _watched(who: Contestant, site: Site, events: int, to: Sink) -> Trial:
    start = who.start(site)
    told = site.folder / "told"
    with told.open("wb") as output:
        began = time.monotonic()
        process = subprocess.Popen(
            start.command, env=start.environment, stdin=subprocess.DEVNULL, stdout=output,
            stderr=output, cwd=site.folder,
        )  # fmt: skip
    try:
        cpu_s, wall_s, peak = _until_done(
            process, events, to, began=began, ends=start.ends, patience_s=60 + events / 2000
        )
    except TrialError as error:
        words = told.read_text(encoding="utf-8", errors="replace")[-1500:]
        raise TrialError(f"{who.name}: {error}: {words}") from error
    finally:
        end(process)
    seen = to.ask("/_counters")
    if (seen["documents"], seen["unique"], seen["bad"]) != (events, events, 0):
        raise TrialError(f"{who.name}: {events} lines became {seen}")
    return Trial(
        events, cpu_s, wall_s, peak, seen["requests"], seen["wire_bytes"], seen["gzipped"] > 0
    )


def _until_done(
    process: "subprocess.Popen[bytes]",
    events: int,
    to: Sink,
    *,
    began: float,
    ends: bool,
    patience_s: float,
) -> tuple[float, float, float]:
    """Return CPU seconds, wall seconds and MiB at the moment when all is done."""
    peak = 0.0
    while time.monotonic() - began < patience_s:
        memory = memory_of(process.pid)
        peak = max(peak, memory.peak if memory else 0.0)
        if ends:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                if process.returncode:
                    raise TrialError(f"exit {process.returncode}")
                return usage.ru_utime + usage.ru_stime, time.monotonic() - began, peak
        elif process.poll() is not None:
            raise TrialError(f"ended with {process.returncode}")
        elif to.ask("/_counters")["documents"] >= events:
            return _cpu_of(process.pid), time.monotonic() - began, peak
        time.sleep(_LOOK_S)
    raise TrialError(f"{to.ask('/_counters')} after {patience_s:.0f} s")


def _cpu_of(pid: int) -> float:
    """Return user and system seconds of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process, if it has not ended. Safe to repeat."""
    if process.returncode is None:
        process.terminate()
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
