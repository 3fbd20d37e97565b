"""How much of each file generation is safely stored; survives any crash, is never trusted blindly.

A checkpoint file is two lines: a head with format version, SHA-256 and length of the second line,
then canonical JSON, which repeats the version. `acked` is the end of the longest prefix in which
each line has its outcome, never more: a lost or stale checkpoint only costs re-sends (409).

Start: of `checkpoint.new`, `checkpoint` and `checkpoint.1` the valid one with the highest sequence
counts. None valid though one existed: replay from 0, or stop; never "start at the end".
"""

import errno
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from auditship_agent.durable import Disk
from auditship_indexer.errors import StateError

FORMAT: Final = 1
NAMES: Final = ("checkpoint.new", "checkpoint", "checkpoint.1")
_TAG: Final = b"auditship-checkpoint"
_OWNER: Final = "give the state folder to the agent's user"

EntryState = Literal["live", "drained", "spare", "finished", "lost", "expired"]


class Entry(Struct, frozen=True):
    """Progress in one file generation.

    `anchor` is the SHA-256 (hex) of the min(4096, acked) bytes before `acked`; `first` that of the
    first line; `size` the largest size seen. All offsets are of the uncompressed content.
    """

    acked: int
    anchor: str
    codec: Literal["gzip", "plain"]
    dev: int
    first: str
    generation: str
    ino: int
    path: str
    seen: str
    size: int
    source: str
    state: EntryState


class Own(Struct, frozen=True):
    """An event of the agent's own, written down before it is sent, so that a retry is the same."""

    document: str
    id: str
    index: str


class Snapshot(Struct, frozen=True):
    """The whole state of an agent at one moment."""

    agent: str
    boot: str
    entries: tuple[Entry, ...]
    own: tuple[Own, ...]
    region: str
    sequence: int
    server: str
    written: str
    format: int = FORMAT


class _Format(Struct, frozen=True):
    """What every format has: its version, under the checksum."""

    format: int


def encode(snapshot: Snapshot) -> bytes:
    """Return the bytes of a checkpoint file."""
    body = msgspec.json.encode(snapshot, order="sorted")
    head = b"%s %d %s %d" % (_TAG, FORMAT, sha256(body).hexdigest().encode(), len(body))
    return head + b"\n" + body + b"\n"


class DamagedError(Exception):
    """The bytes are no whole checkpoint."""


def decode(data: bytes) -> Snapshot:
    """Read a checkpoint file back.

    Raises:
        DamagedError: torn, empty, altered.
        StateError: written by a newer version of the agent.
    """
    version, body = _whole(data)
    try:
        # The version counts only where both lines agree: a flipped bit makes no newer agent.
        if msgspec.json.decode(body, type=_Format).format != version:
            raise DamagedError("the version differs")
        if version > FORMAT:
            raise StateError(
                f"the checkpoint has format {version}, this agent knows up to {FORMAT}",
                hint="run the newer agent again, or move the state folder away to replay",
            )
        return msgspec.json.decode(body, type=Snapshot)
    except msgspec.MsgspecError as error:
        raise DamagedError(str(error)) from error


def _whole(data: bytes) -> tuple[int, bytes]:
    """Return version and body of a file whose body has the length and the checksum of its head."""
    head, _, rest = data.partition(b"\n")
    body = rest.removesuffix(b"\n")
    match head.split(b" "):
        case [tag, version, digest, length] if tag == _TAG and version.isdigit():
            if not rest.endswith(b"\n") or length != b"%d" % len(body):
                raise DamagedError("torn")
            if sha256(body).hexdigest().encode() != digest:
                raise DamagedError("the checksum differs")
            return int(version), body
        case _:
            raise DamagedError("no head")


class CheckpointFile:
    """The checkpoint of one state folder, with its previous generation."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder = folder
        self._disk = disk

    def load(self) -> tuple[Snapshot | None, list[Path]]:
        """Return the newest valid snapshot, and the damaged files that were found.

        A torn `checkpoint.new` that a crash explains is no damage. Changes nothing.

        Raises:
            StateError: a newer version wrote one of the files, or one may not be read.
        """
        found: dict[str, Snapshot] = {}
        damaged = []
        for name in NAMES:
            path = self._folder / name
            try:
                found[name] = decode(path.read_bytes())
            except FileNotFoundError:
                continue
            except DamagedError:
                damaged.append(path)
            except StateError as error:
                raise StateError(f"{path}: {error}", hint=error.hint) from error
            except OSError as error:
                if error.errno != errno.EIO:
                    raise StateError(f"{path}: {error.strerror}", hint=_OWNER) from error
                damaged.append(path)
        if damaged and damaged[0].name == NAMES[0] and self._is_unfinished(found, damaged):
            damaged.pop(0)
        return max(found.values(), key=lambda one: one.sequence, default=None), damaged

    @staticmethod
    def _is_unfinished(found: dict[str, Snapshot], damaged: list[Path]) -> bool:
        """Whether a crash in the first step of a save left this: the old one stands, or none."""
        return NAMES[1] in found or not (found or damaged[1:])

    def keep_damaged(self, paths: list[Path], stamp: str) -> None:
        """Set damaged files aside under a name that tells when. Raises OSError."""
        for path in paths:
            self._disk.replace(path, path.with_name(f"{path.name}.damaged-{stamp}"))

    def save(self, snapshot: Snapshot) -> None:
        """Replace the checkpoint. Returns only when a power loss can no longer undo it.

        Raises:
            OSError: it was not saved; the checkpoint of before stays valid.
        """
        new, current, previous = (self._folder / name for name in NAMES)
        self._disk.write_synced(new, encode(snapshot))
        # From here a crash finds `checkpoint.new` whole: it has the highest sequence.
        if current.exists():
            self._disk.replace(current, previous)
        self._disk.replace(new, current)
        # COMMIT POINT: the next fsync. A power loss above it leaves the old checkpoint or the new
        # one, whole; with the old one, acknowledged lines are sent again and meet 409.
        self._disk.sync_folder(self._folder)
