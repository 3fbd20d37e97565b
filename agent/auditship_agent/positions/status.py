"""What the agent tells of itself: `status.json`, replaced each second, read by `status`.

Not fsynced: it is for people and monitoring, and no decision rests on it after a crash. For an
agent that does not run any more, the checkpoint has the last word on what is acknowledged.
"""

import os
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from auditship_agent.checkpoint import Entry, Snapshot
from auditship_indexer.event.line import plain, size_text

NAME: Final = "status.json"
_MODE: Final = 0o600
_DAY_S: Final = 86_400


class FileStatus(Struct, frozen=True):
    """One file: how large, how much of it is acknowledged (bytes), and what is wrong.

    `lag_s` is the age of the oldest line in it without an outcome, since it was first seen.
    """

    path: str
    state: str
    generation: str
    size: int
    read: int
    acked: int
    lag: int = 0  # bytes that wait for their outcome
    error: str = ""
    lag_s: float = 0.0


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
    dead_letter_max_bytes: int = 0
    checkpoint_age_s: float = 0.0
    config_rejected: str = ""
    hosts_away: dict[str, str] = {}  # with the reason
    acknowledged_to: str = ""  # every line that was in the files then has its outcome


def write(folder: Path, status: Status) -> None:
    """Replace `status.json`, readable by the agent's user only. Raises OSError."""
    new = folder / f"{NAME}.new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(status))
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


def at_rest(status: Status | None, snapshot: Snapshot, now_ms: int) -> Status:
    """Return what is known of an agent that does not run: the checkpoint, and the rest as told."""
    age_s = round(now_ms / 1000 - datetime.fromisoformat(snapshot.written).timestamp(), 3)
    by_generation = {entry.generation: entry for entry in snapshot.entries}
    if status is None:
        return msgspec.structs.replace(_of_snapshot(snapshot), checkpoint_age_s=age_s)
    sources = tuple(
        msgspec.structs.replace(
            source,
            pending=0,
            oldest_unacknowledged_s=0.0,
            files=tuple(
                _settled(file, by_generation.get(file.generation)) for file in source.files
            ),
        )
        for source in status.sources
    )
    return msgspec.structs.replace(
        status,
        sources=sources,
        in_flight=0,
        checkpoint_sequence=snapshot.sequence,
        checkpoint_age_s=age_s,
    )


def _settled(file: FileStatus, entry: Entry | None) -> FileStatus:
    if entry is None or entry.path != file.path:
        return file
    size = max(file.size, entry.size)
    return msgspec.structs.replace(file, acked=entry.acked, size=size, lag=size - entry.acked)


def _of_snapshot(snapshot: Snapshot) -> Status:
    names = sorted({entry.source for entry in snapshot.entries})
    sources = tuple(
        SourceStatus(
            name=name,
            preset="",
            read=0,
            stored=0,
            present=0,
            ignored=0,
            dead=0,
            pending=0,
            oldest_unacknowledged_s=0.0,
            held="",
            files=tuple(_of_entry(entry) for entry in snapshot.entries if entry.source == name),
        )
        for name in names
    )
    return Status(
        agent=snapshot.agent,
        server=snapshot.server,
        region=snapshot.region,
        version="",
        pid=0,
        started=snapshot.written,
        written=snapshot.written,
        hosts=0,
        window=0,
        in_flight=0,
        held={},
        health=(),
        dead_letters_open=0,
        dead_letter_bytes=0,
        lost_bytes=0,
        checkpoint_sequence=snapshot.sequence,
        sources=sources,
    )


def _of_entry(entry: Entry) -> FileStatus:
    return FileStatus(
        entry.path,
        entry.state,
        entry.generation,
        entry.size,
        entry.acked,
        entry.acked,
        max(0, entry.size - entry.acked),
    )


def told(status: Status, *, running: bool = True) -> str:
    """Return a status as lines for a terminal."""
    held = "; ".join(f"{what}: {why}" for what, why in status.held.items()) or "nothing"
    life = f"up {_duration(status)}" if running else f"stopped, last seen {status.written}"
    hosts = f"{status.hosts} host{'s' * (status.hosts != 1)}"
    head = (
        f"{status.agent} on {status.server} ({status.region})  {life}   "
        f"{hosts}, window {status.in_flight} of {status.window}   "
        f"held: {plain(held)}"
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
    room = f" of {size_text(status.dead_letter_max_bytes)}" if status.dead_letter_max_bytes else ""
    lines.append(
        f"dead letters {status.dead_letters_open:,} open "
        f"({size_text(status.dead_letter_bytes)}{room})   lost bytes {status.lost_bytes:,}   "
        f"checkpoint {status.checkpoint_sequence}, {status.checkpoint_age_s:.1f} s ago"
    )
    lines.append(f"every line until {status.acknowledged_to or '-'} has its outcome")
    if status.config_rejected:
        lines.append(f"configuration rejected: {plain(status.config_rejected)}")
    lines += [
        f"host {plain(host)} is away: {plain(why)}" for host, why in status.hosts_away.items()
    ]
    lines += [f"unhealthy: {plain(reason)}" for reason in status.health]
    return "\n".join(lines)


def _duration(status: Status) -> str:
    """Return the time from start to status as `3d 04:11`."""
    began, now = (datetime.fromisoformat(text) for text in (status.started, status.written))
    days, seconds = divmod(max(0, int((now - began).total_seconds())), _DAY_S)
    minutes = seconds // 60
    return f"{days}d {minutes // 60:02}:{minutes % 60:02}"


def _file_told(file: FileStatus) -> str:
    error = f"   {plain(file.error)}" if file.error else ""
    late = f", {file.lag_s:.1f} s" if file.lag_s else ""
    return (
        f"{file.state:10} {file.generation[:8] or '-':8}  {plain(file.path)}  "
        f"{size_text(file.size)}  acknowledged {size_text(file.acked)}  "
        f"lag {size_text(file.lag)}{late}{error}"
    )
