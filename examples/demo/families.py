"""One of each act that the product knows, and one of each way to be refused."""

import random
from dataclasses import replace
from functools import partial

from demo.cast import (
    CLIENT,
    EAST,
    EU,
    FILM,
    GUEST,
    JOHN,
    LAB,
    LEFT,
    MIKE,
    SARAH,
    STRANGER,
    TINY,
    VISITOR,
    WEST,
    Person,
)
from demo.ledger import Expected
from demo.player import Player, does, files

_film = partial(Expected, workspace=FILM)
NOBODY = "anonymous"


def play_families(player: Player, chance: random.Random) -> None:
    """Play every family once, each in a region of its own choice."""
    _logins(player)
    _life_of_a_file(player, chance)
    _bin_and_versions(player, chance)
    _members(player)
    _permissions(player, chance)
    _keys(player, chance)
    _workspaces(player)
    _failures(player, chance)


def _email(who: Person) -> str:
    return str(who.email)


def _logins(player: Player) -> None:
    player.act(JOHN, "POST", "/v1/login", Expected("auth.login", EU, _email(JOHN)))
    wrong = replace(SARAH, password="not hers")  # noqa: S106 - a wrong one, on purpose
    refused = Expected("auth.login", EAST, NOBODY, "denied", "bad_credentials")
    player.act(wrong, "POST", "/v1/login", refused, status=401)
    disabled = Expected("auth.login", WEST, NOBODY, "denied", "account_disabled")
    player.act(LEFT, "POST", "/v1/login", disabled, status=403)


def _life_of_a_file(player: Player, chance: random.Random) -> None:
    john, sarah = _email(JOHN), _email(SARAH)
    folder = _film("folder.create", EU, john, file="reels")
    player.act(JOHN, "POST", does(FILM, "folders"), folder, status=201, json={"path": "/reels"})
    cut, first = files(FILM, "/reels/cut.mov"), chance.randbytes(60_000)
    new = _film("file.upload", EU, john, file="cut.mov")
    player.act(JOHN, "PUT", cut, new, status=201, data=first)
    update = _film("file.update", WEST, sarah, file="cut.mov")
    player.act(SARAH, "PUT", cut, update, data=chance.randbytes(70_000))
    old = _film("file.download", EAST, sarah, file="cut.mov")
    player.act(SARAH, "GET", cut, old, params={"version": "v1"})
    part = _film("file.download", EAST, _email(CLIENT), file="cut.mov")
    player.act(CLIENT, "GET", cut, part, status=206, headers={"Range": "bytes=1000-1999"})
    for view, action in (("preview", "file.preview"), ("info", "file.access")):
        looked = _film(action, EU, sarah, file="cut.mov")
        player.act(SARAH, "GET", cut, looked, params={"view": view})
    listed = _film("file.list", EU, sarah, file="reels")
    player.act(SARAH, "GET", files(FILM, "/reels/"), listed)
    renamed = _film("file.rename", EU, john, file="final.mov")
    wish = {"path": "/reels/cut.mov", "name": "final.mov"}
    player.act(JOHN, "POST", does(FILM, "rename"), renamed, json=wish)
    moved = _film("file.move", EU, john, file="final.mov")
    wish = {"path": "/reels/final.mov", "to": "/done/final.mov"}
    player.act(JOHN, "POST", does(FILM, "move"), moved, json=wish)


def _bin_and_versions(player: Player, chance: random.Random) -> None:
    john = _email(JOHN)
    path = files(FILM, "/notes.txt")
    uploaded = _film("file.upload", WEST, john, file="notes.txt")
    made = player.act(JOHN, "PUT", path, uploaded, status=201, data=chance.randbytes(900))
    again = _film("file.update", EU, john, file="notes.txt")
    player.act(JOHN, "PUT", path, again, data=chance.randbytes(1_100))
    file = {"file": made.json()["id"]}
    restore, purge = does(FILM, "restore"), does(FILM, "purge")
    restored = _film("file.restore", EU, john, file="notes.txt")
    purged = _film("file.purge", EU, john, file="notes.txt")
    player.act(JOHN, "POST", restore, restored, json={**file, "version": "v1"})
    player.act(JOHN, "POST", purge, purged, json={**file, "version": "v2"})
    deleted = _film("file.delete", EU, john, file="notes.txt")
    player.act(JOHN, "DELETE", path, deleted)
    player.act(JOHN, "POST", restore, restored, json=file)
    player.act(JOHN, "DELETE", path, deleted)
    refused = _film("file.purge", EAST, _email(MIKE), "denied", "permission", file="notes.txt")
    player.act(MIKE, "POST", purge, refused, status=403, json=file)
    player.act(JOHN, "POST", purge, purged, json=file)


def _members(player: Player) -> None:
    john, guest = _email(JOHN), _email(GUEST)
    about_guest = partial(_film, target=guest)
    invites, member = does(FILM, "invites"), does(FILM, f"members/{guest}")
    wish = {"email": guest, "role": "Viewer"}
    refused = about_guest("member.invite", EU, _email(SARAH), "denied", "permission")
    player.act(SARAH, "POST", invites, refused, status=403, json=wish)
    invited = about_guest("member.invite", EU, john)
    code = player.act(JOHN, "POST", invites, invited, status=201, json=wish).json()
    joined = about_guest("member.join", WEST, guest)
    player.act(GUEST, "POST", does(FILM, "join"), joined, json=code)
    promoted = about_guest("member.role_change", EU, john)
    player.act(JOHN, "PATCH", member, promoted, json={"role": "Editor"})
    player.act(JOHN, "DELETE", member, about_guest("member.remove", EU, john))


def _permissions(player: Player, chance: random.Random) -> None:
    path = files(FILM, "/reels/comment.txt")
    client = _email(CLIENT)
    refused = _film("file.upload", EAST, client, "denied", "permission", file="comment.txt")
    player.act(CLIENT, "PUT", path, refused, status=403, data=chance.randbytes(300))
    granted = _film("permission.update", EU, _email(JOHN), file="reels")
    wish = {"group": "g_2", "path": "/reels", "added": ["write"], "removed": []}
    player.act(JOHN, "PUT", does(FILM, "permissions"), granted, json=wish)
    uploaded = _film("file.upload", EAST, client, file="comment.txt")
    player.act(CLIENT, "PUT", path, uploaded, status=201, data=chance.randbytes(300))


def _keys(player: Player, chance: random.Random) -> None:
    mike = _email(MIKE)
    create = _film("apikey.create", EAST, mike)
    wish = {"name": "build robot"}
    key = player.act(MIKE, "POST", does(FILM, "keys"), create, status=201, json=wish).json()
    path = files(FILM, "/builds/app.zip")
    robot = key["id"]  # a key acts under its own public id; the event names its owner besides
    uploaded = _film("file.upload", EAST, robot, file="app.zip")
    content = chance.randbytes(5_000)
    player.act(STRANGER, "PUT", path, uploaded, status=201, key=key["key"], data=content)
    copied = _film("file.copy", EAST, robot, file="copy.zip")
    wish = {"path": "/builds/app.zip", "to": "/builds/copy.zip"}
    player.act(STRANGER, "POST", does(FILM, "copy"), copied, status=201, key=key["key"], json=wish)
    revoked = _film("apikey.revoke", EU, _email(JOHN))
    player.act(JOHN, "DELETE", does(FILM, f"keys/{robot}"), revoked)
    refused = _film("file.download", EAST, NOBODY, "denied", "bad_credentials", file="app.zip")
    player.act(STRANGER, "GET", path, refused, status=401, key=key["key"])


def _workspaces(player: Player) -> None:
    john = _email(JOHN)
    made = player.send(JOHN, EU, "POST", "/v1/workspaces", status=201, json={"name": "Tax 2026"})
    tax = made.json()["id"]
    about = partial(Expected, region=EU, actor=john, workspace=tax)
    player.expect_last(about("workspace.create"))
    path = f"/v1/workspaces/{tax}"
    player.act(JOHN, "PATCH", path, about("workspace.update"), json={"name": "Tax 2026 EU"})
    player.act(JOHN, "DELETE", path, about("workspace.delete"))


def _failures(player: Player, chance: random.Random) -> None:
    john, mike = _email(JOHN), _email(MIKE)
    plans = files(LAB, "/plans.dwg")
    seen = partial(Expected, "file.download", workspace=LAB, file="plans.dwg")
    player.act(MIKE, "GET", plans, seen(EAST, mike, "denied", "ip_blocked"), status=403)
    player.act(JOHN, "GET", plans, seen(EU, john))
    full = Expected("file.upload", EU, john, "error", "quota", TINY, "huge.bin")
    content = chance.randbytes(20_000)
    player.act(JOHN, "PUT", files(TINY, "/huge.bin"), full, status=507, data=content)
    other = _film("file.upload", EU, john, "error", "checksum_mismatch", file="torn.bin")
    player.act(
        JOHN,
        "PUT",
        files(FILM, "/torn.bin"),
        other,
        status=422,
        data=content,
        headers={"X-Content-Sha256": "0" * 64},
    )
    broken = _film("file.upload", EU, john, "error", "aborted", file="broken.bin")
    player.break_off(JOHN, files(FILM, "/broken.bin"), broken, size=40_000)
    exists = _film("file.copy", EU, john, "error", "conflict", file="app.zip")
    wish = {"path": "/builds/app.zip", "to": "/builds/copy.zip"}
    player.act(JOHN, "POST", does(FILM, "copy"), exists, status=409, json=wish)
    unsigned = _film("file.delete", WEST, NOBODY, "denied", "permission", file="app.zip")
    player.act(VISITOR, "DELETE", files(FILM, "/builds/app.zip"), unsigned, status=401)
    player.send(JOHN, EU, "OPTIONS", files(FILM, "/"), status=204, note="OPTIONS is no act")
