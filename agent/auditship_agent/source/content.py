"""The bytes of one log file, plain or gzip, addressed by the offset of the uncompressed content.

A `Content` owns a descriptor, not a path: a rename changes neither what it reads nor where it
stands. gzip is recognized by its magic bytes, never by its name.
"""

import errno
import os
import stat
from typing import Final, Protocol

from msgspec import Struct

from auditship_agent.source.archive import MAGIC, GzipContent

_OTHER_MAGICS: Final = {
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\0": "xz",
    b"\x04\x22\x4d\x18": "lz4",
}
MAGIC_BYTES: Final = 6  # fewer do not tell what a file is


class FileId(Struct, frozen=True):
    """Device and inode: one file of this machine, whatever its names are."""

    device: int
    inode: int


class Stamp(Struct, frozen=True):
    """What a look from outside says about a file's bytes: equal stamps, most likely equal bytes."""

    size: int
    modified_ns: int
    changed_ns: int

    @property
    def modified_ms(self) -> int:
        """The date of the last write, Unix ms."""
        return self.modified_ns // 1_000_000


class Content(Protocol):
    """Random access to what was logged into one file."""

    @property
    def is_archive(self) -> bool:
        """Whether offsets are those of an uncompressed content."""

    def prepare(self, budget: int) -> bool:
        """Do what reading needs first, about `budget` bytes of it; return whether it is done.

        Raises:
            OSError: the file cannot be read now.
        """

    def read(self, offset: int, size: int) -> bytes:
        """Return at most `size` bytes from `offset`; empty at the end.

        Raises:
            OSError: the file cannot be read now.
            CorruptArchiveError: the archive has no good bytes behind `offset`.
        """

    def size(self) -> int | None:
        """Return the current size in bytes; None while an archive is not prepared."""

    def close(self) -> None:
        """Release the descriptor."""


class PlainContent:
    """A file as it is."""

    is_archive = False

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def prepare(self, budget: int) -> bool:  # noqa: ARG002 - the interface's
        """Nothing is to be done first."""
        return True

    def read(self, offset: int, size: int) -> bytes:
        """Return at most `size` bytes from `offset`."""
        return os.pread(self.descriptor, size, offset)

    def size(self) -> int:
        """Return the current size."""
        return os.fstat(self.descriptor).st_size

    def next_data(self, offset: int) -> int:
        """Return the offset of the first byte at or behind `offset` that is not in a hole."""
        try:
            return os.lseek(self.descriptor, offset, os.SEEK_DATA)
        except OSError as error:  # nothing but a hole, or a file system that does not know holes
            return max(offset, self.size()) if error.errno == errno.ENXIO else offset

    def close(self) -> None:
        """Release the descriptor."""
        os.close(self.descriptor)


def open_content(path: str) -> tuple[Content, FileId]:
    """Open a regular file and return its content with its identity.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        file_id = _regular(descriptor, path)
        content = recognized(PlainContent(descriptor))
    except OSError:
        os.close(descriptor)
        raise
    return content, file_id


def _regular(descriptor: int, path: str) -> FileId:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", path)
    return FileId(status.st_dev, status.st_ino)


def recognized(content: Content) -> Content:
    """Return the content as what its first bytes say by now: an archive grows out of nothing.

    Raises:
        OSError: the file cannot be read now.
    """
    if isinstance(content, PlainContent) and content.read(0, len(MAGIC)) == MAGIC:
        return GzipContent(content.descriptor)
    return content


def foreign_codec(content: Content) -> str | None:
    """Return the compressor of an archive that is not read here, by its magic bytes.

    Raises:
        OSError: the file cannot be read now.
    """
    if content.is_archive:
        return None
    head = content.read(0, MAGIC_BYTES)
    return next((name for magic, name in _OTHER_MAGICS.items() if head.startswith(magic)), None)


def stamp_of(status: os.stat_result) -> Stamp:
    """Return the stamp of a file."""
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns)
