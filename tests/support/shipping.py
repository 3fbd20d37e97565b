"""Delivery by hand: real senders, hosts and flow, a clock that the test moves, and an oracle.

    with Shipping(server.address) as ship:
        ship.write(1_000)
        ship.run()
        ship.check_everything()

`run` takes replies as they come and moves the clock to whatever is due next, so that hours of
waiting pass at once and nothing sleeps. Each line is one byte of an owner; a document names the
line that it came from.
"""

import io
import json
import threading
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from auditship_agent.batch import Batch
from auditship_agent.body import Body, complete
from auditship_agent.config import BatchConfig, DeliveryConfig
from auditship_agent.deliver import Delivery, Settled
from auditship_agent.deliver.flow import Flow
from auditship_agent.deliver.hosts import Hosts
from auditship_agent.deliver.senders import Senders
from auditship_agent.line import Document
from auditship_agent.metrics import Metrics
from auditship_indexer.log import Log
from auditship_indexer.opensearch import Connection
from auditship_indexer.opensearch.bulk import BulkChannel
from support.clock import TestClock

INDEX: Final = "audit-us-west-1-2026.04.14"
_ANSWER_S: Final = 20.0  # a test that waits longer for a loopback reply has failed


class Owner:
    """Lines of one file, one byte each: what was completed, and how often."""

    def __init__(self, source: str = "dosya") -> None:
        self.source = source
        self.written = 0
        self.completed: list[int] = []

    def complete(self, begin: int, end: int) -> None:
        self.completed += range(begin, end)


class Shipping:
    """One agent's delivery. `random` 1.0 makes each pause as long as it can be."""

    def __init__(
        self,
        *addresses: str,
        config: DeliveryConfig | None = None,
        connection: Connection | None = None,
        batch: BatchConfig | None = None,
        random: float = 1.0,
    ) -> None:
        self.config = config or DeliveryConfig()
        self.clock = TestClock()
        self.metrics = Metrics()
        self.told = io.StringIO()
        self.owner = Owner()
        self.dead: dict[str, tuple[str, str]] = {}  # id -> type, reason
        self.stored = 0
        self.present = 0
        self.dead_lines = 0
        self.high_water = 0
        self._documents: dict[str, tuple[str, bytes]] = {}  # id -> index, bytes
        self._batch = Batch(batch or BatchConfig(), gzip=self.config.gzip)
        self._changed = threading.Semaphore(0)
        self._connection = connection or Connection(hosts=addresses)
        log = Log(clock=self.clock, out=self.told)
        self.senders = Senders(
            self.config.max_in_flight, clock=self.clock, wake=self._changed.release
        )
        self.hosts = Hosts(self._connection.hosts, self._channel)
        self.delivery = Delivery(
            self.config,
            self.hosts,
            self.senders,
            Flow(self.config, lambda: random),
            clock=self.clock,
            log=log,
            metrics=self.metrics,
        )

    def _channel(self, address: str) -> BulkChannel:
        return BulkChannel(
            self._connection,
            address,
            timeout_s=self.config.timeout_s,
            pool_size=self.config.max_in_flight,
        )

    # -- what a test does ------------------------------------------------------------------

    def write(
        self,
        lines: int = 1,
        *,
        index: str | Sequence[str] = INDEX,
        documents: int = 1,
        fill: int | Sequence[int] = 0,
        bad: Container[int] = (),
        more: Mapping[str, Any] = {},
    ) -> list[str]:
        """Submit one body of so many lines; return the ids of their documents, in order.

        Each line gives `documents` documents; `index` may name one for each of these. `fill` is
        their size, or one size for each line; lines at `bad` hold the word, and `more` fields.
        """
        ids = []
        for at in range(lines):
            made = [
                self._document(
                    item,
                    index if isinstance(index, str) else index[item],
                    "bad" if at in bad else "x" * (fill if isinstance(fill, int) else fill[at]),
                    more if at in bad else {},
                )
                for item in range(documents)
            ]
            self._add(made)
            ids += [one.id for one in made]
        body = self._batch.close()
        assert body is not None
        self.delivery.submit(body)
        return ids

    def _document(self, item: int, index: str, text: str, more: Mapping[str, Any]) -> Document:
        line = self.owner.written
        body = {"@timestamp": "2026-04-14T10:32:15.000Z", "line": line, "text": text, **more}
        return Document(f"{line:08d}-{item:04d}", index, json.dumps(body).encode(), 0, "success")

    def _add(self, made: list[Document]) -> None:
        line = self.owner.written
        self._documents |= {one.id: (one.index, one.body) for one in made}
        self._batch.add(self.owner, line, line + 1, made, 0.0)
        self.owner.written += 1

    def write_while_room(self, lines: int, **options: Any) -> None:
        """Do as the reader does: write bodies until there is no room."""
        while self.delivery.has_room:
            self.write(lines, **options)

    def poll(self) -> list[Settled]:
        """Take replies and send what is due, without waiting and without moving the clock."""
        settled = list(self.delivery.poll())
        self.high_water = max(self.high_water, self.delivery.buffered_bytes)
        for one in settled:
            self._take(one)
        return settled

    def step(self) -> list[Settled]:
        """Wait for a reply if one is on its way, else move the clock to what is due."""
        settled = self.poll()
        if settled:
            return settled
        if self.delivery.in_flight or any(host.users for host in self.hosts._hosts):
            assert self._changed.acquire(timeout=_ANSWER_S), f"no reply: {self.told.getvalue()}"
        else:
            due = self.delivery.next_due()
            assert due is not None, "nothing is under way, and nothing is due"
            self.clock.advance(max(0.0, due - self.clock.monotonic()))
        return self.poll()

    def run(self, until: Callable[[], bool] | None = None, *, steps: int = 20_000) -> None:
        """Step until it holds (without: until all is settled)."""
        for _ in range(steps):
            if until is None and not self.delivery.pending:
                return
            if until is not None and until():
                return
            self.step()
        raise AssertionError(f"not after {steps} steps: {self.told.getvalue()[-2000:]}")

    def run_for(self, seconds: float) -> None:
        """Let so much time pass by the test's clock, taking whatever comes."""
        until = self.clock.monotonic() + seconds
        self.run(lambda: self.clock.monotonic() >= until)

    def _take(self, settled: Settled) -> None:
        for refused in settled.refused:
            assert refused.item.id not in self.dead, "one dead letter a document"
            assert self._documents[refused.item.id][1] == refused.document
            self.dead[refused.item.id] = refused.type, refused.reason
            self.dead_lines += refused.ends_line
        self.stored += sum(settled.stored.values())
        self.present += sum(settled.present.values())
        complete(settled.body, settled.still_open)

    # -- what a test sees ------------------------------------------------------------------

    @property
    def acked(self) -> int:
        """Length of the prefix of lines that have their outcome."""
        done = set(self.owner.completed)
        return next(line for line in range(self.owner.written + 1) if line not in done)

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the log lines of one name."""
        lines = map(json.loads, self.told.getvalue().splitlines())
        return [line for line in lines if line["event"] == name]

    def expected(self, index: str = INDEX) -> dict[str, bytes]:
        """Return what the index must hold in the end."""
        return {
            id_: body
            for id_, (where, body) in self._documents.items()
            if where == index and id_ not in self.dead
        }

    def check_everything(self, *documents: Any) -> None:
        """Each line was completed once, has one outcome, and its documents are stored or dead.

        `documents`: what each server holds by index and id; together they are the cluster.
        """
        self.check_lines()
        for index in {where for where, _ in self._documents.values()}:
            held = [server.get(index, {}) for server in documents]
            assert _union(held) == self.expected(index)

    def check_lines(self) -> None:
        """Each line was completed once and has one outcome; nothing is kept of it."""
        assert not self.delivery.pending
        assert self.delivery.buffered_bytes == 0
        assert not self.delivery._bodies._lines, "nothing is remembered of settled lines"
        assert sorted(self.owner.completed) == list(range(self.owner.written))
        assert self.stored + self.present + self.dead_lines == self.owner.written

    def close(self) -> None:
        """End the sender threads, whose requests must have been answered."""
        assert self.delivery.close(_ANSWER_S), "a sender thread does not end"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.delivery.close()


def _union(parts: Iterable[dict[str, bytes]]) -> dict[str, bytes]:
    whole: dict[str, bytes] = {}
    for part in parts:
        assert not whole.keys() & part.keys(), "stored twice"
        whole |= part
    return whole


def body_of(documents: Sequence[tuple[str, str, bytes]], owner: Owner, *, gzip: bool) -> Body:
    """Return a body of (id, index, bytes), one line each."""
    batch = Batch(BatchConfig(), gzip=gzip)
    for id_, index, document in documents:
        made = [Document(id_, index, document, 0, "success")]
        batch.add(owner, owner.written, owner.written + 1, made, 0.0)
        owner.written += 1
    body = batch.close()
    assert body is not None
    return body
