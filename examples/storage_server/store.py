"""The shared metadata: one SQLite database in WAL mode, and the secrets that the regions share.

A connection belongs to one request and is closed with it. A change is one immediate transaction,
so two regions that change the same thing do it one after the other.
"""

import contextlib
import hashlib
import os
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path

LOCK_WAIT_S = 15.0  # how long a change waits for the change of another region


class Store:
    """The folder that all regions see."""

    def __init__(self, shared: Path) -> None:
        shared.mkdir(parents=True, exist_ok=True)
        self._database = shared / "metadata.sqlite"
        with contextlib.closing(self.connect()) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript((Path(__file__).parent / "schema.sql").read_text("utf-8"))
        self.internal_token = _shared_secret(shared / "internal.token")
        self.link_key = _shared_secret(shared / "link.key").encode()

    def connect(self) -> sqlite3.Connection:
        """Open a connection; the caller closes it, in the thread that opened it."""
        db = sqlite3.connect(self._database, timeout=LOCK_WAIT_S, isolation_level=None)
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA synchronous = NORMAL")
        return db


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Commit what the block changes, or nothing of it when the block raises."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
    except BaseException:
        db.execute("ROLLBACK")
        raise
    # COMMIT POINT: a crash above it undoes the change; its audit line, if already written,
    # then tells of an act that was attempted, never the other way round.
    db.execute("COMMIT")


def digest(secret: str) -> str:
    """Return the SHA-256 of a random secret, in hex: enough, since nobody can guess 256 bits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _shared_secret(path: Path) -> str:
    """Return the secret in `path`, made by whichever region comes first."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_hex(32).encode())
    finally:
        os.close(descriptor)
    with contextlib.suppress(FileExistsError):
        os.link(fresh, path)  # whole or not at all, and never over another region's
    fresh.unlink()
    return path.read_text("ascii")
