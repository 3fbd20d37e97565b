"""Bodies: what stands in them, how they are cut, and what completing one tells."""

import builtins
import sys
import zlib
from typing import Any

import pytest

from auditship_agent import body as module
from auditship_agent.batch import Batch
from auditship_agent.body import Body, Writer, action_of, complete, cut, documents_of, size_of
from auditship_agent.config import BatchConfig
from auditship_agent.line import Document
from support.shipping import Owner, body_of

DAY = "audit-us-west-1-2026.04.14"
NEXT = "audit-us-west-1-2026.04.15"
THREE = [("a", DAY, b'{"n":1}'), ("b", NEXT, b'{"n":2}'), ("c", DAY, b'{"n":3}')]


def plain(body: Body) -> bytes:
    return zlib.decompress(body.data, 31) if body.gzipped else body.data


@pytest.mark.parametrize("gzip", [True, False])
def test_bytes_of_a_body(*, gzip: bool) -> None:
    """NDJSON with one action a document; an index stands only where it is not the body's."""
    body = body_of(THREE, Owner(), gzip=gzip)
    assert body.index == DAY
    assert plain(body) == (
        b'{"create":{"_id":"a"}}\n{"n":1}\n'
        b'{"create":{"_id":"b","_index":"audit-us-west-1-2026.04.15"}}\n{"n":2}\n'
        b'{"create":{"_id":"c"}}\n{"n":3}\n'
    )
    assert body.plain_bytes == len(plain(body))


@pytest.mark.parametrize("gzip", [True, False])
def test_cut_keeps_documents_byte_for_byte(*, gzip: bool) -> None:
    """A part names its own index, holds the spans of its lines, and packs as the whole does."""
    body = body_of(THREE, Owner(), gzip=gzip)
    last, first = cut(body, [[1, 2], [0]])
    assert documents_of(last) == [b'{"n":2}', b'{"n":3}']
    assert (last.index, first.index) == (NEXT, DAY)
    assert plain(first) == b'{"create":{"_id":"a"}}\n{"n":1}\n'
    assert [(span.begin, span.end) for span in last.spans] == [(1, 2), (2, 3)]
    assert last.gzipped is gzip
    assert cut(body, []) == []


def test_big_documents_are_packed_piece_by_piece() -> None:
    """A body over the join limit is the same bytes."""
    writer = Writer(gzip=True)
    for number in range(30):
        writer.add(action_of(str(number), DAY, DAY), b"%d" % number * 4_000)
    lines = zlib.decompress(writer.finish(), 31).split(b"\n")
    assert lines[1::2] == [b"%d" % number * 4_000 for number in range(30)]


def test_body_without_documents() -> None:
    """Lines that gave nothing still are a span."""
    batch = Batch(BatchConfig(), gzip=True)
    assert batch.close() is None
    owner = Owner()
    batch.add(owner, 0, 1, (), 0.0)
    batch.add(owner, 1, 2, (), 0.0)
    assert batch.owners() == [owner]
    body = batch.close()
    assert body is not None
    assert (body.data, list(body.items), documents_of(body)) == (b"", [], [])
    complete(body)
    assert owner.completed == [0, 1]


def test_completion_leaves_open_lines_out() -> None:
    """Lines in between and at both ends are told; a line of several documents stays whole."""
    batch, mine, other = Batch(BatchConfig(), gzip=False), Owner(), Owner("other")
    for line in range(5):
        batch.add(mine, line, line + 1, [document(f"{line}-{n}") for n in range(2)], 0.0)
        batch.add(other, line, line + 1, [document(f"other-{line}")], 0.0)
    body = batch.close()
    assert body is not None
    ids = [item.id for item in body.items]
    complete(body, [ids.index("2-1"), ids.index("2-0"), ids.index("4-0"), ids.index("other-0")])
    assert sorted(mine.completed) == [0, 1, 3]
    assert sorted(other.completed) == [1, 2, 3, 4]


def test_completion_of_parts_covers_the_whole() -> None:
    """A cut body has a span for each line, so its completion fills exactly what was left out."""
    owner = Owner()
    body = body_of([(str(n), DAY, b"{}") for n in range(6)], owner, gzip=True)
    complete(body, [1, 4])
    (part,) = cut(body, [[1, 4]])
    complete(part, [0])
    assert sorted(owner.completed) == [0, 2, 3, 4, 5]


def document(name: str, size: int = 2) -> Document:
    return Document(name, DAY, b"{" + b" " * (size - 2) + b"}", 0, "success")


def test_batch_is_closed_by_the_first_limit() -> None:
    """Bytes before gzip, documents, or the age of the oldest line."""
    config = BatchConfig(max_bytes=65_536, max_events=3, max_age_s=0.5)
    batch = Batch(config, gzip=True)
    assert not batch.is_due(99.0)
    batch.add(Owner(), 0, 1, [document("a", 30_000), document("b", 30_000)], 10.0)
    was_full = batch.is_full
    assert not batch.is_due(10.4)
    assert batch.is_due(10.5)
    batch.add(Owner(), 1, 2, [document("c")], 10.4)
    assert (was_full, batch.is_full) == (False, True)
    assert batch.is_due(10.5)
    batch.close()
    assert batch.owners() == []
    batch.add(Owner(), 0, 1, [document("d", 70_000)], 11.0)
    assert batch.is_full


def test_size_counts_data_and_items() -> None:
    """What waits in memory is the compressed bytes and a record a document."""
    body = body_of(THREE, Owner(), gzip=True)
    assert size_of(body) == len(body.data) + 3 * 60


@pytest.mark.parametrize("missing", [(), ("isal",), ("isal", "zlib_ng")])
def test_gzip_of_any_library(missing: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Platforms without ISA-L, or without zlib-ng, pack what everybody can unpack."""
    real = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:
        if name in missing:
            raise ImportError(name)
        return real(name, *args, **more)

    for name in missing:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    stream = module._compression()()
    assert zlib.decompress(stream.compress(b"text" * 99) + stream.flush(), 31) == b"text" * 99
