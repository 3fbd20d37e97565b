"""Workspaces and the people in them: members, groups' permissions, API keys."""

import sqlite3
from collections.abc import Mapping
from typing import Any

from storage_server.call import Call, Reply
from storage_server.files import claim_path, clean_path, demand
from storage_server.refusal import denied, failed
from storage_server.rights import ROLES, require
from storage_server.store import digest


def log_in(call: Call) -> Reply:
    """Check user name and password: `POST /v1/login`."""
    if not call.who.signed_in:
        raise denied("bad_credentials", status=401)
    return Reply(body={"id": call.who.user_id, "email": call.who.email})


def create_workspace(call: Call) -> Reply:
    """Make a workspace that belongs to who asks: `POST /v1/workspaces {name}`."""
    workspace, name = call.site.world.new_id("w"), call.text("name")
    call.fields["workspace"] = {"id": workspace, "name": name}
    if not call.who.signed_in:
        raise denied("permission", status=401)
    call.role = "Owner"
    with call.change(201) as db:
        db.execute("INSERT INTO workspaces (id, name) VALUES (?, ?)", (workspace, name))
        db.execute(
            "INSERT INTO members (workspace, email, role, joined_ms) VALUES (?, ?, 'Owner', ?)",
            (workspace, call.who.email, call.site.world.now_ms()),
        )
    return Reply(201, {"id": workspace})


def update_workspace(call: Call) -> Reply:
    """Rename a workspace: `PATCH /v1/workspaces/W {name}`."""
    require(call, "admin")
    name = call.text("name")
    with call.change() as db:
        db.execute("UPDATE workspaces SET name = ? WHERE id = ?", (name, call.params["workspace"]))
        call.fields["workspace"]["name"] = name
    return Reply(body={"id": call.params["workspace"], "name": name})


def delete_workspace(call: Call) -> Reply:
    """End a workspace, by its owner only: `DELETE /v1/workspaces/W`."""
    if call.role != "Owner":
        raise denied("permission")
    with call.change() as db:
        now_ms = call.site.world.now_ms()
        db.execute(
            "UPDATE workspaces SET deleted_ms = ? WHERE id = ?", (now_ms, call.params["workspace"])
        )
    return Reply(body={"id": call.params["workspace"]})


def invite(call: Call) -> Reply:
    """Invite somebody; the reply has the code of the invitation: `POST …/invites {email, role}`."""
    email = call.text("email").lower()
    call.fields["target"] = {**_target(call, email), "role": call.body.get("role")}
    role = _role(call)
    require(call, "admin")
    code = call.site.world.new_secret()
    try:
        with call.change(201) as db:
            db.execute(
                "INSERT INTO members (workspace, email, role, invite_sha256) VALUES (?, ?, ?, ?)",
                (call.params["workspace"], email, role, digest(code)),
            )
    except sqlite3.IntegrityError as error:
        raise failed("conflict", status=409, hint="a member already") from error
    return Reply(201, {"invite": code})


def join(call: Call) -> Reply:
    """Accept an invitation: `POST …/join {invite}`."""
    email = call.who.email or ""
    call.fields["target"] = {**_target(call, email), "role": call.role}
    code = digest(call.text("invite"))
    now_ms = call.site.world.now_ms()
    with call.change() as db:
        joined = db.execute(
            "UPDATE members SET joined_ms = ?, invite_sha256 = NULL"
            " WHERE workspace = ? AND email = ? AND invite_sha256 = ?",
            (now_ms, call.params["workspace"], email, code),
        )
        if joined.rowcount == 0:
            raise denied("permission")
    return Reply(body={"role": call.role})


def change_role(call: Call) -> Reply:
    """Give a member another role: `PATCH …/members/EMAIL {role}`."""
    email = call.params["email"].lower()
    call.fields["target"] = {**_target(call, email), "role": call.body.get("role")}
    role = _role(call)
    require(call, "admin")
    with call.change() as db:
        member = demand(_member(call, email))
        call.fields["target"]["old_role"] = member["role"]
        db.execute(
            "UPDATE members SET role = ? WHERE workspace = ? AND email = ?",
            (role, call.params["workspace"], email),
        )
    return Reply(body={"role": role})


def remove(call: Call) -> Reply:
    """Remove a member, or leave: `DELETE …/members/EMAIL`."""
    email = call.params["email"].lower()
    call.fields["target"] = _target(call, email)
    if email != call.who.email:
        require(call, "admin")
    with call.change() as db:
        member = demand(_member(call, email))
        call.fields["target"]["old_role"] = member["role"]
        db.execute(
            "DELETE FROM members WHERE workspace = ? AND email = ?",
            (call.params["workspace"], email),
        )
    return Reply(body={"email": email})


def _role(call: Call) -> str:
    role = call.text("role")
    if role not in ROLES:
        raise failed("invalid_request", status=400, hint=f"role: one of {', '.join(ROLES)}")
    return role


def _target(call: Call, email: str) -> dict[str, Any]:
    user = call.db.execute("SELECT id, name FROM users WHERE email = ?", (email,)).fetchone()
    return {
        "id": user["id"] if user else None,
        "email": email,
        "name": user["name"] if user else None,
    }


def _member(call: Call, email: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = call.db.execute(
        "SELECT * FROM members WHERE workspace = ? AND email = ?",
        (call.params["workspace"], email),
    ).fetchone()
    return row


def set_permissions(call: Call) -> Reply:
    """Change what a group may do in a folder: `PUT …/permissions {group, path, added, removed}`."""
    group, path = call.text("group"), clean_path(call.text("path"))
    claim_path(call, path)
    changes = {"added": call.texts("added"), "removed": call.texts("removed")}
    call.fields |= {"group": {"id": group}, "permissions": changes}
    require(call, "admin")
    with call.change() as db:
        row = db.execute(
            "SELECT * FROM groups WHERE id = ? AND workspace = ?", (group, call.params["workspace"])
        ).fetchone()
        call.fields["group"] = {"id": group, "name": demand(row)["name"]}
        _grant(db, group, path, changes)
    return Reply(body=changes)


def _grant(db: sqlite3.Connection, group: str, path: str, changes: Mapping[str, list[str]]) -> None:
    insert = "INSERT OR IGNORE INTO grants (group_id, path, permission) VALUES (?, ?, ?)"
    delete = "DELETE FROM grants WHERE group_id = ? AND path = ? AND permission = ?"
    for statement, permissions in ((insert, changes["added"]), (delete, changes["removed"])):
        db.executemany(statement, [(group, path, each) for each in permissions])


def create_key(call: Call) -> Reply:
    """Make an API key; the reply alone has its secret: `POST …/keys {name}`."""
    key, name = call.site.world.new_id("ak"), call.text("name")
    call.fields["target_key"] = {"id": key, "name": name}
    require(call, "write")
    secret = call.site.world.new_secret()
    with call.change(201) as db:
        db.execute(
            "INSERT INTO api_keys (id, workspace, name, owner, secret_sha256)"
            " VALUES (?, ?, ?, ?, ?)",
            (key, call.params["workspace"], name, call.who.email, digest(secret)),
        )
    return Reply(201, {"id": key, "key": f"{key}.{secret}"})


def revoke_key(call: Call) -> Reply:
    """End an API key, by its owner or an administrator: `DELETE …/keys/ID`."""
    call.fields["target_key"] = {"id": call.params["key"]}
    row = demand(
        call.db.execute(
            "SELECT * FROM api_keys WHERE id = ? AND workspace = ?",
            (call.params["key"], call.params["workspace"]),
        ).fetchone()
    )
    call.fields["target_key"]["name"] = row["name"]
    if row["owner"] != call.who.email:
        require(call, "admin")
    with call.change() as db:
        now_ms = call.site.world.now_ms()
        db.execute("UPDATE api_keys SET revoked_ms = ? WHERE id = ?", (now_ms, row["id"]))
    return Reply(body={"id": row["id"]})
