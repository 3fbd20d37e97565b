"""What the agent tells of itself: `status.json`, replaced each second, read by `status`.

Not fsynced: it is for people and monitoring, and no decision rests on it after a crash.
"""

from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from auditship_indexer.event.line import plain, size_text

NAME: Final = "status.json"


class FileStatus(Struct, frozen=True):
    """One file: how large, how much of it is acknowledged (bytes), and what is wrong."""

    path: str
    state: str
    generation: str
    size: int
    read: int
    acked: int
    error: str = ""


class SourceStatus(Struct, frozen=True):
    """One source: what became of its lines since the start, and its files."""

    name: str
    preset: str
    read: int
    stored: int
    present: int
    ignored: int
    dead: int
    pending: int
    oldest_unacknowledged_s: float
    held: str
    files: tuple[FileStatus, ...]


class Status(Struct, frozen=True):
    """One agent at one moment."""

    agent: str
    server: str
    region: str
    version: str
    pid: int
    started: str
    written: str
    hosts: int
    window: int
    in_flight: int
    held: dict[str, str]
    health: tuple[str, ...]
    dead_letters_open: int
    dead_letter_bytes: int
    lost_bytes: int
    checkpoint_sequence: int
    sources: tuple[SourceStatus, ...]
    doubles: dict[str, str] = {}


def write(folder: Path, status: Status) -> None:
    """Replace `status.json`. Raises OSError."""
    new = folder / f"{NAME}.new"
    new.write_bytes(msgspec.json.encode(status))
    new.replace(folder / NAME)


def read(folder: Path) -> Status | None:
    """Return the last status of an agent, running or not; None when there is none.

    Raises:
        OSError: it cannot be read.
    """
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=Status)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def told(status: Status) -> str:
    """Return a status as lines for a terminal."""
    held = "; ".join(f"{what}: {why}" for what, why in status.held.items()) or "nothing"
    head = (
        f"{status.agent} on {status.server} ({status.region})  since {status.started}   "
        f"{status.hosts} hosts, window {status.in_flight} of {status.window}   held: {held}"
    )
    lines = [head]
    for source in status.sources:
        lines.append(
            f"{source.name}  {source.preset}  read {source.read:,}  stored {source.stored:,}  "
            f"present {source.present:,}  ignored {source.ignored:,}  dead {source.dead:,}  "
            f"pending {source.pending:,}   "
            f"oldest unacknowledged {source.oldest_unacknowledged_s:.1f} s"
        )
        lines += [f"  {_file_told(file)}" for file in source.files]
    lines.append(
        f"dead letters {status.dead_letters_open:,} open ({size_text(status.dead_letter_bytes)})"
        f"   lost bytes {status.lost_bytes:,}   checkpoint {status.checkpoint_sequence}"
    )
    lines += [f"unhealthy: {reason}" for reason in status.health]
    return "\n".join(lines)


def _file_told(file: FileStatus) -> str:
    error = f"   {plain(file.error)}" if file.error else ""
    return (
        f"{file.state:10} {file.generation[:8] or '-':8}  {plain(file.path)}  "
        f"{size_text(file.size)}  acknowledged {size_text(file.acked)}  "
        f"lag {size_text(max(0, file.size - file.acked))}{error}"
    )
