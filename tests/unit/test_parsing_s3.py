"""The columns of S3 access logs: unescaped quotes, keys encoded twice, who asked."""

from typing import Any

import pytest

from auditship_agent.line import Dead, Ignored
from auditship_agent.parsing.decode import Decoded
from auditship_agent.parsing.s3_access import prepare, split
from support.preset_lines import S3
from support.transforming import as_line, event, stream

_HEAD = "o brand [14/Apr/2026:10:32:15 +0000] 192.0.2.3 req R1 REST.GET.OBJECT k "


def _columns(text: str) -> dict[str, Any]:
    found = split(text.encode())
    assert isinstance(found, Decoded), found
    return found.value


def _reason(raw: bytes) -> str:
    found = split(raw)
    assert isinstance(found, Dead | Ignored), found
    return found.reason


def test_the_columns_have_names() -> None:
    """27 columns and more; `-` is absent, what follows the known ones is ignored."""
    found = _columns(
        _HEAD + '"GET /brand/k HTTP/1.1" 200 - 11 12 28 7 "-" "curl/8" v1 hid SigV4 TLS AuthHeader'
        " host TLSv1.2 arn:ap Yes us-west-1 more columns"
    )

    assert (found["status"], found["sent"], found["size"], found["total_ms"]) == (
        "200", "11", "12", "28",
    )  # fmt: skip
    assert (found["agent"], found["version"], found["auth"]) == ("curl/8", "v1", "AuthHeader")
    assert found["source_region"] == "us-west-1"
    assert "error" not in found
    assert "more" not in str(found.values())


@pytest.mark.parametrize(
    ("text", "uri", "agent", "flags"),
    [
        (
            '"GET /k?a="x HTTP/1.1" 200 - 1 1 1 1 "-" "curl" -',
            'GET /k?a="x HTTP/1.1',
            "curl",
            set(),
        ),
        ('"GET /k" 200 - x" 200 - 1 1 1 1 "-" "curl" -', 'GET /k" 200 - x', "curl", set()),
        ('"GET /k H" 200 - 1 1 1 1 "-" "a "quoted" b" -', "GET /k H", 'a "quoted" b', set()),
        ('"GET /k H" 200 - 1 1 1 1 "r" "x" "b" -', "GET /k H", 'x" "b', {"ambiguous_columns"}),
        ('"GET /k H" 200 - 1 1 1 1 - "curl" -', "GET /k H", "curl", set()),
        ('"GET /k H" 200 - 1 1 1 1 "r" - v1', "GET /k H", None, set()),
        ('"GET /k H" 200 - 1 1 1 1 "r"x" - v1', "GET /k H", None, set()),
        ('"GET /k H" 200 - 1 1 1 1 """ -', "GET /k H", None, set()),
        (
            '"GET /k?" 404 Gone - - - - H" 200 - 1 1 1 1 "-" "curl" -',
            'GET /k?" 404 Gone - - - - H',
            "curl",
            {"ambiguous_columns"},
        ),
        (
            '"GET /k H" 200 - 1 1 1 1 "-" "a" 404 Gone - - - - "-" "b" -',
            "GET /k H",
            'a" 404 Gone - - - - "-" "b',
            {"ambiguous_columns"},
        ),
        (
            f'"GET /{40 * chr(34)}{40 * f"{chr(34)} 404 Gone - - - -"} H" 200 - 1 1 1 1 "-" "c" -',
            f"GET /{40 * chr(34)}{40 * f'{chr(34)} 404 Gone - - - -'} H",
            "c",
            {"ambiguous_columns"},
        ),
        ('"GET /k H" 200 - 1 1 1 1 - - v1', "GET /k H", None, set()),
        ('"GET /k H" 200 - 1 1 1 1', "GET /k H", None, set()),
        ("- 204 - - 5 - -", None, None, set()),
        ('"-" - - - 44 - - "-" "-" -', None, None, set()),
    ],
)
def test_quotes_that_nobody_escapes(
    text: str, uri: str | None, agent: str | None, flags: set[str]
) -> None:
    """The request ends where columns 10 to 15 follow, the agent at the last quote."""
    found = split((_HEAD + text).encode())

    assert isinstance(found, Decoded)
    assert found.value.get("uri") == uri
    assert found.value.get("agent") == agent
    assert found.flags == flags


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty_line"),
        (b" \r", "empty_line"),
        (b"one two three", "bad_columns"),
        (_HEAD.encode() + b'"GET /k H" 200 -', "bad_columns"),
        (_HEAD.encode() + b"GET /k 200 - 1 1 1 1", "bad_columns"),
        (_HEAD.encode() + b'"GET /k H" 200 - 1 1 1 1 x', "bad_columns"),
        (_HEAD.encode() + b'"GET /k H" 200 - 1 1 1 1 "x', "bad_columns"),
        (_HEAD.encode() + b'"GET /k H" 200 - 1 1 1 1 - x', "bad_columns"),
    ],
)
def test_what_does_not_fit(raw: bytes, reason: str) -> None:
    """A line that does not fit its columns is a dead letter."""
    assert _reason(raw) == reason


@pytest.mark.parametrize(
    ("operation", "status", "sent", "size", "result"),
    [
        ("REST.GET.OBJECT", 200, "5", "9", "error aborted"),
        ("WEBSITE.GET.OBJECT", 200, "0", "9", "error aborted"),
        ("REST.GET.OBJECT", 200, "9", "9", "success"),
        ("REST.GET.OBJECT", 200, "-", "9", "success"),
        ("REST.GET.OBJECT", 206, "5", "9", "success"),
        ("REST.PUT.OBJECT", 200, "5", "9", "success"),
        ("REST.GET.OBJECT", 403, "5", "9", "denied permission"),
    ],
)
def test_a_download_that_was_broken_off(
    operation: str, status: int, sent: str, size: str, result: str
) -> None:
    """Fewer bytes than the object has; of a part and of an upload that says nothing."""
    head = _HEAD.replace("REST.GET.OBJECT", operation)
    line = f'{head}"GET /brand/k HTTP/1.1" {status} - {sent} {size} 28 7 "-" "curl/8" -'
    found = event(stream("s3-access").produce(as_line(line.encode())))

    told = (found["audit"]["result"], found["event"].get("reason"))
    assert " ".join(filter(None, told)) == result


def test_bytes_that_are_no_text() -> None:
    """U+FFFD and a flag; BOM and CR are skipped."""
    found = split(b"\xef\xbb\xbf" + (_HEAD + '"GET /\xff H" 200 - 1 1 1 1\r').encode("latin-1"))

    assert isinstance(found, Decoded)
    assert found.flags == {"bad_utf8"}
    assert found.value["turnaround_ms"] == "1"


@pytest.mark.parametrize(
    ("key", "uri", "path"),
    [
        ("a+b", "GET /brand/a%20b HTTP/1.1", "/a b"),
        ("a%20b", "GET /brand/a%20b HTTP/1.1", "/a b"),
        ("a%2520b", "GET /brand/a%20b HTTP/1.1", "/a b"),
        ("a%2520b", "GET /a%20b HTTP/1.1", "/a b"),
        ("a%2525b", "GET /brand/a%25b HTTP/1.1", "/a%b"),
        ("a%25b", "GET /brand/a%25b HTTP/1.1", "/a%b"),
        ("a%2520b", None, "/a%20b"),
        ("a%2520b", "odd", "/a%20b"),
        ("a%2520b", "GET /other HTTP/1.1", "/a%20b"),
        ("a//b/../c", "GET /brand/a//b/../c HTTP/1.1", "/a//b/../c"),
    ],
)
def test_a_key_is_decoded_until_it_is_that_of_the_request(
    key: str, uri: str | None, path: str
) -> None:
    """At most twice; without a request once. A key is a name, not a path: nothing is resolved."""
    values: dict[str, Any] = {"key": key, "bucket": "brand"}
    if uri is not None:
        values["uri"] = uri
    prepare(values, set())

    assert values["path"] == path


def test_a_bad_escape_is_text() -> None:
    """It stays, with its flag."""
    values: dict[str, Any] = {"key": "100%"}
    flags: set[str] = set()
    prepare(values, flags)

    assert (values["path"], flags) == ("/100%", {"bad_escape"})


@pytest.mark.parametrize(
    ("requester", "kind", "actor"),
    [
        ("79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be", "user", "79a59df9"),
        ("arn:aws:iam::1:user/alice", "user", "arn:aws:iam::1:user/alice"),
        ("arn:aws:sts::1:assumed-role/ingest/me", "service", "arn:aws:sts::1:assumed-role/ingest"),
        ("svc:logdelivery", "service", "logdelivery"),
        ("s3.amazonaws.com", "system", "system"),
        ("AmazonS3", "system", "system"),
        ("alice", "user", "alice"),
        ("-", "anonymous", "anonymous"),
    ],
)
def test_who_asked(requester: str, kind: str, actor: str) -> None:
    """User, role, service, the store itself, nobody; a role's session name is only a label."""
    line = S3.format(uri="GET /k H", referer="-", agent="curl").split(" ")
    line[5] = requester
    found = event(stream("s3-access").produce(as_line(" ".join(line).encode())))

    assert found["audit"]["actor_type"] == kind
    assert found["audit"]["actor"].startswith(actor)
    assert found.get("labels") == ({"role_name": "me"} if "assumed" in requester else None)


def test_the_time_is_when_the_request_came() -> None:
    """The act was completed `total_ms` later: a long upload stands at its end."""
    line = S3.format(uri="GET /k H", referer="-", agent="curl").replace(" 28 7 ", " 600000 7 ")
    found = event(stream("s3-access").produce(as_line(line.encode())))

    assert found["event"]["start"] == "2026-04-14T10:32:15.000Z"
    assert found["@timestamp"] == "2026-04-14T10:42:15.000Z"
