"""`make bench` compares what it says: the same log for all, equal documents, one sink."""

import socket
import threading
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest
from isal import isal_zlib

from bench import corpus, equal, throughput
from bench.machine import describe
from bench.packages import MissingError
from bench.peer import OWN, Auditship, Contestant, Naive, Site, Start
from bench.sink import Store, serve
from bench.throughput_report import Result, Standing, told, verdicts
from bench.trial import Trial


class Absent:
    """A peer that nobody can fetch."""

    name = "absent"
    lacks: tuple[str, ...] = ()
    leaves_out: tuple[str, ...] = ()

    def version(self) -> str:
        raise MissingError("not on this machine")

    def start(self, site: Site) -> Start:
        raise NotImplementedError


def test_the_log_is_the_same_for_everybody() -> None:
    """The first lines have a known hash, so every Python makes the same ones."""
    made = sha256(b"".join(corpus.lines(1_000))).hexdigest()

    assert made == corpus.KNOWN[1_000]


def test_lines_are_of_the_size_and_day_that_the_figures_speak_of() -> None:
    """465 bytes on average; a shorter log is the beginning of a longer one."""
    rows = list(corpus.lines(2_000))

    assert 450 < sum(map(len, rows)) / len(rows) < 480
    assert rows[:10] == list(islice(corpus.lines(500_000), 10))
    assert all(b'"time":"2026-04-14T' in row for row in rows)


def test_a_spoiled_log_is_made_anew(tmp_path: Path) -> None:
    """What lies in the cache is checked before it is used."""
    path = corpus.corpus(50, tmp_path)
    good = path.read_bytes()
    path.write_bytes(good[:-1])

    assert corpus.corpus(50, tmp_path).read_bytes() == good


def test_two_contestants_are_proven_and_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real agent and the naive script ship a log; who is missing is named."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache folder"))
    field: list[Contestant] = [Auditship(), Naive(), Absent()]

    result = throughput.race(tmp_path, 300, 1, field)

    assert [one.name for one in result.standings] == [OWN, "naive Python"]
    assert result.missing == {"absent": "not on this machine"}
    for one in result.standings:
        assert one.fields > 30
        assert all(trial.cpu_s > 0 and trial.peak_mib > 0 for trial in one.trials)
    assert result.standings[0].trials[0].gzipped
    text = told(describe(), result, "a note")
    assert "absent does not take part" in text
    plots = throughput.draw(result, tmp_path / "result.md")
    assert all(path.read_text("utf-8").count("<rect") == 3 for path in plots)


_WANTED: dict[str, dict[str, Any]] = {
    "r1": {"http.request.id": "r1", "a.b": 1, "a.c": 2},
    "r2": {"http.request.id": "r2"},
}
_FIRST = b'{"http":{"request":{"id":"r1"}},"a":{"b":1,"c":9}}'
_SECOND = b'{"http":{"request":{"id":"r2"}}}'


@pytest.mark.parametrize(("leaves_out", "fields"), [(("a.c",), 2), (("a",), 1)])
def test_what_is_left_out_is_not_compared(leaves_out: tuple[str, ...], fields: int) -> None:
    """A field that the contestant does not claim, or a whole group, may be there or not."""
    assert equal.compare("x", [_FIRST, _SECOND], _WANTED, leaves_out) == fields


@pytest.mark.parametrize(
    ("documents", "leaves_out"),
    [
        ([_FIRST, _SECOND], ()),
        ([_FIRST], ("a.c",)),
        ([_FIRST, _SECOND, b'{"b":1}'], ("a.c",)),
        ([_FIRST, b'{"http":{"request":{"id":"r2"}},"b":1}'], ("a.c",)),
    ],
)
def test_a_difference_is_found(documents: list[bytes], leaves_out: tuple[str, ...]) -> None:
    """Another value, a missing document, a strange one, a field too many."""
    with pytest.raises(equal.UnequalError, match="differences"):
        equal.compare("x", documents, _WANTED, leaves_out)


def _trial(cpu_s: float) -> Trial:
    return Trial(1_000_000, cpu_s, 5.0, 79.0, 10, 1000, gzipped=True)


def _standing(name: str, cpu_s: float) -> Standing:
    return Standing(name, "1", (), 40, (_trial(cpu_s),), (_trial(0.1),))


@pytest.mark.parametrize(("peer_s", "word"), [(28.1, "holds"), (27.9, "missed")])
def test_a_goal_is_judged_within_one_run(peer_s: float, word: str) -> None:
    """3.5 times as many events for the same CPU as rsyslog, or it is said that it is not so."""
    standings = (_standing(OWN, 8.0), _standing("rsyslog", peer_s))
    found = dict(verdicts(Result(1_000_000, 1, 1, {}, standings)))

    assert word in found["at least 3.5 x rsyslog"]
    assert "holds" in found["at least 110,000 events a CPU-second"]


@pytest.fixture
def store() -> Store:
    return Store(None)


@pytest.fixture
def wire(store: Store) -> Iterator[socket.socket]:
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(listener, store), daemon=True).start()
    with socket.create_connection(listener.getsockname()) as client:
        yield client


_BODY = b'{"create":{"_id":"a"}}\n{"x":1}\n{"create":{"_index":"i", "_id":"b"}}\n{"x":2}\n'


def _reply(wire: socket.socket) -> bytes:
    with wire.makefile("rb") as file:
        size = 0
        while row := file.readline().strip():
            name, _, value = row.partition(b":")
            size = int(value) if name == b"content-length" else size
        return file.read(size)


def test_the_sink_takes_chunks_and_expectations(store: Store, wire: socket.socket) -> None:
    """A body in chunks after `100 Continue`, then one with gzip on the same connection."""
    wire.sendall(
        b"POST /_bulk?filter_path=items HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    assert _reply(wire) == b""
    wire.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(_BODY), _BODY))
    first = msgspec.json.decode(_reply(wire))
    packed = isal_zlib.compress(_BODY, 1, 31)
    wire.sendall(
        b"POST /i/_bulk HTTP/1.1\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n%s"
        % (len(packed), packed)
    )
    second = msgspec.json.decode(_reply(wire))

    assert [item["create"]["_id"] for item in first["items"]] == ["a", "b"]
    assert "_shards" not in first["items"][0]["create"]
    assert second["items"][1]["create"]["_shards"]["failed"] == 0
    assert (store.counters.documents, store.counters.unique) == (4, 2)
    assert (store.counters.bad, store.counters.gzipped) == (0, 1)


@pytest.mark.parametrize(
    "body",
    [
        b'{"create":{"_id":"a"}}\n{"x":1\n',
        b'{"update":{"_id":"a"}}\n{"x":1}\n',
        b'{"create":{"_id":"a"}}\n{"x":1}',
        b'{"create":{"_id":"a"}}\n',
    ],
)
def test_the_sink_counts_what_is_no_bulk(store: Store, body: bytes) -> None:
    """A cut document, another operation, a lost end: a run with one of them does not count."""
    store.take(body, wire_bytes=len(body), now_ns=0)

    assert store.counters.bad > 0
