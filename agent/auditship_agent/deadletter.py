"""Lines that could not become events: raw bytes, reason and position, durable before they count.

Append-only JSON lines in files of 16 MiB. A record ends with `sum`, 16 hex digits of the SHA-256
of the rest, so that a torn tail is cut at start (it was never acknowledged) and a damaged record
is set aside and counted. The key (generation, offset, line hash) keeps a line that is read again
after a crash from being recorded twice. `resolved.jsonl` closes records.

Raw lines may hold secrets: the files are readable by the agent's user only.
"""

import os
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from auditship_agent.durable import Disk

FILE_BYTES: Final = 16 * 1024 * 1024
RECORD_OVERHEAD: Final = 1024  # rough bytes of a record beside its line
_SUM_DIGITS: Final = 16
_RESOLVED: Final = "resolved.jsonl"

Key = tuple[str, int, str]
Fate = Literal["replayed", "superseded", "discarded"]


class DeadLetter(Struct, frozen=True, omit_defaults=True):
    """One record. `raw` is base64 of the line, or of its head for `line_too_long`."""

    seq: int
    time: str
    reason: str
    detail: str
    source: str
    preset: str
    path: str
    generation: str
    first: str
    offset: int
    line_bytes: int
    line_sha256: str
    raw: str
    items: tuple[int, ...] = ()
    id: str | None = None
    index: str | None = None
    document: str = ""  # stands for the line where its file does not give it any more
    v: int = 1

    @property
    def key(self) -> Key:
        """What makes two records the same line."""
        return self.generation, self.offset, self.line_sha256

    @property
    def line(self) -> bytes:
        """The raw bytes."""
        return b64decode(self.raw)


class Resolution(Struct, frozen=True, omit_defaults=True):
    """A record that is closed: by which fate, when and, for a discard, why."""

    seq: int
    fate: Fate
    time: str
    reason: str = ""


class FullError(Exception):
    """There is no room for another record: the file must not be read past its line."""


def raw_text(line: bytes) -> str:
    """Return bytes in the form of `DeadLetter.raw`."""
    return b64encode(line).decode()


def _sealed(record: Struct) -> bytes:
    body = msgspec.json.encode(record)
    digest = sha256(body).hexdigest()[:_SUM_DIGITS].encode()
    return body[:-1] + b',"sum":"' + digest + b'"}\n'


def _opened(line: bytes) -> bytes | None:
    """Return the JSON of a sealed line without its sum, or None when it is damaged."""
    tail = len(b',"sum":"') + _SUM_DIGITS + len(b'"}')
    body, seal = line[:-tail] + b"}", line[-tail:]
    digest = sha256(body).hexdigest()[:_SUM_DIGITS].encode()
    return body if seal == b',"sum":"' + digest + b'"}' else None


class DeadLetterFile:
    """The dead letters of one state folder. One writer; any number of readers."""

    def __init__(
        self, folder: Path, disk: Disk, *, max_bytes: int, min_free_bytes: int = 0
    ) -> None:
        self._folder = folder
        self._disk = disk
        self._max_bytes = max_bytes
        self._min_free_bytes = min_free_bytes
        self._unsynced: set[Path] = set()
        self._new_name = False
        self.open: dict[int, Key] = {}
        self._keys: set[Key] = set()
        self._last_seq = 0
        self.bytes_used = 0
        self.damaged = 0
        self._current: Path | None = None
        self._current_bytes = 0

    def recover(self) -> None:
        """Read what is there: cut a torn tail, count damaged records, learn the open ones.

        Raises:
            OSError: the folder cannot be read or mended.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        closed = {resolution.seq for resolution in self._resolutions()}
        for path in self._paths():
            good = self._recover_file(path, closed)
            self._current, self._current_bytes = path, good
            self.bytes_used += good
        self._last_seq = max(self._last_seq, *closed, 0)

    def _recover_file(self, path: Path, closed: set[int]) -> int:
        data = path.read_bytes()
        good = data.rfind(b"\n") + 1
        if good < len(data):
            self._disk.truncate(path, good)  # a torn append: never acknowledged
        for line in data[:good].splitlines():
            record = _decode(line)
            if record is None:
                self.damaged += 1
                continue
            self._last_seq = max(self._last_seq, record.seq)
            self._keys.add(record.key)
            if record.seq not in closed:
                self.open[record.seq] = record.key
        return good

    def room_for(self, line_bytes: int) -> bool:
        """Whether a record of a line of this length still fits."""
        need = line_bytes * 4 // 3 + RECORD_OVERHEAD
        if self.bytes_used + need > self._max_bytes:
            return False
        if not self._min_free_bytes:
            return True
        status = os.statvfs(self._folder)
        return status.f_bavail * status.f_frsize - need >= self._min_free_bytes

    def knows(self, key: Key) -> bool:
        """Whether this very line was recorded before, open or closed."""
        return key in self._keys

    def next_seq(self) -> int:
        """Return the number of the next record."""
        return self._last_seq + 1

    def add(self, record: DeadLetter) -> bool:
        """Append a record; durable only after `sync`. Return False when it was there already.

        Raises:
            FullError: no room; nothing was written.
            OSError: nothing that counts was written; the tail is cut before the next append.
        """
        if record.key in self._keys:
            return False
        if not self.room_for(len(record.raw) * 3 // 4):
            raise FullError
        data = _sealed(record)
        path = self._file_for(len(data))
        try:
            self._disk.append(path, data)
        except OSError:
            self._mend_tail(path)
            raise
        self._unsynced.add(path)
        self._current_bytes += len(data)
        self.bytes_used += len(data)
        self._last_seq = record.seq
        self._keys.add(record.key)
        self.open[record.seq] = record.key
        return True

    def _mend_tail(self, path: Path) -> None:
        """Cut what a failed append left, so that the next record starts on a line of its own."""
        if path.exists() and path.stat().st_size > self._current_bytes:
            self._disk.truncate(path, self._current_bytes)

    def _file_for(self, size: int) -> Path:
        full = self._current_bytes + size > FILE_BYTES
        if self._current is None or (full and self._current_bytes):
            number = int(self._current.stem) + 1 if self._current else 1
            self._current = self._folder / f"{number:06d}.jsonl"
            self._current_bytes = 0
            self._new_name = True
        return self._current

    def sync(self) -> None:
        """Make all added records durable; only then may their lines be acknowledged.

        Raises:
            OSError: they are not durable; call again.
        """
        for path in sorted(self._unsynced):
            self._disk.sync_file(path)
            self._unsynced.discard(path)
        if self._new_name:
            self._disk.sync_folder(self._folder)
            self._new_name = False

    def resolve(self, resolution: Resolution) -> None:
        """Close a record, durably. Raises OSError."""
        path = self._folder / _RESOLVED
        self._disk.append(path, _sealed(resolution))
        self._disk.sync_file(path)
        # COMMIT POINT: a crash above leaves the record open; closing it again is harmless.
        self._disk.sync_folder(self._folder)
        self.open.pop(resolution.seq, None)

    def records(self, *, only_open: bool = True) -> list[DeadLetter]:
        """Return the records in order of their numbers; damaged ones are left out."""
        closed = {resolution.seq for resolution in self._resolutions()} if only_open else set()
        return [
            record
            for path in self._paths()
            for line in path.read_bytes().splitlines()
            if (record := _decode(line)) is not None and record.seq not in closed
        ]

    def _paths(self) -> list[Path]:
        return sorted(p for p in self._folder.glob("[0-9]*.jsonl") if p.stem.isdigit())

    def _resolutions(self) -> list[Resolution]:
        path = self._folder / _RESOLVED
        if not path.exists():
            return []
        bodies = (_opened(line) for line in path.read_bytes().splitlines())
        return [msgspec.json.decode(body, type=Resolution) for body in bodies if body is not None]


def _decode(line: bytes) -> DeadLetter | None:
    body = _opened(line)
    if body is None:
        return None
    try:
        return msgspec.json.decode(body, type=DeadLetter)
    except msgspec.MsgspecError:
        return None
