"""The bytes of a gzip archive (RFC 1952), addressed by the offset of the uncompressed content.

Nothing of a member is read before its checksum was seen to be right: a flipped bit may leave a
stream that still decodes, to lines that nobody wrote. So an archive is checked first, in steps
that `prepare` is given time for, and then read up to the end of its last good member.

Known loss: a member that breaks off or is damaged. Its lines may be true, but nothing shows it.
"""

import os
import zlib
from typing import Any, Final

MAGIC: Final = b"\x1f\x8b"
HEAD_BYTES: Final = 65_536  # of the uncompressed content, kept to tell what a damaged archive was
_HISTORY_BYTES: Final = 8192  # of uncompressed bytes that reading can step back
_CHUNK: Final = 65_536
_MAX_INFLATED: Final = 65_536  # of one step: a crafted archive may expand a thousandfold
_GZIP_WBITS: Final = 31
_STEP: Final = 64


class CorruptArchiveError(Exception):
    """The archive has no good bytes behind `offset` (uncompressed)."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"damaged or cut off behind {offset} uncompressed bytes")
        self.offset = offset


class _Inflater:
    """Members one behind the other, decompressed forward. `position` is the end of what came."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._raw = b""  # fetched and not yet used
        self._stream: Any = None  # of the member that is being read
        self.raw_offset = 0
        self.position = 0
        self.member_end = 0  # where the last member with a right checksum ended
        self.in_member = False

    def more(self) -> bytes | None:
        """Return the next bytes, maybe none of them yet; None at the end of the file.

        Raises:
            zlib.error: the member is damaged.
        """
        if not self._raw:
            self._raw = os.pread(self._descriptor, _CHUNK, self.raw_offset)
            self.raw_offset += len(self._raw)
            if not self._raw:
                return None
        if not self.in_member:
            self._raw = self._raw.lstrip(b"\0")  # padding between and after members
            if not self._raw:
                return b""
        if self._stream is None:
            self._stream = zlib.decompressobj(_GZIP_WBITS)
        self.in_member = True
        data: bytes = self._stream.decompress(self._raw, _MAX_INFLATED)
        self.position += len(data)
        self._raw = self._stream.unused_data or self._stream.unconsumed_tail
        if self._stream.eof:
            self._stream = None
            self.in_member = False
            self.member_end = self.position
        return data


class GzipContent:
    """A gzip archive of one or more members. `prepare` it before `read`.

    Reading goes forward with a short memory; a step further back decompresses from the start.
    """

    is_archive = True

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._restart()

    def _restart(self) -> None:
        self._check = _Inflater(self._descriptor)
        self._checked = False
        self._broken = False
        self.head = b""  # the first uncompressed bytes, good or not; empty once all are good
        self.rest()

    def rest(self) -> None:
        """Drop what reading needs until it goes on: about 200 kB. That starts from the front."""
        self._reader = _Inflater(self._descriptor)
        self._window = b""  # the last bytes read, which end at the reader's position

    @property
    def is_damaged(self) -> bool:
        """Whether the last member is not whole; true also while it is being written."""
        return self._checked and (self._broken or self._check.in_member)

    @property
    def decoded(self) -> int:
        """How many bytes decompress, good or not."""
        return max(self._check.position, len(self.head))

    def prepare(self, budget: int) -> bool:
        """Check at most about `budget` bytes more; return whether all of the file is checked.

        Raises:
            OSError: the file cannot be read now.
        """
        size = os.fstat(self._descriptor).st_size
        if size < self._check.raw_offset:
            self._restart()
        if self._broken or (self._checked and size == self._check.raw_offset):
            return True
        self._checked = False
        until = self._check.position + budget
        while self._check.position < until:
            try:
                data = self._check.more()
            except zlib.error:
                self._broken = True
                self.head = self.head or _head_of(self._descriptor)
                data = None
            if data is None:
                self._checked = True
                if not self.is_damaged:
                    self.head = b""  # hundreds of archives may stay open
                return True
            if len(self.head) < HEAD_BYTES:
                self.head += data[: HEAD_BYTES - len(self.head)]
        return False

    def size(self) -> int | None:
        """Return the size of the good uncompressed content; None while it is not checked."""
        return self._check.member_end if self._checked else None

    def read(self, offset: int, size: int) -> bytes:
        """Return at most `size` uncompressed bytes from `offset`; empty at a sound end.

        Raises:
            OSError: the file cannot be read now.
            CorruptArchiveError: nothing behind `offset` is good.
        """
        good = self._check.member_end
        if offset >= good:
            if self.is_damaged:
                raise CorruptArchiveError(good)
            self._rest(good)
            return b""
        end = min(offset + size, good)
        if offset < self._reader.position - len(self._window):
            self.rest()
        while self._reader.position < end:
            self._window = self._window[-_HISTORY_BYTES - size :] + self._next(good)
        start = offset - (self._reader.position - len(self._window))
        return self._window[start : start + end - offset]

    def _rest(self, good: int) -> None:
        """Keep little of an archive that was read to its end: it may stay open for long."""
        self._window = self._window[-_HISTORY_BYTES:]
        while self._reader.in_member and self._reader.position == good:
            self._next(good)  # the member's trailer, with which its buffers go

    def _next(self, good: int) -> bytes:
        try:
            data = self._reader.more()
        except zlib.error:
            data = None
        if data is None:  # the file is another one than the one that was checked
            self._restart()
            raise CorruptArchiveError(min(good, self._reader.position))
        return data

    def close(self) -> None:
        """Release the descriptor."""
        os.close(self._descriptor)


def _head_of(descriptor: int) -> bytes:
    """Return what decompresses of a first member that is damaged near its begin."""
    raw = os.pread(descriptor, _CHUNK, 0)
    stream = zlib.decompressobj(_GZIP_WBITS)
    head = b""
    for begin in range(0, len(raw), _STEP):
        try:
            head += stream.decompress(raw[begin : begin + _STEP])
        except zlib.error:
            break
    return head[:HEAD_BYTES]
