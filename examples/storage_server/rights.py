"""Who may do what: roles of members, grants of groups, and networks of a workspace."""

import ipaddress
import json
import sqlite3

from storage_server.call import Call
from storage_server.refusal import denied, failed

ROLES = {
    "Owner": {"read", "write", "share", "admin"},
    "Admin": {"read", "write", "share", "admin"},
    "Editor": {"read", "write", "share"},
    "Viewer": {"read"},
}


def enter_workspace(call: Call) -> None:
    """Find the workspace of the path, and the role in it of who asks.

    An invitation is good for work at once; joining confirms it.

    Raises:
        RefusedError: nobody is signed in (`permission`), the key belongs to another workspace,
            there is no such workspace (`not_found`), the network is not allowed (`ip_blocked`).
    """
    wanted = call.params["workspace"]
    if call.who.key_workspace not in {None, wanted}:
        raise denied("permission")
    row = name_workspace(call, wanted)
    if not call.who.signed_in:
        raise denied("permission", status=401)
    if row is None or row["deleted_ms"] is not None:
        raise failed("not_found", status=404, hint=f"no workspace {wanted}")
    check_network(call, wanted)
    member = call.db.execute(
        "SELECT role FROM members WHERE workspace = ? AND email = ?", (wanted, call.who.email)
    ).fetchone()
    call.role = member["role"] if member else None


def name_workspace(call: Call, workspace: str) -> sqlite3.Row | None:
    """Put the workspace into the line, by its id alone when nobody knows it."""
    row: sqlite3.Row | None = call.db.execute(
        "SELECT * FROM workspaces WHERE id = ?", (workspace,)
    ).fetchone()
    call.fields["workspace"] = {"id": workspace, "name": row["name"] if row else None}
    return row


def check_network(call: Call, workspace: str) -> None:
    """Refuse a client outside the networks that the workspace allows."""
    client = ipaddress.ip_address(call.ip)
    rules = call.db.execute("SELECT * FROM rules WHERE workspace = ?", (workspace,))
    for rule in rules.fetchall():
        networks = map(ipaddress.ip_network, json.loads(rule["allowed_ips"]))
        if not any(client in network for network in networks):
            raise denied("ip_blocked", rule={"id": rule["id"], "name": rule["name"]})


def require(call: Call, right: str, path: str = "/") -> None:
    """Refuse (`permission`) who lacks `right` at `path`, by role and by group."""
    if right in ROLES.get(call.role or "", set()):
        return
    grants = call.db.execute(
        "SELECT g.path FROM grants g JOIN group_members m USING (group_id)"
        " JOIN groups p ON p.id = g.group_id"
        " WHERE p.workspace = ? AND m.email = ? AND g.permission = ?",
        (call.params["workspace"], call.who.email, right),
    )
    if not any(covers(grant["path"], path) for grant in grants.fetchall()):
        raise denied("permission")


def covers(folder: str, path: str) -> bool:
    """Tell whether `path` is `folder` or lies below it."""
    return folder in {"/", path} or path.startswith(folder + "/")
