"""The threads that carry bodies to hosts. They decide nothing: replies go back by a queue."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from auditship_agent.body import Body
from auditship_agent.deliver.hosts import Host
from auditship_indexer.clock import Clock
from auditship_indexer.errors import AuditshipError
from auditship_indexer.event.identity import parse_index_name
from auditship_indexer.opensearch import ensure_day
from auditship_indexer.opensearch.bulk import BulkChannel, HttpReply, UnreachableError


class Reply(Struct, frozen=True):
    """What came back for request `number`, after `seconds`."""

    number: int
    host: Host
    answer: HttpReply | UnreachableError
    seconds: float


class DayMade(Struct, frozen=True):
    """The outcome of making an index: `error` None when it exists now."""

    index: str
    error: AuditshipError | None


class Broken(Struct, frozen=True):
    """A sender met something that is nobody's fault but ours: the main thread raises it."""

    error: Exception


class _Send(Struct, frozen=True):
    number: int
    host: Host
    channel: BulkChannel
    body: Body


class _MakeDay(Struct, frozen=True):
    channel: BulkChannel
    index: str


_STOP: Final = None


class Senders:
    """A fixed number of sender threads; `wake` is called from them when a reply is there."""

    def __init__(self, count: int, *, clock: Clock, wake: Callable[[], None]) -> None:
        self._jobs: queue.SimpleQueue[_Send | _MakeDay | None] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[Reply | DayMade | Broken] = queue.SimpleQueue()
        self._clock = clock
        self._wake = wake
        self._number = 0
        self._threads = [
            threading.Thread(target=self._work, name=f"sender-{n}", daemon=True)
            for n in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def send(self, host: Host, body: Body) -> int:
        """Hand a body to a free thread and return the number of the request."""
        assert host.channel is not None  # noqa: S101 - `Hosts.choose` opened it
        self._number += 1
        self._jobs.put(_Send(self._number, host, host.channel, body))
        return self._number

    def make_day(self, host: Host, index: str) -> None:
        """Have an index made; the outcome comes as `DayMade`."""
        assert host.channel is not None  # noqa: S101 - `Hosts.choose` opened it
        self._jobs.put(_MakeDay(host.channel, index))

    def replies(self) -> Iterator[Reply | DayMade]:
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
        """Let the threads end after the jobs that were handed over."""
        for _ in self._threads:
            self._jobs.put(_STOP)

    def join(self, timeout_s: float) -> None:
        """Wait for the threads, together at most `timeout_s`."""
        until = self._clock.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until - self._clock.monotonic()))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not _STOP:
            try:
                told = self._send(job) if isinstance(job, _Send) else _make_day(job)
            except Exception as error:  # noqa: BLE001 - a thread must not end in silence
                self._replies.put(Broken(error))
            else:
                self._replies.put(told)
            self._wake()

    def _send(self, job: _Send) -> Reply:
        began = self._clock.monotonic()
        answer: HttpReply | UnreachableError
        try:
            answer = job.channel.post(job.body.index, job.body.data, gzipped=job.body.gzipped)
        except UnreachableError as error:
            answer = error
        return Reply(job.number, job.host, answer, self._clock.monotonic() - began)


def _make_day(job: _MakeDay) -> DayMade:
    """Make a missing day with its creation date, where this identity may."""
    parsed = parse_index_name(job.index)
    assert parsed is not None  # noqa: S101 - we named the index ourselves
    try:
        ensure_day(job.channel.client, *parsed)
    except AuditshipError as error:
        return DayMade(job.index, error)
    return DayMade(job.index, None)
