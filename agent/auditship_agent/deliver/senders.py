"""The threads that carry bodies to hosts. They decide nothing: replies go back by a queue."""

import queue
import threading
from collections.abc import Callable, Iterator
from datetime import date
from typing import Final

from msgspec import Struct

from auditship_agent.body import Body, Item, Items
from auditship_agent.deliver.hosts import Use
from auditship_agent.deliver.reply import Fate, judge
from auditship_indexer.clock import Clock
from auditship_indexer.errors import AuditshipError, HoldError
from auditship_indexer.event.identity import parse_index_name
from auditship_indexer.opensearch import ensure_agents_day, ensure_day
from auditship_indexer.opensearch.bulk import HttpReply, UnprotectedError, UnreachableError


class Reply(Struct, frozen=True):
    """What came back for request `number`, which was under way for `seconds`."""

    number: int
    use: Use
    answer: HttpReply | UnreachableError | UnprotectedError
    seconds: float


class DayMade(Struct, frozen=True):
    """The outcome of making an index: `error` None when it exists now."""

    index: str
    use: Use
    error: AuditshipError | None


class Told(Struct, frozen=True):
    """The outcome of a report: `why` it was not stored, empty when it was; `Date` of the reply."""

    use: Use
    why: str
    date: str = ""


class Broken(Struct, frozen=True):
    """A sender met something that is nobody's fault but ours: the main thread raises it."""

    error: Exception


class _Send(Struct, frozen=True):
    number: int
    use: Use
    body: Body


class _MakeDay(Struct, frozen=True):
    use: Use
    index: str


class Report(Struct, frozen=True):
    """A position report: the body that creates document `id` in the index of a region's day."""

    id: str
    index: str
    region: str
    day: date
    body: bytes


class _Tell(Struct, frozen=True):
    use: Use
    report: Report


_STOP: Final = None


class Senders:
    """Sender threads; `wake` is called from them when a reply is there."""

    def __init__(self, count: int, *, clock: Clock, wake: Callable[[], None]) -> None:
        self._jobs: queue.SimpleQueue[_Send | _MakeDay | _Tell | None] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[Reply | DayMade | Told | Broken] = queue.SimpleQueue()
        self._clock = clock
        self._wake = wake
        self._number = 0
        self._threads: list[threading.Thread] = []
        self._count = 0
        self.resize(count)

    def resize(self, count: int) -> None:
        """Change the number of threads; one that is busy ends after its job."""
        for _ in range(count - self._count):
            name = f"sender-{len(self._threads)}"
            self._threads.append(threading.Thread(target=self._work, name=name, daemon=True))
            self._threads[-1].start()
        for _ in range(self._count - count):
            self._jobs.put(_STOP)
        self._count = count

    def send(self, use: Use, body: Body) -> int:
        """Hand a body to a free thread and return the number of the request."""
        self._number += 1
        self._jobs.put(_Send(self._number, use, body))
        return self._number

    def make_day(self, use: Use, index: str) -> None:
        """Have an index made; the outcome comes as `DayMade`."""
        self._jobs.put(_MakeDay(use, index))

    def tell(self, use: Use, report: Report) -> None:
        """Have a report stored; the outcome comes as `Told`."""
        self._jobs.put(_Tell(use, report))

    def replies(self) -> Iterator[Reply | DayMade | Told]:
        """Yield what came back since the last call. Never waits; raises a sender's bug."""
        while True:
            try:
                told = self._replies.get_nowait()
            except queue.Empty:
                return
            if isinstance(told, Broken):
                raise told.error
            yield told

    def close(self) -> None:
        """Take no more jobs; each thread ends after those handed over. Never waits."""
        self.resize(0)

    def join(self, timeout_s: float) -> bool:
        """Wait for the threads, together at most `timeout_s`; return whether all have ended."""
        until = self._clock.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until - self._clock.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not _STOP:
            told: Reply | DayMade | Told | Broken
            try:
                told = self._done(job)
            except Exception as error:  # noqa: BLE001 - a thread must not end in silence
                told = Broken(error)
            self._replies.put(told)
            self._wake()

    def _done(self, job: _Send | _MakeDay | _Tell) -> Reply | DayMade | Told:
        if isinstance(job, _Send):
            return self._carry(job)
        return _make_day(job) if isinstance(job, _MakeDay) else _tell(job)

    def _carry(self, job: _Send) -> Reply:
        began = self._clock.monotonic()
        answer: HttpReply | UnreachableError | UnprotectedError
        body = job.body
        try:
            answer = job.use.channel.post(
                body.index, body.data, gzipped=body.gzipped, others=body.items.indices()
            )
        except (UnreachableError, UnprotectedError) as error:
            answer = error
        return Reply(job.number, job.use, answer, self._clock.monotonic() - began)


def _make_day(job: _MakeDay) -> DayMade:
    """Make a missing day with its creation date, where this identity may."""
    parsed = parse_index_name(job.index)
    if parsed is None:
        return DayMade(job.index, job.use, HoldError(f"{job.index} is not the index of a day"))
    try:
        ensure_day(job.use.channel.client, *parsed)
    except AuditshipError as error:
        return DayMade(job.index, job.use, error)
    return DayMade(job.index, job.use, None)


def _tell(job: _Tell) -> Told:
    """Store a report; where its day was not made ahead, make it, if this identity may."""
    channel, report = job.use.channel, job.report
    try:
        reply = channel.post(report.index, report.body, gzipped=False)
        if _refusal(reply, report) == "index_not_found_exception":
            ensure_agents_day(channel.client, report.region, report.day)
            reply = channel.post(report.index, report.body, gzipped=False)
    except (UnreachableError, UnprotectedError, AuditshipError) as error:
        return Told(job.use, str(error))
    return Told(job.use, _refusal(reply, report), reply.headers.get("date", ""))


def _refusal(reply: HttpReply, report: Report) -> str:
    """Return why the reply does not say that the report is stored; empty when it does."""
    judgment = judge(reply, Items([Item(report.id, report.index, None, 0, 1)]))
    if not judgment.fates:
        return judgment.why
    fate = judgment.fates[0]
    return "" if fate.fate in {Fate.STORED, Fate.PRESENT} else fate.type
