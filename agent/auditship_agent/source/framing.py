"""Bytes to lines, as a pure function of what was fed: any cut of the input gives the same lines.

Only LF ends a line. A run of NUL bytes at the start of a line belongs to no line (it is what a
hole or a lost write leaves behind): the line begins behind it. A line over the limit is skimmed
to its LF with a running hash and length, so that memory stays bounded by the limit.
"""

from collections.abc import Iterator
from hashlib import sha256

from auditship_agent.line import Line

HEAD_BYTES = 64 * 1024  # of an over-long line, kept for the dead letter


class Framer:
    """Cuts the bytes of one file into lines, from a given offset on.

    `offset` is the first byte of the first line that has not left; `searched` how far LF was
    looked for. `begin` of the next line is `offset`: NUL runs are covered by the line behind them.
    """

    def __init__(self, offset: int, limit: int) -> None:
        self.offset = offset
        self._limit = limit
        self._parts: list[bytes] = []  # of the unfinished line, while it is kept whole
        self._kept = 0
        self._skim: _Skim | None = None

    @property
    def searched(self) -> int:
        """Offset of the first byte that was never fed."""
        return self.offset + (self._skim.fed if self._skim else self._kept)

    @property
    def skimming(self) -> bool:
        """Whether an over-long line is being hashed; its state outlives `forget_partial`."""
        return self._skim is not None

    @property
    def takes_hole(self) -> bool:
        """Whether nothing but NUL was fed since the line's start: `skip_nul` may follow."""
        return self._skim.length == 0 if self._skim else not self._kept

    def skip_nul(self, size: int) -> None:
        """Take `size` (at least 2) NUL bytes as fed without seeing them; needs `takes_hole`."""
        self._skim = self._skim or _Skim(self._limit)
        self._skim.skip(size)

    def forget_partial(self) -> None:
        """Drop the bytes of an unfinished line that is kept whole; it is to be fed again."""
        self._parts, self._kept = [], 0

    def feed(self, piece: bytes) -> Iterator[Line]:
        """Yield the lines that `piece` completes; `piece` starts at `searched`."""
        start = 0
        if self._skim is not None:
            end = piece.find(b"\n")
            if end < 0:
                self._skim.add(piece)
                return
            self._skim.add(piece[:end])
            yield self._end_skim(self._skim)
            start = end + 1
        *lines, rest = piece[start:].split(b"\n") if start else piece.split(b"\n")
        if lines and self._parts:
            lines[0] = b"".join((*self._parts, lines[0]))
            self.forget_partial()
        limit = self._limit
        for raw in lines:
            length = len(raw)
            if length > limit or raw[:1] == b"\0":
                yield self._odd_line(raw)
                continue
            begin = self.offset
            self.offset = end = begin + length + 1
            yield Line(raw, begin, end, sha256(raw).digest(), length)
        if rest:
            self._keep(rest)

    def rest(self) -> Line | None:
        """Return what was fed of the unfinished line as if it ended here; None: nothing was.

        Its `end` counts an LF that is not there.
        """
        if self._skim is not None:
            return self._skim.line(self.offset)
        if not self._kept:
            return None
        again = Framer(self.offset, self._limit)
        return next(again.feed(b"".join((*self._parts, b"\n"))))

    def _odd_line(self, raw: bytes) -> Line:
        """Return a line behind a NUL run, or over the limit."""
        begin = self.offset
        self.offset = end = begin + len(raw) + 1
        run = nul_run(raw)
        raw = raw[run:]
        length = len(raw)
        digest = sha256(raw).digest()
        if length > self._limit:
            raw = raw[:HEAD_BYTES]
            return Line(raw, begin + run, end, digest, length, whole=False, nul_run=run)
        return Line(raw, begin + run, end, digest, length, nul_run=run)

    def _keep(self, rest: bytes) -> None:
        if not self._kept and len(rest) > 1 and not rest.strip(b"\0"):
            self.skip_nul(len(rest))  # a run, however long, is counted and not kept
            return
        self._parts.append(rest)
        self._kept += len(rest)
        if self._kept > self._limit + HEAD_BYTES:
            self._skim = _Skim(self._limit)
            for part in self._parts:
                self._skim.add(part)
            self.forget_partial()

    def _end_skim(self, skim: "_Skim") -> Line:
        self._skim = None
        line = skim.line(self.offset)
        self.offset = line.end
        return line


class _Skim:
    """A line that is too long to keep: its head, length and hash; NUL run at its start apart."""

    def __init__(self, limit: int) -> None:
        self.fed = 0
        self.run = 0
        self.length = 0
        self.head = bytearray()
        self.hash = sha256()
        self._limit = limit
        self._most = max(limit, HEAD_BYTES)  # a line just over the limit still has its whole head

    def skip(self, size: int) -> None:
        """Count `size` NUL bytes of the run that the line starts with."""
        self.fed += size
        self.run += size

    def add(self, piece: bytes) -> None:
        """Take the next bytes of the line."""
        run = 0
        if not self.length:
            run = nul_run(piece) if not self.fed else len(piece) - len(piece.lstrip(b"\0"))
        self.skip(run)
        piece = piece[run:]
        self.fed += len(piece)
        self.length += len(piece)
        self.hash.update(piece)
        if len(self.head) < self._most:
            self.head += piece[: self._most - len(self.head)]

    def line(self, begin: int) -> Line:
        """Return the line that starts at `begin` and ends with what was fed."""
        whole = self.length <= self._limit  # it was a long NUL run before a short line
        raw = bytes(self.head if whole else self.head[:HEAD_BYTES])
        return Line(
            raw,
            begin + self.run,
            begin + self.fed + 1,
            self.hash.digest(),
            self.length,
            whole=whole,
            nul_run=self.run,
        )


def nul_run(raw: bytes) -> int:
    """Return the length of the NUL run that `raw` starts with.

    A single NUL with another two bytes on is UTF-16 text, not a run: its line keeps it, so that
    the parser can say so.
    """
    run = len(raw) - len(raw.lstrip(b"\0"))
    return 0 if run == 1 and raw[2:3] == b"\0" else run
