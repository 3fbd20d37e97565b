"""`templates/native-log.schema.json`: the file, the Structs, the examples."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from auditship_agent.parsing.native_schema import text
from auditship_indexer.event.actions import ACTIONS, OWN_PREFIXES
from auditship_indexer.resources import resource
from support.native_schema import SCHEMA, VALIDATOR, accepts
from support.transforming import EXAMPLES, native


def test_the_file_is_what_the_structs_say() -> None:
    """Renew it: `python -m auditship_agent.parsing.native_schema > templates/...`."""
    stored = resource("templates", "native-log.schema.json").read_text(encoding="utf-8")

    assert stored == text()


def test_the_schema_is_one() -> None:
    """JSON Schema 2020-12 by its own meta-schema."""
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("raw", (EXAMPLES / "native.jsonl").read_bytes().splitlines())
def test_each_example_is_valid(raw: bytes) -> None:
    """The examples that integrators copy are what the schema asks for."""
    assert [error.message for error in VALIDATOR.iter_errors(json.loads(raw))] == []


def test_every_action_is_named_in_the_schema() -> None:
    """Editors that complete from a schema offer each action that an application may write."""
    actions = SCHEMA["properties"]["action"]["examples"]

    assert actions == [name for name in ACTIONS if not name.startswith(OWN_PREFIXES)]


@pytest.mark.parametrize(
    ("fields", "good"),
    [
        ({"time": "2028-02-29T10:32:15.123456789+05:30"}, True),
        ({"time": "2026-02-29T10:32:15Z"}, False),
        ({"time": "2026-04-31T10:32:15Z"}, False),
        ({"time": "2026-04-14T10:32:15"}, False),
        ({"time": "2026-04-14T24:00:00Z"}, False),
        ({"time": "2026-04-14T10:32:15Z\n"}, False),
        ({"v": 2}, False),
        ({"v": "1"}, False),
        ({"v": True}, False),
        ({"action": "audit.search"}, False),
        ({"action": "agent.gap"}, False),
        ({"action": "auditor.called"}, True),
        ({"action": "file"}, False),
        ({"result": "denied"}, False),
        ({"result": "denied", "reason": "of_our_own"}, True),
        ({"reason": "permission"}, False),
        ({"workspace": None}, False),
        ({"workspace": {"name": "Brand"}}, False),
        ({"action": "auth.login", "workspace": None}, True),
        ({"ip": None}, False),
        ({"ip": "-"}, False),
        ({"ip": None, "actor": "system"}, True),
        ({"user": None}, True),
        ({"user": {}}, False),
        ({"user": {"email": "-"}}, False),
        ({"user": None, "actor": "user"}, False),
        ({"user": None, "api_key": {"id": "ak"}}, False),
        ({"user": None, "actor": "anonymous"}, True),
        ({"file": None}, False),
        ({"file": {"size": 1}}, False),
        ({"file": {"path": "a.txt"}}, False),
        ({"action": "share.create"}, False),
        ({"action": "share.create", "share": {"id": "s"}}, True),
        ({"action": "share.revoke", "share": {"id": "s"}, "file": None}, True),
        ({"action": "member.invite", "target": {"role": "Editor"}}, False),
        ({"action": "member.invite", "target": {"email": "a@b.c"}}, True),
        ({"action": "apikey.create", "target_key": {"name": "k"}}, True),
        ({"action": "permission.update", "permissions": {}}, False),
        ({"action": "permission.update", "permissions": {"added": ["read"]}}, True),
        ({"share": {"attempt": 0}}, False),
        ({"labels": {"Ticket": "1"}}, False),
        ({"labels": {"ticket": "1"}}, True),
        ({"unknown": 1}, False),
        ({"file": {"id": "f", "sise": 1}}, False),
        ({"file": {"id": "f", "size": 2**53}}, False),
        ({"file": {"id": "f", "size": 1.5}}, False),
    ],
)
def test_what_the_schema_refuses(fields: dict[str, Any], *, good: bool) -> None:
    """Required fields by action, words, forms, bounds, misspelt keys."""
    assert accepts(native(**fields)) is good


@pytest.mark.parametrize("key", sorted(set(SCHEMA["properties"]) - set(SCHEMA["required"])))
def test_null_is_absent_to_the_schema(key: str) -> None:
    """Which keys a line must have is for the rules of its action: a login by the system, none."""
    line = {"v": 1, "time": "2026-04-14T10:32:15Z", "action": "auth.login", "result": "success"}

    assert accepts(json.dumps({**line, "actor": "system", key: None}).encode()) is (key != "actor")


@pytest.mark.parametrize(
    ("fields", "good"),
    [
        ({"action": "auth.login", "reason": "bad_credentials", "actor": "user"}, True),
        ({"action": "auth.login", "reason": "ip_blocked", "actor": "user"}, False),
        ({"action": "file.delete", "reason": "bad_credentials", "status": 401, "user": {}}, True),
        ({"action": "file.delete", "reason": "permission", "status": 403, "user": {}}, False),
    ],
)
def test_a_refused_login_needs_no_user(fields: dict[str, Any], *, good: bool) -> None:
    """Nobody was authenticated: a claim may be all that there is, or not even that."""
    raw = native(result="denied", **{"user": None, **fields})

    assert accepts(raw) is good
