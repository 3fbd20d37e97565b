"""What a product has before its first request: accounts, workspaces, members, files, links.

Seeding writes no audit line: it stands for the time before the log began.
"""

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from storage_server.accounts import hash_password
from storage_server.blobs import Blobs
from storage_server.files import mime_type
from storage_server.store import Store, digest, transaction


@dataclass(frozen=True)
class SeedUser:
    """An account."""

    id: str
    email: str
    name: str
    password: str
    disabled: bool = False


@dataclass(frozen=True)
class SeedFile:
    """A file with its bytes in one region; without bytes a folder."""

    id: str
    path: str
    region: str = ""
    content: bytes | None = None


@dataclass(frozen=True)
class SeedLink:
    """A share link; its token is known to who seeds it."""

    id: str
    token: str
    file: str
    owner: str
    region: str
    allowed_domains: Sequence[str] = ()
    rule: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class SeedWorkspace:
    """A workspace; `members` maps e-mail to role, `groups` (id, name) to e-mails."""

    id: str
    name: str
    members: Mapping[str, str]
    files: Sequence[SeedFile] = ()
    links: Sequence[SeedLink] = ()
    groups: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)
    networks: tuple[str, str, Sequence[str]] | None = None  # rule id, rule name, networks
    quota_bytes: int | None = None


def plant(
    shared: Path,
    roots: Mapping[str, Path],
    users: Sequence[SeedUser],
    workspaces: Sequence[SeedWorkspace],
) -> None:
    """Fill an empty product; `roots` are the folders of bytes of each region."""
    with contextlib.closing(Store(shared).connect()) as db, transaction(db):
        for user in users:
            row = (user.id, user.email, user.name, hash_password(user.password), user.disabled)
            db.execute("INSERT INTO users VALUES (?, ?, ?, ?, ?)", row)
        for workspace in workspaces:
            _plant_workspace(db, workspace)
            for file in workspace.files:
                _plant_file(db, roots, workspace.id, file)
            for link in workspace.links:
                _plant_link(db, workspace.id, link)


def _plant_workspace(db: sqlite3.Connection, workspace: SeedWorkspace) -> None:
    db.execute(
        "INSERT INTO workspaces (id, name, quota_bytes) VALUES (?, ?, ?)",
        (workspace.id, workspace.name, workspace.quota_bytes),
    )
    db.executemany(
        "INSERT INTO members (workspace, email, role, joined_ms) VALUES (?, ?, ?, 0)",
        [(workspace.id, email, role) for email, role in workspace.members.items()],
    )
    for (group, name), emails in workspace.groups.items():
        db.execute("INSERT INTO groups VALUES (?, ?, ?)", (group, workspace.id, name))
        db.executemany("INSERT INTO group_members VALUES (?, ?)", [(group, e) for e in emails])
    if workspace.networks:
        rule, name, allowed = workspace.networks
        row = (rule, workspace.id, name, json.dumps(list(allowed)))
        db.execute("INSERT INTO rules VALUES (?, ?, ?, ?)", row)


def _plant_file(
    db: sqlite3.Connection, roots: Mapping[str, Path], workspace: str, file: SeedFile
) -> None:
    kind, version = ("dir", None) if file.content is None else ("file", 1)
    db.execute(
        "INSERT INTO files (id, workspace, path, type, version) VALUES (?, ?, ?, ?, ?)",
        (file.id, workspace, file.path, kind, version),
    )
    if file.content is None:
        return
    blob = f"b_{file.id}"
    path = Blobs(roots[file.region], file.region, {}, "").path(blob)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.content)
    sha256 = hashlib.sha256(file.content).hexdigest()
    db.execute(
        "INSERT INTO versions VALUES (?, 1, ?, ?, ?, ?, ?)",
        (file.id, blob, len(file.content), sha256, mime_type(file.path), file.region),
    )


def _plant_link(db: sqlite3.Connection, workspace: str, link: SeedLink) -> None:
    scope = "domain" if link.allowed_domains else "anyone"
    rule_id, rule_name = link.rule
    db.execute(
        "INSERT INTO links (id, token_sha256, workspace, file, scope, allowed, owner, rule_id,"
        " rule_name, region) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            link.id,
            digest(link.token),
            workspace,
            link.file,
            scope,
            json.dumps(list(link.allowed_domains)),
            link.owner,
            rule_id or None,
            rule_name or None,
            link.region,
        ),
    )
