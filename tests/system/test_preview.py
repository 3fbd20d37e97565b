"""T0: the eight rows of the product's preview, from log lines to printed lines."""

import json
import urllib.request
from pathlib import Path

import pytest

from support.commands import agent_once, auditship, found, write_agent, write_companion

EXAMPLES = Path(__file__).parents[2] / "examples" / "logs" / "native.jsonl"
REGIONS = ["eu-central-2", "us-east-1", "us-west-1"]
PRINTED = """\
Workspace: Brand Campaign 2026
2026-04-14 10:32:15  UPLOAD     john@dosya.dev      render-final.mp4 (12.4 GB)      eu-central-2
2026-04-14 10:35:02  DOWNLOAD   client@acme.com     render-final.mp4                us-east-1
2026-04-14 10:36:18  SHARE      john@dosya.dev      render-final.mp4 → link created  eu-central-2
2026-04-14 10:40:55  ACCESS     anonymous           share link opened               us-west-1
2026-04-14 10:42:11  DELETE     sarah@team.com      old-draft-v2.mp4                eu-central-2
2026-04-14 10:45:30  INVITE     john@dosya.dev      mike@co.com → Editor role       eu-central-2
2026-04-14 10:48:03  UPLOAD     mike@co.com         assets.zip (2.1 GB)             us-east-1
2026-04-14 10:50:17  BLOCKED    guest@gmail.com     share link → domain restricted  us-west-1
"""

pytestmark = pytest.mark.node


@pytest.fixture
def rows() -> list[bytes]:
    """The first eight example lines of the native log."""
    return EXAMPLES.read_bytes().splitlines(keepends=True)[:8]


@pytest.fixture
def companion(tmp_path: Path, node_address: str) -> Path:
    """A companion of a cluster without any audit event."""
    url = f"{node_address}/audit-*?expand_wildcards=all"
    urllib.request.urlopen(urllib.request.Request(url, method="DELETE")).close()  # noqa: S310 - our node
    return write_companion(tmp_path, node_address, REGIONS)


def _search(companion: Path) -> str:
    window = ("--from", "2026-04-14", "--to", "2026-04-15")
    return auditship(companion, "search", "--workspace", "w_brand", *window)


def test_three_agents_give_the_preview(
    tmp_path: Path, node_address: str, companion: Path, rows: list[bytes]
) -> None:
    """Lines of three servers, each shipped by its own agent, print as the product promises."""
    for region in REGIONS:
        log = tmp_path / f"{region}.log"
        log.write_bytes(b"".join(row for row in rows if json.loads(row)["region"] == region))
        agent_once(
            write_agent(tmp_path, node_address, server=f"fs-{region}", region=region, files=log)
        )

    assert _search(companion) == PRINTED
    assert {event["cloud"]["region"] for event in found(companion)} == set(REGIONS)


def test_one_agent_gives_the_same_lines(
    tmp_path: Path, node_address: str, companion: Path, rows: list[bytes]
) -> None:
    """One file of all regions is stored in the agent's region, and says which lines were odd."""
    log = tmp_path / "all.log"
    log.write_bytes(b"".join(rows))
    config = write_agent(tmp_path, node_address, server="fs-all", region="eu-central-2", files=log)

    told = agent_once(config)

    assert "8 lines: 8 stored, 0 already present, 0 ignored, 0 dead letter. 0 pending." in told
    assert _search(companion) == PRINTED
    odd = [e for e in found(companion) if "region_mismatch" in e["audit"].get("flags", [])]
    assert len(odd) == 4


def test_shipped_again_nothing_is_stored_twice(
    tmp_path: Path, node_address: str, companion: Path, rows: list[bytes]
) -> None:
    """An agent without its state, and a second agent on a copy of the log, meet only 409."""
    log = tmp_path / "all.log"
    log.write_bytes(b"".join(rows))
    copy = tmp_path / "elsewhere" / "copy.log"
    copy.parent.mkdir()
    copy.write_bytes(log.read_bytes())

    def ship(files: Path, state: str) -> str:
        config = write_agent(
            tmp_path,
            node_address,
            server="fs-again",
            region="eu-central-2",
            files=files,
            state={"dir": str(tmp_path / state)},
        )
        return agent_once(config)

    ship(log, "first")
    without_state = ship(log, "fresh")
    second_agent = ship(copy, "other")

    assert "8 lines: 0 stored, 8 already present" in without_state
    assert "8 lines: 0 stored, 8 already present" in second_agent
    assert _search(companion) == PRINTED


@pytest.fixture
def shipped(tmp_path: Path, node_address: str, companion: Path, rows: list[bytes]) -> Path:
    """A companion of a cluster that holds the eight rows."""
    log = tmp_path / "all.log"
    log.write_bytes(b"".join(rows))
    config = write_agent(tmp_path, node_address, server="fs-q", region="eu-central-2", files=log)
    agent_once(config)
    return companion


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--action", "BLOCKED"), [8]),
        (("--result", "denied"), [8]),
        (("--user", "anonymous"), [4]),
        (("--action", "file.download"), [2]),
        (("--user", "JOHN@dosya.dev"), [1, 3, 6]),
        (("--file", "RENDER-final.mp4"), [1, 2, 3, 4]),
    ],
)
def test_shortcuts_find_the_rows(
    shipped: Path, rows: list[bytes], words: tuple[str, ...], expected: list[int]
) -> None:
    """Each shortcut of `auditship search` finds the rows that a person means."""
    times = [event["@timestamp"] for event in found(shipped, "--workspace", "w_brand", *words)]

    assert sorted(times) == [json.loads(rows[number - 1])["time"] for number in expected]
