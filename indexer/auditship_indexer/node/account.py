"""Who runs the node: OpenSearch refuses root, so root hands it to an unprivileged account.

That account must be able to read the distribution and the Java runtime and to reach its data.
Whether it can is asked of the kernel, by trying, since modes, groups and ACLs all have a say.
"""

import hashlib
import os
import pwd
import subprocess
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from auditship_indexer.errors import NodeError

NOBODY = 65_534  # the overflow id of Linux, where the account has no name
SYSTEM_CACHE = Path("/var/cache/auditship")
SYSTEM_STATE = Path("/var/lib/auditship")

Tell = Callable[[str], None]


class Account(Struct, frozen=True):
    """An unprivileged user, by number."""

    uid: int
    gid: int


def unprivileged() -> Account | None:
    """Return the account that root starts a node as, or None when we are not root."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return Account(NOBODY, NOBODY)
    return Account(entry.pw_uid, entry.pw_gid)


def can_reach(account: Account | None, path: Path) -> bool:
    """Tell whether the account can read this file or enter this folder.

    Raises:
        NodeError: root may not change its identity here (some containers).
    """
    if account is None:
        return os.access(path, os.R_OK)
    script = '[ -r "$1" ] && { [ ! -d "$1" ] || [ -x "$1" ]; }'
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", script, "sh", str(path)],
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            cwd="/",
            check=False,
        )
    except OSError as error:
        raise NodeError(
            f"OpenSearch does not run as root, and user {account.uid} cannot be used: {error}",
            hint="run the same command as an ordinary user",
        ) from error
    return done.returncode == 0


def make_folder(path: Path) -> None:
    """Make a folder that others may enter, if it is not there yet.

    Raises:
        NodeError: it cannot be made or is not a folder.
    """
    missing = [parent for parent in (path, *path.parents) if not parent.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        for made in missing:
            made.chmod(0o755)
    except OSError as error:
        raise NodeError(
            f"{path}: cannot make this folder: {error.strerror}",
            hint="choose another by AUDITSHIP_CACHE_DIR or AUDITSHIP_STATE_DIR",
        ) from error


def reachable_cache(wished: Path, account: Account | None, tell: Tell) -> Path:
    """Return the cache folder, made: the wished one, or root's system-wide one.

    The second is used when the unprivileged account cannot enter the first, as with /root.
    """
    if _may_reach(account, wished):
        make_folder(wished)
        return wished
    make_folder(SYSTEM_CACHE)
    tell(f"{wished} is closed to user {_uid(account)}: using {SYSTEM_CACHE}")
    return SYSTEM_CACHE


def reachable_data(wished: Path, account: Account | None, tell: Tell) -> Path:
    """Return the node's folder, made: the wished one, or one of its own below /var/lib/auditship.

    The same wish gives the same folder each time, so that data are found again.
    """
    if _may_reach(account, wished):
        make_folder(wished)
        return wished
    name = hashlib.sha256(os.fsencode(wished.resolve())).hexdigest()[:12]
    other = SYSTEM_STATE / "nodes" / name
    make_folder(other)
    tell(f"{wished} is closed to user {_uid(account)}: data are in {other}")
    return other


def give(account: Account | None, folder: Path) -> None:
    """Make the account the owner of a folder and all below it; links are not followed."""
    if account is None or folder.stat().st_uid == account.uid:
        return
    for parent, folders, files in os.walk(folder):
        for name in folders + files:
            os.lchown(Path(parent) / name, account.uid, account.gid)
    os.lchown(folder, account.uid, account.gid)  # last: an interrupted run begins anew


def _may_reach(account: Account | None, wished: Path) -> bool:
    """Tell whether the account reaches a folder, or will once we have made it."""
    there = next(path for path in (wished, *wished.parents) if path.exists())
    return account is None or can_reach(account, there)


def _uid(account: Account | None) -> int:
    return os.geteuid() if account is None else account.uid
