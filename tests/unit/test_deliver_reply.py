"""What a bulk reply says: each line of the table, and each way to be no answer."""

import json
from typing import Any, Final

import pytest

from auditship_agent.body import Item, Items
from auditship_agent.deliver.reply import Course, Fate, Judgment, is_alarm, judge, named
from auditship_indexer.opensearch.bulk import HttpReply

OWNER: Final = object()
ITEMS: Final = Items(Item(f"id-{n}", "audit-x-2026.04.14", OWNER, n, n + 1) for n in range(3))


def stored(item: Item) -> dict[str, Any]:
    return {"create": {"_id": item.id, "status": 201}}


def refused(item: Item, status: int, kind: str, reason: str = "no") -> dict[str, Any]:
    error = {"type": kind, "reason": reason}
    return {"create": {"_id": item.id, "status": status, "error": error}}


def of_items(*items: Any, **more: Any) -> Judgment:
    return judge(HttpReply(200, {}, json.dumps({"items": items, **more}).encode()), ITEMS)


def of_request(
    status: int, body: bytes | dict[str, Any] = b"", headers: dict[str, str] | None = None
) -> Judgment:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return judge(HttpReply(status, headers or {}, raw), ITEMS)


def told(status: int, kind: str, reason: str = "") -> dict[str, Any]:
    return {"error": {"type": kind, "reason": reason}, "status": status}


BLOCK: Final = "cluster_block_exception"


@pytest.mark.parametrize(
    ("status", "kind", "reason", "fate"),
    [
        (409, "version_conflict_engine_exception", "", Fate.PRESENT),
        (409, "other_conflict_exception", "", Fate.ALONE),
        (429, "rejected_execution_exception", "", Fate.RETRY),
        (429, "circuit_breaking_exception", "", Fate.RETRY),
        (400, "circuit_breaking_exception", "", Fate.RETRY),
        (503, "unavailable_shards_exception", "", Fate.RETRY),
        (503, "process_cluster_event_timeout_exception", "", Fate.RETRY),
        (503, "cluster_manager_not_discovered_exception", "", Fate.RETRY),
        (500, "some_bug_exception", "", Fate.RETRY),
        (429, "some_new_exception", "", Fate.RETRY),
        (429, BLOCK, "x" * 400 + " [TOO_MANY_REQUESTS/12/disk usage]", Fate.RETRY),
        (403, BLOCK, "[FORBIDDEN/5/index read-only (api)]", Fate.RETRY),
        (403, BLOCK, "[FORBIDDEN/6/cluster read-only (api)]", Fate.RETRY),
        (403, BLOCK, "[FORBIDDEN/13/cluster read-only / allow delete (api)]", Fate.RETRY),
        (503, BLOCK, "[SERVICE_UNAVAILABLE/1/state not recovered]", Fate.RETRY),
        (403, BLOCK, "[FORBIDDEN/8/index write (api)]", Fate.HOLD),
        (404, "index_not_found_exception", "no such index", Fate.NO_INDEX),
        (400, "index_closed_exception", "closed", Fate.HOLD),
        (400, "invalid_index_name_exception", "", Fate.HOLD),
        (403, "security_exception", "no permissions", Fate.HOLD),
        (500, "fail_processor_exception", "", Fate.HOLD),
        (400, "validation_exception", "this action would add [1] total shards", Fate.HOLD),
        (400, "illegal_argument_exception", "pipeline with id [p] does not exist", Fate.HOLD),
        (400, "illegal_argument_exception", "Limit of total fields [9] exceeded", Fate.HOLD),
        (401, "new_rights_exception", "", Fate.HOLD),
        (403, "new_rights_exception", "", Fate.HOLD),
        (400, "mapper_parsing_exception", "failed to parse", Fate.REJECTED),
        (400, "strict_dynamic_mapping_exception", "", Fate.REJECTED),
        (400, "illegal_argument_exception", "immense term", Fate.ALONE),
        (400, "validation_exception", "Operation [INDEX] is not allowed", Fate.ALONE),
        (400, "parse_exception", "Failed to parse content to map", Fate.ALONE),
        (400, "not_x_content_exception", "", Fate.ALONE),
        (404, "unheard_of_exception", "", Fate.ALONE),
    ],
)
def test_fate_of_a_document(status: int, kind: str, reason: str, fate: Fate) -> None:
    """Type first, then status and mark; the others of the request are stored."""
    judgment = of_items(
        stored(ITEMS[0]), refused(ITEMS[1], status, kind, reason), stored(ITEMS[2]), errors=True
    )
    assert judgment.course is Course.TAKEN
    assert [one.fate for one in judgment.fates] == [Fate.STORED, fate, Fate.STORED]
    if fate is not Fate.PRESENT:
        assert judgment.fates[1].type == kind
        assert judgment.fates[1].reason == reason[:300]


def test_reason_may_be_missing() -> None:
    """Some error types give no reason, or null."""
    item = {"create": {"_id": ITEMS[1].id, "status": 503, "error": {"type": "x", "reason": None}}}
    bare = {"create": {"_id": ITEMS[2].id, "status": 503, "error": {"type": "x"}}}
    judgment = of_items(stored(ITEMS[0]), item, bare)
    assert [one.reason for one in judgment.fates] == ["", "", ""]


ALL: Final = [stored(item) for item in ITEMS]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"<html>ok</html>",
        b"\xff\xfe",
        b'{"items":[{"create":{"_id":"\xff","status":201}}]}',
        b'{"items":' + b"[" * 100_000,
        json.dumps({"items": ALL}).encode()[:-3],
        json.dumps({"items": ALL[:2]}).encode(),
        json.dumps({"items": [*ALL, ALL[0]]}).encode(),
        json.dumps({"items": ALL[::-1]}).encode(),
        json.dumps({"items": [{"index": ALL[0]["create"]}, *ALL[1:]]}).encode(),
        json.dumps({"items": [ALL[0] | {"index": {}}, *ALL[1:]]}).encode(),
        json.dumps({"items": [{"create": {"_id": "id-0"}}, *ALL[1:]]}).encode(),
        json.dumps({"items": [{"create": {"status": 201}}, *ALL[1:]]}).encode(),
        json.dumps({"items": [{"create": {"_id": "id-0", "status": "201"}}, *ALL[1:]]}).encode(),
        json.dumps({"items": [{"create": {"_id": "id-0", "status": 200}}, *ALL[1:]]}).encode(),
        json.dumps({"items": [{"create": {"_id": "id-0", "status": 429}}, *ALL[1:]]}).encode(),
        json.dumps({"items": ALL, "errors": True}).encode(),
        json.dumps({"items": [refused(ITEMS[0], 201, "x"), *ALL[1:]]}).encode(),
        json.dumps(
            {"items": [refused(ITEMS[0], 400, "version_conflict_engine_exception"), *ALL[1:]]}
        ).encode(),
        json.dumps({"items": [refused(ITEMS[0], 400, "x"), *ALL[1:]], "errors": False}).encode(),
        json.dumps(
            {"items": [{"create": {"_id": "id-0", "status": 400, "error": {}}}, *ALL[1:]]}
        ).encode(),
    ],
)
def test_what_is_no_answer(body: bytes) -> None:
    """Whatever breaks the contract, or contradicts itself, leaves the outcome unknown."""
    assert judge(HttpReply(200, {}, body), ITEMS).course is Course.UNKNOWN


def test_pretty_printed_reply_is_true() -> None:
    """White space and keys that are not known change nothing."""
    body = json.dumps({"took": 3, "errors": False, "items": ALL}, indent=2).encode() + b"\n"
    assert judge(HttpReply(200, {}, body), ITEMS).course is Course.TAKEN


@pytest.mark.parametrize(
    ("status", "body", "course"),
    [
        (201, b"", Course.UNKNOWN),
        (204, b"", Course.UNKNOWN),
        (301, b"", Course.HOLD),
        (302, b"", Course.HOLD),
        (400, b"<html>plain HTTP sent to HTTPS port</html>", Course.HOLD),
        (400, told(400, "illegal_argument_exception"), Course.HOLD),
        (400, told(400, "illegal_argument_exception", "pipeline with id [p]"), Course.HOLD),
        (400, told(400, "action_request_validation_exception"), Course.SPLIT),
        (400, told(400, "json_parse_exception"), Course.SPLIT),
        (400, told(400, "parse_exception"), Course.SPLIT),
        (401, b"Unauthorized", Course.HOLD),
        (403, told(403, "security_exception", "no permissions"), Course.HOLD),
        (403, told(403, BLOCK, "[FORBIDDEN/13/cluster read-only]"), Course.BUSY),
        (404, {"error": "no handler found"}, Course.HOLD),
        (406, {"error": "Content-Type is not supported"}, Course.HOLD),
        (408, b"", Course.RETRY),
        (413, b"", Course.TOO_LARGE),
        (425, b"", Course.RETRY),
        (429, told(429, "rejected_execution_exception"), Course.BUSY),
        (429, told(429, "circuit_breaking_exception"), Course.BUSY),
        (429, b"slow down", Course.BUSY),
        (500, told(500, "some_bug_exception"), Course.RETRY),
        (500, told(500, "fail_processor_exception"), Course.HOLD),
        (502, b"<html>", Course.RETRY),
        (503, b"OpenSearch Security not initialized.", Course.RETRY),
        (503, told(503, BLOCK, "[SERVICE_UNAVAILABLE/1]"), Course.BUSY),
        (504, b'{"error":"\xff"}', Course.RETRY),
        (505, b'{"error":' + b"[" * 100_000, Course.RETRY),
        (506, b'{"error":null}', Course.RETRY),
    ],
)
def test_course_of_a_refused_request(
    status: int, body: bytes | dict[str, Any], course: Course
) -> None:
    """Only what the server says of the request's bytes is laid on its documents."""
    judgment = of_request(status, body)
    assert judgment.course is course
    assert not judgment.fates
    assert str(status) in judgment.why


def test_reason_that_quotes_the_request_is_not_told() -> None:
    """A 400 about the bytes may quote them: people get the type alone."""
    judgment = of_request(400, told(400, "parse_exception", "secret"))
    assert judgment.why == "400 parse_exception"
    assert of_request(403, told(403, "security_exception", "no rights")).why.endswith("no rights")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("", None),
        ("-1", None),
        ("\u0661", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("99999999999", 3600.0),
        ("9" * 400, 3600.0),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    """Seconds are honored up to an hour; anything else is no wish."""
    assert of_request(429, b"", {"retry-after": text}).after_s == seconds


def test_names_for_metrics_are_bounded() -> None:
    """What a server or a proxy writes as a type does not become a label."""
    assert named("unavailable_shards_exception") == "unavailable_shards_exception"
    assert named("made-up-by-a-proxy-4711") == "other"
    assert of_request(503, told(503, "made-up")).type == "other"
    assert is_alarm(BLOCK)
    assert not is_alarm("rejected_execution_exception")
