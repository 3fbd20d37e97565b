"""One request of an HTTP or WebDAV server -> the act that it was, or why it was none.

The rows of sources.md section 3, as data, tried from the top. A request alone decides: method,
status, path, whether credentials were sent; never its neighbours.
"""

import re
from typing import Final

from msgspec import Struct

from auditship_agent.line import Ignored, Record
from auditship_agent.parsing.paths import Place, Resolved, Templates, resolve

_BLANK: Final = re.compile(r"\s")
_UNAUTHORIZED: Final = 401
_NOT_FOUND: Final = 404
_SERVER_ERRORS: Final = range(500, 600)

# what a method attempts; the others attempt `file.access`
_ATTEMPTS: Final = {
    "GET": "file.download",
    "PUT": "file.upload",
    "POST": "file.upload",
    "DELETE": "file.delete",
    "MKCOL": "folder.create",
    "MOVE": "file.move",
    "COPY": "file.copy",
}
_DONE: Final = {
    ("PUT", 200): "file.upload",
    ("PUT", 201): "file.upload",
    ("PUT", 204): "file.update",
    ("POST", 200): "file.upload",
    ("POST", 201): "file.upload",
    ("POST", 204): "file.upload",
    ("GET", 200): "file.download",
    ("GET", 206): "file.download",
    ("GET", 304): "file.access",
    ("DELETE", 200): "file.delete",
    ("DELETE", 202): "file.delete",
    ("DELETE", 204): "file.delete",
    ("MKCOL", 201): "folder.create",
    ("MOVE", 201): "file.move",
    ("MOVE", 204): "file.move",
    ("COPY", 201): "file.copy",
    ("COPY", 204): "file.copy",
}
_LINK_DENIED: Final = {404: "link_unknown", 410: "link_gone", 403: "permission"}
_DENIED: Final = {403: "permission", 429: "rate_limited"}
_FAILED: Final = {
    408: "timeout", 409: "conflict", 412: "conflict", 413: "too_large", 423: "locked",
    499: "aborted", 502: "unavailable", 503: "unavailable", 504: "timeout", 507: "quota",
}  # fmt: skip
_NO_ACT: Final = frozenset({"HEAD", "OPTIONS", "LOCK", "UNLOCK", "PROPPATCH", "PROPFIND", "POST"})
_WEBDAV: Final = frozenset({"MKCOL", "MOVE", "COPY", "PROPFIND", "PROPPATCH", "LOCK", "UNLOCK"})


class Request(Struct, gc=False):
    """What a log tells of one request. Sizes are bytes of bodies, where the log has them.

    `user` is the name that the server checked; `credentials` says whether any were sent;
    `proves_size` is False where the body bytes are not those of the file (a compressed reply).
    """

    method: str
    status: int
    uri: str
    credentials: bool = False
    user: str | None = None
    destination: str | None = None
    received: int | None = None
    sent: int | None = None
    proves_size: bool = True
    resolved: Resolved | None = None  # where the log tells the path as the server resolved it


class HttpRules:
    """Section 3 with a source's settings."""

    def __init__(
        self, templates: Templates, *, not_found_event: bool = False, propfind_event: bool = False
    ) -> None:
        self._templates = templates
        self._not_found_event = not_found_event
        self._propfind_event = propfind_event

    def judge(
        self, request: Request, time_ms: int, forced: tuple[str, str | None] | None = None
    ) -> Record | Ignored:
        """Return the act with path, result, actor and sizes filled in, or why there is none.

        `forced` is a result with its reason that the log tells, whatever the status; an error makes
        no act of a POST that is none.
        """
        resolved = request.resolved or resolve(request.uri)
        place = self._templates.place(resolved)
        found: tuple[str, str, str | None] | Ignored
        if forced is None or (forced[0] == "error" and not _may_act(request.method, place)):
            found = self._decide(request, resolved, place)
        else:
            found = (_attempt(request.method, resolved, place), *forced)
        if isinstance(found, Ignored):
            return found
        action, result, reason = found
        record = Record(time_ms, action, result, reason=reason)
        _set_actor(record, request)
        _set_place(record, resolved, place)
        if request.method in {"MOVE", "COPY"}:
            self._set_target(record, request, place)
        _set_request(record, request)
        return record

    def _decide(
        self, request: Request, resolved: Resolved, place: Place
    ) -> tuple[str, str, str | None] | Ignored:
        method, status = request.method, request.status
        if status == _UNAUTHORIZED and method != "OPTIONS":
            if not request.credentials:
                return Ignored("auth_challenge")
            return _attempt(method, resolved, place), "denied", "bad_credentials"
        if place.share_token is not None and (link := _on_link(method, status, resolved, place)):
            return link
        if method != "OPTIONS" and (reason := _DENIED.get(status)):
            return _attempt(method, resolved, place), "denied", reason
        return self._plain(method, status, resolved, place)

    def _plain(
        self, method: str, status: int, resolved: Resolved, place: Place
    ) -> tuple[str, str, str | None] | Ignored:
        acts = method in _ATTEMPTS and _may_act(method, place)
        if acts and (done := _DONE.get((method, status))):
            if done == "file.download" and resolved.slash:
                done = "file.list"
            return done, "success", None
        if method == "PROPFIND" and status == 207 and self._propfind_event:  # noqa: PLR2004
            return "file.list", "success", None
        if acts and (reason := _failure(status)):
            return _attempt(method, resolved, place), "error", reason
        if status == _NOT_FOUND:
            if self._not_found_event and method in {"GET", "DELETE"}:
                return _attempt(method, resolved, place), "error", "not_found"
            return Ignored("not_found")
        return _no_act(method, status)

    def _set_target(self, record: Record, request: Request, source: Place) -> None:
        """MOVE and COPY: the path asked for is the old one, `Destination` the new one."""
        if not request.destination:
            record.flags = (record.flags or set()) | {"no_target"}
            return
        target = resolve(request.destination)
        place = self._templates.place(target)
        record.previous_path = old = record.file_path
        # A path in another workspace or link would mislead beside this one's id: told whole.
        same = place.lies_with(source)
        inside = place.path if same else None
        record.file_path = inside if inside is not None else self._templates.whole(target)
        if target.flags:
            record.flags = (record.flags or set()) | set(target.flags)
        if record.action == "file.move" and same and _folder(old) == _folder(record.file_path):
            record.action = "file.rename"


def by_status(  # noqa: PLR0911 - a row of the table each
    action: str, status: int, *, credentials: bool, not_found_event: bool = False
) -> tuple[str, str, str | None] | Ignored:
    """Return what became of an act whose log has no method: the rows of section 3 by status."""
    if status == _UNAUTHORIZED:
        denied = (action, "denied", "bad_credentials")
        return denied if credentials else Ignored("auth_challenge")
    if reason := _DENIED.get(status):
        return action, "denied", reason
    if status in range(200, 300):
        return action, "success", None
    if status == 304 and action == "file.download":  # noqa: PLR2004 - Not Modified
        return "file.access", "success", None
    if reason := _failure(status):
        return action, "error", reason
    if status == _NOT_FOUND:
        told = not_found_event and action in {"file.download", "file.delete"}
        return (action, "error", "not_found") if told else Ignored("not_found")
    if status in range(300, 400):
        return Ignored("redirect")
    return Ignored("bad_request" if status in range(400, 500) else "not_an_act")


def _folder(path: str | None) -> str | None:
    return path and path.rpartition("/")[0]


def _may_act(method: str, place: Place) -> bool:
    """Return whether this is no POST, or one to a path where files are uploaded."""
    return method != "POST" or place.templated


def _attempt(method: str, resolved: Resolved, place: Place) -> str:
    if place.share_token is not None:
        return _link_act(method, resolved, place)
    if method == "GET" and resolved.slash:
        return "file.list"
    if method == "POST" and not place.templated:
        return "file.access"
    return _ATTEMPTS.get(method, "file.access")


def _link_act(method: str, resolved: Resolved, place: Place) -> str:
    if method in {"PUT", "POST"}:
        return "share.upload"
    if method in {"DELETE", "MKCOL", "MOVE", "COPY"}:
        return _ATTEMPTS[method]
    is_folder = resolved.slash or place.path in {None, "/"}
    return "share.open" if is_folder else "share.download"


def _on_link(
    method: str, status: int, resolved: Resolved, place: Place
) -> tuple[str, str, str | None] | None:
    act = _attempt(method, resolved, place)
    if reason := _LINK_DENIED.get(status):
        return act, "denied", reason
    if method == "GET" and status in {200, 206}:
        return act, "success", None
    if method in {"PUT", "POST"} and status in range(200, 300):
        return act, "success", None
    return None


def _failure(status: int) -> str | None:
    if reason := _FAILED.get(status):
        return reason
    return "server_error" if status in _SERVER_ERRORS else None


def _no_act(method: str, status: int) -> Ignored:
    if method in _NO_ACT and status < 400:  # noqa: PLR2004 - 1xx to 3xx
        return Ignored("not_an_act")
    if status in range(300, 400):
        return Ignored("redirect")
    if status in range(400, 500) or not method:
        return Ignored("bad_request")
    return Ignored("not_an_act")


def _set_actor(record: Record, request: Request) -> None:
    """Nothing at a 401 is ever an actor; else the checked user, nobody, or not to be known."""
    if request.status == _UNAUTHORIZED:
        record.actor = "anonymous"
        record.claimed_user = request.user
    elif request.user:
        record.actor = "user"
        set_user(record, request.user)
    else:
        record.actor = "unknown" if request.credentials else "anonymous"


def set_user(record: Record, name: str) -> None:
    """One `@` between non-empty parts and no blank: an e-mail; else a name. Never changed."""
    head, at, tail = name.partition("@")
    if at and head and tail and "@" not in tail and not _BLANK.search(name):
        record.user_email = name
    else:
        record.user_name = name


def _set_place(record: Record, resolved: Resolved, place: Place) -> None:
    record.file_path = place.path
    record.workspace_id = place.workspace
    record.share_token = place.share_token
    if place.share_token is not None and place.path == "/":
        record.file_path = None  # the link itself, not a file below it
    if record.file_path is not None and (resolved.slash or record.action == "folder.create"):
        record.file_type = "dir"
    if resolved.flags:
        record.flags = set(resolved.flags)


def _set_request(record: Record, request: Request) -> None:
    record.method = request.method or None
    record.status = request.status
    record.bytes_in = request.received
    record.bytes_out = request.sent
    record.protocol = "webdav" if request.method in _WEBDAV else "http"
    if request.status == 206:  # noqa: PLR2004 - Partial Content
        record.flags = (record.flags or set()) | {"partial"}
    if record.result != "success" or record.file_type == "dir" or not request.proves_size:
        return
    if record.action in {"file.upload", "file.update", "share.upload"}:
        record.file_size = request.received
    elif record.action in {"file.download", "share.download"} and request.status == 200:  # noqa: PLR2004
        record.file_size = request.sent
