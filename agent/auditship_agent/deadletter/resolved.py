"""`resolved.jsonl`: which dead letters are closed, by which fate."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from auditship_agent.deadletter.record import Resolution, opened, sealed
from auditship_agent.durable import Disk

_RESOLVED: Final = "resolved.jsonl"
_LOCK: Final = "resolved.lock"


class Resolutions:
    """`resolved.jsonl`: any process may add to it, under its lock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / _RESOLVED
        self._inode = 0
        self._offset = 0

    def new(self) -> Iterator[Resolution]:
        """Yield what was added since the last call (all, when the file was replaced)."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return
        with file:
            inode = os.fstat(file.fileno()).st_ino
            if inode != self._inode:
                self._inode, self._offset = inode, 0
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # torn, or being written
                self._offset += len(line)
                body = opened(line[:-1])
                if body is not None:
                    yield msgspec.json.decode(body, type=Resolution)

    def add(self, resolutions: Iterable[Resolution], disk: Disk) -> None:
        """Close records, durably.

        Raises:
            OSError: some may not be closed; closing them again is harmless.
        """
        data = b"".join(sealed(one) for one in resolutions)
        with self._locked():
            self._cut_torn_tail(disk)
            disk.append(self._path, data)
            self._give_to_owner(self._path)
            disk.sync_file(self._path)
            # COMMIT POINT: a crash above leaves records open; closing them again is harmless.
            disk.sync_folder(self._folder)

    def keep(self, kept: Iterable[Resolution], disk: Disk) -> None:
        """Replace the file by these. Raises OSError."""
        new = self._path.with_suffix(".new")
        with self._locked():
            disk.write_synced(new, b"".join(sealed(one) for one in kept))
            disk.replace(new, self._path)
            disk.sync_folder(self._folder)

    def _locked(self) -> "_Lock":
        lock = self._folder / _LOCK
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        self._give_to_owner(lock)
        return _Lock(descriptor)

    def _give_to_owner(self, path: Path) -> None:
        """What root's command makes must stay usable for the agent's user."""
        if os.geteuid() == 0:
            owner = self._folder.stat()
            os.chown(path, owner.st_uid, owner.st_gid)

    def _cut_torn_tail(self, disk: Disk) -> None:
        """A resolution behind half a line would be lost with it."""
        if not self._path.exists():
            return
        data = self._path.read_bytes()
        if not data.endswith(b"\n") and data:
            disk.truncate(self._path, data.rfind(b"\n") + 1)


class _Lock:
    """An exclusive lock, held inside a `with` block."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_error: object) -> None:
        os.close(self._descriptor)
