"""Share links, seen by their owners: create, update, revoke, expire."""

import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from storage_server.accounts import hash_password
from storage_server.audit import rfc3339
from storage_server.call import Call, Reply, Site
from storage_server.files import clean_path, demand, file_fields, find, name_file
from storage_server.refusal import failed
from storage_server.rights import require
from storage_server.store import digest, transaction

SCOPES = {"anyone", "domain", "people"}
LINK = (
    "SELECT l.*, f.id AS file_id, f.path, f.type, f.deleted_ms, v.number, v.blob, v.size,"
    " v.sha256, v.mime_type, v.region AS stored, w.name AS workspace_name"
    " FROM links l JOIN files f ON f.id = l.file JOIN workspaces w ON w.id = l.workspace"
    " LEFT JOIN versions v ON v.file = f.id AND v.number = f.version"
)


def share_fields(link: sqlite3.Row) -> dict[str, Any]:
    """Return the share object of the line: the policy, never the token."""
    return {
        "id": link["id"],
        "scope": link["scope"],
        "allowed_domains": json.loads(link["allowed"]) if link["scope"] == "domain" else None,
        "password_protected": link["password"] is not None,
        "expires_at": rfc3339(link["expires_ms"]) if link["expires_ms"] is not None else None,
        "max_downloads": link["max_downloads"],
        "owner": link["owner"],
    }


def create(call: Call) -> Reply:
    """Make a link to a file (downloads) or a folder (uploads): `POST …/links {path, …}`."""
    path = clean_path(call.text("path"))
    call.fields["file"] = {"path": path, "name": path.rpartition("/")[2]}
    call.fields["share"] = {"id": call.site.world.new_id("s"), "owner": call.who.email}
    file = demand(find(call, path))
    name_file(call, file)
    require(call, "share", path)
    token = call.site.world.new_secret()
    row = {
        **_new_policy(call),
        **policy(call.body),
        "id": call.fields["share"]["id"],
        "token_sha256": digest(token),
        "workspace": call.params["workspace"],
        "file": file["id"],
        "owner": call.who.email,
        "region": call.site.region,
    }
    columns = ", ".join(row)
    marks = ", ".join(f":{column}" for column in row)
    with call.change(201) as db:
        db.execute(f"INSERT INTO links ({columns}) VALUES ({marks})", row)  # noqa: S608 - our names
        call.fields["share"] = share_fields(demand(by_id(call, row["id"])))
    return Reply(201, {"id": row["id"], "url": f"/s/{token}"})


def _new_policy(call: Call) -> dict[str, Any]:
    """Return what a link is without any wish; a limited link blocks by a rule with a name."""
    policy: dict[str, Any] = {"scope": "anyone", "allowed": "[]"}
    if call.body.get("scope") in {"domain", "people"}:
        name = call.body.get("rule_name") or f"only {', '.join(call.texts('allowed'))}"
        policy |= {"rule_id": call.site.world.new_id("r"), "rule_name": str(name)}
    return policy


def policy(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that the body sets.

    Raises:
        RefusedError: one of them has no usable value (`invalid_request`).
    """
    columns: dict[str, Any] = {}
    try:
        if "scope" in body:
            columns["scope"] = _one_of(body["scope"], SCOPES)
        if "allowed" in body:
            columns["allowed"] = json.dumps([str(each).lower() for each in body["allowed"]])
        if "password" in body:
            password = body["password"]
            columns["password"] = hash_password(str(password)) if password else None
        if "expires_at" in body:
            columns["expires_ms"] = _unix_ms(body["expires_at"])
        if "max_downloads" in body:
            columns["max_downloads"] = int(body["max_downloads"])
    except (TypeError, ValueError, OverflowError) as error:
        raise failed("invalid_request", status=400, hint=f"policy: {error}") from error
    return columns


def _one_of(value: object, allowed: set[str]) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"one of {', '.join(sorted(allowed))} is needed")
    return value


def _unix_ms(text: str) -> int:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("expires_at needs a zone")
    return int(time.timestamp() * 1000)


def by_id(call: Call, link: str) -> sqlite3.Row | None:
    """Return the link of this workspace with its file."""
    row: sqlite3.Row | None = call.db.execute(
        f"{LINK} WHERE l.workspace = ? AND l.id = ?", (call.params["workspace"], link)
    ).fetchone()
    return row


def _claim(call: Call) -> sqlite3.Row:
    call.fields["share"] = {"id": call.params["link"]}
    link = demand(by_id(call, call.params["link"]))
    call.fields |= {"share": share_fields(link), "file": linked_file(link)}
    require(call, "share", link["path"])
    if link["revoked_ms"] is not None:
        raise failed("conflict", status=409, hint="the link was revoked")
    return link


def linked_file(link: sqlite3.Row) -> dict[str, Any]:
    """Return the file object of the line of a link."""
    return {**file_fields(link), "id": link["file_id"]}


def update(call: Call) -> Reply:
    """Change the policy of a link: `PATCH …/links/ID {password, expires_at, …}`."""
    link = _claim(call)
    columns = policy(call.body)
    if not columns:
        raise failed("invalid_request", status=400, hint="nothing to change")
    if columns.get("expires_ms") is not None:
        columns["expired_ms"] = None  # a new date lets an expired link live again
    settings = ", ".join(f"{column} = :{column}" for column in columns)
    with call.change() as db:
        statement = f"UPDATE links SET {settings} WHERE id = :id"  # noqa: S608 - our own names
        db.execute(statement, {**columns, "id": link["id"]})
        call.fields["share"] = share_fields(demand(by_id(call, link["id"])))
    return Reply(body={"id": link["id"]})


def revoke(call: Call) -> Reply:
    """End a link: `DELETE …/links/ID`."""
    link = _claim(call)
    with call.change() as db:
        now_ms = call.site.world.now_ms()
        db.execute("UPDATE links SET revoked_ms = ? WHERE id = ?", (now_ms, link["id"]))
    return Reply(body={"id": link["id"]})


def expire_due(site: Site, db: sqlite3.Connection) -> int:
    """Tell each expiry of a link of this region, once; return how many were told.

    Safe to repeat, and from several threads: the row is marked in the transaction that tells it.
    """
    due = (
        f"{LINK} WHERE l.region = ? AND l.expires_ms <= ?"
        " AND l.expired_ms IS NULL AND l.revoked_ms IS NULL"
    )
    asked = (site.region, site.world.now_ms())
    if db.execute(due, asked).fetchone() is None:
        return 0
    with transaction(db):
        links = db.execute(due, asked).fetchall()
        for link in links:
            _tell_expiry(site, db, link)
    return len(links)


def _tell_expiry(site: Site, db: sqlite3.Connection, link: sqlite3.Row) -> None:
    db.execute("UPDATE links SET expired_ms = ? WHERE id = ?", (site.world.now_ms(), link["id"]))
    workspace = {"id": link["workspace"], "name": link["workspace_name"]}
    fields = {"share": share_fields(link), "file": linked_file(link), "workspace": workspace}
    site.tell("share.expire", "success", {"actor": "system", **fields})
