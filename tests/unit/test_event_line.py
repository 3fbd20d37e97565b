"""One event as one line: columns, sizes, texts of every action, nothing that deceives the eye."""

import json
from typing import Any

import pytest

from auditship_indexer.event import ACTIONS, one_line
from auditship_indexer.event.line import cells, column, object_text, plain, size_text
from auditship_indexer.event.results import DENIED_REASONS, ERROR_REASONS, reason_text
from support.transforming import EXAMPLES, as_line, stream

PREVIEW = """\
2026-04-14 10:32:15  UPLOAD     john@dosya.dev      render-final.mp4 (12.4 GB)      eu-central-2
2026-04-14 10:35:02  DOWNLOAD   client@acme.com     render-final.mp4                us-east-1
2026-04-14 10:36:18  SHARE      john@dosya.dev      render-final.mp4 → link created  eu-central-2
2026-04-14 10:40:55  ACCESS     anonymous           share link opened               us-west-1
2026-04-14 10:42:11  DELETE     sarah@team.com      old-draft-v2.mp4                eu-central-2
2026-04-14 10:45:30  INVITE     john@dosya.dev      mike@co.com → Editor role       eu-central-2
2026-04-14 10:48:03  UPLOAD     mike@co.com         assets.zip (2.1 GB)             us-east-1
2026-04-14 10:50:17  BLOCKED    guest@gmail.com     share link → domain restricted  us-west-1
"""

# verb and object of examples 9 to 41
REST = """\
UPLOAD render-final.mp4 (12.4 GB)
PREVIEW render-final.mp4
ACCESS render-final.mp4
ACCESS /renders
RENAME assets.zip → assets-2026.zip
MOVE /assets-2026.zip → /archive/assets-2026.zip
COPY /archive/assets-2026.zip → /copy.zip
PURGE old-draft-v2.mp4
RESTORE assets-2026.zip → version v1
CREATE /archive
SHARE render-final.mp4 → link updated
BLOCKED share link → wrong password
ACCESS share link → password accepted
DOWNLOAD render-final.mp4 via share link
UPLOAD inbox.pdf (88.0 kB) via share link
UNSHARE render-final.mp4 → link revoked
BLOCKED share link → link revoked
EXPIRE share link → expired
BLOCKED share link → link expired
JOIN mike@co.com → joined
ROLE mike@co.com → Admin role
REMOVE mike@co.com → removed
PERMS archive → permissions changed
KEY API key nightly export → created
KEY API key nightly export → revoked
WORKSPACE Tax 2026 → created
WORKSPACE Tax 2026 EU → changed
WORKSPACE Tax 2026 EU → deleted
LOGIN logged in
BLOCKED login as root → bad credentials
BLOCKED render-final.mp4 → permission denied
BLOCKED render-final.mp4 → IP address blocked
UPLOAD huge.bin → error: quota exceeded
DOWNLOAD render-final.mp4
PURGE old-draft-v2.mp4
SHARE render-final.mp4 → link updated
BLOCKED share link → link limit
BLOCKED share link → malware
BLOCKED new.colleague → permission denied
BLOCKED API key nightly export → mfa required
UPLOAD nightly.tar.gz → error: transfer aborted
BLOCKED login → country blocked
"""


def _examples() -> list[dict[str, Any]]:
    made = stream()
    return [
        json.loads(made.produce(as_line(raw)).documents[0].body)
        for raw in (EXAMPLES / "native.jsonl").read_bytes().splitlines()
    ]


def test_the_preview_prints_as_published() -> None:
    """The first eight examples of native-log.md print the eight lines of the product's preview."""
    assert "".join(one_line(event) + "\n" for event in _examples()[:8]) == PREVIEW


def test_every_example_tells_its_act() -> None:
    """The other examples, which together use every action, print verb and object."""
    told = [f"{event['audit']['verb']} {object_text(event)}\n" for event in _examples()[8:]]

    assert "".join(told) == REST


def test_the_examples_use_every_action_of_a_source() -> None:
    """No known action of a source is without an example."""
    used = {event["event"]["action"] for event in _examples()}

    assert used == {name for name in ACTIONS if not name.startswith(("audit.", "agent."))}


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1049, "1.0 kB"),
        (1050, "1.1 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (2_100_000_000, "2.1 GB"),
        (12_400_000_000, "12.4 GB"),
        (10**15, "1.0 PB"),
        (2**53 - 1, "9.0 PB"),
        (1_234_567 * 10**15, "1234567.0 PB"),
    ],
)
def test_sizes_are_decimal_and_exact(size: int, text: str) -> None:
    """One decimal, half up, by integers; a rounded 1000.0 becomes the next unit."""
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "a\\u{202e}b"),
        ("a\u200bb", "a\\u{200b}b"),
        ("\x1b[31m", "\\u{1b}[31m"),
        ("a\nb", "a\\u{a}b"),
        ("a\u2028b\u2029", "a\\u{2028}b\\u{2029}"),
        ("\ufeff", "\\u{feff}"),
        ("\x7f\x85", "\\u{7f}\\u{85}"),
        ("ü→😀 é", "ü→😀 é"),
    ],
)
def test_hidden_characters_are_shown(text: str, shown: str) -> None:
    """Control, bidi, zero-width and line-separator characters cannot move the cursor."""
    assert plain(text) == shown


def test_columns_count_cells_and_leave_two_blanks() -> None:
    """Wide characters take two cells; a long value is never cut."""
    assert cells("日本") == 4
    assert cells("e\u0301") == 1
    assert column("日本", 8) == "日本    "
    assert column("12345678", 8) == "12345678  "


def _event(action: str, result: str, **groups: Any) -> dict[str, Any]:
    return {"event": {"action": action}, "audit": {"result": result}, **groups}


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (_event("file.upload", "success", file={"name": "a"}), "a"),
        (_event("file.upload", "success"), "file.upload"),
        (_event("file.upload", "success", file={"path": "/x/a", "size": 5}), "/x/a (5 B)"),
        (_event("share.create", "success"), "link created"),
        (_event("file.restore", "success", file={"name": "a"}), "a"),
        (_event("file.rename", "success", file={"name": "b"}), "b"),
        (_event("member.invite", "success", user={"target": {"id": "u_1"}}), "u_1"),
        (_event("file.delete", "denied", file={"name": "a"}), "a → denied"),
        (_event("file.delete", "error", file={"name": "a"}), "a → error"),
        (_event("member.remove", "denied", user={"target": {"name": "Mike"}}), "Mike → denied"),
        (_event("custom.act", "success"), "custom.act"),
        (_event("custom.act", "denied"), "custom.act → denied"),
        (_event("workspace.delete", "denied", workspace={"id": "w"}), "w → denied"),
        (_event("agent.gap", "error") | {"audit": {"gap": {"from": 1, "to": 9}}},
         "lost bytes [1,9)"),
        (_event("audit.export", "success") | {"audit": {"rows": 40}}, "audit.export → 40 rows"),
    ],
)  # fmt: skip
def test_unknown_parts_are_left_out(event: dict[str, Any], text: str) -> None:
    """A part that is not known leaves with its arrow or brackets."""
    assert object_text(event) == text


@pytest.mark.parametrize("action", [*ACTIONS, "custom.act"])
@pytest.mark.parametrize("result", ["success", "denied", "error"])
def test_every_act_and_result_prints_one_line(action: str, result: str) -> None:
    """Whatever is absent, there is one line with a text for the object."""
    for reason in (None, *DENIED_REASONS, *ERROR_REASONS):
        event = _event(action, result) | {"@timestamp": "2026-04-14T10:32:15.000Z"}
        if reason and result != "success":
            event["event"]["reason"] = reason
        line = one_line(event)
        assert "\n" not in line
        assert "{" not in line
        assert object_text(event).strip()
        if reason and result != "success" and action != "agent.gap":
            assert reason_text(reason) in line
