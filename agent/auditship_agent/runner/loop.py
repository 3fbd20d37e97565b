"""The loop that steps an agent: what is looked at how often.

A file that gave bytes within the last second is hot: it is looked at each 20 ms, the files beside
it each 250 ms. Everything else waits for the file system to tell, and for a rescan now and then.
"""

from typing import Final

from auditship_agent import positions
from auditship_agent.runner.agent import Agent
from auditship_agent.runner.report import status_of
from auditship_agent.runner.reporting import Reporter
from auditship_agent.runner.timekeeping import ClockGuard
from auditship_agent.source.logfile import LogFile

HOT_LOOK_S: Final = 0.02
COLD_LOOK_S: Final = 0.25
STATUS_S: Final = 1.0
# What a status may cost of the time: with many files, one is told less often than each second.
STATUS_SHARE: Final = 0.02
IDLE_STATUS_SHARE: Final = 0.0004
_RESCAN_SHARE: Final = 10  # a rescan may take a tenth of the time at most


class Loop:
    """Timers around one agent's pipeline. `turn` does what is due and returns how long to wait.

    With `tells` the agent speaks of itself: steps of the clock become events, and each 10 s a
    position report is sent.
    """

    def __init__(self, agent: Agent, *, tells: bool = False) -> None:
        self._agent = agent
        self._tells = tells
        self._clock = agent.clock
        self._guard = ClockGuard(agent.clock)
        self._rescan_at = float("-inf")
        self._rescan_earliest = float("-inf")
        self._names_changed = False
        self._cold_at = float("-inf")
        self._poll_at = float("-inf")
        self._told_at = float("-inf")  # of the last status, which took `_status_s`
        self._status_s = 0.0
        self._has_news = True  # since the last status
        self._reporter = Reporter(agent) if tells else None
        self._is_quiet = False  # since the last position report
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
        self._check_clock()
        self._has_news |= names or not agent.pipeline.is_idle
        read = agent.pipeline.step()
        self._has_news |= read
        self._is_quiet &= not self._has_news and agent.pipeline.catalog.is_quiet
        if now >= self._status_due():
            self.report()
        if self._reporter is not None and now >= self._reporter.due:
            self._tell_position(self._reporter)
        return 0.0 if read or agent.pipeline.catalog.is_busy else self._wait()

    def _check_clock(self) -> None:
        """Tell a step of the wall clock; judge no line while it is far behind the checkpoint."""
        agent, pipeline = self._agent, self._agent.pipeline
        if step := self._guard.step_ms():
            agent.log.warning("clock.step", step_ms=step)
            agent.acknowledged_to.clock_stepped(self._clock.now_ms())
            if self._tells:
                pipeline.tell("agent.clock_step")
            for file in pipeline.catalog.files.values():
                if file.state == "expired":
                    file.start_over()  # it was judged by another clock
        why = self._guard.hold(agent.recorder.written_ms, pipeline.delivery.clock_apart_ms)
        if why:
            agent.log.fault("clock", "clock.held", why=why)
        else:
            agent.log.recovered("clock", "clock.resumed")
        pipeline.clock_hold = why

    def _tell_position(self, reporter: Reporter) -> None:
        try:
            reporter.tell(quiet=self._is_quiet)
        except OSError as error:
            self._agent.log.fault("position", "position.failed", level="warning", why=str(error))
        self._is_quiet = True

    def rescan(self) -> None:
        """List the folders, and watch what is there."""
        began, began_ms = self._clock.monotonic(), self._clock.now_ms()
        self._names_changed = False
        catalog = self._agent.pipeline.catalog
        catalog.rescan()
        for transform in self._agent.pipeline.transforms.values():
            transform.refresh()
        now = self._clock.monotonic()
        self._agent.acknowledged_to.looked(began_ms, now)
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

    def _status_due(self) -> float:
        share = STATUS_SHARE if self._has_news else IDLE_STATUS_SHARE
        return self._told_at + max(STATUS_S, self._status_s / share)

    def _wait(self) -> float:
        now = self._clock.monotonic()
        times = [self._rescan_at, self._status_due()]
        if self._reporter is not None:
            times.append(self._reporter.due)
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
        self._told_at = self._clock.monotonic()
        self._has_news = False
        try:
            positions.write(self._agent.folder, status_of(self._agent))
        except OSError as error:
            self._agent.log.fault("status", "status.failed", level="warning", error=str(error))
        self._status_s = self._clock.monotonic() - self._told_at


def once(agent: Agent, *, deadline_s: float | None) -> bool:
    """Read all files to the sizes they have now, ship, stop; return whether nothing is pending."""
    loop = Loop(agent)
    loop.rescan()
    catalog, pipeline, clock = agent.pipeline.catalog, agent.pipeline, agent.clock
    files = catalog.files.values()
    targets = {id(file): file.stamp.size for file in files if not file.is_archive}
    until = clock.monotonic() + deadline_s if deadline_s is not None else float("inf")
    while clock.monotonic() < until:
        wait = loop.turn()
        if pipeline.reading and not catalog.is_busy and not _unread(agent, targets):
            pipeline.reading = False
            continue
        if pipeline.clock_hold or (not pipeline.reading and pipeline.is_idle):
            break
        if (
            pipeline.reading
            and pipeline.is_idle
            and not catalog.is_busy
            and _is_held(agent, targets)
        ):
            break
        agent.wake.wait(min(wait, max(0.0, until - clock.monotonic())))
    pipeline.save()
    loop.report()
    return pipeline.is_idle and not _unread(agent, targets)


def _is_held(agent: Agent, targets: dict[int, int]) -> bool:
    """Whether the poison guard holds all that is unread: only a person can let go of that."""
    unread = _unread(agent, targets)
    return all(file.source.name in agent.pipeline.refusals.poisoned for file in unread)


def _unread(agent: Agent, targets: dict[int, int]) -> list[LogFile]:
    """Return the files with bytes that the agent still has to read, up to their target size."""
    return [
        file
        for file in agent.pipeline.catalog.files.values()
        if file.tailer is not None
        and file.dirty
        and file.tailer.offset < targets.get(id(file), 1 << 62)
    ]
