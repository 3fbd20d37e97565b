"""The bytes of one file, plain or gzip, addressed by the offset of the uncompressed content.

A `Content` owns a descriptor, not a path: a rename changes neither what it reads nor where it
stands. gzip is recognized by its magic bytes, never by its name.
"""

import os
import zlib
from typing import Final, Protocol

from msgspec import Struct

MAGIC: Final = b"\x1f\x8b"
OTHER_MAGICS: Final = (b"BZh", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"\x04\x22\x4d\x18")
HISTORY_BYTES: Final = 8192  # of uncompressed bytes that an archive can step back
_CHUNK: Final = 65_536
_MAX_INFLATED: Final = 1_048_576  # of one step: a crafted archive may expand a thousandfold
_GZIP_WBITS: Final = 31


class CorruptArchiveError(Exception):
    """The archive breaks off or is damaged; bytes up to `offset` (uncompressed) are good."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"damaged after {offset} uncompressed bytes")
        self.offset = offset


class FileId(Struct, frozen=True):
    """Device and inode: one file of this machine, whatever its names are."""

    device: int
    inode: int


class Content(Protocol):
    """Random access to what was logged into one file."""

    is_archive: bool

    def read(self, offset: int, size: int) -> bytes:
        """Return at most `size` bytes from `offset`; empty at the end.

        Raises:
            OSError: the file cannot be read now.
            CorruptArchiveError: the archive has no more good bytes than `offset`.
        """

    def size(self) -> int | None:
        """Return the current size in bytes; None while an archive was not read to its end."""

    def close(self) -> None:
        """Release the descriptor."""


class PlainContent:
    """A file as it is."""

    is_archive = False

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, offset: int, size: int) -> bytes:
        """Return at most `size` bytes from `offset`."""
        return os.pread(self._descriptor, size, offset)

    def size(self) -> int | None:
        """Return the current size."""
        return os.fstat(self._descriptor).st_size

    def next_data(self, offset: int) -> int:
        """Return the offset of the first byte at or behind `offset` that is not in a hole."""
        try:
            return os.lseek(self._descriptor, offset, os.SEEK_DATA)
        except OSError:  # no data behind it, or a file system that does not know holes
            return offset

    def close(self) -> None:
        """Release the descriptor."""
        os.close(self._descriptor)


class GzipContent:
    """A gzip archive of one or more members (RFC 1952), read forward with a short memory.

    A step back beyond the window decompresses from the start again; so does growth of an archive
    that broke off, since it may have been looked at while it was being written.
    """

    is_archive = True

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rewind()

    def _rewind(self) -> None:
        self._raw_offset = 0  # of the compressed file
        self._raw = b""  # compressed bytes that were fetched and not yet used
        self._inflate = zlib.decompressobj(_GZIP_WBITS)
        self._in_member = False
        self._window = b""  # the last uncompressed bytes, which end at `_position`
        self._position = 0
        self._ended = False
        self._damaged = False
        self._raw_size = os.fstat(self._descriptor).st_size

    def read(self, offset: int, size: int) -> bytes:
        """Return at most `size` uncompressed bytes from `offset`."""
        grown = self._damaged and os.fstat(self._descriptor).st_size != self._raw_size
        if grown or offset < self._position - len(self._window):
            self._rewind()
        while self._position < offset + size and not self._ended:
            data = self._more()
            self._position += len(data)
            self._window = self._window[-HISTORY_BYTES - size :] + data
        if self._damaged and offset >= self._position:
            raise CorruptArchiveError(self._position)
        start = offset - (self._position - len(self._window))
        return self._window[start : start + size]

    def _more(self) -> bytes:
        """Return the next uncompressed bytes; at the end or at damage, say so in the flags."""
        if not self._raw:
            self._raw = os.pread(self._descriptor, _CHUNK, self._raw_offset)
            self._raw_offset += len(self._raw)
        if not self._in_member:
            self._raw = self._raw.lstrip(b"\0")  # padding between and after members
        if not self._raw:
            at_end = os.fstat(self._descriptor).st_size <= self._raw_offset
            self._ended = at_end
            self._damaged = at_end and self._in_member
            return b""
        before = self._inflate.copy()
        try:
            data = self._inflate.decompress(self._raw, _MAX_INFLATED)
        except zlib.error:
            self._ended = self._damaged = True
            return _good_prefix(before, self._raw)
        self._raw = self._inflate.unused_data or self._inflate.unconsumed_tail
        self._in_member = not self._inflate.eof
        if self._inflate.eof:
            self._inflate = zlib.decompressobj(_GZIP_WBITS)
        return data

    def size(self) -> int | None:
        """Return the uncompressed size once the end was read, else None."""
        return self._position if self._ended else None

    def close(self) -> None:
        """Release the descriptor."""
        os.close(self._descriptor)


def _good_prefix(inflate: "zlib._Decompress", raw: bytes) -> bytes:
    """Return what decompresses before the damage in `raw`, byte by byte."""
    good = bytearray()
    for index in range(len(raw)):
        try:
            good += inflate.decompress(raw[index : index + 1])
        except zlib.error:
            break
    return bytes(good)


def open_content(path: str) -> tuple[Content, FileId]:
    """Open a regular file and return its content with its identity.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        head = os.pread(descriptor, len(MAGIC), 0)
    except OSError:
        os.close(descriptor)
        raise
    content = GzipContent(descriptor) if head == MAGIC else PlainContent(descriptor)
    return content, FileId(status.st_dev, status.st_ino)
