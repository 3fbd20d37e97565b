"""Members, keys, workspaces, logins and refusals of the demo's storage server, line by line."""

from typing import Any

import pytest

from support.storage_site import DRAFT, GUEST, HERE, JOHN, VIEWER, Site, W, act


def test_members(site: Site) -> None:
    """Invite, join, other role, removed: the member is the target, with roles before and after."""
    wish = {"email": "guest@gmail.com", "role": "Editor"}
    code = site.ask(JOHN, "POST", f"{W}/invites", status=201, json=wish).json()
    target = {"id": "u_30", "email": "guest@gmail.com", "name": "Guest"}
    as_editor = target | {"role": "Editor"}
    assert site.last() == act("member.invite", JOHN, "POST", 201, target=as_editor)
    site.ask(GUEST, "POST", f"{W}/join", json=code)
    guest = GUEST | {"roles": ["Editor"]}
    assert site.last() == act("member.join", guest, "POST", 200, target=as_editor)
    path = f"{W}/members/guest@gmail.com"
    site.ask(JOHN, "PATCH", path, json={"role": "Admin"})
    changed = target | {"role": "Admin", "old_role": "Editor"}
    assert site.last() == act("member.role_change", JOHN, "PATCH", 200, target=changed)
    site.ask(JOHN, "DELETE", path)
    removed = target | {"old_role": "Admin"}
    assert site.last() == act("member.remove", JOHN, "DELETE", 200, target=removed)
    site.ask(GUEST, "GET", f"{W}/files/draft.mp4", status=403)
    assert site.last()["reason"] == "permission"


def test_permissions_of_a_group(site: Site) -> None:
    """A grant is told with what it added, and holds below its folder."""
    blocked = {"result": "denied", "reason": "permission"}
    site.ask(VIEWER, "PUT", f"{W}/files/archive/a.txt", status=403, data=b"x")
    file = {"name": "a.txt", "path": "/archive/a.txt"}
    assert site.last() == act("file.upload", VIEWER, "PUT", 403, file=file, **blocked)
    wish = {"group": "g_2", "path": "/archive", "added": ["write"], "removed": ["share"]}
    site.ask(JOHN, "PUT", f"{W}/permissions", json=wish)
    folder = {"id": "d_5", "name": "archive", "path": "/archive", "type": "dir"}
    told = {"file": folder, "group": {"id": "g_2", "name": "Contractors"}}
    changes = {"permissions": {"added": ["write"], "removed": ["share"]}}
    assert site.last() == act("permission.update", JOHN, "PUT", 200, **told, **changes)
    site.ask(VIEWER, "PUT", f"{W}/files/archive/a.txt", status=201, data=b"x")


def test_api_keys(site: Site) -> None:
    """A key acts for its owner by its public id; a revoked one is a refused login."""
    made = site.ask(JOHN, "POST", f"{W}/keys", status=201, json={"name": "robot"}).json()
    key = {"id": "ak_100", "name": "robot"}
    assert site.last() == act("apikey.create", JOHN, "POST", 201, target_key=key)
    header = {"X-Api-Key": made["key"]}
    site.ask(None, "GET", f"{W}/files/draft.mp4?view=info", headers=header)
    looked = {"api_key": key, "file": DRAFT, **HERE}
    assert site.last() == act("file.access", JOHN, "GET", 200, **looked)
    site.ask(JOHN, "DELETE", f"{W}/keys/ak_100")
    assert site.last() == act("apikey.revoke", JOHN, "DELETE", 200, target_key=key)
    site.ask(None, "GET", f"{W}/files/draft.mp4", status=401, headers=header)
    refused = {"result": "denied", "reason": "bad_credentials", "claimed_user": "ak_100"}
    told = refused | HERE | {"file": DRAFT}
    assert site.last() == act("file.download", None, "GET", 401, **told)


def test_workspaces(site: Site) -> None:
    """Create, rename, delete: the workspace of the line is the one that the act is about."""
    site.ask(JOHN, "POST", "/v1/workspaces", status=201, json={"name": "Tax"})
    tax, path = {"id": "w_100", "name": "Tax"}, "/v1/workspaces/w_100"
    assert site.last() == act("workspace.create", JOHN, "POST", 201, workspace=tax)
    site.ask(JOHN, "PATCH", path, json={"name": "Tax EU"})
    tax["name"] = "Tax EU"
    assert site.last() == act("workspace.update", JOHN, "PATCH", 200, workspace=tax)
    site.ask(JOHN, "DELETE", path)
    assert site.last() == act("workspace.delete", JOHN, "DELETE", 200, workspace=tax)


def test_logins(site: Site) -> None:
    """A refused login names who was claimed, and no user."""
    john = {key: value for key, value in JOHN.items() if key != "roles"}
    site.ask(JOHN, "POST", "/v1/login")
    line = act("auth.login", john, "POST", 200)
    del line["workspace"]
    assert site.last() == line
    site.ask(None, "POST", "/v1/login", status=401, auth=("root", "hunter2"))
    refused = {"result": "denied", "reason": "bad_credentials", "claimed_user": "root"}
    line = act("auth.login", None, "POST", 401, **refused)
    del line["workspace"]
    assert site.last() == line


@pytest.mark.parametrize(
    ("who", "method", "path", "status", "action", "result", "reason"),
    [
        (GUEST, "DELETE", "files/draft.mp4", 403, "file.delete", "denied", "permission"),
        (None, "GET", "files/draft.mp4", 401, "file.download", "denied", "permission"),
        (JOHN, "GET", "files/none.mp4", 404, "file.download", "error", "not_found"),
        (JOHN, "GET", "files/a/../draft.mp4/%2e%2e", 400, "file.download", "error", None),
        (VIEWER, "POST", "invites", 400, "member.invite", "error", "invalid_request"),
        (JOHN, "DELETE", "links/s_none", 404, "share.revoke", "error", "not_found"),
    ],
)
def test_refusals_and_failures_have_their_line(  # noqa: PLR0917 - the columns of the table
    site: Site,
    who: dict[str, Any] | None,
    method: str,
    path: str,
    status: int,
    action: str,
    result: str,
    reason: str | None,
) -> None:
    """What did not happen is told as the act that was attempted, with result and reason."""
    site.ask(who, method, f"{W}/{path}", status=status)
    line = site.last()
    expected = (action, result, reason or "invalid_request", status)
    assert (line["action"], line["result"], line["reason"], line["status"]) == expected


def test_secrets_never_enter_the_log(site: Site) -> None:
    """Passwords (wrong ones, too), tokens of links and keys, codes and tickets stay out."""
    wish = {"path": "/draft.mp4", "password": "pass-of-link"}
    url = site.ask(JOHN, "POST", f"{W}/links", status=201, json=wish).json()["url"]
    site.ask(None, "POST", f"{url}/password?password=in-query", json={"password": "pass-of-link"})
    site.ask(None, "POST", f"{url}/password", status=403, json={"password": "wrong-pass"})
    site.ask(None, "POST", "/v1/login", status=401, auth=("john@dosya.dev", "wrong-login"))
    key = site.ask(JOHN, "POST", f"{W}/keys", status=201, json={"name": "k"}).json()["key"]
    site.ask(None, "GET", f"{W}/files/draft.mp4", headers={"X-Api-Key": key})
    site.ask(None, "GET", f"{W}/files/draft.mp4", status=401, headers={"X-Api-Key": "not-a-key"})
    invite = {"email": "new@acme.com", "role": "Viewer"}
    site.ask(JOHN, "POST", f"{W}/invites", status=201, json=invite)
    told = site.log().read_text("utf-8")
    words = ["pass-of-link", "wrong-pass", "wrong-login", "in-query", "not-a-key", "pw of"]
    assert len(site.world.secrets) == 3
    for secret in [*words, *site.world.secrets]:
        assert secret not in told
    database = b"".join(p.read_bytes() for p in (site.folder / "shared").glob("metadata*"))
    for secret in ["pass-of-link", "pw of John", *site.world.secrets]:
        assert secret.encode() not in database
