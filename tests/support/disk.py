"""A `Disk` that fails, tears or dies at any call, and loses power: real files, a model of the rest.

    disk = FaultDisk(folder)
    disk.plan(7, Fate.TORN)               # the 7th call from now writes a half, then dies
    disk.failing(errno.ENOSPC)            # every writing call fails until `heal`
    for after in disk.power_losses():     # every folder that a power loss may leave
        after.restore(folder)

*Dying* raises `DiedError`, which no code catches: what is in memory is gone, what reached the
system stays. *Power loss* keeps only what was fsynced: content by `write_synced`, `sync_file` and
`truncate`, names by `sync_folder`. Names that were not synced are kept in every combination, and
content that was not synced is kept not at all, by half, or whole.
"""

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Final

from auditship_agent.durable import RealDisk

MOST_COMBINED: Final = 6  # names that are lost in every combination; more: as prefixes


class DiedError(BaseException):
    """The process died inside a call: nothing of it may go on."""


class Fate(Enum):
    """What becomes of one call."""

    NOT_DONE = "not done"
    UNREPORTED = "done but unreported"
    TORN = "torn"


class _Inode:
    """One file: what of it would survive."""

    def __init__(self, synced: bytes) -> None:
        self.synced = synced
        self.dropped: tuple[int, int] | None = None  # bytes that a failed fsync made "clean"

    def sync(self, data: bytes) -> None:
        if self.dropped is not None:
            begin, end = self.dropped
            end = min(end, len(data))
            if begin < end:
                data = data[:begin] + bytes(end - begin) + data[end:]
        self.synced = data

    def cut(self, size: int) -> None:
        if self.dropped is not None and size <= self.dropped[0]:
            self.dropped = None


class Left:
    """What a power loss may leave of a folder."""

    def __init__(self, folder: Path, files: dict[Path, bytes]) -> None:
        self._folder = folder
        self.files = files

    def restore(self, target: Path) -> None:
        """Write it into another (new) folder."""
        for path, data in self.files.items():
            place = target / path.relative_to(self._folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)


class FaultDisk:
    """The real disk below one folder, with faults by call and a model of what is durable."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls: list[str] = []  # `method name`, in order
        self.plan_of: Callable[[int], Fate | None] = lambda _number: None
        self.error = 0  # errno of each failing call; 0: it dies instead
        self._broken = 0
        self._real = RealDisk()
        self._names: dict[Path, _Inode] = {}  # as the system sees them
        self._durable: dict[Path, _Inode] = {}
        self._pending: list[tuple[str, Path, Path | None, _Inode]] = []
        for path in folder.rglob("*"):
            if path.is_file():
                self._names[path] = self._durable[path] = _Inode(path.read_bytes())

    # -- what a test says ------------------------------------------------------------------

    def plan(self, at: int, fate: Fate, *, error: int = 0) -> None:
        """Let the `at`-th call from now on meet a fate: die, or with `error` raise OSError."""
        self.error = error
        wanted = len(self.calls) + at
        self.plan_of = lambda number: fate if number == wanted else None

    def failing(self, error: int) -> None:
        """Let every call fail, without effect, until `heal`."""
        self._broken = error

    def heal(self) -> None:
        """Let calls succeed again."""
        self._broken = 0
        self.plan_of = lambda _number: None

    # -- the protocol ----------------------------------------------------------------------

    def make_folder(self, path: Path) -> None:
        self._step("make_folder", path, lambda: self._real.make_folder(path))

    def write_synced(self, path: Path, data: bytes) -> None:
        def written(part: bytes, *, synced: bool) -> None:
            inode = self._inode(path)
            self._real.write_synced(path, part)
            inode.dropped = None
            if synced:
                inode.sync(part)

        self._step(
            "write_synced",
            path,
            lambda: written(data, synced=True),
            lambda: written(data[: len(data) // 2], synced=False),
        )

    def replace(self, source: Path, target: Path) -> None:
        def renamed() -> None:
            inode = self._inode(source)
            self._real.replace(source, target)
            self._names[target] = self._names.pop(source)
            self._pending.append(("rename", source, target, inode))

        self._step("replace", target, renamed)

    def sync_folder(self, folder: Path) -> None:
        def synced() -> None:
            self._real.sync_folder(folder)
            here = [one for one in self._pending if one[1].parent == folder]
            self._apply(self._durable, here)
            self._pending = [one for one in self._pending if one not in here]

        self._step("sync_folder", folder, synced)

    def append(self, path: Path, data: bytes) -> None:
        def appended(part: bytes) -> None:
            self._inode(path)
            self._real.append(path, part)

        self._step("append", path, lambda: appended(data), lambda: appended(data[: len(data) // 2]))

    def sync_file(self, path: Path) -> None:
        inode = self._inode(path)
        try:
            self._step("sync_file", path, lambda: inode.sync(path.read_bytes()))
        except OSError:
            # The system may call the bytes clean now: a second fsync would not write them.
            begin = inode.dropped[0] if inode.dropped else len(inode.synced)
            inode.dropped = (begin, path.stat().st_size)
            raise

    def truncate(self, path: Path, size: int) -> None:
        def cut() -> None:
            inode = self._inode(path)
            self._real.truncate(path, size)
            inode.cut(size)
            inode.sync(path.read_bytes())

        self._step("truncate", path, cut)

    def remove(self, path: Path) -> None:
        def removed() -> None:
            inode = self._inode(path)
            self._real.remove(path)
            del self._names[path]
            self._pending.append(("unlink", path, None, inode))

        self._step("remove", path, removed)

    # -- the model -------------------------------------------------------------------------

    def _inode(self, path: Path) -> _Inode:
        """Return the file of a name; a new one has no durable name yet."""
        if path not in self._names:
            self._names[path] = _Inode(b"")
            self._pending.append(("link", path, None, self._names[path]))
        return self._names[path]

    def _step(
        self,
        method: str,
        path: Path,
        do: Callable[[], None],
        tear: Callable[[], None] | None = None,
    ) -> None:
        self.calls.append(f"{method} {path.name}")
        if self._broken:
            raise OSError(self._broken, os.strerror(self._broken), str(path))
        fate = self.plan_of(len(self.calls))
        if fate is None:
            do()
            return
        if fate is Fate.UNREPORTED:
            do()
        elif fate is Fate.TORN and tear is not None:
            tear()
        if self.error:
            raise OSError(self.error, os.strerror(self.error), str(path))
        raise DiedError(self.calls[-1])

    @staticmethod
    def _apply(
        names: dict[Path, _Inode], changes: list[tuple[str, Path, Path | None, _Inode]]
    ) -> None:
        for kind, path, target, inode in changes:
            if kind == "link":
                names[path] = inode
            elif names.get(path) is inode:
                del names[path]
            if target is not None:
                names[target] = inode

    def power_losses(self) -> Iterator[Left]:
        """Yield every folder that a power loss at this moment may leave."""
        count = len(self._pending)
        chosen: Iterator[tuple[bool, ...]] = itertools.product((False, True), repeat=count)
        if count > MOST_COMBINED:
            chosen = (tuple(i < kept for i in range(count)) for kept in range(count + 1))
        for choice in chosen:
            kept = [one for one, is_kept in zip(self._pending, choice, strict=True) if is_kept]
            names = dict(self._durable)
            self._apply(names, kept)
            for share in (0.0, 0.5, 1.0):
                yield Left(self.folder, {p: self._survivor(i, share) for p, i in names.items()})

    def _survivor(self, inode: _Inode, share: float) -> bytes:
        """Return the synced content with a share of what was appended since."""
        path = next((path for path, one in self._names.items() if one is inode), None)
        if path is None or not path.exists():
            return inode.synced
        now = path.read_bytes()
        if not now.startswith(inode.synced) or inode.dropped is not None:
            return inode.synced  # written anew: a torn overwrite is the crash table's
        return now[: len(inode.synced) + int((len(now) - len(inode.synced)) * share)]


class FastDisk(RealDisk):
    """Without fsync: these tests lose processes, not power. `saved` is told of each checkpoint."""

    def __init__(self) -> None:
        self.saved: Callable[[], None] = lambda: None

    def write_synced(self, path: Path, data: bytes) -> None:
        """Write a file."""
        path.touch(0o600)
        path.write_bytes(data)

    def replace(self, source: Path, target: Path) -> None:
        super().replace(source, target)
        if source.name == "checkpoint.new":
            self.saved()

    def sync_folder(self, folder: Path) -> None:
        """Nothing to do."""

    def sync_file(self, path: Path) -> None:
        """Nothing to do."""


FULL: Final = errno.ENOSPC
BROKEN: Final = errno.EIO
READ_ONLY: Final = errno.EROFS
DENIED: Final = errno.EACCES
