"""The lines of a file that a person names, one after the other, with their places."""

import contextlib
import gzip
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, cast

from msgspec import Struct

from auditship_agent.line import Line
from auditship_agent.source.framing import Framer
from auditship_indexer.errors import ConfigError

STDIN: Final = "-"
_PIECE: Final = 65_536
_GZIP_MAGIC: Final = b"\x1f\x8b"


class Counted(Struct):
    """One line with its number, or a last line without LF (`line` is None)."""

    number: int
    offset: int
    line: Line | None


def lines(name: str, limit: int) -> Iterator[Counted]:
    """Yield the lines of a file; `-` is standard input. Memory is bounded by one line.

    Raises:
        ConfigError: the file cannot be read, or is a damaged archive.
    """
    framer = Framer(0, limit)
    number = 0
    for piece in _pieces(name):
        for line in framer.feed(piece):
            number += 1
            yield Counted(number, line.offset, line)
    if framer.searched > framer.offset:
        yield Counted(number + 1, framer.offset, None)


def _pieces(name: str) -> Iterator[bytes]:
    """Yield the content of a file, of a gzip archive the uncompressed one."""
    done = 0
    try:
        with _opened(name) as file:
            while piece := file.read(_PIECE):
                done += len(piece)
                yield piece
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ConfigError(
            f"{name}: the archive is damaged after {done} uncompressed bytes"
        ) from error
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror}") from error


@contextlib.contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    """Open a file or standard input; gzip is recognized by its magic bytes."""
    with contextlib.ExitStack() as stack:
        raw: BinaryIO = (
            sys.stdin.buffer if name == STDIN else stack.enter_context(Path(name).open("rb"))
        )
        head = raw.read(len(_GZIP_MAGIC))
        whole = cast("BinaryIO", _Rejoined(head, raw))
        if head == _GZIP_MAGIC:
            yield cast("BinaryIO", stack.enter_context(gzip.GzipFile(fileobj=whole)))
        else:
            yield whole


class _Rejoined:
    """A stream whose first bytes were looked at; a pipe cannot step back."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; empty at the end."""
        head, self._head = self._head[:size], self._head[size:]
        return head or self._rest.read(size)


def wrapper_of(raw: bytes) -> str | None:
    """Return which wrapper a line that is no event looks like, None when it looks like none."""
    head = raw[:4096].lstrip()
    if head.startswith(b"{") and b'"log"' in head and b'"stream"' in head:
        return "docker"
    brace = head.find(b"{")
    if brace <= 0:
        return None
    before = head[:brace]
    for name, signs in (
        ("cri", (b" stdout ", b" stderr ")),
        ("cee", (b"@cee:",)),
        ("compose", (b" | ",)),
        ("fluent", (b"\t",)),
    ):
        if any(sign in before for sign in signs):
            return name
    return "syslog" if before.startswith(b"<") or before.rstrip().endswith(b":") else None
