"""The table of what can be asked, and the act that each request attempts."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from storage_server import files, links, members, transfer, visits, wastebin
from storage_server.call import Call, Endpoint, Reply
from storage_server.rights import enter_workspace, name_workspace

Claim = Callable[[Call], None]


@dataclass(frozen=True)
class Route:
    """One kind of request.

    `action` is what it attempts, `claim` puts into the line what it speaks of before anybody is
    identified, `enter` decides about the workspace; `body` tells whether a JSON body is read.
    """

    method: str
    pattern: re.Pattern[str]
    action: Callable[[Call], str]
    endpoint: Endpoint
    claim: Claim
    enter: Claim
    body: bool


def _nothing(_call: Call) -> None:
    return


def _claim_workspace(call: Call) -> None:
    name_workspace(call, call.params["workspace"])


def _claim_path(call: Call) -> None:
    _claim_workspace(call)
    files.claim_path(call, "/" + call.params["path"].strip("/"))


def _claim_link(call: Call) -> None:
    visits.claim(call)


def _action_of_get(call: Call) -> str:
    if call.params["path"].endswith("/") or not call.params["path"]:
        return "file.list"
    by_view = {"preview": "file.preview", "info": "file.access"}
    return by_view.get(call.query.get("view", ""), "file.download")


def _get(call: Call) -> Reply:
    endpoints = {
        "file.list": files.list_folder,
        "file.preview": transfer.preview,
        "file.access": files.inspect,
        "file.download": transfer.download,
    }
    return endpoints[call.action](call)


def _action_of_put(call: Call) -> str:
    found = files.find(call, "/" + call.params["path"].strip("/"))
    return "file.upload" if found is None else "file.update"


def _always(action: str, _call: Call) -> str:
    return action


def _route(
    method: str,
    template: str,
    action: str | Callable[[Call], str],
    endpoint: Endpoint,
    *,
    claim: Claim = _claim_workspace,
    enter: Claim = enter_workspace,
    body: bool = True,
) -> Route:
    parts = template.replace("{path}", "(?P<path>.*)")
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", parts), re.DOTALL)
    acts = partial(_always, action) if isinstance(action, str) else action
    return Route(method, pattern, acts, endpoint, claim, enter, body)


_W = "/v1/workspaces/{workspace}"
_visit = partial(_route, claim=_claim_link, enter=_nothing)
_on_path = partial(_route, claim=_claim_path, body=False)

ROUTES = (
    _route("POST", "/v1/login", "auth.login", members.log_in, claim=_nothing, enter=_nothing),
    _route(
        "POST",
        "/v1/workspaces",
        "workspace.create",
        members.create_workspace,
        claim=_nothing,
        enter=_nothing,
    ),
    _route("PATCH", _W, "workspace.update", members.update_workspace),
    _route("DELETE", _W, "workspace.delete", members.delete_workspace),
    _on_path("PUT", f"{_W}/files/{{path}}", _action_of_put, transfer.upload),
    _on_path("GET", f"{_W}/files/{{path}}", _action_of_get, _get),
    _on_path("DELETE", f"{_W}/files/{{path}}", "file.delete", files.delete),
    _route("POST", f"{_W}/folders", "folder.create", files.create_folder),
    _route("POST", f"{_W}/rename", "file.rename", files.relocate),
    _route("POST", f"{_W}/move", "file.move", files.relocate),
    _route("POST", f"{_W}/copy", "file.copy", files.copy),
    _route("POST", f"{_W}/restore", "file.restore", wastebin.restore),
    _route("POST", f"{_W}/purge", "file.purge", wastebin.purge),
    _route("POST", f"{_W}/links", "share.create", links.create),
    _route("PATCH", f"{_W}/links/{{link}}", "share.update", links.update),
    _route("DELETE", f"{_W}/links/{{link}}", "share.revoke", links.revoke),
    _route("POST", f"{_W}/invites", "member.invite", members.invite),
    _route("POST", f"{_W}/join", "member.join", members.join),
    _route("PATCH", f"{_W}/members/{{email}}", "member.role_change", members.change_role),
    _route("DELETE", f"{_W}/members/{{email}}", "member.remove", members.remove),
    _route("PUT", f"{_W}/permissions", "permission.update", members.set_permissions),
    _route("POST", f"{_W}/keys", "apikey.create", members.create_key),
    _route("DELETE", f"{_W}/keys/{{key}}", "apikey.revoke", members.revoke_key),
    _visit("GET", "/s/{token}", "share.open", visits.open_page),
    _visit("POST", "/s/{token}/password", "share.password", visits.try_password),
    _visit("GET", "/s/{token}/file", "share.download", visits.download),
    _visit("PUT", "/s/{token}/files/{name}", "share.upload", visits.upload, body=False),
)


def match(call: Call) -> Route | None:
    """Return the route of a request and set the parameters in its path; None: there is none."""
    for route in ROUTES:
        found = route.pattern.fullmatch(call.path)
        if found and route.method == call.method:
            call.params = found.groupdict()
            return route
    return None
