"""The state folder of one agent: its lock, its identity, what is found there at start."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from auditship_agent.checkpoint import CheckpointFile, Snapshot
from auditship_agent.config import AgentConfig
from auditship_agent.durable import LOCK, is_locked
from auditship_indexer.clock import Clock, iso_ms
from auditship_indexer.errors import ConfigError, StateError
from auditship_indexer.log import Log

_MODE: Final = 0o700
_LOCK_TRIES: Final = 5
_LOCK_PAUSE_S: Final = 0.02


class StateFolder:
    """A folder that one process at a time works in. Use as a context manager.

    Raises:
        ConfigError: the folder cannot be made or written.
        StateError: another agent works in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = -1

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(mode=_MODE, parents=True, exist_ok=True)
            self._lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                f"state.dir: {self.path}: {error.strerror}",
                hint="make the folder and give it to the agent's user, or set state.dir",
            ) from error
        if not self._locks():
            holder = os.pread(self._lock, 256, 0).decode(errors="replace").split("\n")[0]
            os.close(self._lock)
            raise StateError(
                f"{self.path} is in use by the agent with process id {holder or 'unknown'}",
                hint="stop that agent, or give this one a state.dir of its own",
            )
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n{boot_id()}\n".encode(), 0)
        return self

    def _locks(self) -> bool:
        """Take the lock; `is_locked` of another process may hold it for a moment."""
        for attempt in range(_LOCK_TRIES):
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_LOCK_PAUSE_S if attempt else 0)
            else:
                return True
        return False

    def is_locked(self) -> bool:
        """Whether an agent works in the folder now.

        Raises:
            StateError: this user may not know.
        """
        try:
            return is_locked(self.path / LOCK)
        except OSError as error:
            raise StateError(
                f"{error.filename}: {error.strerror}",
                hint="the state folder is the agent's: use root or the agent's user",
            ) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._lock)


def boot_id() -> str:
    """Return the id of this boot of the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def load_snapshot(
    checkpoint: CheckpointFile,
    config: AgentConfig,
    *,
    accept_identity_change: bool,
    clock: Clock,
    log: Log,
) -> Snapshot | None:
    """Return the newest valid checkpoint; None: read everything from 0 (stored lines answer 409).

    After an accepted change of identity nothing of its entries counts any more; own events that
    were not yet sent still are.

    Raises:
        StateError: a newer version's, another server's or region's, or damaged and
            `checkpoint.on_damage` is `stop`.
    """
    snapshot, damaged = checkpoint.load()
    if damaged:
        if snapshot is None and config.checkpoint.on_damage == "stop":
            raise StateError(
                f"{damaged[0]} is damaged, and no other checkpoint is valid",
                hint="checkpoint.on_damage: replay reads all files from 0; nothing is stored twice",
            )
        _set_aside(checkpoint, damaged, clock, log, replays=snapshot is None)
    if snapshot is None:
        return None
    server = config.server
    if (snapshot.server, snapshot.region) == (server.id, server.region):
        return snapshot
    if not accept_identity_change:
        raise StateError(
            f"the state folder is that of server {snapshot.server} in {snapshot.region}, "
            f"the configuration says {server.id} in {server.region}: every id and index would "
            "change",
            hint="mend server.id and server.region, or run --accept-identity-change",
        )
    log.warning("identity.changed", before=f"{snapshot.server} {snapshot.region}")
    return msgspec.structs.replace(snapshot, entries=(), server=server.id, region=server.region)


def _set_aside(
    checkpoint: CheckpointFile, damaged: list[Path], clock: Clock, log: Log, *, replays: bool
) -> None:
    """Keep damaged files for a person; a disk that refuses even that does not stop the start."""
    kept = True
    try:
        checkpoint.keep_damaged(damaged, iso_ms(clock.now_ms()).replace(":", ""))
    except OSError:
        kept = False
    log.error(
        "checkpoint.damaged", files=[str(path) for path in damaged], kept=kept, replays=replays
    )
