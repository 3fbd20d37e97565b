"""Bodies on their way: who is sent next, and what a reply makes of each.

One main thread owns all state here; sender threads only carry a body to a host and hand the reply
back by a queue. So a reply changes nothing until `poll`, and acknowledgement has one place.
"""

from collections.abc import Iterator, Sequence
from email.utils import parsedate_to_datetime

from auditship_agent.body import Body
from auditship_agent.config import DeliveryConfig
from auditship_agent.deliver.bodies import SETTLED, Bodies, Settled
from auditship_agent.deliver.cluster import Cluster
from auditship_agent.deliver.flow import Flow
from auditship_agent.deliver.hosts import Host, Hosts
from auditship_agent.deliver.indices import Indices
from auditship_agent.deliver.reply import Course, Fate, ItemFate, Judgment, judge, named
from auditship_agent.deliver.senders import DayMade, Reply, Report, Senders, Told
from auditship_agent.deliver.waiting import Waiting
from auditship_agent.metrics import Metrics
from auditship_indexer.clock import Clock
from auditship_indexer.errors import RetryError
from auditship_indexer.log import Log
from auditship_indexer.opensearch.bulk import UnprotectedError, UnreachableError


class Delivery:
    """All bodies that are not settled."""

    def __init__(
        self,
        config: DeliveryConfig,
        hosts: Hosts,
        senders: Senders,
        flow: Flow,
        *,
        clock: Clock,
        log: Log,
        metrics: Metrics,
    ) -> None:
        self._config = config
        self._senders = senders
        self.flow = flow
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._cluster = Cluster(hosts, flow, clock=clock, log=log, metrics=metrics)
        self._indices = Indices(config.hold_probe_s, log=log, metrics=metrics)
        self._bodies = Bodies(self._indices, flow, log)
        self._in_flight: dict[int, Waiting] = {}
        self._is_telling = False
        self._cluster_time: tuple[int, float] | None = None  # Unix ms, and when it was told

    # -- what the pipeline asks -----------------------------------------------------------

    @property
    def has_room(self) -> bool:
        """Whether another body may be finished: else the reader waits (back-pressure)."""
        return self._bodies.bytes < self._config.max_buffer_bytes

    @property
    def buffered_bytes(self) -> int:
        """Memory that bodies take: less than `max_buffer_bytes` and one body."""
        return self._bodies.bytes

    @property
    def learned_bytes(self) -> int | None:
        """The largest plain body that the server may take, once it refused one; grows slowly."""
        return self._bodies.learned_bytes

    @property
    def held(self) -> dict[str, str]:
        """Indices whose documents wait for a person, with the reason."""
        return self._indices.held

    @property
    def hosts_away(self) -> dict[str, str]:
        """Hosts that failed last, with the reason."""
        return self._cluster.hosts.away()

    @property
    def away_s(self) -> float:
        """For how long no host has been there; 0 while one is."""
        since = self._cluster.hosts.all_away_since()
        return 0.0 if since is None else self._clock.monotonic() - since

    @property
    def alarm(self) -> str:
        """Why the cluster stores nothing for now (full disk, block of writing); else empty."""
        return self._cluster.alarm

    @property
    def clock_apart_ms(self) -> int | None:
        """How far the wall clock is ahead of the cluster's; None where no reply has told it.

        It follows a wall clock that is set right while no request is made.
        """
        if self._cluster_time is None:
            return None
        told_ms, told_at = self._cluster_time
        passed_ms = round((self._clock.monotonic() - told_at) * 1000)
        return self._clock.now_ms() - (told_ms + passed_ms)

    @property
    def pending(self) -> int:
        """Bodies that are not settled."""
        return len(self._bodies.ready) + len(self._in_flight)

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return len(self._in_flight)

    def submit(self, body: Body) -> None:
        """Take over a finished body that holds documents."""
        self._bodies.add(body)

    def next_due(self) -> float | None:
        """Return when something can be sent (monotonic), None while only a reply can change it."""
        due = self._bodies.ready.next_due()
        if due == float("inf") or len(self._in_flight) >= self.flow.window:
            return None
        return max(self.flow.gate, due)

    def poll(self) -> Iterator[Settled]:
        """Take in the replies that came, yield what they settled, and send what is due."""
        for reply in self._senders.replies():
            self._cluster.hosts.done(reply.use)
            if isinstance(reply, DayMade):
                self._day_made(reply)
            elif isinstance(reply, Told):
                self._told(reply)
            elif (settled := self._receive(reply)) is not None:
                yield settled
        self._make_days()
        self._send_due()
        self._metrics.window.set(self.flow.window)
        self._metrics.in_flight.set(len(self._in_flight))

    def tell(self, report: Report) -> bool:
        """Send a position report beside the bodies; return whether it is on its way.

        It is left out while no host is well, and while the one before has no answer: it keeps
        nobody waiting, and the next one says more. A busy cluster gets it: it is small.
        """
        is_away = self.flow.hold or not self._cluster.hosts.any_well(self._clock.monotonic())
        if self._is_telling or is_away:
            return False
        use = self._cluster.use(renewed=False)
        if use is None:
            return False
        self._is_telling = True
        self._senders.tell(use, report)
        return True

    def _told(self, told: Told) -> None:
        self._is_telling = False
        self._learn_time(told.date)
        if told.why:
            self._log.fault("position", "position.failed", level="warning", why=told.why)
        else:
            self._log.recovered("position", "position.resumed")

    def reconfigure(self, config: DeliveryConfig, hosts: Hosts) -> None:
        """Take other settings and hosts; requests under way go on with the ones of before."""
        self._config = config
        self.flow.reconfigure(config)
        self._indices.probe_s = config.hold_probe_s
        self._senders.resize(config.max_in_flight)
        before, self._cluster.hosts = self._cluster.hosts, hosts
        before.close()

    def close(self, timeout_s: float = 0.0) -> bool:
        """Send no more; wait for requests under way and return whether all have ended.

        What is not settled is read again at the next start, and meets 409 where it was stored.
        """
        self._senders.close()
        ended = self._senders.join(timeout_s)
        self._cluster.hosts.close()
        return ended

    # -- sending --------------------------------------------------------------------------

    def _send_due(self) -> None:
        now = self._clock.monotonic()
        while len(self._in_flight) < self.flow.window and now >= self.flow.gate:
            waiting = self._bodies.ready.take(now)
            if waiting is None:
                return
            index = waiting.body.index
            is_probe = bool(self.flow.hold) or self._indices.is_waiting(index)
            use = self._cluster.use(renewed=is_probe)
            if use is None:
                self._bodies.ready.put_back(waiting)
                return
            self._indices.sent(index)
            self._in_flight[self._senders.send(use, waiting.body)] = waiting
            self._metrics.request_bytes.inc(len(waiting.body.data))
            self._metrics.batch_events.observe(len(waiting.body.items))

    # -- receiving ------------------------------------------------------------------------

    def _receive(self, reply: Reply) -> Settled | None:
        waiting = self._in_flight.pop(reply.number)
        self._bodies.came_back(waiting)
        self._metrics.request_seconds.observe(reply.seconds)
        host, sent_at = reply.use.host, self._clock.monotonic() - reply.seconds
        if isinstance(reply.answer, UnreachableError):
            return self._unreachable(waiting, host, reply.answer, sent_at)
        if isinstance(reply.answer, UnprotectedError):
            self._count("hold", "no_template")
            self._bodies.put_back(waiting)
            self._indices.hold(waiting.body.index, str(reply.answer), self._clock.monotonic())
            return None
        self._learn_time(reply.answer.headers.get("date", ""))
        judgment = judge(reply.answer, waiting.body.items)
        if judgment.course is Course.TAKEN:
            return self._taken(waiting, host, judgment.fates)
        if judgment.course in {Course.SPLIT, Course.TOO_LARGE}:
            self._count("retry", judgment.type)
            return self._bodies.too_much(waiting, judgment, self._clock.monotonic())
        return self._not_taken(waiting, host, judgment, sent_at)

    def _learn_time(self, date: str) -> None:
        """Take the time from a reply (RFC 9110, 6.6.1); one that cannot be read says nothing."""
        try:
            told = parsedate_to_datetime(date) if date else None
        except ValueError:
            return
        if told is not None:
            self._cluster_time = round(told.timestamp() * 1000), self._clock.monotonic()

    def _count(self, outcome: str, cause: str) -> None:
        self._metrics.requests.labels(outcome).inc()
        self._metrics.retries.labels(cause).inc()

    def _unreachable(
        self, waiting: Waiting, host: Host, error: UnreachableError, sent_at: float
    ) -> Settled | None:
        """No whole reply: whether anything was stored is unknown, so the same ids go again."""
        self._count("hold" if error.kind == "tls" else "unknown", error.kind)
        settled = None
        if error.kind in {"tls", "refused"}:  # nothing was sent: the body is not to blame
            self._bodies.put_back(waiting)
        else:
            settled = self._bodies.send_again(waiting, halve=error.kind in {"oversize", "timeout"})
        if error.kind == "tls":
            self._cluster.needs_person(host, f"TLS: {error}", sent_at)
        elif error.kind == "oversize":
            self._cluster.answered_badly(host, str(error), sent_at)
        else:
            self._cluster.lost(host, str(error), sent_at)
        return settled

    def _not_taken(
        self, waiting: Waiting, host: Host, judgment: Judgment, sent_at: float
    ) -> Settled | None:
        """The request was refused for no fault of its documents, or the reply is none."""
        course = judgment.course
        outcome = "retry" if course is Course.BUSY else course.value
        self._count(outcome, judgment.type)
        if course is Course.UNKNOWN:
            settled = self._bodies.send_again(waiting)
            self._cluster.answered_badly(host, judgment.why, sent_at)
            return settled
        self._bodies.put_back(waiting)
        if course is Course.HOLD:
            self._cluster.needs_person(host, judgment.why, sent_at)
        elif course is Course.BUSY:
            self._cluster.busy(judgment)
        else:
            self._cluster.lost(host, judgment.why, sent_at, judgment.after_s)
        return None

    def _taken(self, waiting: Waiting, host: Host, told: Sequence[ItemFate]) -> Settled:
        """A request was taken; if none of its documents was, that is a refusal, too."""
        again = [one for one in told if one.fate not in SETTLED]
        was_full = len(self._in_flight) + 1 >= self.flow.window
        self._metrics.requests.labels("partial" if again else "ok").inc()
        for one in again:
            self._metrics.retries.labels(named(one.type)).inc()
        late = next((one for one in again if one.fate is Fate.RETRY), None)
        if late is not None:
            self._cluster.took_part(late.type, f"{late.type} for {len(again)} of {len(told)}")
        if late is not None and len(again) == len(told):
            self._cluster.took_nothing(host)
        else:
            self._cluster.took(host, was_full=was_full, is_clean=late is None)
        return self._bodies.taken(waiting, told, self._clock.monotonic())

    # -- days that were not made ahead ----------------------------------------------------

    def _make_days(self) -> None:
        for index in self._indices.to_make():
            use = self._cluster.use(renewed=False)
            if use is None:
                return
            self._indices.asked_for(index)
            self._senders.make_day(use, index)

    def _day_made(self, made: DayMade) -> None:
        """An index was made, or this agent may not: then its documents wait for a person."""
        if made.error is None:
            self._log.info("index.made", index=made.index)
            self._indices.free(made.index)
            return
        self._indices.not_made(made.index)
        if isinstance(made.error, RetryError):
            self._log.warning("index.later", index=made.index, why=str(made.error))
        else:
            hint = f" ({made.error.hint})" if made.error.hint else ""
            why = f"{made.error}{hint}"
            self._indices.hold(made.index, why, self._clock.monotonic())
