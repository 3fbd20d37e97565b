"""Bodies on their way: who is sent next, and what a reply makes of each.

One main thread owns all state here; sender threads only carry a body to a host and hand the reply
back by a queue. So a reply changes nothing until `poll`, and acknowledgement has one place.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from auditship_agent.body import Body, Item, cut, documents_of, size_of
from auditship_agent.config import DeliveryConfig
from auditship_agent.deliver.flow import Flow
from auditship_agent.deliver.hosts import Host, Hosts
from auditship_agent.deliver.reply import Course, Fate, ItemFate, Judgment, judge
from auditship_agent.deliver.senders import DayMade, Reply, Senders
from auditship_agent.metrics import Metrics
from auditship_indexer.clock import Clock
from auditship_indexer.errors import ConfigError, RetryError
from auditship_indexer.log import Log
from auditship_indexer.opensearch.bulk import UnreachableError

_MIN_BODY_BYTES: Final = 65_536
_TOO_MANY: Final = 429


class Refused(Struct, frozen=True):
    """A document that will never be stored: its bytes, and the server's type and reason."""

    item: Item
    document: bytes
    type: str
    reason: str


class Settled(Struct, frozen=True):
    """What a reply settled. Lines of the items at `still_open` stay open.

    `refused` items are among them until the caller made them durable in the dead letter.
    """

    body: Body
    still_open: tuple[int, ...] = ()
    refused: tuple[Refused, ...] = ()
    stored: Mapping[str, int] = {}  # source -> lines stored by this request
    present: Mapping[str, int] = {}  # source -> lines that were there already


class _Waiting(Struct, eq=False):
    """A body that waits for its turn or its next try."""

    body: Body
    due: float = 0.0
    attempt: int = 0
    alone_since: float | None = None  # refused once at that time; sent alone to be sure
    waits_for: str = ""  # the index that must come into being or be freed


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
        self._hosts = hosts
        self._senders = senders
        self.flow = flow
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._ready: deque[_Waiting] = deque()
        self._in_flight: dict[int, _Waiting] = {}
        self._buffered = 0
        self._accepted_at: dict[str, float] = {}  # index -> when it last took a document
        self._days_asked: set[str] = set()
        self.held: dict[str, str] = {}  # index -> why its documents wait for a person
        self.learned_bytes: int | None = None  # largest plain body that the server may take

    # -- what the pipeline asks -----------------------------------------------------------

    @property
    def has_room(self) -> bool:
        """Whether another body may be finished: else the reader waits (back-pressure)."""
        return self._buffered < self._config.max_buffer_bytes

    @property
    def pending(self) -> int:
        """Bodies that are not settled."""
        return len(self._ready) + len(self._in_flight)

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return len(self._in_flight)

    def submit(self, body: Body) -> None:
        """Take over a finished body that holds documents."""
        self._push(_Waiting(body), front=False)

    def next_due(self) -> float | None:
        """Return when something can be sent (monotonic), None while only a reply can change it."""
        if not self._ready or len(self._in_flight) >= self.flow.window:
            return None
        return max(self.flow.gate, min(waiting.due for waiting in self._ready))

    def poll(self) -> Iterator[Settled]:
        """Take in the replies that came, yield what they settled, and send what is due."""
        for reply in self._senders.replies():
            if isinstance(reply, DayMade):
                self._day_made(reply)
            else:
                waiting = self._in_flight.pop(reply.number)
                self._buffered -= size_of(waiting.body)
                settled = self._receive(waiting, reply)
                if settled is not None:
                    yield settled
        self._send_due()
        self._metrics.window.set(self.flow.window)
        self._metrics.in_flight.set(len(self._in_flight))

    # -- sending --------------------------------------------------------------------------

    def _push(self, waiting: _Waiting, *, front: bool = True) -> None:
        self._buffered += size_of(waiting.body)
        if front:
            self._ready.appendleft(waiting)
        else:
            self._ready.append(waiting)

    def _send_due(self) -> None:
        now = self._clock.monotonic()
        while self._ready and len(self._in_flight) < self.flow.window and now >= self.flow.gate:
            waiting = next((one for one in self._ready if one.due <= now), None)
            host = self._host(now) if waiting else None
            if waiting is None or host is None:
                return
            self._ready.remove(waiting)
            number = self._senders.send(host, waiting.body)
            self._in_flight[number] = waiting
            self._metrics.request_bytes.inc(len(waiting.body.data))
            self._metrics.batch_events.observe(len(waiting.body.items))

    def _host(self, now: float) -> Host | None:
        if self.flow.hold and not self._in_flight:
            self._hosts.renew()  # a new password or certificate ends the hold
        try:
            return self._hosts.choose(now)
        except ConfigError as error:
            self._hold(str(error))
            return None

    # -- receiving ------------------------------------------------------------------------

    def _receive(self, waiting: _Waiting, reply: Reply) -> Settled | None:
        self._metrics.request_seconds.observe(reply.seconds)
        if isinstance(reply.answer, UnreachableError):
            self._unreachable(waiting, reply.host, reply.answer)
            return None
        judgment = judge(reply.answer, waiting.body.items)
        if judgment.course is Course.TAKEN:
            return self._taken(waiting, reply.host, judgment.fates)
        self._metrics.requests.labels(judgment.course.value).inc()
        if judgment.course in {Course.SPLIT, Course.TOO_LARGE}:
            return self._too_much(waiting, judgment)
        self._not_taken(waiting, reply.host, judgment, busy=reply.answer.status == _TOO_MANY)
        return None

    def _unreachable(self, waiting: _Waiting, host: Host, error: UnreachableError) -> None:
        """No whole reply: whether anything was stored is unknown, so the same ids go again."""
        self._metrics.requests.labels("unknown").inc()
        self._metrics.retries.labels(error.kind).inc()
        if error.kind == "tls":
            self._push(waiting)
            self._hold(f"{host.address}: TLS: {error}")
            return
        self._again(waiting, split=error.kind in {"timeout", "oversize"})
        self._lost(host, str(error))

    def _lost(self, host: Host, why: str, wish_s: float | None = None) -> None:
        """A host failed: others carry on at once; alone, everything pauses."""
        now = self._clock.monotonic()
        self._log.fault(
            f"host:{host.address}", "host.ejected", level="warning", host=host.address, why=why
        )
        self.flow.halve(now)
        self._hosts.failed(host, now)
        if not self._hosts.any_well(now):
            self.flow.pause(now, wish_s)

    def _not_taken(self, waiting: _Waiting, host: Host, judgment: Judgment, *, busy: bool) -> None:
        now = self._clock.monotonic()
        if judgment.course is Course.HOLD:
            self._push(waiting)
            self._hold(f"{host.address}: {judgment.why}")
            return
        self._again(waiting, split=False)
        self._metrics.retries.labels(judgment.why.partition(":")[0]).inc()
        if judgment.course is Course.UNKNOWN:
            self._log.warning("bulk.reply_invalid", host=host.address, why=judgment.why)
            if self._hosts.answered_badly(host, now):
                self._log.fault(f"host:{host.address}", "host.ejected", host=host.address)
            self.flow.pause(now)
        elif busy or judgment.alarm:
            level = "error" if judgment.alarm else "warning"
            self._log.fault("busy", "bulk.retry", level=level, host=host.address, why=judgment.why)
            self.flow.halve(now)
            self.flow.pause(now, judgment.after_s)
        else:
            self._lost(host, judgment.why, judgment.after_s)

    def _hold(self, why: str) -> None:
        """Everything waits for a person; nothing is dropped."""
        if self.flow.stop_for(why, self._clock.monotonic()):
            self._metrics.held.labels("cluster").set(1)
        self._log.fault("hold", "bulk.held", why=why)

    def _too_much(self, waiting: _Waiting, judgment: Judgment) -> Settled | None:
        """Halve until the document is found that the request was refused for; reject that one."""
        self._log.warning("bulk.split", why=judgment.why, documents=len(waiting.body.items))
        too_large = judgment.course is Course.TOO_LARGE
        if too_large:
            self.learned_bytes = max(_MIN_BODY_BYTES, waiting.body.plain_bytes // 2)
        if len(waiting.body.items) > 1:
            self._again(waiting, split=True)
            return None
        fate = ItemFate(Fate.REJECTED, "too_large" if too_large else "rejected", judgment.why)
        return Settled(waiting.body, (0,), tuple(_refusals(waiting.body, {0: fate})))

    def _again(self, waiting: _Waiting, *, split: bool) -> None:
        """Put a body back in front, in two halves when it was too much for the server."""
        waiting.attempt += 1
        items = waiting.body.items
        if not split or len(items) == 1:
            self._push(waiting)
            return
        middle = _line_boundary(items)
        for part in (range(middle, len(items)), range(middle)):
            self._push(_Waiting(cut(waiting.body, part), attempt=waiting.attempt))

    def _taken(self, waiting: _Waiting, host: Host, fates: Sequence[ItemFate]) -> Settled:
        """Sort the documents of a request that was taken by what became of each."""
        body, now = waiting.body, self._clock.monotonic()
        self._recover(host)
        groups: dict[tuple[Fate, str], list[int]] = {}
        for position, fate in enumerate(fates):
            if fate.fate in {Fate.STORED, Fate.PRESENT}:
                self._accepted(body.items[position].index, now)
            else:
                index = body.items[position].index
                fate_now = self._decided(waiting, fate, index)
                groups.setdefault((fate_now, index), []).append(position)
        clean = not groups
        self.flow.clean(was_full=clean and len(self._in_flight) + 1 >= self.flow.window)
        self._metrics.requests.labels("ok" if clean else "partial").inc()
        rejected = {}
        for (kind, index), positions in groups.items():
            if kind is Fate.REJECTED:
                rejected.update({position: fates[position] for position in positions})
            else:
                self._put_back(waiting, kind, index, positions, fates[positions[0]])
        still_open = tuple(sorted(p for positions in groups.values() for p in positions))
        return Settled(
            body,
            still_open,
            tuple(_refusals(body, rejected)),
            stored=_lines(body.items, fates, Fate.STORED),
            present=_lines(body.items, fates, Fate.PRESENT),
        )

    def _recover(self, host: Host) -> None:
        """A request was taken: what was wrong with host and cluster is over."""
        if self._hosts.well(host):
            self._log.recovered(f"host:{host.address}", "host.back", host=host.address)
        self._log.recovered("busy", "bulk.resumed")
        self._log.recovered("hold", "bulk.resumed")
        if self.flow.hold:
            self._metrics.held.labels("cluster").set(0)

    def _accepted(self, index: str, now: float) -> None:
        """An index took a document: what waits for it goes at once."""
        self._accepted_at[index] = now
        if self.held.pop(index, None) is not None:
            self._log.recovered(f"index:{index}", "index.resumed", index=index)
            self._metrics.held.labels(index).set(0)
            for waiting in self._ready:
                if waiting.waits_for == index:
                    waiting.due, waiting.waits_for = now, ""

    def _decided(self, waiting: _Waiting, fate: ItemFate, index: str) -> Fate:
        """A doubtful document was sent once more alone: it is rejected if others get in."""
        if fate.fate is not Fate.ALONE or waiting.alone_since is None:
            return fate.fate
        takes_others = self._accepted_at.get(index, float("-inf")) >= waiting.alone_since
        return Fate.REJECTED if takes_others else Fate.HOLD

    def _put_back(
        self, waiting: _Waiting, fate: Fate, index: str, positions: list[int], told: ItemFate
    ) -> None:
        """Cut documents that are not settled into bodies of their own, with their next time."""
        now = self._clock.monotonic()
        self._metrics.retries.labels(told.type).inc(len(positions))
        if fate is Fate.ALONE:
            for position in positions:
                self._push(_Waiting(cut(waiting.body, [position]), alone_since=now))
            return
        again = _Waiting(cut(waiting.body, positions), attempt=waiting.attempt + 1)
        again.alone_since = waiting.alone_since
        if fate is Fate.RETRY:
            level = "error" if told.alarm else "warning"
            self._log.fault("busy", "bulk.retry", level=level, index=index, why=told.type)
            self.flow.halve(now)
            again.due = now + self.flow.retry_s(again.attempt)
        elif fate is Fate.NO_INDEX and index not in self.held:
            again.waits_for = index
            again.due = now + self._config.hold_probe_s
            self._ask_for_day(index, now)
        else:
            # The reason of a doubtful document may quote it: only the type is told.
            doubtful = told.fate is Fate.ALONE
            self._hold_index(index, told.type if doubtful else f"{told.type}: {told.reason}")
            again.waits_for = index
            again.due = now + self._config.hold_probe_s
            if fate is Fate.NO_INDEX:
                self._ask_for_day(index, now)
        self._push(again)

    # -- indices --------------------------------------------------------------------------

    def _ask_for_day(self, index: str, now: float) -> None:
        if index in self._days_asked:
            return
        host = self._host(now)
        if host is not None:
            self._days_asked.add(index)
            self._senders.make_day(host, index)

    def _day_made(self, made: DayMade) -> None:
        """An index was made, or this agent may not: then its documents wait for a person."""
        self._days_asked.discard(made.index)
        if made.error is None:
            self._log.info("index.made", index=made.index)
            for waiting in self._ready:
                if waiting.waits_for == made.index:
                    waiting.due, waiting.waits_for = 0.0, ""
        elif isinstance(made.error, RetryError):
            self._log.warning("index.later", index=made.index, why=str(made.error))
        else:
            hint = f" ({made.error.hint})" if made.error.hint else ""
            self._hold_index(made.index, f"{made.error}{hint}")

    def _hold_index(self, index: str, why: str) -> None:
        self.held[index] = why
        self._metrics.held.labels(index).set(1)
        self._log.fault(f"index:{index}", "index.held", index=index, why=why)


def _lines(items: Sequence[Item], fates: Sequence[ItemFate], fate: Fate) -> Counter[str]:
    """Count lines by source; a line of several documents counts by its first."""
    counts: Counter[str] = Counter()
    last: tuple[object, int] | None = None
    for item, found in zip(items, fates, strict=True):
        if found.fate is fate and last != (item.owner, item.begin):
            counts[item.owner.source] += 1
        last = (item.owner, item.begin)
    return counts


def _line_boundary(items: Sequence[Item]) -> int:
    """Return a middle that does not part the documents of one line, if there is one."""
    half = len(items) // 2
    bounds = [
        position
        for position in range(1, len(items))
        if (items[position - 1].owner, items[position - 1].begin)
        != (items[position].owner, items[position].begin)
    ]
    return min(bounds, key=lambda bound: abs(bound - half)) if bounds else half


def _refusals(body: Body, fates: dict[int, ItemFate]) -> Iterable[Refused]:
    if not fates:
        return
    documents = documents_of(body)
    for position, fate in sorted(fates.items()):
        yield Refused(body.items[position], documents[position], fate.type, fate.reason)
