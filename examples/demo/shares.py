"""The life of share links: made, limited, visited, refused, expired, revoked."""

import random
import secrets
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from demo.cast import CLIENT, EAST, EU, FILM, GUEST, JOHN, STRANGER, VISITOR, WEST, Person
from demo.ledger import Expected
from demo.player import Player, does, files

LIFE_S = 1.5
TRAILER = "trailer.mp4"
_film = partial(Expected, workspace=FILM, file=TRAILER)
_john = partial(_film, region=EU, actor=str(JOHN.email))


def play_shares(player: Player, chance: random.Random) -> None:
    """Play links with each kind of limit; ends after the shortest of them has expired."""
    content = chance.randbytes(30_000)
    player.act(
        JOHN, "PUT", files(FILM, f"/{TRAILER}"), _john("file.upload"), status=201, data=content
    )
    ends = datetime.now(UTC) + timedelta(seconds=LIFE_S)
    short = _link(player, expires_at=ends.isoformat())
    _guarded(player)
    _limited(player)
    _inbox(player, chance)
    unknown = Expected("share.open", WEST, "anonymous", "denied", "link_unknown")
    player.act(STRANGER, "GET", f"/s/{secrets.token_urlsafe(32)}", unknown, status=404)
    _revoked(player)
    time.sleep(max(0.0, (ends - datetime.now(UTC)).total_seconds()) + 0.01)
    player.happened("expiry of a link", _film("share.expire", EU, "system"))
    gone = _film("share.open", WEST, "anonymous", "denied", "link_expired")
    player.act(VISITOR, "GET", short["url"], gone, status=410)


def _link(player: Player, path: str = f"/{TRAILER}", **policy: Any) -> dict[str, str]:
    made = Expected(
        "share.create", EU, str(JOHN.email), workspace=FILM, file=path.rpartition("/")[2]
    )
    wish = {"path": path, **policy}
    reply = player.act(JOHN, "POST", does(FILM, "links"), made, status=201, json=wish)
    link: dict[str, str] = reply.json()
    return link


def _guarded(player: Player) -> None:
    """A link with a password, guessed, then known."""
    word = secrets.token_urlsafe(9)
    link = _link(player, password=word)
    player.act(STRANGER, "GET", link["url"], _film("share.open", EAST))
    tried = partial(_film, "share.password", EAST, "anonymous")
    door = link["url"] + "/password"
    for guess in ("letmein", "summer2026", "trailer"):
        wrong = tried("denied", "link_password")
        player.act(STRANGER, "POST", door, wrong, status=403, json={"password": guess})
    right = player.act(STRANGER, "POST", door, tried(), json={"password": word})
    ticket = {"X-Link-Ticket": right.json()["ticket"]}
    loaded = _film("share.download", EAST)
    player.act(STRANGER, "GET", link["url"] + "/file", loaded, headers=ticket)
    without = _film("share.download", WEST, "anonymous", "denied", "link_password")
    player.act(VISITOR, "GET", link["url"] + "/file", without, status=403)


def _limited(player: Player) -> None:
    """Links for one domain, for named people, and for two downloads."""
    domain = _link(player, scope="domain", allowed=["acme.com"])
    for who, allowed in ((CLIENT, True), (GUEST, False), (VISITOR, False)):
        _visit(player, who, domain["url"], None if allowed else "domain_restricted")
    people = _link(player, scope="people", allowed=["client@acme.com"])
    for who, allowed in ((CLIENT, True), (GUEST, False)):
        _visit(player, who, people["url"], None if allowed else "permission")
    twice = _link(player, max_downloads=2)
    loaded = _film("share.download", WEST)
    for _ in range(2):
        player.act(VISITOR, "GET", twice["url"] + "/file", loaded)
    limit = _film("share.download", WEST, "anonymous", "denied", "link_limit")
    player.act(VISITOR, "GET", twice["url"] + "/file", limit, status=403)


def _visit(player: Player, who: Person, url: str, reason: str | None) -> None:
    result, status = ("success", 200) if reason is None else ("denied", 403)
    opened = _film("share.open", WEST, who.email or "anonymous", result, reason)
    player.act(who, "GET", url, opened, status=status)


def _inbox(player: Player, chance: random.Random) -> None:
    """A folder that takes uploads from whoever has the link."""
    link = _link(player, "/inbox")
    put = f"{link['url']}/files/receipt.pdf"
    sent = partial(Expected, "share.upload", EAST, workspace=FILM, file="receipt.pdf")
    player.act(STRANGER, "PUT", put, sent(), status=201, data=chance.randbytes(8_800))
    again = sent(result="error", reason="conflict")
    player.act(STRANGER, "PUT", put, again, status=409, data=chance.randbytes(8_800))


def _revoked(player: Player) -> None:
    link = _link(player)
    address = does(FILM, f"links/{link['id']}")
    player.act(JOHN, "PATCH", address, _john("share.update"), json={"max_downloads": 50})
    player.act(JOHN, "DELETE", address, _john("share.revoke"))
    gone = _film("share.open", WEST, "anonymous", "denied", "link_revoked")
    player.act(VISITOR, "GET", link["url"], gone, status=410)
