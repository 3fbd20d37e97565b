"""Share links, seen by their visitors: open, password, download, upload."""

import hmac
import json
import sqlite3

from storage_server.accounts import password_matches
from storage_server.call import Call, Reply
from storage_server.files import clean_path, find
from storage_server.links import LINK, expire_due, linked_file, share_fields
from storage_server.refusal import RefusedError, denied, failed
from storage_server.rights import check_network
from storage_server.store import digest, transaction
from storage_server.transfer import deposit, send

MAX_WRONG = 5  # wrong passwords in a row from one address


def open_page(call: Call) -> Reply:
    """Show what the link leads to: `GET /s/TOKEN`."""
    link = admit(call)
    name = link["path"].rpartition("/")[2]
    return Reply(
        body={"name": name, "type": link["type"], "password": link["password"] is not None}
    )


def try_password(call: Call) -> Reply:
    """Give a ticket for the right password: `POST /s/TOKEN/password {password}`."""
    link = admit(call)
    given = call.text("password")
    refused = _judge(call, link, given)
    with transaction(call.db) as db:
        call.fields["share"]["attempt"] = _count(call, db, link, wrong=refused is not None)
        if refused is None:
            call.tell("success", 200)
        else:
            call.refusal(refused)  # committed below: a wrong attempt stays counted
    if refused is not None:
        raise refused
    return Reply(body={"ticket": _ticket(call, link)})


def _judge(call: Call, link: sqlite3.Row, given: str) -> RefusedError | None:
    found = call.db.execute(
        "SELECT wrong_in_a_row FROM attempts WHERE link = ? AND ip = ?", (link["id"], call.ip)
    ).fetchone()
    if found is not None and found["wrong_in_a_row"] >= MAX_WRONG:
        return denied("rate_limited", status=429)
    if link["password"] is None:
        return failed("invalid_request", status=400, hint="the link has no password")
    return None if password_matches(given, link["password"]) else denied("link_password")


def _count(call: Call, db: sqlite3.Connection, link: sqlite3.Row, *, wrong: bool) -> int:
    row = db.execute(
        "INSERT INTO attempts VALUES (?1, ?2, 1, ?3) ON CONFLICT DO UPDATE"
        " SET tried = tried + 1, wrong_in_a_row = iif(?3, wrong_in_a_row + 1, 0)"
        " RETURNING tried",
        (link["id"], call.ip, int(wrong)),
    ).fetchone()
    return int(row["tried"])


def download(call: Call) -> Reply:
    """Send the file of the link: `GET /s/TOKEN/file`, with `X-Link-Ticket` after a password."""
    link = admit(call)
    if link["type"] != "file":
        raise failed("invalid_request", status=400, hint="the link takes uploads")
    _check_ticket(call, link)
    with transaction(call.db) as db:
        counted = db.execute(
            "UPDATE links SET downloads = downloads + 1 WHERE id = ?"
            " AND (max_downloads IS NULL OR downloads < max_downloads)",
            (link["id"],),
        )
        if counted.rowcount == 0:
            raise denied("link_limit")
    call.fields["storage_region"] = link["stored"]
    return send(call, {**dict(link), "region": link["stored"]})


def upload(call: Call) -> Reply:
    """Take a file into the folder of the link: `PUT /s/TOKEN/files/NAME`."""
    name = call.params["name"]
    link = admit(call)
    call.fields["file"] = {"name": name}
    if link["type"] != "dir":
        raise failed("invalid_request", status=400, hint="the link gives downloads")
    _check_ticket(call, link)
    path = clean_path(f"{link['path']}/{name}")
    call.fields["file"]["path"] = path
    call.params = {"workspace": link["workspace"]}
    if find(call, path) is not None:
        raise failed("conflict", status=409, hint="the name is taken")
    return deposit(call, path, overwrite=False)


def admit(call: Call) -> sqlite3.Row:
    """Return the link of the token in the path, if it lets this visitor in.

    Raises:
        RefusedError: `link_unknown`, `link_revoked`, `link_expired`, `ip_blocked`,
            `domain_restricted` or `permission` (scope `people`); `not_found`: its file is gone.
    """
    expire_due(call.site, call.db)
    link = claim(call)
    if link is None:
        raise denied("link_unknown", status=404)
    _check_life(call, link)
    check_network(call, link["workspace"])
    _check_scope(call, link)
    return link


def claim(call: Call) -> sqlite3.Row | None:
    """Find the link of the token in the path and put it into the line, before any decision."""
    token = call.params["token"]
    link: sqlite3.Row | None = call.db.execute(
        f"{LINK} WHERE l.token_sha256 = ?", (digest(token),)
    ).fetchone()
    if link is None:
        # The guess itself may be nearly right: a keyed hash tells guesses apart and nothing more.
        mark = hmac.digest(call.site.store.link_key, token.encode("utf-8", "replace"), "sha256")
        call.fields["share"] = {"id": f"h_{mark.hex()[:32]}"}
        return None
    workspace = {"id": link["workspace"], "name": link["workspace_name"]}
    call.fields |= {"workspace": workspace, "share": share_fields(link), "file": linked_file(link)}
    return link


def _check_life(call: Call, link: sqlite3.Row) -> None:
    if link["revoked_ms"] is not None:
        raise denied("link_revoked", status=410)
    if link["expires_ms"] is not None and link["expires_ms"] <= call.site.world.now_ms():
        raise denied("link_expired", status=410)
    if link["deleted_ms"] is not None:
        raise failed("not_found", status=404, hint="the file is gone")


def _check_scope(call: Call, link: sqlite3.Row) -> None:
    allowed = json.loads(link["allowed"])
    email = (call.who.email or "").lower()
    rule = {"id": link["rule_id"], "name": link["rule_name"]}
    if link["scope"] == "domain" and email.rpartition("@")[2] not in allowed:
        raise denied("domain_restricted", rule=rule)
    if link["scope"] == "people" and email not in allowed:
        raise denied("permission", rule=rule)


def _ticket(call: Call, link: sqlite3.Row) -> str:
    """Return the proof that this address gave the password; a new password ends it."""
    text = f"{link['id']}\0{link['password']}\0{call.ip}".encode()
    return hmac.digest(call.site.store.link_key, text, "sha256").hex()


def _check_ticket(call: Call, link: sqlite3.Row) -> None:
    given = call.headers.get("x-link-ticket", "")
    if link["password"] is None:
        return
    if not hmac.compare_digest(given.encode("latin-1", "replace"), _ticket(call, link).encode()):
        raise denied("link_password")
