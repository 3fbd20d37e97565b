"""What became of the lines of each source since the start: for people and for metrics alike."""

from collections import Counter
from collections.abc import Mapping

from auditship_agent.deliver import Settled
from auditship_agent.line import Produced
from auditship_agent.metrics import Metrics


class Count:
    """The numbers of one source. `pending` is what was read and has no outcome yet."""

    def __init__(self) -> None:
        self.read = 0
        self.stored = 0
        self.present = 0
        self.ignored = 0
        self.dead: Counter[str] = Counter()

    @property
    def pending(self) -> int:
        """Lines read that have no outcome yet."""
        done = self.stored + self.present + self.ignored + self.dead.total()
        return self.read - done

    def told(self) -> str:
        """Return the numbers as a sentence: `1,204 lines: 1,190 stored, 9 already present, …`."""
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(self.dead.items()))
        dead = f"{self.dead.total():,} dead letter" + (f" ({reasons})" if reasons else "")
        return (
            f"{self.read:,} lines: {self.stored:,} stored, {self.present:,} already present, "
            f"{self.ignored:,} ignored, {dead}. {self.pending:,} pending."
        )


class Tally:
    """The numbers of all sources; the agent's own events count under `agent`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self.sources: dict[str, Count] = {}
        self._unknown: dict[str, Counter[str]] = {}

    def of(self, source: str) -> Count:
        """Return the numbers of one source."""
        count = self.sources.get(source)
        if count is None:
            count = self.sources[source] = Count()
        return count

    def read(self, source: str, lines: int, results: Mapping[str, int]) -> None:
        """Lines left their file, and gave so many documents of each result."""
        self.of(source).read += lines
        self._metrics.lines_read.labels(source).inc(lines)
        for result, documents in results.items():
            self._metrics.events.labels(source, result).inc(documents)

    def not_an_event(self, source: str, produced: Produced) -> None:
        """A line, which `read` counts, became no document."""
        if produced.outcome == "ignored":
            self.of(source).ignored += 1
            self._metrics.ignored.labels(source, produced.reason).inc()
            self._metrics.lines.labels(source, "ignored").inc()
        else:
            self._dead(source, produced.reason)

    def settled(self, settled: Settled) -> None:
        """A request was answered, and the dead letters that it made are durable."""
        for refused in settled.refused:
            if refused.ends_line:
                self._dead(refused.item.owner.source, refused.type)
        for source, lines in settled.stored.items():
            self.of(source).stored += lines
            self._metrics.lines.labels(source, "stored").inc(lines)
        for source, lines in settled.present.items():
            self.of(source).present += lines
            self._metrics.lines.labels(source, "already_present").inc(lines)

    def acknowledged(self, source: str, count: int) -> None:
        """The acknowledged prefix of a file grew by so many bytes."""
        if count:
            self._metrics.bytes_acknowledged.labels(source).inc(count)

    def unknown(self, source: str, names: Mapping[str, int]) -> None:
        """Bring the metric of keys that are in no schema up to `names`, counted since the start."""
        told = self._unknown.setdefault(source, Counter())
        for name, count in names.items():
            self._metrics.unknown_fields.labels(source, name).inc(count - told[name])
            told[name] = count

    def _dead(self, source: str, reason: str) -> None:
        self.of(source).dead[reason] += 1
        self._metrics.lines.labels(source, "dead_letter").inc()
