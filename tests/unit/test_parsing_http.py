"""Section 3 of sources.md: what a request was, by method, status, path and credentials."""

import pytest

from auditship_agent.line import Ignored, Record
from auditship_agent.parsing.http import HttpRules, Request
from auditship_agent.parsing.paths import Templates

_TEMPLATES = ["/ws/{workspace}/{path*}", "/s/{share_token}", "/s/{share_token}/{path*}"]


def _judge(
    method: str,
    status: int,
    uri: str = "/docs/a.txt",
    *,
    not_found_event: bool = False,
    propfind_event: bool = False,
    **fields: object,
) -> Record | Ignored:
    rules = HttpRules(
        Templates(_TEMPLATES), not_found_event=not_found_event, propfind_event=propfind_event
    )
    request = Request(method, status, uri)
    for name, value in fields.items():
        setattr(request, name, value)
    return rules.judge(request, 0)


def _told(found: Record | Ignored) -> str:
    if isinstance(found, Ignored):
        return found.reason
    return " ".join(filter(None, (found.action, found.result, found.reason)))


@pytest.mark.parametrize(
    ("method", "status", "uri", "told"),
    [
        ("PUT", 200, "/a", "file.upload success"),
        ("PUT", 201, "/a", "file.upload success"),
        ("PUT", 204, "/a", "file.update success"),
        ("POST", 201, "/ws/w/a", "file.upload success"),
        ("POST", 200, "/api", "not_an_act"),
        ("GET", 200, "/a", "file.download success"),
        ("GET", 200, "/a/", "file.list success"),
        ("GET", 206, "/a", "file.download success"),
        ("GET", 304, "/a", "file.access success"),
        ("GET", 301, "/a", "redirect"),
        ("GET", 204, "/a", "not_an_act"),
        ("DELETE", 200, "/a", "file.delete success"),
        ("DELETE", 202, "/a", "file.delete success"),
        ("DELETE", 204, "/a/", "file.delete success"),
        ("MKCOL", 201, "/a/", "folder.create success"),
        ("MKCOL", 405, "/a/", "bad_request"),
        ("COPY", 201, "/a", "file.copy success"),
        ("MOVE", 201, "/a", "file.move success"),
        ("MOVE", 204, "/a", "file.move success"),
        ("HEAD", 200, "/a", "not_an_act"),
        ("HEAD", 304, "/a", "not_an_act"),
        ("OPTIONS", 200, "/a", "not_an_act"),
        ("OPTIONS", 401, "/a", "bad_request"),
        ("OPTIONS", 403, "/a", "bad_request"),
        ("LOCK", 200, "/a", "not_an_act"),
        ("PROPPATCH", 207, "/a", "not_an_act"),
        ("PROPFIND", 207, "/a/", "not_an_act"),
        ("GET", 404, "/a", "not_found"),
        ("DELETE", 404, "/a", "not_found"),
        ("HEAD", 404, "/a", "not_found"),
        ("GET", 400, "/a", "bad_request"),
        ("GET", 416, "/a", "bad_request"),
        ("", 400, "", "bad_request"),
        ("PUT", 307, "/a", "redirect"),
    ],
)
def test_requests_that_nobody_refused(method: str, status: int, uri: str, told: str) -> None:
    """Done acts, and what is none."""
    assert _told(_judge(method, status, uri)) == told


@pytest.mark.parametrize(
    ("method", "act"),
    [
        ("GET", "file.download"),
        ("PUT", "file.upload"),
        ("POST", "file.access"),
        ("DELETE", "file.delete"),
        ("MKCOL", "folder.create"),
        ("MOVE", "file.move"),
        ("COPY", "file.copy"),
        ("HEAD", "file.access"),
        ("PROPFIND", "file.access"),
        ("LOCK", "file.access"),
        ("BREW", "file.access"),
    ],
)
@pytest.mark.parametrize(
    ("status", "reason"), [(401, "bad_credentials"), (403, "permission"), (429, "rate_limited")]
)
def test_refusals_name_the_act_that_was_attempted(
    method: str, act: str, status: int, reason: str
) -> None:
    """Any method but OPTIONS; those without an act of their own are `file.access`."""
    found = _judge(method, status, credentials=True, user="eve@example.org")

    assert _told(found) == f"{act} denied {reason}"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (408, "timeout"),
        (409, "conflict"),
        (412, "conflict"),
        (413, "too_large"),
        (423, "locked"),
        (499, "aborted"),
        (500, "server_error"),
        (502, "unavailable"),
        (503, "unavailable"),
        (504, "timeout"),
        (507, "quota"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "MOVE", "COPY", "MKCOL"])
def test_failures_are_errors_of_acts(method: str, status: int, reason: str) -> None:
    """Allowed and failed: an error with the reason that the status tells."""
    assert _told(_judge(method, status)).endswith(f" error {reason}")
    assert _told(_judge("HEAD", status)) in {"bad_request", "not_an_act"}


@pytest.mark.parametrize(
    ("method", "status", "uri", "told"),
    [
        ("GET", 200, "/s/TOKEN", "share.open success"),
        ("GET", 206, "/s/TOKEN", "share.open success"),
        ("GET", 200, "/s/TOKEN/", "share.open success"),
        ("GET", 200, "/s/TOKEN/a.txt", "share.download success"),
        ("PUT", 201, "/s/TOKEN/a.txt", "share.upload success"),
        ("POST", 204, "/s/TOKEN", "share.upload success"),
        ("GET", 404, "/s/TOKEN", "share.open denied link_unknown"),
        ("GET", 200, "/s/TOKEN/docs/", "share.open success"),
        ("GET", 410, "/s/TOKEN/a", "share.download denied link_gone"),
        ("PUT", 403, "/s/TOKEN/a", "share.upload denied permission"),
        ("HEAD", 404, "/s/TOKEN", "share.open denied link_unknown"),
        ("GET", 401, "/s/TOKEN", "auth_challenge"),
        ("GET", 429, "/s/TOKEN", "share.open denied rate_limited"),
        ("GET", 500, "/s/TOKEN/a", "share.download error server_error"),
        ("HEAD", 200, "/s/TOKEN/a", "not_an_act"),
        ("GET", 302, "/s/TOKEN/a", "redirect"),
    ],
)
def test_links_have_acts_of_their_own(method: str, status: int, uri: str, told: str) -> None:
    """A path template with a token makes a request one of a share link."""
    assert _told(_judge(method, status, uri)) == told


def test_a_401_without_credentials_is_a_challenge() -> None:
    """The first half of every login is no block."""
    assert _told(_judge("GET", 401)) == "auth_challenge"


def test_nobody_named_at_a_401_is_an_actor() -> None:
    """The name is a claim."""
    found = _judge("GET", 401, credentials=True, user="root")

    assert isinstance(found, Record)
    assert (found.actor, found.claimed_user) == ("anonymous", "root")
    assert found.user_name is None


@pytest.mark.parametrize(
    ("user", "credentials", "actor", "email", "name"),
    [
        ("a@b.co", True, "user", "a@b.co", None),
        ("DOMAIN\\eve", True, "user", None, "DOMAIN\\eve"),
        ("a@b@c", True, "user", None, "a@b@c"),
        ("@b", True, "user", None, "@b"),
        ("a b@c", True, "user", None, "a b@c"),
        (None, True, "unknown", None, None),
        (None, False, "anonymous", None, None),
    ],
)
def test_actors(
    user: str | None,
    credentials: bool,  # noqa: FBT001 - a table
    actor: str,
    email: str | None,
    name: str | None,
) -> None:
    """Checked user; nobody; or credentials that the server did not check."""
    found = _judge("GET", 200, user=user, credentials=credentials)

    assert isinstance(found, Record)
    assert (found.actor, found.user_email, found.user_name) == (actor, email, name)


@pytest.mark.parametrize(
    ("method", "uri", "target", "act", "old", "new"),
    [
        ("MOVE", "/a/x", "/a/y", "file.rename", "/a/x", "/a/y"),
        ("MOVE", "/a/x", "https://h/b/x?q", "file.move", "/a/x", "/b/x"),
        ("MOVE", "/ws/w/x", "/ws/w/y", "file.rename", "/x", "/y"),
        ("MOVE", "/ws/w/x", "/ws/v/x", "file.move", "/x", "/ws/v/x"),
        ("MOVE", "/x", "/%79", "file.rename", "/x", "/y"),
        ("COPY", "/a/x", "/a/y", "file.copy", "/a/x", "/a/y"),
        ("MOVE", "/s/TOKEN/x", "/s/TOKEN/y", "file.rename", "/x", "/y"),
        ("MOVE", "/s/TOKEN/x", "/ws/w/x", "file.move", "/x", "/ws/w/x"),
        ("MOVE", "/ws/w/x", "/s/TOKEN/x", "file.move", "/x", "/s/{share_token}/x"),
        ("MOVE", "/x", "/s/TOKEN/x", "file.move", "/x", "/s/{share_token}/x"),
        ("MOVE", "/s/T2/x", "/s/TOKEN/x", "file.move", "/x", "/s/{share_token}/x"),
        ("COPY", "/ws/w/x", "/s/%54OKEN", "file.copy", "/x", "/s/{share_token}"),
    ],
)
def test_moves_and_copies_know_both_paths(  # noqa: PLR0917 - a table
    method: str, uri: str, target: str, act: str, old: str, new: str
) -> None:
    """Same folder: rename. Another workspace's path is told whole, another link's without token."""
    found = _judge(method, 201, uri, destination=target)

    assert isinstance(found, Record)
    assert (found.action, found.previous_path, found.file_path) == (act, old, new)


def test_a_move_without_destination_is_flagged() -> None:
    """What moved is known, where to is not."""
    found = _judge("MOVE", 201)

    assert isinstance(found, Record)
    assert (found.file_path, found.previous_path) == ("/docs/a.txt", None)
    assert found.flags == {"no_target"}


@pytest.mark.parametrize(
    ("method", "status", "uri", "size"),
    [
        ("PUT", 201, "/a", 7),
        ("PUT", 204, "/a", 7),
        ("PUT", 500, "/a", None),
        ("GET", 200, "/a", 9),
        ("GET", 206, "/a", None),
        ("GET", 200, "/a/", None),
        ("GET", 403, "/a", None),
        ("GET", 200, "/s/T/a", 9),
        ("PUT", 201, "/s/T/a", 7),
        ("DELETE", 204, "/a", None),
    ],
)
def test_size_is_that_of_a_whole_file_only(
    method: str, status: int, uri: str, size: int | None
) -> None:
    """Bytes received by a done upload, bytes sent by a whole download, else absent."""
    found = _judge(method, status, uri, received=7, sent=9)

    assert isinstance(found, Record)
    assert found.file_size == size
    assert (found.bytes_in, found.bytes_out) == (7, 9)


def test_a_body_that_is_not_the_file_gives_no_size() -> None:
    """A compressed reply proves nothing about the file."""
    found = _judge("GET", 200, sent=9, proves_size=False)

    assert isinstance(found, Record)
    assert found.file_size is None


def test_settings_make_events_of_more() -> None:
    """`not_found: event` and `propfind: event`."""
    gone = _judge("GET", 404, not_found_event=True)

    assert _told(gone) == "file.download error not_found"
    assert _told(_judge("DELETE", 404, not_found_event=True)) == "file.delete error not_found"
    assert _told(_judge("PUT", 404, not_found_event=True)) == "not_found"
    assert _told(_judge("PROPFIND", 207, "/a/", propfind_event=True)) == "file.list success"


def test_a_folder_is_a_folder() -> None:
    """A trailing slash, or MKCOL: the type is `dir`, the path has no trailing slash."""
    for method, status, uri in (("DELETE", 204, "/a/b/"), ("MKCOL", 201, "/a/b")):
        found = _judge(method, status, uri)
        assert isinstance(found, Record)
        assert (found.file_path, found.file_type) == ("/a/b", "dir")
