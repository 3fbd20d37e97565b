"""Bytes that survive a power loss: the only module of the agent that writes its state.

Everything goes through one `Disk`, so that a test can fail, tear or stop any single step, and so
that each caller's commit points are visible in one vocabulary: write, fsync, replace, append.

After a failed fsync the system may have dropped the bytes and call them clean, so that a second
fsync succeeds without having written anything: callers write the bytes again before they repeat it.
"""

import fcntl
import os
from pathlib import Path
from typing import Final, Protocol

LOCK: Final = "lock"  # of the state folder, held by its one agent
_PRIVATE = 0o600
_FOLDER = 0o700


class Disk(Protocol):
    """The steps of which durable state is made. Each may raise OSError; none hides one."""

    def make_folder(self, path: Path) -> None:
        """Create a private folder if it is missing, with a durable name."""

    def write_synced(self, path: Path, data: bytes) -> None:
        """Create or overwrite `path` with `data` and fsync it. Not atomic: write a new name."""

    def replace(self, source: Path, target: Path) -> None:
        """Rename `source` to `target`; durable only after `sync_folder`."""

    def sync_folder(self, folder: Path) -> None:
        """Make the names in `folder` durable."""

    def append(self, path: Path, data: bytes) -> None:
        """Append `data` in one write, creating `path`; durable only after `sync_file`.

        After an error the file may end in a part of `data`.
        """

    def sync_file(self, path: Path) -> None:
        """Make the content of `path` durable; after an error write it again, then repeat."""

    def truncate(self, path: Path, size: int) -> None:
        """Cut `path` to `size` bytes and fsync it."""

    def remove(self, path: Path) -> None:
        """Delete `path`; durable only after `sync_folder`."""


class RealDisk:
    """The operating system's own disk. Files are readable by their owner only."""

    def make_folder(self, path: Path) -> None:
        """Create a folder and fsync the one above."""
        if not path.is_dir():
            path.mkdir(mode=_FOLDER)
            self.sync_folder(path.parent)

    def write_synced(self, path: Path, data: bytes) -> None:
        """Create or overwrite a file and fsync it."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        """Rename over `target`."""
        source.replace(target)

    def sync_folder(self, folder: Path) -> None:
        """Fsync a folder."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def append(self, path: Path, data: bytes) -> None:
        """Append to a file, creating it."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _PRIVATE)
        try:
            _write_all(descriptor, data)
        finally:
            os.close(descriptor)

    def sync_file(self, path: Path) -> None:
        """Fdatasync a file."""
        descriptor = os.open(path, os.O_WRONLY)
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def truncate(self, path: Path, size: int) -> None:
        """Cut a file and fsync it."""
        descriptor = os.open(path, os.O_WRONLY)
        try:
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, path: Path) -> None:
        """Unlink a file of the state folder."""
        path.unlink()


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def is_locked(path: Path) -> bool:
    """Whether another process holds the lock; one that does not exist is held by nobody.

    Raises:
        OSError: this user may not know.
    """
    try:
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
