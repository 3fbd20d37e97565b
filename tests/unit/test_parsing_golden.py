"""Whole documents: each example line against the bytes that were reviewed against the schema.

The file in `tests/data` holds, for each line of an example log, the documents it becomes (one a
line), or `ignored REASON` or `dead_letter REASON`.
"""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from auditship_agent.parsing.native_shape import Native
from auditship_agent.pipeline.transform import Stream
from auditship_indexer.event.actions import ACTIONS
from support.full_event import leaves
from support.transforming import EXAMPLES, as_line, stream

_DATA = Path(__file__).parents[1] / "data"
_OWN = ("audit.", "agent.")
SETTINGS: dict[str, dict[str, Any]] = {
    "native": {"storage_region": "us-west-1"},
    "caddy": {"paths": ("/ws/{workspace}/{path*}",)},
    "nginx-json": {"trusted_proxies": ("10.0.0.0/8",)},
    "s3-access": {},
    "minio-audit": {},
    "seaweedfs": {},
    "sftpgo": {"timezone": "Europe/Berlin"},
}


def examples(preset: str) -> list[bytes]:
    """Return the lines of the example log of a preset."""
    (path,) = EXAMPLES.glob(f"{preset}.*")
    return path.read_bytes().split(b"\n")[:-1]


def told(made: Stream, raw: bytes, offset: int) -> list[bytes]:
    """Return what a line becomes, as the golden file has it."""
    produced = made.produce(as_line(raw, offset))
    if produced.documents:
        return [document.body for document in produced.documents]
    return [f"{produced.outcome} {produced.reason}".encode()]


def documents(preset: str) -> list[bytes]:
    """Return what the whole example log of a preset becomes."""
    lines = examples(preset)
    made = stream(preset, first=lines[0], **SETTINGS[preset])
    found: list[bytes] = []
    offset = 0
    for raw in lines:
        found += told(made, raw, offset)
        offset += len(raw) + 1
    return found


@pytest.mark.parametrize("preset", sorted(SETTINGS))
def test_each_example_is_told_whole(preset: str) -> None:
    """Every byte of every document is the reviewed one."""
    golden = (_DATA / f"golden-{preset}.ndjson").read_bytes().split(b"\n")[:-1]
    found = documents(preset)

    assert len(found) == len(golden)
    for place, (one, other) in enumerate(zip(found, golden, strict=True), start=1):
        if one != other and other.startswith(b"{") and one.startswith(b"{"):
            assert json.loads(one) == json.loads(other), place
        assert one == other, place


def test_each_native_action_has_an_example() -> None:
    """All actions that a source may give are in the examples of the native log."""
    given = {json.loads(raw)["action"] for raw in examples("native")}

    assert given >= {action for action in ACTIONS if not action.startswith(_OWN)}


def test_each_native_field_has_an_example() -> None:
    """Every key that the reader knows stands in an example, so that its way is under test."""
    seen = {key for raw in examples("native") for key in _keys(json.loads(raw), "")}

    assert set(leaves(Native)) - {"labels"} <= seen


def _keys(value: dict[str, Any], path: str) -> Iterator[str]:
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from _keys(inner, f"{path}{key}.")
        else:
            yield path + key


def test_each_refusal_that_an_audit_asks_for_has_an_example() -> None:
    """Blocked by permission, address, country, domain, expiry, a wrong password, a limit."""
    lines = [json.loads(raw) for raw in examples("native")]
    denied = {(line["action"], line["reason"]) for line in lines if line["result"] == "denied"}

    assert denied >= {
        ("file.delete", "permission"),
        ("file.download", "ip_blocked"),
        ("auth.login", "country_blocked"),
        ("auth.login", "bad_credentials"),
        ("share.open", "domain_restricted"),
        ("share.open", "link_expired"),
        ("share.open", "link_revoked"),
        ("share.password", "link_password"),
        ("share.download", "link_limit"),
        ("member.invite", "permission"),
        ("apikey.create", "mfa_required"),
    }


def test_the_examples_have_the_ids_of_their_place() -> None:
    """The golden documents are those of one file, read in order: ids and offsets differ."""
    found = [json.loads(one) for one in documents("native")]

    assert len({one["event"]["id"] for one in found}) == len(found)
    assert [one["log"]["offset"] for one in found] == sorted(one["log"]["offset"] for one in found)
    assert found[0]["log"]["line_sha256"] == sha256(examples("native")[0]).hexdigest()
