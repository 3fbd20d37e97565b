"""The path of a request, as the server resolved it."""

import pytest

from auditship_agent.parsing.paths import Templates, resolve
from auditship_indexer.errors import ConfigError


@pytest.mark.parametrize(
    ("uri", "path", "slash", "flags"),
    [
        ("/a/b.txt", "/a/b.txt", False, ()),
        ("/a/b/", "/a/b", True, ()),
        ("/", "/", True, ()),
        ("", "/", True, ()),
        ("/a?token=x/../..", "/a", False, ()),
        ("/a#/b", "/a", False, ()),
        ("https://host:8443/a/b?c", "/a/b", False, ()),
        ("http://host", "/", True, ()),
        ("//evil.example/a", "/evil.example/a", False, ()),
        ("/a//b///c", "/a/b/c", False, ()),
        ("/a/./b/../c", "/a/c", False, ()),
        ("/../../etc/passwd", "/etc/passwd", False, ()),
        ("/a/b/..", "/a", True, ()),
        ("/a/%2e%2e/b", "/b", False, ()),
        ("/a/..%2fb", "/b", False, ()),
        ("/a%2Fb", "/a/b", False, ()),
        ("/%61cme", "/acme", False, ()),
        ("/%252e%252e/a", "/%2e%2e/a", False, ()),
        ("/a\\..\\b", "/a\\..\\b", False, ()),
        ("/a%zz%2", "/a%zz%2", False, ("bad_escape",)),
        ("/100%", "/100%", False, ("bad_escape",)),
        ("/a%ff", "/a\ufffd", False, ("bad_utf8",)),
        ("/%c0%ae%c0%ae/a", "/\ufffd\ufffd\ufffd\ufffd/a", False, ("bad_utf8",)),
        ("/a%00b", "/a\0b", False, ()),
        ('/a%0a{"x":1}', '/a\n{"x":1}', False, ()),
        ("/%C3%BC.txt", "/ü.txt", False, ()),
        ("/ü.txt", "/ü.txt", False, ()),
        ("/a%3Fb%23c", "/a?b#c", False, ()),
    ],
)
def test_paths_are_decoded_once_and_resolved(
    uri: str,
    path: str,
    slash: bool,  # noqa: FBT001 - a table
    flags: tuple[str, ...],
) -> None:
    """Cut, decode once, collapse, resolve; never above the root; oddities are flags."""
    found = resolve(uri)

    assert (found.text, found.slash, found.flags) == (path, slash, flags)


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("/ws/brand/a/b.txt", ("/a/b.txt", "brand", None, True)),
        ("/ws/brand", ("/", "brand", None, True)),
        ("/ws/brand/", ("/", "brand", None, True)),
        ("/ws", ("/ws", None, None, False)),
        ("/s/TOKEN", (None, None, "TOKEN", True)),
        ("/s/TOKEN/x/y.txt", ("/x/y.txt", None, "TOKEN", True)),
        ("/one/file", ("/file", None, None, True)),
        ("/one/file/more", ("/one/file/more", None, None, False)),
        ("/other/a", ("/other/a", None, None, False)),
        ("/ws/%62rand/a", ("/a", "brand", None, True)),
        ("/ws/brand/../acme/a", ("/a", "acme", None, True)),
        ("/ws/brand/%2e%2e/acme/a", ("/a", "acme", None, True)),
        ("/x/..%2fws%2facme%2fa", ("/a", "acme", None, True)),
        ("/a?/ws/acme/x", ("/a", None, None, False)),
        ("//ws//brand//a", ("/a", "brand", None, True)),
        ("/WS/brand/a", ("/WS/brand/a", None, None, False)),
    ],
)
def test_templates_name_the_workspace_that_the_server_resolved(
    uri: str, place: tuple[str | None, str | None, str | None, bool]
) -> None:
    """The first template that matches wins; no spelling of a path names another workspace."""
    templates = Templates(
        ["/ws/{workspace}/{path*}", "/s/{share_token}", "/s/{share_token}/{path*}", "/one/{path}"]
    )
    found = templates.place(resolve(uri))

    assert (found.path, found.workspace, found.share_token, found.templated) == place


@pytest.mark.parametrize(
    "template",
    [
        "ws/{workspace}",
        "/ws/{tenant}",
        "/{path*}/x",
        "/ws{workspace}",
        "/{path}/{path*}",
        "/ws/{workspace",
        "/a*",
        "/{workspace*}",
    ],
)
def test_a_template_that_cannot_be_read_is_refused(template: str) -> None:
    """Unknown holes, holes inside a segment, `*` elsewhere: a person must look."""
    with pytest.raises(ConfigError, match="paths: "):
        Templates([template])
