"""The text of S3 server access logs: blank-separated columns, quotes that nobody escapes.

Columns 1 to 8 are cut from the left. The quoted request (9) ends at the first quote and blank that
are followed by columns 10 to 15 in their forms; the user agent (17) ends at the last quote of the
line. A client can put quotes into 9, 16 and 17, so several splits may fit: the first is taken, with
flag `ambiguous_columns`. `-` is an absent column; columns beyond the 27 known ones are ignored.
"""

import re
from typing import Any, Final

from auditship_agent.line import Dead, Ignored
from auditship_agent.parsing.decode import Decoded, is_blank
from auditship_agent.parsing.kinds import integer
from auditship_agent.parsing.paths import decoded_once

_HEAD: Final = re.compile(
    r"(?P<owner>[^ ]+) (?P<bucket>[^ ]+) \[(?P<time>[^\]]*)\] (?P<address>[^ ]+(?: Internal)?)"
    r" (?P<requester>[^ ]+) (?P<request_id>[^ ]+) (?P<operation>[^ ]+) (?P<key>[^ ]+) "
)
_FORMS: Final = r" (\d{3}|-) ([A-Za-z][A-Za-z0-9._]*|-) (\d+|-) (\d+|-) (\d+|-) (\d+|-)(?= |\Z)"
_URI_END: Final = re.compile('"' + _FORMS, re.ASCII)
_NO_URI: Final = re.compile("-" + _FORMS, re.ASCII)
_NO_AGENT: Final = re.compile(r'".*?" -(?: |\Z)')
_MAX_SPLITS: Final = 16  # that are tried, and the last one
_DOWNLOADS: Final = frozenset({"REST.GET.OBJECT", "WEBSITE.GET.OBJECT"})
_MIDDLE: Final = ("status", "error", "sent", "size", "total_ms", "turnaround_ms")
_TAIL: Final = (
    "version", "host_id", "signature", "cipher", "auth", "host", "tls", "access_point",
    "acl_required", "source_region",
)  # fmt: skip
_ID: Final = re.compile(r"arn:|[0-9a-f]{64}\Z", re.ASCII)
_ROLE: Final = re.compile(r"arn:[^:]*:sts::[^:]*:assumed-role/([^/]+)/(.*)")


def split(raw: bytes) -> Decoded | Ignored | Dead:
    """Return the columns of a line by name; absent ones are left out. Never raises."""
    if is_blank(raw):
        return Ignored("empty_line")
    flags: set[str] = set()
    body = raw.removeprefix(b"\xef\xbb\xbf").removesuffix(b"\r")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = body.decode(errors="replace")
        flags.add("bad_utf8")
    head = _HEAD.match(text)
    if head is None:
        return Dead("bad_columns", "columns 1 to 8 do not fit")
    values: dict[str, Any] = head.groupdict()
    rest = text[head.end() :]
    if (dead := _add_request(values, rest, flags)) is not None:
        return dead
    return Decoded({key: value for key, value in values.items() if value != "-"}, flags)


def _add_request(values: dict[str, Any], rest: str, flags: set[str]) -> Dead | None:
    """Read column 9 and all behind it: the first split by which every column fits."""
    bare = _NO_URI.match(rest)
    splits = [bare] if bare is not None else []
    if bare is None and rest.startswith('"'):
        splits = list(_URI_END.finditer(rest, 1))
        splits[_MAX_SPLITS:-1] = []
    if not splits:
        return Dead("bad_columns", "columns 9 to 15 do not fit")
    if len(splits) > 1:
        flags.add("ambiguous_columns")
    for middle in splits:
        found: dict[str, Any] = dict(zip(_MIDDLE, middle.groups(), strict=True))
        if _add_agents(found, rest[middle.end() :].lstrip(" "), flags):
            if bare is None:
                values["uri"] = rest[1 : middle.start()]
            values.update(found)
            return None
    return Dead("bad_columns", "columns 16 and 17 do not fit")


def _add_agents(values: dict[str, Any], rest: str, flags: set[str]) -> bool:
    """Read columns 16, 17 and what stands behind the last quote."""
    last = rest.rfind('"')
    if rest.startswith("- "):  # no referer: column 17 is all up to the last quote
        return _add_last(values, rest[2:], last - 2)
    if not rest.startswith('"'):
        return not rest  # a log of fewer columns
    splits = [match.end() for match in re.finditer(r'" (?=")', rest[1:last])]
    bare = _NO_AGENT.match(rest)
    if not splits and bare is not None:
        values.update(zip(_TAIL, rest[bare.end() :].split(" "), strict=False))
        return True
    if not splits:
        return False
    if len(splits) > 1:
        flags.add("ambiguous_columns")
    start = 1 + splits[0]
    return _add_last(values, rest[start:], last - start)


def _add_last(values: dict[str, Any], rest: str, last: int) -> bool:
    if rest.startswith('"') and last > 0:
        values["agent"] = rest[1:last]
        tail = rest[last + 1 :]
    elif rest == "-" or rest.startswith("- "):
        tail = rest[1:]
    else:
        return False
    values.update(zip(_TAIL, tail.strip(" ").split(" "), strict=False))
    return True


def prepare(values: dict[str, Any], flags: set[str]) -> None:
    """Add `path` (the key, decoded as often as the store encoded it), who asked, `aborted`."""
    key = values.get("key")
    if key is not None:
        found: list[str] = []
        values["path"] = "/" + _key(key, values.get("uri"), values.get("bucket", ""), found)
        flags.update(found)
    if _is_broken_off(values):
        values["aborted"] = "true"
    if values.get("auth") == "QueryString":
        values["presigned"] = "true"
    requester = values.get("requester")
    if requester is None:
        values["requester_type"] = "anonymous"
        return
    kind, name = _who(requester)
    values["requester_type"] = kind
    if kind != "system":
        values["requester_id" if _ID.match(name) else "requester_name"] = name
    if role := _ROLE.fullmatch(requester):
        values["role_name"] = role[2]


def _is_broken_off(values: dict[str, Any]) -> bool:
    """Return whether a whole download sent fewer bytes than the object has."""
    if values.get("status") != "200" or values["operation"] not in _DOWNLOADS:
        return False
    sent, size = integer(values.get("sent")), integer(values.get("size"))
    return sent is not None and size is not None and sent < size


def _key(key: str, uri: str | None, bucket: str, flags: list[str]) -> str:
    """Decode a key until it equals that of the request decoded once, at most twice."""
    once = decoded_once(key.replace("+", " "), flags)
    if uri is None or "%" not in once:
        return once
    wanted = _uri_key(uri, bucket)
    if wanted is None or once in wanted:
        return once
    twice = decoded_once(once, flags)
    return twice if twice in wanted else once


def _uri_key(uri: str, bucket: str) -> set[str] | None:
    """Return the key of a request target decoded once: with and without the bucket in the path."""
    parts = uri.split(" ")
    if len(parts) < 2:  # noqa: PLR2004 - method and target
        return None
    path = decoded_once(parts[1].partition("?")[0], []).removeprefix("/")
    return {path, path.removeprefix(bucket + "/")}


def _who(requester: str) -> tuple[str, str]:
    """Return actor type and name; of an assumed role without the part that its user chose."""
    if requester.startswith("svc:"):
        return "service", requester[4:] or requester
    if role := _ROLE.fullmatch(requester):
        return "service", requester[: role.start(2) - 1]
    if requester in {"AmazonS3", "S3"} or requester.endswith(".amazonaws.com"):
        return "system", requester
    return "user", requester  # a canonical id, the ARN of a user, or another store's own name
