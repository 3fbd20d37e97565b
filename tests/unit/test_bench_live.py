"""`make bench-live` follows a growing log and tells delays, CPU and goals."""

from pathlib import Path

import msgspec
import pytest

from bench import corpus, live
from bench.live import Live, Pace, measure, told, verdicts
from bench.live_writer import Writer, heads
from bench.machine import describe
from bench.peer import OWN, Auditship
from bench.sink import Store
from bench.trial import sink


def test_the_agent_is_measured_while_it_follows(tmp_path: Path) -> None:
    """Real writer, agent and sink; every event that arrived says how long it was under way."""
    with sink("--live") as to:
        found = measure(Auditship(command="run"), Pace(500, 0.5, 0.0), to)

    assert found.events >= 2
    assert found.peak_mib > 0
    assert list(found.curve) == sorted(found.curve)
    assert "| auditship" in told(describe(), [found], {"absent": "why"}, "a note")
    (plot,) = live.draw([found], tmp_path / "result.md")
    assert "<polyline" in plot.read_text("utf-8")


def test_each_line_says_when_it_was_written(tmp_path: Path) -> None:
    """The clock stands in the request id; the rest is the corpus."""
    log = tmp_path / "live.log"
    writer = Writer(log, 1000)
    writer.write(3, 0.005)
    writer.write(0, 0.005)
    writer.stop()
    writer.run(0.005)
    records = [msgspec.json.decode(row) for row in log.read_bytes().splitlines()]
    known = [msgspec.json.decode(row) for row in corpus.lines(3)]

    assert len(heads(10)) == 10
    assert all(int(record.pop("request_id")) > 0 for record in records)
    for record in known:
        record.pop("request_id")
    assert records == known


def test_the_sink_knows_how_long_an_event_was_under_way() -> None:
    """The difference of two readings of one clock, in microseconds."""
    store = Store(None, is_live=True)
    body = b'{"create":{"_id":"a"}}\n{"http":{"request":{"id":"1000000"}}}\n'
    store.take(body, wire_bytes=len(body), now_ns=4_000_000)

    assert store.stamps == [3000]


@pytest.mark.parametrize(("p99", "share", "holds"), [(300, 0.2, True), (301, 0.21, False)])
def test_goals_are_judged(p99: float, share: float, *, holds: bool) -> None:
    """At most 0.30 s at each rate; at most a fifth of a core at the highest."""
    curve = (*(1.0,) * 98, p99)
    found = [
        Live(OWN, "1", rate, 9.0, 9, 1.0, share, 70.0, curve, p99, writer_is_late=False)
        for rate in live.RATES
    ]

    assert [fine for _, fine in verdicts(found)] == [holds] * 3
