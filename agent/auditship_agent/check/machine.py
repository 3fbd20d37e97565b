"""What this machine gives the agent: state folder, descriptors, watches."""

import os
import resource
from pathlib import Path
from typing import Final

from auditship_agent.check.finding import Finding, failed, fine, user
from auditship_agent.config import AgentConfig

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
    return fine("state folder", str(folder))


def descriptors(config: AgentConfig) -> Finding:
    """Check that as many files may be open as the settings allow."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = config.limits.max_open_files + _DESCRIPTORS_BESIDE
    if soft < wanted:
        return failed(
            "descriptors",
            f"limits.max_open_files needs {wanted:,}, this process may have {soft:,}",
            "raise LimitNOFILE of the service, or lower limits.max_open_files",
        )
    return fine("descriptors", f"{config.limits.max_open_files:,} of {soft:,}")


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
