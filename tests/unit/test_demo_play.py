"""The demo's product as it runs: three server processes behind a real Caddy, and the whole play."""

import json
import os
import re
import stat
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo import caddy, cast, regions
from demo.ledger import Expected, Ledger
from demo.play import play
from demo.preview import ASSETS_BYTES, RENDER_BYTES
from demo.processes import Troupe

EU, EAST, WEST = cast.REGIONS
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MADE_ID = re.compile(r"(evt|f|s)_[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SHA256 = re.compile(r"[0-9a-f]{64}")
Line = dict[str, Any]


@dataclass
class Played:
    """What is on the disk after a play, all processes ended."""

    product: regions.Product
    ledger: Ledger
    folder: Path

    def native(self, region: str) -> list[Line]:
        log = next(each.native_log for each in self.product.regions if each.name == region)
        return [json.loads(line) for line in log.read_text("utf-8").splitlines()]

    def public(self) -> list[Line]:
        return [json.loads(line) for line in self.product.access_log.read_text().splitlines()]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """One play for all tests here; ending the processes first makes their logs complete."""
    folder = tmp_path_factory.mktemp("a demo")
    troupe = Troupe(folder, {**os.environ, "PYTHONPATH": str(EXAMPLES)})
    product = regions.plan(folder)
    try:
        regions.start(product, troupe)
        ledger = play(product.addresses, requests=120)
    finally:
        troupe.end()
    return Played(product, ledger, folder)


def _expected_of(line: Line) -> Expected:
    user, key = line.get("user") or {}, line.get("api_key") or {}
    return Expected(
        line["action"],
        line["region"],
        key.get("id") or user.get("email") or line["actor"],
        line["result"],
        line.get("reason"),
        line.get("workspace", {}).get("id"),
        line.get("file", {}).get("name"),
        line.get("target", {}).get("email"),
    )


def _of_dataset(ledger: Ledger, dataset: str) -> Counter[Expected]:
    return Counter(e for e in ledger.expected().elements() if e.dataset == dataset)


def test_each_request_left_exactly_its_line(played: Played) -> None:
    """The native logs of all regions together are what the ledger says, each event once."""
    lines = [line for region in cast.REGIONS for line in played.native(region)]
    assert Counter(map(_expected_of, lines)) == _of_dataset(played.ledger, "native")
    assert len({line["id"] for line in lines}) == len(lines)


def test_the_play_has_every_action(played: Played) -> None:
    """Each action that the native log knows occurs."""
    found = {line["action"] for region in cast.REGIONS for line in played.native(region)}
    verbs = {
        "file": "upload update download preview access list rename move copy delete purge restore",
        "folder": "create",
        "share": "create update open password download upload expire revoke",
        "member": "invite join remove role_change",
        "permission": "update",
        "apikey": "create revoke",
        "workspace": "create update delete",
        "auth": "login",
    }
    assert found == {f"{family}.{verb}" for family, text in verbs.items() for verb in text.split()}


def test_public_downloads_are_in_the_proxys_log(played: Played) -> None:
    """Caddy's own log has the public area only, with the client's address, readable by group."""
    requests = played.public()
    assert {line["request"]["uri"].split("/")[1] for line in requests} == {"public"}
    assert {line["request"]["remote_ip"] for line in requests} == {"127.0.0.1"}
    clients = {who.ip for who in cast.PUBLIC}
    assert {line["request"]["client_ip"] for line in requests} <= clients
    acts = [
        line for line in requests if line["request"]["method"] == "GET" and line["status"] < 300
    ]
    assert len(acts) == _of_dataset(played.ledger, "caddy").total()
    assert stat.S_IMODE(played.product.access_log.stat().st_mode) == 0o640


def test_silent_requests_say_why(played: Played) -> None:
    """A request without an event has its reason noted."""
    silent = [sent for sent in played.ledger.sent if not sent.expected]
    assert silent
    assert all(sent.note for sent in silent)


def test_caddy_writes_only_into_its_folder(played: Played) -> None:
    """Home and configuration of the proxy are below the demo's folder; no autosave."""
    home = played.folder / "caddy" / "home"
    assert home.is_dir()
    assert not list(home.rglob("autosave.json"))


def test_secrets_of_the_play_are_in_no_log(played: Played) -> None:
    """No password of a person and no token of a link is in any log."""
    secrets = [who.password for who in cast.PEOPLE] + [cast.ACME_TOKEN]
    logs = [region.native_log for region in played.product.regions] + [played.product.access_log]
    for log in [*logs, *(played.folder / "logs").iterdir()]:
        text = log.read_text("utf-8")
        assert not [secret for secret in secrets if secret in text]


def _normal(line: Line) -> Line:
    """Put words in the place of what differs in each run: ids, times, hashes."""
    text = json.dumps(line)
    for pattern, word in ((UUID, "<uuid>"), (TIME, "<time>"), (SHA256, "<sha256>")):
        text = pattern.sub(word, text)
    normal: Line = json.loads(MADE_ID.sub(r"<\1>", text))
    return normal


def _user(id_: str, who: cast.Person, role: str | None = None) -> Line:
    email = str(who.email)
    user = {"id": id_, "email": email, "name": email.partition("@")[0].title()}
    return {"user": user | ({"roles": [role]} if role else {})}


def _row(action: str, region: str, who: cast.Person, method: str, status: int, **more: Any) -> Line:
    return {
        "v": 1,
        "time": "<time>",
        "id": "<evt>",
        "action": action,
        "result": "success",
        "workspace": {"id": "w_brand", "name": "Brand Campaign 2026"},
        "ip": who.ip,
        "proxy_ip": "127.0.0.1",
        "user_agent": who.agent,
        "protocol": "http",
        "request_id": "<uuid>",
        "method": method,
        "status": status,
        "region": region,
        "service": "demo-storage",
        **more,
    }


def _file(id_: str, path: str, size: int, mime_type: str) -> Line:
    name = path.rpartition("/")[2]
    more = {"type": "file", "size": size, "version": "v1", "sha256": "<sha256>"}
    return {"file": {"id": id_, "name": name, "path": path, **more, "mime_type": mime_type}}


def test_the_eight_rows_of_the_preview(played: Played) -> None:
    """The first lines of w_brand, over all regions, are the preview's, whole and in order."""
    render = _file("<f>", "/renders/render-final.mp4", RENDER_BYTES, "video/mp4")
    draft = _file("f_30", "/old-draft-v2.mp4", 20_000, "video/mp4")
    assets = _file("<f>", "/assets.zip", ASSETS_BYTES, "application/zip")
    brief = _file("f_31", "/brief.pdf", 1_400, "application/pdf")
    policy = {"scope": "anyone", "password_protected": False, "owner": "john@dosya.dev"}
    link = {"share": {"id": "<s>", **policy}}
    limited = {"id": "s_a00", "scope": "domain", "allowed_domains": ["acme.com"]}
    john, sarah = _user("u_7", cast.JOHN, "Owner"), _user("u_9", cast.SARAH, "Editor")
    mike, guest = _user("u_12", cast.MIKE, "Editor"), _user("u_30", cast.GUEST)
    client = _user("u_21", cast.CLIENT, "Viewer")
    in_eu, in_east = {"storage_region": EU}, {"storage_region": EAST}
    began = {"started": "<time>"}
    invited = {"target": {"id": "u_12", "email": "mike@co.com", "name": "Mike", "role": "Editor"}}
    device = {"device": {"kind": "browser", "id": "d_88"}}
    refused = {"result": "denied", "reason": "domain_restricted"}
    rule = {"rule": {"id": "r_3", "name": "acme only"}, "share": policy | limited}
    up, down = {"bytes_in": RENDER_BYTES}, {"bytes_out": RENDER_BYTES}
    rows = [
        _row("file.upload", EU, cast.JOHN, "PUT", 201, **john, **render, **in_eu, **began, **up),
        _row(
            "file.download",
            EAST,
            cast.CLIENT,
            "GET",
            200,
            **client,
            **render,
            **in_eu,
            **began,
            **down,
        ),
        _row("share.create", EU, cast.JOHN, "POST", 201, **john, **render, **link, **in_eu),
        _row("share.open", WEST, cast.VISITOR, "GET", 200, actor="anonymous", **render, **link),
        _row("file.delete", EU, cast.SARAH, "DELETE", 200, **sarah, **draft, **in_eu, **device),
        _row("member.invite", EU, cast.JOHN, "POST", 201, **john, **invited),
        _row(
            "file.upload",
            EAST,
            cast.MIKE,
            "PUT",
            201,
            **mike,
            **assets,
            **in_east,
            **began,
            bytes_in=ASSETS_BYTES,
        ),
        _row("share.open", WEST, cast.GUEST, "GET", 403, **guest, **brief, **rule, **refused),
    ]
    lines = [line for region in cast.REGIONS for line in played.native(region)]
    brand = [line for line in lines if line.get("workspace", {}).get("id") == "w_brand"]
    brand.sort(key=lambda line: str(line["time"]))
    assert [_normal(line) for line in brand] == rows


def test_a_path_with_braces_is_refused(tmp_path: Path) -> None:
    """Caddy would read them as a placeholder; better no proxy than one that serves elsewhere."""
    site = caddy.ProxySite(1, "127.0.0.1:2", tmp_path / "{env.HOME}", tmp_path / "log")
    with pytest.raises(ValueError, match="placeholder"):
        caddy.write_config(tmp_path, [site])
