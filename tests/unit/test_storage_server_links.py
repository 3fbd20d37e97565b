"""Share links of the demo's storage server: each visit leaves its one line, whole."""

import hashlib
from typing import Any

import pytest

from support.storage_site import (
    CONTENT,
    DRAFT,
    EAST,
    EU,
    GUEST,
    HERE,
    JOHN,
    NOW,
    TEAM,
    TOKEN,
    VIEWER,
    Site,
    W,
    act,
)


def _share(**more: Any) -> dict[str, Any]:
    policy = {"scope": "anyone", "password_protected": False, "owner": "john@dosya.dev"}
    return {"id": "s_100", **policy, **more}


def test_life_of_a_link(site: Site) -> None:
    """Create, open, update, password, download, revoke: each with the policy of that moment."""
    made = site.ask(JOHN, "POST", f"{W}/links", status=201, json={"path": "/draft.mp4"}).json()
    url = made["url"]
    linked = {"file": DRAFT, "share": _share()}
    assert site.last() == act("share.create", JOHN, "POST", 201, **linked, **HERE)
    site.ask(None, "GET", url)
    assert site.last() == act("share.open", None, "GET", 200, **linked)
    wish = {"password": "open sesame", "max_downloads": 1, "expires_at": "2026-05-01T00:00:00Z"}
    site.ask(JOHN, "PATCH", f"{W}/links/s_100", json=wish)
    now = {"max_downloads": 1, "expires_at": "2026-05-01T00:00:00.000Z"}
    share = _share(password_protected=True, **now)
    linked = {"file": DRAFT, "share": share}
    assert site.last() == act("share.update", JOHN, "PATCH", 200, **linked)
    blocked = {"result": "denied", "reason": "link_password"}
    site.ask(None, "GET", url + "/file", status=403)
    assert site.last() == act("share.download", None, "GET", 403, **linked, **blocked)
    site.ask(None, "POST", url + "/password", status=403, json={"password": "wrong"})
    tried = {"file": DRAFT, "share": share | {"attempt": 1}}
    assert site.last() == act("share.password", None, "POST", 403, **tried, **blocked)
    right = site.ask(None, "POST", url + "/password", json={"password": "open sesame"})
    tried = {"file": DRAFT, "share": share | {"attempt": 2}}
    assert site.last() == act("share.password", None, "POST", 200, **tried)
    ticket = {"X-Link-Ticket": right.json()["ticket"]}
    assert site.ask(None, "GET", url + "/file", headers=ticket).content == CONTENT
    moved = {"started": NOW, "bytes_out": 1000, **HERE}
    assert site.last() == act("share.download", None, "GET", 200, **linked, **moved)
    limit = {"result": "denied", "reason": "link_limit"}
    site.ask(None, "GET", url + "/file", status=403, headers=ticket)
    assert site.last() == act("share.download", None, "GET", 403, **linked, **limit)
    site.ask(JOHN, "DELETE", f"{W}/links/s_100")
    assert site.last() == act("share.revoke", JOHN, "DELETE", 200, **linked)
    revoked = {"result": "denied", "reason": "link_revoked"}
    site.ask(None, "GET", url, status=410)
    assert site.last() == act("share.open", None, "GET", 410, **linked, **revoked)


@pytest.mark.parametrize(("who", "actor"), [(GUEST, GUEST), (None, None)])
def test_domain_restriction_names_the_rule(
    site: Site, who: dict[str, Any] | None, actor: dict[str, Any] | None
) -> None:
    """The preview's eighth row: a link for acme.com refuses everybody else, by its rule."""
    site.ask(who, "GET", f"/s/{TOKEN}", status=403)
    share = _share(id="s_a00", scope="domain", allowed_domains=["acme.com"])
    told = {"file": DRAFT, "share": share, "rule": {"id": "r_3", "name": "acme only"}}
    blocked = {"result": "denied", "reason": "domain_restricted"}
    assert site.last() == act("share.open", actor, "GET", 403, **told, **blocked)


def test_domain_restriction_lets_the_domain_in(site: Site) -> None:
    """Somebody of the domain opens the link."""
    site.ask(VIEWER, "GET", f"/s/{TOKEN}")
    assert site.last()["result"] == "success"


def test_expiry_is_told_once_by_the_system(site: Site) -> None:
    """A link expires when its time comes; each later visit, in any region, is refused."""
    wish = {"path": "/draft.mp4", "expires_at": "2026-04-14T10:33:00Z"}
    url = site.ask(JOHN, "POST", f"{W}/links", status=201, json=wish).json()["url"]
    site.world.ms += 45_000
    for region in (EAST, EU, EU):
        site.ask(None, "GET", url, region=region, status=410)
    lines = site.lines(EU)[1:] + site.lines(EAST)
    told = sorted((line["action"], line.get("reason", ""), line["region"]) for line in lines)
    assert told == [
        ("share.expire", "", EU),
        ("share.open", "link_expired", EU),
        ("share.open", "link_expired", EU),
        ("share.open", "link_expired", EAST),
    ]
    expiry = next(line for line in lines if line["action"] == "share.expire")
    assert expiry == {
        "v": 1,
        "time": "2026-04-14T10:33:00.000Z",
        "action": "share.expire",
        "result": "success",
        "id": "evt",
        "actor": "system",
        "share": _share(expires_at="2026-04-14T10:33:00.000Z"),
        "file": DRAFT,
        "workspace": TEAM,
        "region": EU,
        "service": "demo-storage",
    }


def test_upload_through_a_link(site: Site) -> None:
    """A link to a folder takes files; the line names link, owner and file."""
    url = site.ask(JOHN, "POST", f"{W}/links", status=201, json={"path": "/archive"}).json()["url"]
    site.ask(None, "PUT", f"{url}/files/inbox.pdf", status=201, data=b"12345")
    line = site.last()
    assert line["file"] == {
        "id": "f_102",
        "name": "inbox.pdf",
        "path": "/archive/inbox.pdf",
        "type": "file",
        "size": 5,
        "version": "v1",
        "sha256": hashlib.sha256(b"12345").hexdigest(),
        "mime_type": "application/pdf",
    }
    assert (line["action"], line["share"], line["actor"]) == ("share.upload", _share(), "anonymous")


def test_an_unknown_link_is_told_without_its_token(site: Site) -> None:
    """A guess has a keyed hash as its id, the same for the same guess."""
    guess = "guess-of-a-token"
    ids = []
    for _ in range(2):
        site.ask(None, "GET", f"/s/{guess}", status=404)
        line = site.last()
        ids.append(line["share"]["id"])
        assert (line["result"], line["reason"]) == ("denied", "link_unknown")
    assert ids[0] == ids[1]
    assert guess not in site.log().read_text()
