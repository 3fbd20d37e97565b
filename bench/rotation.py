"""Rotation as logrotate does it: numbers move up, the second newest is compressed, old ones leave.

No byte is thrown away: what leaves the log folder goes to a folder beside it that no pattern
names. To the agent it is deleted; to the oracle it is the count of what was written.
"""

import gzip
import os
import shutil
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from bench.writing import Writer

KEEP_S: Final = 120.0


class Old(Struct):
    """A rotated file. Its number in its name is its place in the list, from 1."""

    serial: int
    at: float  # monotonic
    packed: bool = False


class Rotation(ABC):
    """The rotated files of one log. `rotate` is one run of the rotating program."""

    way: str

    def __init__(self, log: Path, writers: list[Writer], kept: Path) -> None:
        self.log = log
        self.writers = writers
        self.kept = kept
        self.count = 0
        self._old: list[Old] = []  # newest first
        kept.mkdir(parents=True)

    def rotate(self, *, retire: bool) -> None:
        """Rotate once; with `retire`, files older than `KEEP_S` leave.

        That rotated files stay until they are read is a condition of the promise that the run
        checks, so the caller does not let them go while the agent is behind.
        """
        for place in range(len(self._old), 0, -1):
            self._path(place).rename(self._path(place, up=1))
        self.count += 1
        self._old.insert(0, Old(self.count, time.monotonic()))
        self._part(self._path(1))
        if len(self._old) > 1:
            self._pack(2)
        while retire and self._old and time.monotonic() - self._old[-1].at > KEEP_S:
            self._retire()

    def _path(self, place: int, *, up: int = 0) -> Path:
        ending = ".gz" if self._old[place - 1].packed else ""
        return self.log.with_name(f"{self.log.name}.{place + up}{ending}")

    @abstractmethod
    def _part(self, target: Path) -> None:
        """Bring what was written so far under the name `target`, and leave an empty log."""

    def _pack(self, place: int) -> None:
        """Compress a file as gzip(1) does: beside it, in steps, then the original goes."""
        path = self._path(place)
        if any(writer.has_open(path) for writer in self.writers):
            return  # a writer that the machine let wait; the file stays as it is
        status = path.stat()
        packed = path.with_name(f"{path.name}.gz")
        with path.open("rb") as plain, gzip.open(packed, "wb", compresslevel=6) as archive:
            shutil.copyfileobj(plain, archive, 65_536)
        os.utime(packed, ns=(status.st_atime_ns, status.st_mtime_ns))
        path.unlink()
        self._old[place - 1].packed = True

    def _retire(self) -> None:
        path = self._path(len(self._old))
        old = self._old.pop()
        path.rename(self.kept / f"{old.serial}{path.suffix if old.packed else ''}")

    def files(self) -> Iterator[Path]:
        """Yield every file that holds lines of this log."""
        yield self.log
        yield from (self._path(place) for place in range(1, len(self._old) + 1))
        yield from self.kept.iterdir()


class RenameRotation(Rotation):
    """`create`: the log is renamed, a new one is made. Writers move over by themselves."""

    way = "rename and create"

    def _part(self, target: Path) -> None:
        self.log.rename(target)
        os.close(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640))


class CopyRotation(Rotation):
    """`copytruncate`: the log is copied and cut. Writers stand still meanwhile.

    A line that is written between the copy and the cut is destroyed by the rotating program, and
    no reader could know of it. That is no fault of a reader, so this run keeps it out.
    """

    way = "copytruncate, writers paused for the cut"

    def _part(self, target: Path) -> None:
        paused = []
        try:
            for writer in self.writers:
                writer.pause()
                paused.append(writer)
            shutil.copyfile(self.log, target)
            os.truncate(self.log, 0)
        finally:
            for writer in paused:
                writer.signal(signal.SIGCONT)
