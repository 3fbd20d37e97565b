"""The loop that steps an agent: what is looked at how often, and when it stops.

A file that gave bytes within the last second is hot: it is looked at each 20 ms, the files beside
it each 250 ms. Everything else waits for the file system to tell, and for a rescan now and then.
"""

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from types import FrameType
from typing import Final

from auditship_agent import __version__, positions
from auditship_agent.metrics import MetricsServer
from auditship_agent.runner.agent import Agent
from auditship_agent.runner.report import health_of, status_of
from auditship_agent.source.logfile import LogFile

HOT_LOOK_S: Final = 0.02
COLD_LOOK_S: Final = 0.25
STATUS_S: Final = 1.0
DRAIN_S: Final = 10.0
LIVE_S: Final = 60.0
_RESCAN_SHARE: Final = 10  # a rescan may take a tenth of the time at most


class Loop:
    """Timers around one agent's pipeline. `turn` does what is due and returns how long to wait."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._clock = agent.clock
        self._rescan_at = float("-inf")
        self._rescan_earliest = float("-inf")
        self._names_changed = False
        self._cold_at = float("-inf")
        self._poll_at = float("-inf")
        self._status_at = float("-inf")
        self.turned_at = self._clock.monotonic()

    def turn(self) -> float:
        """Look, step, report; return the seconds until something is due by itself."""
        agent = self._agent
        now = self.turned_at = self._clock.monotonic()
        names, modified = agent.changes.take()
        self._names_changed |= names
        if (self._names_changed and now >= self._rescan_earliest) or now >= self._rescan_at:
            self.rescan()
        self._look(now, modified)
        read = agent.pipeline.step()
        if now >= self._status_at:
            self._status_at = now + STATUS_S
            self.report()
        return 0.0 if read or agent.pipeline.catalog.is_busy else self._wait()

    def rescan(self) -> None:
        """List the folders, and watch what is there."""
        began = self._clock.monotonic()
        self._names_changed = False
        catalog = self._agent.pipeline.catalog
        catalog.rescan()
        for transform in self._agent.pipeline.transforms.values():
            transform.refresh()
        now = self._clock.monotonic()
        self._rescan_at = now + self._agent.config.watch.rescan_s
        self._rescan_earliest = now + _RESCAN_SHARE * (now - began)
        self._agent.watcher.follow(catalog.folders(), self._hot_folders())

    def _hot_folders(self) -> set[str]:
        return {file.folder for file in self._agent.pipeline.catalog.hot()}

    def _look(self, now: float, modified: set[str]) -> None:
        """Look at the files that may have grown, and find out about new ones that did."""
        catalog, watcher = self._agent.pipeline.catalog, self._agent.watcher
        folders = set(modified)
        hot = catalog.hot()
        if now >= self._cold_at:
            self._cold_at = now + COLD_LOOK_S
            watcher.follow(catalog.folders(), self._hot_folders())
            folders |= {file.folder for file in hot}
        if watcher.polling and now >= self._poll_at:
            self._poll_at = now + self._agent.config.watch.poll_s
            folders |= watcher.polling
            self._names_changed = True
        catalog.look(hot)
        if folders:
            catalog.look_in(folders)
        catalog.identify()

    def _wait(self) -> float:
        now = self._clock.monotonic()
        times = [self._rescan_at, self._status_at]
        due = self._agent.pipeline.next_due()
        if due is not None:
            times.append(due)
        if self._names_changed:
            times.append(self._rescan_earliest)
        if self._agent.pipeline.catalog.hot():
            times.append(now + HOT_LOOK_S)
        if self._agent.watcher.polling:
            times.append(self._poll_at)
        return max(0.0, min(times) - now)

    def report(self) -> None:
        """Write `status.json`; a disk that refuses it is told, and nothing else depends on it."""
        try:
            positions.write(self._agent.folder, status_of(self._agent))
        except OSError as error:
            self._agent.log.fault("status", "status.failed", level="warning", error=str(error))


def once(agent: Agent, *, deadline_s: float | None) -> bool:
    """Read all files to the sizes they have now, ship, stop; return whether nothing is pending."""
    loop = Loop(agent)
    loop.rescan()
    catalog, pipeline, clock = agent.pipeline.catalog, agent.pipeline, agent.clock
    files = catalog.files.values()
    targets = {id(file): file.stamp.size for file in files if not _is_archive(file)}
    until = clock.monotonic() + deadline_s if deadline_s is not None else float("inf")
    while clock.monotonic() < until:
        wait = loop.turn()
        if pipeline.reading and not catalog.is_busy and not _unread(agent, targets):
            pipeline.reading = False
            continue
        if not pipeline.reading and pipeline.is_idle:
            break
        agent.wake.wait(min(wait, max(0.0, until - clock.monotonic())))
    pipeline.save()
    loop.report()
    return pipeline.is_idle and not _unread(agent, targets)


def _is_archive(file: LogFile) -> bool:
    return file.tailer is not None and file.tailer.is_archive


def _unread(agent: Agent, targets: dict[int, int]) -> list[LogFile]:
    """Return the files with bytes that the agent still has to read, up to their target size."""
    return [
        file
        for file in agent.pipeline.catalog.files.values()
        if file.tailer is not None
        and file.dirty
        and file.tailer.offset < targets.get(id(file), 1 << 62)
    ]


class _Asked:
    """What signals asked for; their handlers set flags and wake the loop, and do no work."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.stop = False
        self.rescan = False

    def on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop = True
        self._agent.wake.set()

    def on_rescan(self, _number: int, _frame: FrameType | None) -> None:
        self.rescan = True
        self._agent.wake.set()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Handle signals inside the block."""
        handlers = {
            signal.SIGTERM: self.on_stop,
            signal.SIGINT: self.on_stop,
            signal.SIGUSR1: self.on_rescan,
        }
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def run(agent: Agent) -> None:
    """Work until SIGTERM or SIGINT, then drain for a while; SIGUSR1 rescans.

    Raises:
        ConfigError: the metrics port cannot be listened on.
    """
    loop = Loop(agent)
    asked = _Asked(agent)
    with asked.listening(), _http(agent, loop):
        loop.rescan()
        _tell_start(agent)
        _notify("READY=1")
        while not asked.stop:
            if asked.rescan:
                asked.rescan = False
                loop.rescan()
            wait = loop.turn()
            _notify("WATCHDOG=1")
            if not asked.stop:
                agent.wake.wait(wait)
        _notify("STOPPING=1")
        _drain(agent, loop)


def _tell_start(agent: Agent) -> None:
    files = agent.pipeline.catalog.files.values()
    agent.log.info(
        "agent.started",
        version=__version__,
        sources=len(agent.config.sources),
        files=len(files),
        resumed_bytes=sum(file.progress.acked for file in files),
    )


def _drain(agent: Agent, loop: Loop) -> None:
    """Stop reading; give what is on its way a while; what is pending is read again (409)."""
    pipeline, clock = agent.pipeline, agent.clock
    pipeline.reading = False
    until = clock.monotonic() + DRAIN_S
    while not pipeline.is_idle and clock.monotonic() < until:
        pipeline.step()
        if pipeline.is_idle:
            break
        due = pipeline.next_due()
        now = clock.monotonic()
        agent.wake.wait(max(0.0, min(until, due if due is not None else until) - now))
    pipeline.save()
    loop.report()
    agent.log.info("agent.stopped", pending=pipeline.delivery.pending)


@contextlib.contextmanager
def _http(agent: Agent, loop: Loop) -> Iterator[None]:
    if agent.config.http.listen == "off":
        yield
        return
    server = MetricsServer(
        agent.config.http.listen,
        agent.metrics,
        health=lambda: health_of(agent),
        live=lambda: agent.clock.monotonic() - loop.turned_at < LIVE_S,
    )
    try:
        yield
    finally:
        server.close()


def _notify(state: str) -> None:
    """Tell systemd (sd_notify(3)), where it listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
        notify.sendto(state.encode(), address)
