"""Bytes to lines: any cut of the input gives the same lines, as a naive model says."""

import itertools
import os
import tempfile
from hashlib import sha256
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from auditship_agent.line import Line
from auditship_agent.source.content import PlainContent
from auditship_agent.source.framing import HEAD_BYTES, Framer
from auditship_agent.source.progress import ANCHOR_BYTES, NO_ANCHOR, Mark, Progress
from auditship_agent.source.tailer import Tailer

LIMIT: Final = 8
BITS: Final = [b"\n", b"\r\n", b"\0", b"\0\0\0", b"\0a", b"a", "é".encode(), b"\xff", b"x" * 20]
inputs = st.lists(st.sampled_from(BITS), max_size=40).map(b"".join)
long_inputs = st.tuples(inputs, st.integers(0, 2 * HEAD_BYTES), inputs).map(
    lambda three: three[0] + b"y" * three[1] + three[2]
)


def naive(data: bytes, limit: int) -> list[Line]:
    """Split the whole input at once, by the words of the design."""
    lines, begin = [], 0
    for raw in data.split(b"\n")[:-1]:
        line = raw.lstrip(b"\0")
        run = len(raw) - len(line)
        if run == 1 and raw[2:3] == b"\0":  # UTF-16 text, no run
            line, run = raw, 0
        whole = len(line) <= limit
        lines.append(
            Line(
                line if whole else line[:HEAD_BYTES],
                begin + run,
                begin + len(raw) + 1,
                sha256(line).digest(),
                len(line),
                whole=whole,
                nul_run=run,
            )
        )
        begin += len(raw) + 1
    return lines


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Cut the input at some places."""
    at = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(at)]


@given(long_inputs, st.lists(st.integers(0, 300_000), max_size=20))
def test_any_cut_gives_the_same_lines(data: bytes, cuts: list[int]) -> None:
    """F24, F25: NUL runs, CR LF, multi-byte, over-long lines, however the input arrives."""
    framer = Framer(0, LIMIT)
    found = [line for piece in pieces(data, cuts) for line in framer.feed(piece)]
    assert found == naive(data, LIMIT)
    assert framer.searched == len(data)
    rest = data[data.rfind(b"\n") + 1 :]
    last = framer.rest()
    assert last == (naive(rest + b"\n", LIMIT)[0] if rest else None) or last == shifted(
        naive(rest + b"\n", LIMIT)[0], data.rfind(b"\n") + 1
    )


def shifted(line: Line, by: int) -> Line:
    """Move a line to where it stands in the whole input."""
    return Line(
        line.raw,
        line.offset + by,
        line.end + by,
        line.sha256,
        line.length,
        whole=line.whole,
        nul_run=line.nul_run,
    )


@given(inputs, st.lists(st.integers(0, 300), max_size=10))
def test_forgetting_a_partial_line_changes_nothing(data: bytes, cuts: list[int]) -> None:
    """What is not finished is read again from `searched`, and gives the same lines."""
    framer = Framer(0, LIMIT)
    found: list[Line] = []
    for cut in sorted({*(cut % (len(data) + 1) for cut in cuts), len(data)}):
        found += framer.feed(data[framer.searched : max(cut, framer.searched)])
        framer.forget_partial()
    found += framer.feed(data[framer.searched :])
    assert found == naive(data, LIMIT)


@given(
    inputs.filter(lambda data: b"\n" in data),
    st.lists(st.tuples(st.integers(1, 400), st.integers(1, 90), st.integers(0, 5)), max_size=12),
)
def test_tailer_turns_give_the_same_lines(data: bytes, turns: list[tuple[int, int, int]]) -> None:
    """Any growth of the file, size of turns and early stop: the same lines, anchors and marks."""
    expected = naive(data, LIMIT)
    descriptor, path = tempfile.mkstemp()
    os.unlink(path)  # noqa: PTH108 - only the descriptor is used
    tailer = Tailer(PlainContent(descriptor), expected[0].sha256, Mark(0, NO_ANCHOR), LIMIT)
    found: list[Line] = []
    size = 0
    for grow, budget, most in [*turns, (len(data), 1 << 20, 1 << 20)]:
        os.pwrite(descriptor, data[size : size + grow], size)
        size = min(size + grow, len(data))
        for taken, line in enumerate(tailer.turn(budget), 1):
            mark = tailer.mark_at(line.end)
            assert mark.anchor == anchor(data, line.end)
            if taken > most:  # as if there were no room for it
                tailer.stop_at(line.begin)
                break
            found.append(line)
            if taken == most:
                tailer.stop_at(line.end)
                break
        assert tailer.place == Mark(tailer.offset, anchor(data, tailer.offset))
    while tailer.has_more() and tailer.offset < expected[-1].end:
        found += tailer.turn(1 << 20)
    assert found == expected
    os.close(descriptor)


def anchor(data: bytes, offset: int) -> bytes:
    """Hash what stands before an offset."""
    return sha256(data[max(0, offset - ANCHOR_BYTES) : offset]).digest()


@given(st.data())
def test_progress_is_the_contiguous_prefix(data: st.DataObject) -> None:
    """Ranges complete in any order, twice or overlapping: `acked` is the prefix without a hole."""
    size = 40
    progress = Progress("s")
    done: set[int] = set()
    marked = [0]
    for _ in range(data.draw(st.integers(0, 30))):
        begin = data.draw(st.integers(0, size))
        end = data.draw(st.integers(begin, min(size, begin + 8)))
        if data.draw(st.booleans()):
            progress.complete(begin, end)
            done |= set(range(begin, end))
        else:
            progress.mark(Mark(end, str(end).encode()))
            marked += [end] if end > marked[-1] else []
        prefix = next(at for at in range(size + 1) if at not in done)
        assert progress.acked == prefix
        assert progress.saved.offset <= prefix
        assert progress.saved.offset in marked
