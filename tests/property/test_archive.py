"""A gzip archive, cut or flipped at any byte: what is read is true, or it is not read."""

import gzip
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from auditship_agent.source.archive import CorruptArchiveError, GzipContent

_chance: Final = random.Random(1)  # noqa: S311 - a repeatable text
MEMBERS: Final = [
    "".join(_chance.choices("abcdefgh \n", k=size)).encode() for size in (300, 0, 900)
]
PLAIN: Final = b"".join(MEMBERS)
PACKED: Final = b"".join(gzip.compress(member, mtime=0) for member in MEMBERS)
ENDS: Final = [300, 300, 1200]


@contextmanager
def content_of(data: bytes) -> Iterator[GzipContent]:
    """Open an archive of these bytes."""
    descriptor, path = tempfile.mkstemp()
    os.unlink(path)  # noqa: PTH108 - only the descriptor is used
    os.write(descriptor, data)
    content = GzipContent(descriptor)
    try:
        yield content
    finally:
        content.close()


def read_all(content: GzipContent, size: int = 100) -> bytes:
    """Read what there is, up to the end or the damage."""
    found = b""
    while not content.prepare(64):
        pass
    with suppress(CorruptArchiveError):
        while piece := content.read(len(found), size):
            found += piece
        assert not content.is_damaged, "it would have been told"
    return found


@given(st.lists(st.tuples(st.integers(0, 1300), st.integers(1, 500)), max_size=20))
def test_any_order_of_reads(reads: list[tuple[int, int]]) -> None:
    """Forth and back, over the borders of members: the same bytes as of the whole."""
    with content_of(PACKED) as content:
        assert content.size() is None
        while not content.prepare(64):
            pass
        assert content.size() == len(PLAIN)
        for offset, size in reads:
            assert content.read(offset, size) == PLAIN[offset : offset + size]


def test_cut_at_any_byte() -> None:
    """F17: whole members are read, the rest is damaged, or was never there."""
    for cut in range(len(PACKED)):
        with content_of(PACKED[:cut]) as content:
            found = read_all(content)
            assert PLAIN.startswith(found), cut
            assert len(found) in {0, *ENDS}, cut


@given(st.integers(0, len(PACKED) - 1), st.integers(0, 7))
def test_flip_of_any_bit(at: int, bit: int) -> None:
    """F17: nobody reads a byte that was not written, wherever the bit stands."""
    data = bytearray(PACKED)
    data[at] ^= 1 << bit
    with content_of(bytes(data)) as content:
        found = read_all(content)
        assert PLAIN.startswith(found)
        assert len(found) in {0, *ENDS}


@given(st.integers(1, len(PACKED) - 1), st.integers(1, 200))
def test_growth(cut: int, step: int) -> None:
    """An archive that is being written is whole once it is written."""
    with content_of(PACKED[:cut]) as content:
        for at in range(cut, len(PACKED), step):
            assert PLAIN.startswith(read_all(content))
            os.write(content._descriptor, PACKED[at : at + step])
        assert read_all(content) == PLAIN
        assert not content.is_damaged


def test_trailing_garbage_and_padding() -> None:
    """Zeros behind a member are padding; anything else is damage behind the last good byte."""
    with content_of(PACKED + bytes(700)) as content:
        assert read_all(content) == PLAIN
        assert not content.is_damaged
    with content_of(PACKED + b"garbage") as content:
        assert read_all(content) == PLAIN
        assert content.is_damaged


def test_a_replaced_archive_is_read_anew() -> None:
    """A shorter file behind the same descriptor is another archive."""
    other = gzip.compress(b"other\n", mtime=0)
    with content_of(PACKED) as content:
        assert read_all(content) == PLAIN
        os.ftruncate(content._descriptor, 0)
        os.pwrite(content._descriptor, other, 0)
        assert read_all(content) == b"other\n"


def test_a_bomb_costs_little_memory() -> None:
    """A thousandfold expansion is taken in steps."""
    with content_of(gzip.compress(bytes(64 * 1_048_576), mtime=0)) as content:
        steps = 1
        while not content.prepare(1_048_576):
            steps += 1
        assert steps > 32
        assert len(content.head) <= 65_536
        assert content.read(60 * 1_048_576, 10) == bytes(10)
        assert len(content._window) < 3 * 1_048_576
