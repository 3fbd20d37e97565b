"""What this machine gives the agent: state folder, descriptors, watches."""

import os
import resource
import socket
from pathlib import Path
from typing import Final

from auditship_agent.check.finding import Finding, failed, fine, user
from auditship_agent.checkpoint import CheckpointFile
from auditship_agent.config import AgentConfig
from auditship_agent.durable import LOCK, RealDisk, is_locked
from auditship_indexer.errors import StateError

_REPLAYS: Final = "all files are read from 0 again; nothing is stored twice"
_DESCRIPTORS_BESIDE: Final = 64
_WATCHES: Final = Path("/proc/sys/fs/inotify/max_user_watches")


def state(config: AgentConfig) -> Finding:
    """Check that the state folder can be made or written, with room for dead letters."""
    folder = Path(config.state.dir)
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        return failed(
            "state folder",
            f"{existing}: not writable for user {user()}",
            f"mkdir -p '{folder}' and chown it to {user()}, or set state.dir",
        )
    status = os.statvfs(existing)
    free = status.f_bavail * status.f_frsize
    if free < config.dead_letter.min_free_bytes:
        return failed(
            "state folder",
            f"{existing}: {free:,} bytes free, dead_letter.min_free_bytes is "
            f"{config.dead_letter.min_free_bytes:,}",
            "free some disk space, or lower the limit",
        )
    return _kept(config, folder)


def _kept(config: AgentConfig, folder: Path) -> Finding:
    """Check that the checkpoint is one that `run` would go on with: version, identity, damage."""
    try:
        snapshot, damaged = CheckpointFile(folder, RealDisk()).load()
    except StateError as error:
        return failed("state folder", str(error), error.hint or "")
    server = config.server
    if snapshot is not None and (snapshot.server, snapshot.region) != (server.id, server.region):
        return failed(
            "state folder",
            f"{folder}: that of server {snapshot.server} in {snapshot.region}, "
            f"the configuration says {server.id} in {server.region}",
            "mend server.id and server.region, or run --accept-identity-change",
        )
    if damaged and snapshot is None:
        return failed(
            "state folder",
            f"{damaged[0]}: damaged, and no other checkpoint is valid",
            f"checkpoint.on_damage is {config.checkpoint.on_damage}: "
            + ("the start exits with 4" if config.checkpoint.on_damage == "stop" else _REPLAYS),
        )
    return fine("state folder", str(folder))


def descriptors(config: AgentConfig) -> Finding:
    """Check that as many files may be open as the settings allow."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)  # `run` raises the soft one to it
    wanted = config.limits.max_open_files + _DESCRIPTORS_BESIDE
    if limit == resource.RLIM_INFINITY:
        return fine("descriptors", f"{config.limits.max_open_files:,}, the system sets no limit")
    if limit < wanted:
        return failed(
            "descriptors",
            f"limits.max_open_files needs {wanted:,}, this process may have {limit:,}",
            "raise LimitNOFILE of the service, or lower limits.max_open_files",
        )
    return fine("descriptors", f"{config.limits.max_open_files:,} of {limit:,}")


def watches(config: AgentConfig, folders: int) -> Finding:
    """Check the limit of inotify watches; one folder takes one."""
    if config.watch.method == "poll":
        return fine("watches", "polling, as configured")
    try:
        limit = int(_WATCHES.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return fine("watches", "inotify cannot be asked for its limit; the agent polls if need be")
    if folders > limit:
        return failed(
            "watches",
            f"{folders:,} folders to watch, this user may watch {limit:,}",
            "raise fs.inotify.max_user_watches; until then the agent polls",
        )
    return fine("watches", f"{folders:,} of {limit:,}")


def is_running(config: AgentConfig) -> bool:
    """Whether an agent works in the configured state folder, as far as this user may know."""
    try:
        return is_locked(Path(config.state.dir) / LOCK)
    except OSError:
        return False


def port(config: AgentConfig, *, running: bool) -> Finding:
    """Check that the metrics can be served; a running agent has its port already."""
    listen = config.http.listen
    if listen == "off" or running:
        return fine("metrics", listen if listen == "off" else f"{listen}, of the running agent")
    host, _, number = listen.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host.strip("[]"), int(number)))
        except OSError as error:
            return failed(
                "metrics",
                f"http.listen: {listen}: {error.strerror}",
                "another agent on this host? give each its own port, or set it to off",
            )
    return fine("metrics", listen)
