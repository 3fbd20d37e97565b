"""Give dead letters another try, beside a running agent or without one.

Each record is parsed again from its raw bytes, at its recorded place, with the configuration of
now; so what becomes of it has the `_id` that its line would have had. It ships through the same
delivery as every line. A record is closed only after its documents are stored, so a crash in
between costs a repeat that meets 409.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from auditship_agent.batch import Batch
from auditship_agent.body import complete
from auditship_agent.config import AgentConfig
from auditship_agent.deadletter import DeadLetter, Resolution
from auditship_agent.deliver import Delivery, Settled
from auditship_agent.deliver.flow import Flow
from auditship_agent.deliver.senders import Senders
from auditship_agent.line import Document, Line, Produced
from auditship_agent.metrics import Metrics
from auditship_agent.pipeline.own import document_of
from auditship_agent.pipeline.transform import Transform, in_window
from auditship_agent.runner.agent import hosts_of, speaker_of
from auditship_agent.runner.wake import Wake
from auditship_indexer.clock import Clock, iso_ms
from auditship_indexer.event.document import Event
from auditship_indexer.log import Log

ACTION: Final = "audit.deadletter.replay"
HEAD_ONLY: Final = "line_too_long (only its first 64 KiB were kept)"
_PATIENCE_S: Final = 0.5


class Judge:
    """Says what a record becomes with today's configuration.

    Raises:
        ConfigError: a source's preset cannot be used.
    """

    def __init__(self, config: AgentConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._transforms = {
            source.name: (source, Transform(config, source)) for source in config.sources
        }

    def __call__(self, record: DeadLetter) -> Produced:
        """Return the documents of a record, that it is no act, or why it is still dead."""
        produced = self._produce(record)
        now_ms, days = self._clock.now_ms(), self._config.retention.days
        if all(in_window(one.time_ms, now_ms, days) for one in produced.documents):
            return produced
        return Produced("dead_letter", reason="timestamp_out_of_range")

    def _produce(self, record: DeadLetter) -> Produced:
        if record.document:
            return _as_written(record)
        known = self._transforms.get(record.source)
        if known is None:
            return Produced("dead_letter", reason="source_not_configured")
        source, transform = known
        raw = record.line
        if len(raw) < record.line_bytes:
            return Produced("dead_letter", reason=HEAD_ONLY)
        whole = record.line_bytes <= source.line_limit
        line = Line(
            raw,
            record.offset,
            record.offset + record.line_bytes + 1,
            bytes.fromhex(record.line_sha256),
            record.line_bytes,
            whole,
        )
        return transform.stream(bytes.fromhex(record.first), record.path).produce(line)


def _as_written(record: DeadLetter) -> Produced:
    """Return the document that stands for a line which its file does not give any more."""
    event = msgspec.json.decode(record.document.encode(), type=Event)
    time_ms = int(record.id.replace("-", "")[:12], 16) if record.id else 0
    result = event.audit.result if event.audit else None
    document = Document(
        record.id or "", record.index or "", record.document.encode(), time_ms, result or "success"
    )
    return Produced("event", (document,))


class Outcome(Struct):
    """What became of the records of one replay; `still` counts the reasons of open ones."""

    stored: int = 0
    present: int = 0
    ignored: int = 0
    still: Counter[str] = msgspec.field(default_factory=Counter)
    told: bool = True  # the event of this replay is stored

    @property
    def records(self) -> int:
        """How many records were tried."""
        return self.closed + self.still.total()

    @property
    def closed(self) -> int:
        """How many records are closed now."""
        return self.stored + self.present + self.ignored

    def sentence(self) -> str:
        """Return `2 records: 1 stored, 0 already present, 1 still bad_json`."""
        parts = [f"{self.stored:,} stored", f"{self.present:,} already present"]
        if self.ignored:
            parts.append(f"{self.ignored:,} no act")
        parts += [f"{count:,} still {reason}" for reason, count in sorted(self.still.items())]
        return f"{self.records:,} record{'s' * (self.records != 1)}: {', '.join(parts)}"


class _Owner:
    """The records on their way, numbered; what is complete is closed by the next `take`."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.open: dict[int, DeadLetter | None] = {}
        self._done: list[DeadLetter] = []

    def complete(self, begin: int, end: int) -> None:
        for number in range(begin, end):
            record = self.open.pop(number, None)
            if record is not None:
                self._done.append(record)

    def take(self) -> list[DeadLetter]:
        """Return the records that were completed since the last call."""
        done, self._done = self._done, []
        return done


class Replay:
    """One replay. `close_records` makes resolutions durable."""

    def __init__(
        self,
        config: AgentConfig,
        close_records: Callable[[Sequence[Resolution]], None],
        *,
        clock: Clock,
        log: Log,
    ) -> None:
        self._config = config
        self._close = close_records
        self._clock = clock
        self._judge = Judge(config, clock)
        self._wake = Wake()
        metrics = Metrics()
        self._delivery = Delivery(
            config.delivery,
            hosts_of(config),
            Senders(config.delivery.max_in_flight, clock=clock, wake=self._wake.set),
            Flow(config.delivery, random.random),
            clock=clock,
            log=log,
            metrics=metrics,
        )
        self._batch = Batch(config.batch, gzip=config.delivery.gzip)
        self._owner = _Owner("dead letters")
        self._number = 0
        self._until = float("inf")
        self._outcome = Outcome()

    def run(self, records: Iterable[DeadLetter], *, user: str, deadline_s: float) -> Outcome:
        """Try each record, then tell of it in an event; return what became of them.

        What has no outcome at the deadline stays open as `not_sent`. Raises OSError when a
        resolution cannot be written.
        """
        self._until = self._clock.monotonic() + deadline_s
        for record in records:
            self._try(record)
        self._finish()
        self._outcome.still["not_sent"] += len(self._owner.open)
        self._outcome.still = +self._outcome.still  # without zeros
        if self._outcome.closed:
            self._tell(user)
        return self._outcome

    def close(self) -> None:
        """Release threads and connections."""
        self._delivery.close(_PATIENCE_S)
        self._wake.close()

    def _try(self, record: DeadLetter) -> None:
        produced = self._judge(record)
        if produced.outcome == "dead_letter":
            self._outcome.still[produced.reason] += 1
        elif produced.outcome == "ignored":
            self._outcome.ignored += 1
            self._resolve([record])
        else:
            self._add(record, produced.documents)
        if self._batch.is_full:
            self._send()
        while not self._delivery.has_room and self._clock.monotonic() < self._until:
            self._step()

    def _add(self, record: DeadLetter | None, documents: Sequence[Document]) -> None:
        number = self._number
        self._number += 1
        self._owner.open[number] = record
        self._batch.add(self._owner, number, number + 1, documents, self._clock.monotonic())

    def _send(self) -> None:
        body = self._batch.close()
        if body is not None:
            self._delivery.submit(body)

    def _finish(self) -> None:
        self._send()
        while self._delivery.pending and self._clock.monotonic() < self._until:
            self._step()

    def _step(self) -> None:
        """Take in replies, or wait for them or for what is due."""
        settled = list(self._delivery.poll())
        for one in settled:
            self._settle(one)
        if not settled and self._delivery.pending:
            now = self._clock.monotonic()
            due = self._delivery.next_due()
            self._wake.wait(max(0.0, min(self._until, due or self._until) - now))

    def _settle(self, settled: Settled) -> None:
        refused = {one.item for one in settled.refused}
        again = [at for at, item in enumerate(settled.body.items) if item in refused]
        complete(settled.body, (*settled.still_open, *again))
        for one in settled.refused:
            if self._owner.open.pop(one.item.begin, None) is not None:
                self._outcome.still["too_large" if one.type == "too_large" else "rejected"] += 1
        self._outcome.stored += sum(settled.stored.values())
        self._outcome.present += sum(settled.present.values())
        self._resolve(self._owner.take())

    def _resolve(self, records: Sequence[DeadLetter]) -> None:
        if records:
            time = iso_ms(self._clock.now_ms())
            self._close([Resolution(record.seq, "replayed", time) for record in records])

    def _tell(self, user: str) -> None:
        """Leave one event of the replay in the agent's region."""
        closed = self._outcome.closed
        own = speaker_of(self._config).event(
            ACTION, self._clock.now_ms(), user=user, object="dead letters", rows=closed
        )
        before = self._outcome
        self._outcome = Outcome()  # the event itself is no record
        self._add(None, [document_of(own)])
        self._finish()
        self._outcome = before
        self._outcome.told = not self._delivery.pending and not self._owner.open
