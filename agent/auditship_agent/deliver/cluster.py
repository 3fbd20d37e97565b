"""How hosts and cluster are, as far as replies tell: who is asked next, how fast, what is told.

A host that fails is set aside and the others carry on; when none is left, everything pauses, or
holds where a person is needed. Whatever was wrong is over as soon as a request is taken.
"""

from typing import Final

from auditship_agent.deliver.flow import Flow
from auditship_agent.deliver.hosts import Host, Hosts, Use
from auditship_agent.deliver.reply import Judgment, is_alarm
from auditship_agent.metrics import Metrics
from auditship_indexer.clock import Clock
from auditship_indexer.errors import ConfigError
from auditship_indexer.log import Log

_LABEL: Final = "cluster"
_LEVELS: Final = ("warning", "error")


class Cluster:
    """Reactions to what happens to requests. Main thread only."""

    def __init__(
        self, hosts: Hosts, flow: Flow, *, clock: Clock, log: Log, metrics: Metrics
    ) -> None:
        self.hosts = hosts
        self.flow = flow
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self.alarm = ""  # why nothing can be stored for now: the disk is full, writing is blocked

    def use(self, *, renewed: bool) -> Use | None:
        """Return the host to ask next, None when a secret is gone and everything holds.

        `renewed`: read credentials and certificates again, since they may end a hold.
        """
        if renewed:
            self.hosts.renew()
        try:
            return self.hosts.choose(self._clock.monotonic())
        except ConfigError as error:
            self._hold(str(error))
            return None

    def lost(self, host: Host, why: str, sent_at: float, wish_s: float | None = None) -> None:
        """A host failed: others carry on at once; alone, everything pauses."""
        now = self._clock.monotonic()
        self._tell(host, "host.ejected", "warning", why)
        self.flow.halve(now)
        self.hosts.failed(host, now, why, sent_at=sent_at)
        if not self.hosts.any_well(now):
            self.flow.pause(now, wish_s)

    def answered_badly(self, host: Host, why: str, sent_at: float) -> None:
        """The reply is no answer to the request; three in a row eject the host."""
        now = self._clock.monotonic()
        self._tell(host, "bulk.reply_invalid", "warning", why)
        if self.hosts.answered_badly(host, now, why, sent_at=sent_at):
            self._tell(host, "host.ejected", "warning", why)
        self.flow.pause(now)

    def needs_person(self, host: Host, why: str, sent_at: float) -> None:
        """A host does not let us in: others carry on; when none does, everything holds."""
        now = self._clock.monotonic()
        self.hosts.failed(host, now, why, sent_at=sent_at)
        if self.hosts.any_well(now):
            self._tell(host, "host.ejected", "error", why)
        else:
            self._hold(f"{host.address}: {why}")

    def busy(self, judgment: Judgment) -> None:
        """The cluster takes no request for a while."""
        now = self._clock.monotonic()
        self.took_part(judgment.type, judgment.why)
        self.flow.pause(now, judgment.after_s)

    def took_part(self, kind: str, why: str) -> None:
        """Documents have to come again; a block of writing is an alarm."""
        is_bad = is_alarm(kind)
        self.alarm = why if is_bad else self.alarm
        level = _LEVELS[is_bad]
        self._log.fault(f"busy:{level}", "bulk.retry", level=level, why=why)
        self.flow.halve(self._clock.monotonic())

    def took(self, host: Host, *, was_full: bool, is_clean: bool) -> None:
        """A request was taken: what was wrong with host and cluster is over."""
        self.flow.clean(was_full=was_full and is_clean)
        self._answered(host)
        if is_clean:
            self.alarm = ""
            for level in _LEVELS:
                self._log.recovered(f"busy:{level}", "bulk.resumed")

    def took_nothing(self, host: Host) -> None:
        """A request was taken and all of its documents have to come again: a pause for all."""
        self.flow.hold = ""
        self.flow.pause(self._clock.monotonic())
        self._answered(host)

    def _answered(self, host: Host) -> None:
        self.hosts.well(host)
        for event in ("host.ejected", "bulk.reply_invalid"):
            self._log.recovered(f"{event}:{host.address}", "host.back", host=host.address)
        self._log.recovered("hold", "bulk.resumed")
        self._metrics.held.labels(_LABEL).set(0)

    def _hold(self, why: str) -> None:
        """Everything waits for a person; nothing is dropped."""
        self.flow.stop_for(why, self._clock.monotonic())
        self._metrics.held.labels(_LABEL).set(1)
        self._log.fault("hold", "bulk.held", why=why)

    def _tell(self, host: Host, event: str, level: str, why: str) -> None:
        self._log.fault(f"{event}:{host.address}", event, level=level, host=host.address, why=why)
