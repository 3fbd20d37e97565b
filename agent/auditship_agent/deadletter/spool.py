"""The files of dead letters: one writer, any number of readers."""

import os
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from auditship_agent.deadletter.inventory import Inventory
from auditship_agent.deadletter.record import (
    UNTERMINATED,
    Begun,
    Damage,
    DeadLetter,
    FullError,
    Key,
    Resolution,
    decode,
    sealed,
)
from auditship_agent.deadletter.resolved import Resolutions
from auditship_agent.durable import Disk

FOLDER: Final = "dead-letter"
FILE_BYTES: Final = 16 * 1024 * 1024
SMALL_BYTES: Final = 4096
KEEP_CLOSED_MS: Final = 7 * 86_400_000
_DAMAGED: Final = "damaged"


def _short(key: Key) -> int:
    """Return 64 bits of a key: a million of them must fit into memory."""
    return int.from_bytes(sha256("\0".join(map(str, key)).encode()).digest()[:8])


def _paths(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("[0-9]*.jsonl") if p.stem.isdigit())


def records(folder: Path, *, only_open: bool = True) -> Iterator[DeadLetter]:
    """Yield the records in order of their numbers, beside a running agent or without one.

    Damaged records, and one that is being written just now, are left out. Raises OSError.
    """
    closed = {one.seq for one in Resolutions(folder).new()} if only_open else set()
    for path in _paths(folder):
        try:
            file = path.open("rb")
        except FileNotFoundError:  # its records were all closed long ago
            continue
        with file:
            for line in file:
                record = decode(line.removesuffix(b"\n"))
                if record is not None and record.seq not in closed:
                    yield record


class _Spool(Struct):
    """One file of records: its size and the numbers inside."""

    path: Path
    bytes: int = 0
    seqs: set[int] = msgspec.field(default_factory=set)

    @property
    def number(self) -> int:
        return int(self.path.stem)


class DeadLetterFile:
    """The dead letters of one state folder, as their one writer sees them."""

    def __init__(
        self, folder: Path, disk: Disk, *, max_bytes: int, min_free_bytes: int = 0
    ) -> None:
        self.folder = folder
        self.open: set[int] = set()  # numbers of open records
        self.unterminated: dict[tuple[str, int], Begun] = {}  # by generation and offset
        self._refused: dict[str, int] = {}  # documents that the cluster refused -> record
        self.damaged = 0  # records set aside, now or earlier
        self._disk = disk
        self._resolutions = Resolutions(folder)
        self._keys: set[int] = set()
        self._last_seq = 0
        self._spools: list[_Spool] = []
        self._inventory = Inventory(folder, disk)
        self._last_number = 0  # of a file, be it gone
        self._vanished: list[Path] = []  # files that somebody deleted, not told yet
        self._unsynced: dict[int, bytes] = {}  # records behind `_synced` of the last file
        self._synced = 0
        self._names_unsynced = False
        self._torn = False  # the last file may end in a part of a record
        self._doubtful = False  # an fsync failed: what it covered must be written again
        self.limit(max_bytes, min_free_bytes)

    def limit(self, max_bytes: int, min_free_bytes: int) -> None:
        """Set how much the records may take, and how much disk they must leave, bytes."""
        self.max_bytes = max_bytes
        self._min_free_bytes = min_free_bytes

    @property
    def bytes_used(self) -> int:
        """Bytes of the record files."""
        return sum(spool.bytes for spool in self._spools)

    # -- start -----------------------------------------------------------------------------

    def recover(self) -> list[Damage]:
        """Take up what is there: cut a torn tail, set damaged records aside, learn the open ones.

        Raises:
            OSError: the folder cannot be read or mended.
        """
        self._disk.make_folder(self.folder)
        listed = self._inventory.read()
        damage = [found for path in _paths(self.folder) if (found := self._recover_file(path))]
        there = {spool.number for spool in self._spools}
        self._vanished = [self._path_of(number) for number in sorted(listed - there)]
        self._last_number = max(listed | there, default=0)
        self.damaged = sum(
            path.read_bytes().count(b"\n") for path in self.folder.glob(f"*.{_DAMAGED}-*")
        )
        if self._spools:
            # A killed agent may have left records that are not durable: they are known from here
            # on, and their lines would count without another fsync.
            self._disk.sync_file(self._spools[-1].path)
            self._disk.sync_folder(self.folder)
            self._synced = self._spools[-1].bytes
        self.refresh()
        return damage

    def _recover_file(self, path: Path) -> Damage | None:
        spool = _Spool(path)
        bad = []
        with path.open("rb") as file:
            for line in file:
                record = decode(line.removesuffix(b"\n")) if line.endswith(b"\n") else None
                if record is not None:
                    self._learn(record, spool)
                elif line.endswith(b"\n"):
                    bad.append(line)
                else:
                    self._disk.truncate(path, spool.bytes + sum(map(len, bad)))
                    break
                spool.bytes += len(line) if record is not None else 0
        self._spools.append(spool)
        return self._set_aside(spool, bad) if bad else None

    def _learn(self, record: DeadLetter, spool: _Spool) -> None:
        self._last_seq = max(self._last_seq, record.seq)
        self._keys.add(_short(record.key))
        spool.seqs.add(record.seq)
        self._opened(record)

    def _opened(self, record: DeadLetter) -> None:
        self.open.add(record.seq)
        if record.id is not None:
            self._refused[record.id] = record.seq
        if record.reason == UNTERMINATED:
            begun = Begun(record.seq, record.line_bytes, record.line_sha256)
            self.unterminated[record.generation, record.offset] = begun

    def _set_aside(self, spool: _Spool, bad: list[bytes]) -> Damage:
        """Move damaged lines into a file of their own; repeating it after a crash is harmless."""
        data = b"".join(bad)
        kept = spool.path.with_suffix(f".{_DAMAGED}-{sha256(data).hexdigest()[:8]}")
        new = spool.path.with_suffix(".new")
        with spool.path.open("rb") as file:
            good = b"".join(line for line in file if line not in bad)
        self._disk.write_synced(kept, data)
        self._disk.sync_folder(self.folder)
        self._disk.write_synced(new, good)
        self._disk.replace(new, spool.path)
        self._disk.sync_folder(self.folder)
        return Damage(spool.path, kept, len(bad))

    # -- recording -------------------------------------------------------------------------

    def next_seq(self) -> int:
        """Return the number of the next record."""
        return self._last_seq + 1

    def add(self, record: DeadLetter) -> bool:
        """Append a record; durable only after `sync`. Return False when it was there already.

        Raises:
            FullError: no room; nothing was written.
            OSError: nothing that counts was written; the tail is cut before the next append.
        """
        key = _short(record.key)
        if key in self._keys:
            return False
        data = sealed(record)
        if lack := self._lack(len(data)):
            raise FullError(lack)
        spool = self._spool_for(len(data))
        self._append(spool, data)
        self._unsynced[record.seq] = data
        spool.seqs.add(record.seq)
        self._last_seq = record.seq
        self._keys.add(key)
        self._opened(record)
        return True

    def _lack(self, need: int) -> str:
        """Return which limit leaves no room for `need` bytes; empty when there is room."""
        if self.bytes_used + need > self.max_bytes:
            return "dead_letter.max_bytes is reached"
        if self._min_free_bytes:
            status = os.statvfs(self.folder)
            if status.f_bavail * status.f_frsize - need < self._min_free_bytes:
                return "less than dead_letter.min_free_bytes would stay free on the disk"
        return ""

    def _spool_for(self, size: int) -> _Spool:
        last = self._spools[-1] if self._spools else None
        if last is not None and self._has_vanished(last):
            self._begin_again()
            return self._spools[-1]
        if last is not None and (not last.bytes or last.bytes + size <= FILE_BYTES):
            return last
        self.sync()
        return self._new_spool()

    def _new_spool(self) -> _Spool:
        self._last_number += 1
        self._spools.append(_Spool(self._path_of(self._last_number)))
        self._synced = 0
        self._names_unsynced = True
        return self._spools[-1]

    def _path_of(self, number: int) -> Path:
        return self.folder / f"{number:06}.jsonl"

    def _begin_again(self) -> None:
        """The last file vanished: its records that are not durable go into the next one."""
        still_open = self.open & self._unsynced.keys()
        self._drop(self._spools[-1])
        self._new_spool().seqs |= self._unsynced.keys()
        self.open |= still_open
        self._torn = False
        self._doubtful = True  # the next `sync` writes them

    def _has_vanished(self, spool: _Spool) -> bool:
        return bool(spool.bytes) and not spool.path.exists()

    def _drop(self, spool: _Spool) -> None:
        self._spools.remove(spool)
        self.open -= spool.seqs
        self._vanished.append(spool.path)

    def _append(self, spool: _Spool, data: bytes) -> None:
        """Append whole records behind whole records; raises OSError."""
        if self._torn and spool.path.exists():
            self._disk.truncate(spool.path, spool.bytes)
        self._torn = True
        self._disk.append(spool.path, data)
        self._torn = False
        spool.bytes += len(data)

    def sync(self) -> None:
        """Make all added records durable; only then may their lines be acknowledged.

        Raises:
            OSError: they are not durable; call again.
        """
        if self._unsynced:
            if self._has_vanished(self._spools[-1]):
                self._begin_again()
            spool = self._spools[-1]
            if self._doubtful:
                if spool.path.exists():
                    self._disk.truncate(spool.path, self._synced)
                spool.bytes = self._synced
                self._append(spool, b"".join(self._unsynced.values()))
            self._doubtful = True
            self._disk.sync_file(spool.path)
            self._doubtful = False
            self._unsynced.clear()
            self._synced = spool.bytes
        if self._names_unsynced:
            self._disk.sync_folder(self.folder)
            self._inventory.write(spool.number for spool in self._spools)
            self._names_unsynced = False

    def tell_vanished(self, tell: Callable[[Path], None]) -> None:
        """Tell of each file of records that somebody deleted, once. Raises OSError."""
        for spool in filter(self._has_vanished, self._spools[:-1]):
            self._drop(spool)
        if self._spools and self._has_vanished(self._spools[-1]):
            self._begin_again()
        for path in self._vanished:
            tell(path)
        self._vanished.clear()
        if not self._names_unsynced:
            self._inventory.write(spool.number for spool in self._spools)

    # -- closing ---------------------------------------------------------------------------

    def refresh(self) -> None:
        """Learn which records were closed meanwhile, by this process or another. Raises OSError."""
        news = list(self._resolutions.new())
        for resolution in news:
            self._last_seq = max(self._last_seq, resolution.seq)
            self.open.discard(resolution.seq)
        if news:
            self._forget_refused()
        closed = [place for place, one in self.unterminated.items() if one.seq not in self.open]
        for place in closed:
            del self.unterminated[place]

    def _forget_refused(self) -> None:
        for name in [name for name, seq in self._refused.items() if seq not in self.open]:
            del self._refused[name]

    @property
    def refuses(self) -> bool:
        """Whether there is any document of which `is_refused` may be true."""
        return bool(self._refused)

    def is_refused(self, document_id: str) -> bool:
        """Whether an open record says that the cluster refused this document."""
        return self._refused.get(document_id) in self.open

    def resolve(self, resolutions: Iterable[Resolution]) -> None:
        """Close records, durably. Raises OSError; a repeat is harmless."""
        self._resolutions.add(resolutions, self._disk)
        self.refresh()

    def find(self, generation: str, offset: int) -> list[DeadLetter]:
        """Return the open records of a line that starts at a place; reads all of them."""
        found = records(self.folder)
        return [one for one in found if (one.generation, one.offset) == (generation, offset)]

    def is_full(self) -> bool:
        """Whether a small record would find no room. Raises OSError."""
        return bool(self._lack(SMALL_BYTES))

    def forget_closed(self, now_ms: int, *, any_age: bool = False) -> None:
        """Delete files whose records are all closed, since 7 days or of `any_age`.

        Raises:
            OSError: the folder does not take it.
        """
        self.sync()
        self.refresh()
        every = {one.seq: one for one in Resolutions(self.folder).new()}
        old = float("inf") if any_age else now_ms - KEEP_CLOSED_MS
        gone = [
            spool
            for spool in (self._spools if any_age else self._spools[:-1])
            if all(seq in every and _ms(every[seq].time) < old for seq in spool.seqs)
        ]
        kept = [spool for spool in self._spools if spool not in gone]
        self._inventory.write(spool.number for spool in kept)
        for spool in gone:
            self._disk.remove(spool.path)
            self._spools.remove(spool)
        if gone:
            # COMMIT POINT: the records are gone before what closed them is.
            self._disk.sync_folder(self.folder)
            seqs = {self._last_seq}.union(*(spool.seqs for spool in self._spools))
            self._resolutions.keep((one for seq, one in every.items() if seq in seqs), self._disk)
            self._synced = self._spools[-1].bytes if self._spools else 0


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)
