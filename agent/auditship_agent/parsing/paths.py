"""The path of a request as the server resolved it, and what a source's templates say about it.

Order (sources.md section 3): cut query, fragment and an absolute form's authority; decode percent
once; collapse `//`; resolve `.` and `..`, never above the root; remember a trailing slash. Decoding
stands before resolving, so that `%2e%2e` climbs here exactly where it climbs in the server.
"""

import functools
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote_to_bytes

from msgspec import Struct

from auditship_indexer.errors import ConfigError

_MOST_PLACES: Final = 4096
_LONGEST_KEPT: Final = 256  # characters of a request target
_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*")
_SHARE_HOLE: Final = "{share_token}"
_HOLE: Final = re.compile(r"\{(workspace|share_token|path)(\*)?\}")


class Resolved(Struct, frozen=True, gc=False):
    """A path in segments; `slash` says whether it named a folder (trailing `/`)."""

    segments: tuple[str, ...]
    slash: bool
    flags: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The path with a leading and no trailing slash; the root is `/`."""
        return "/" + "/".join(self.segments)


class Place(Struct, frozen=True, gc=False):
    """Where a path lies: `path` in its workspace, None where the template has no file part."""

    path: str | None
    workspace: str | None = None
    share_token: str | None = None
    templated: bool = False

    def lies_with(self, other: "Place") -> bool:
        """Return whether two paths lie in one workspace, or below one link."""
        return (self.workspace, self.share_token) == (other.workspace, other.share_token)


def resolve(uri: str, *, fragment: bool = True) -> Resolved:
    """Return the path of a request target. Never raises; oddities are flags.

    `fragment` says whether the server takes `#` for the end of the path, as nginx does; to Go's
    servers it is a character like any other. Targets that are not long are remembered.
    """
    return (_known if len(uri) <= _LONGEST_KEPT else _resolve)(uri, fragment)


def _resolve(uri: str, fragment: bool) -> Resolved:  # noqa: FBT001 - keywords cost time in a cache
    path = uri
    for mark in "?#" if fragment else "?":
        path = path.partition(mark)[0]
    if not path.startswith("/") and (absolute := _ABSOLUTE.match(path)):
        path = path[absolute.end() :]
    flags: list[str] = []
    if "%" in path:
        path = decoded_once(path, flags)
    return _walk(path, tuple(flags))


_known: Final = functools.lru_cache(maxsize=4096)(_resolve)


def resolved(path: str) -> Resolved:
    """Return a path that the server had decoded already: nothing in it is an escape or a query."""
    return _walk(path, ())


def decoded_once(path: str, flags: list[str]) -> str:
    """Decode percent escapes once; an invalid one stays text, with its flag in `flags`."""
    coded = path.encode(errors="replace")
    if _BAD_ESCAPE.search(coded) and "bad_escape" not in flags:
        flags.append("bad_escape")
    raw = unquote_to_bytes(coded)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        flags.append("bad_utf8")
        return raw.decode(errors="replace")


def _walk(path: str, flags: tuple[str, ...]) -> Resolved:
    segments: list[str] = []
    parts = path.split("/")
    for part in parts:
        if part == "..":
            if segments:
                segments.pop()
        elif part and part != ".":
            segments.append(part)
    return Resolved(tuple(segments), parts[-1] in {"", ".", ".."}, flags)


class _Template(Struct, frozen=True):
    parts: tuple[str, ...]  # a literal, or the name of a hole in braces
    tail: bool  # whether {path*} takes the rest

    def masked(self, segments: tuple[str, ...]) -> str:
        """Return a path that matched, with the name of the hole where its share token stood."""
        told = list(segments)
        told[self.parts.index(_SHARE_HOLE)] = _SHARE_HOLE
        return "/" + "/".join(told)

    def match(self, segments: tuple[str, ...]) -> Place | None:
        count = len(self.parts)
        if len(segments) < count or (len(segments) > count and not self.tail):
            return None
        found: dict[str, str] = {}
        for part, segment in zip(self.parts, segments, strict=False):
            if part.startswith("{"):
                found[part] = segment
            elif part != segment:
                return None
        path = found.get("{path}")
        if self.tail:
            path = "/".join(segments[count:])
        return Place(
            None if path is None else f"/{path}",
            found.get("{workspace}"),
            found.get("{share_token}"),
            templated=True,
        )


class Templates:
    """The `paths` of a source, compiled: the first that matches wins.

    Raises:
        ConfigError: a template does not begin with `/`, or holds another hole than
            `{workspace}`, `{share_token}`, `{path}`, or `{path*}` before its end.
    """

    def __init__(self, templates: Iterable[str]) -> None:
        self._templates = tuple(_compiled(text) for text in templates)
        self._known: dict[tuple[str, ...], Place] = {}

    def place(self, resolved: Resolved) -> Place:
        """Return where a path lies; without a match that is its whole text, in no workspace."""
        segments = resolved.segments
        known = self._known.get(segments)
        if known is None:
            if len(self._known) >= _MOST_PLACES:
                self._known.clear()
            known = self._place(resolved)
            if sum(map(len, segments)) <= _LONGEST_KEPT:
                self._known[segments] = known
        return known

    def _place(self, resolved: Resolved) -> Place:
        for template in self._templates:
            if place := template.match(resolved.segments):
                return place
        return Place(resolved.text)

    def whole(self, resolved: Resolved) -> str:
        """Return the whole path of what lies elsewhere, without the token of a share link."""
        for template in self._templates:
            if place := template.match(resolved.segments):
                if place.share_token is None:
                    break
                return template.masked(resolved.segments)
        return resolved.text


def _compiled(text: str) -> _Template:
    if not text.startswith("/"):
        raise ConfigError(f"paths: {text!r} does not begin with /")
    parts = [part for part in text.split("/") if part]
    holes = [match for part in parts if (match := _HOLE.fullmatch(part))]
    names = [match[1] for match in holes]
    tail = bool(parts) and parts[-1] == "{path*}"
    starred = sum(1 for match in holes if match[2])
    plain = [part for part in parts if not _HOLE.fullmatch(part)]
    if starred != tail or len(set(names)) != len(names) or any(set(p) & set("{}*") for p in plain):
        raise ConfigError(
            f"paths: {text!r} is no template",
            hint="use whole segments: /ws/{workspace}/{path*}, /s/{share_token}/{path*}",
        )
    return _Template(tuple(parts[:-1] if tail else parts), tail)
