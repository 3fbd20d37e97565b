"""The life of `auditship-agent run`: signals, reload, drain, and what it says of itself.

Handlers of signals set flags and wake the loop; what was asked for is done between two turns.
"""

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

from auditship_agent import __version__
from auditship_agent.config import AgentConfig
from auditship_agent.metrics import MetricsServer
from auditship_agent.runner.agent import Agent
from auditship_agent.runner.loop import Loop
from auditship_agent.runner.reload import swap
from auditship_agent.runner.report import health_of
from auditship_agent.runner.state import boot_id
from auditship_agent.runner.systemd import ServiceManager
from auditship_indexer.errors import AuditshipError

DRAIN_S: Final = 10.0
LIVE_S: Final = 60.0


class _Asked:
    """What signals asked for since the last look."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.stops = 0
        self.rescan = False
        self.reload = False

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self.reload = True
        elif number == signal.SIGUSR1:
            self.rescan = True
        else:
            self.stops += 1
        self._agent.wake.set()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take signals inside the block."""
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
        before = {number: signal.signal(number, self._on_signal) for number in numbers}
        try:
            yield
        finally:
            for number, taken in before.items():
                signal.signal(number, taken)


def run(agent: Agent, load: Callable[[], AgentConfig]) -> None:
    """Work until SIGTERM or SIGINT, then drain (a second one ends that, too).

    SIGHUP takes the configuration that `load` returns, SIGUSR1 rescans.

    Raises:
        ConfigError: the metrics port cannot be listened on.
    """
    loop = Loop(agent, tells=True)
    asked = _Asked(agent)
    manager = ServiceManager(agent.log)
    with asked.listening(), contextlib.closing(_Http(agent, loop)) as http:
        loop.rescan()
        _tell_start(agent)
        manager.ready()
        while not asked.stops:
            if asked.reload:
                asked.reload = False
                manager.reloading(agent.clock.monotonic())
                _reload(agent, load, http)
                loop.rescan()
                loop.report()  # whether it was rejected
                manager.ready()
            if asked.rescan:
                asked.rescan = False
                loop.rescan()
            wait = loop.turn()
            manager.alive(agent.clock.monotonic())
            if not asked.stops:
                agent.wake.wait(wait)
        manager.stopping()
        _drain(agent, loop, asked)


def _tell_start(agent: Agent) -> None:
    files = agent.pipeline.catalog.files.values()
    agent.log.info(
        "agent.started",
        version=__version__,
        sources=len(agent.config.sources),
        files=len(files),
        resumed_bytes=sum(file.progress.acked for file in files),
        boot=boot_id(),
        checkpoint=agent.recorder.sequence,
    )
    agent.pipeline.tell("agent.start")


def _reload(agent: Agent, load: Callable[[], AgentConfig], http: "_Http") -> None:
    """Take the new configuration whole, or go on with the old one and say why."""
    try:
        config = load()
        http.listen(config.http.listen, keep=lambda: swap(agent, config))
    except AuditshipError as error:
        agent.rejected = str(error)
        agent.metrics.config_reloads.labels("rejected").inc()
        agent.log.error("config.rejected", why=str(error), hint=error.hint)  # noqa: TRY400 - told in full
    else:
        agent.rejected = ""
        agent.metrics.config_reloads.labels("ok").inc()
        agent.log.info("config.reloaded", sources=len(config.sources))


def _drain(agent: Agent, loop: Loop, asked: _Asked) -> None:
    """Stop reading; give what is on its way a while; what is pending is read again (409)."""
    pipeline, clock = agent.pipeline, agent.clock
    pipeline.reading = False
    pipeline.tell("agent.stop")
    until = clock.monotonic() + DRAIN_S
    pipeline.save()
    while clock.monotonic() < until and asked.stops == 1:
        pipeline.step()
        if pipeline.is_idle:
            break
        due = pipeline.next_due()
        now = clock.monotonic()
        agent.wake.wait(max(0.0, min(until, due if due is not None else until) - now))
    pipeline.save()
    loop.report()
    agent.log.info("agent.stopped", pending=pipeline.delivery.pending)


class _Http:
    """The metrics port, which a reload may move."""

    def __init__(self, agent: Agent, loop: Loop) -> None:
        self._agent = agent
        self._loop = loop
        self._where = agent.config.http.listen
        self._server = self._open(self._where)

    def listen(self, where: str, *, keep: Callable[[], None]) -> None:
        """Move to another address if `keep` succeeds; raises what it or the listening raises."""
        if where == self._where:
            keep()
            return
        server = self._open(where)
        try:
            keep()
        except AuditshipError:
            if server is not None:
                server.close()
            raise
        self.close()
        self._where, self._server = where, server

    def _open(self, where: str) -> MetricsServer | None:
        if where == "off":
            return None
        agent, loop = self._agent, self._loop
        return MetricsServer(
            where,
            agent.metrics,
            health=lambda: health_of(agent),
            live=lambda: agent.clock.monotonic() - loop.turned_at < LIVE_S,
        )

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
