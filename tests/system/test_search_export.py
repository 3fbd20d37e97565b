"""Search and export on the real node: the same rows, in the same order, all of them."""

import csv
import io
import itertools
import json
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from opensearchpy import OpenSearch

from auditship_indexer.cli import main
from auditship_indexer.errors import ClusterError
from auditship_indexer.event.identity import day_start_ms, index_of_day
from auditship_indexer.export import undo
from auditship_indexer.opensearch import Connection, connect
from auditship_indexer.query import Equals, Tree
from auditship_indexer.search import PATTERN, Hit, Page, newest, open_snapshot
from support.stored import document, store

pytestmark = pytest.mark.node
DAY = date(2026, 4, 14)
START = day_start_ms(DAY)
Run = Callable[..., Result]


@pytest.fixture
def client(node_address: str) -> Iterator[OpenSearch]:
    """The node without any audit index: these commands read across regions."""
    with connect(Connection(hosts=(node_address,))) as made:
        made.indices.delete(index="audit-*", params={"expand_wildcards": "all"})
        yield made


@pytest.fixture
def run(node_address: str, tmp_path: Path) -> Run:
    """Run `auditship` in this process, with the node in its configuration."""
    config = tmp_path / "auditship.yaml"
    config.write_text(f"opensearch: {{hosts: ['{node_address}']}}")
    runner = CliRunner()
    return lambda *args: runner.invoke(main, args, env={"AUDITSHIP_CONFIG": str(config)})


def preview(client: OpenSearch, region: str) -> None:
    """Three rows of one workspace, one of another workspace with the same name."""
    denied: dict[str, Any] = {
        "audit": {"actor": "guest@gmail.com", "verb": "BLOCKED", "result": "denied"},
        "event": {"action": "share.open", "reason": "domain_restricted"},
    }
    rows = [
        document(
            START + 1,
            0,
            file={"name": "Render.mp4", "path": "/a/Render.mp4", "size": 12_400_000_000},
        ),
        document(START + 2, 1, user={"id": "u_7"}, file={"id": "f_2", "path": "/a/b/x"}),
        document(START + 3, 2, workspace={"id": "w_other"}),
    ]
    last = document(START + 4, 3, **denied)
    last["event"]["id"] = document(START + 4, 3)["event"]["id"]
    store(client, region, DAY, [*rows, last])


def test_a_workspace_is_printed_in_the_form_of_the_preview(
    client: OpenSearch, region: str, run: Run
) -> None:
    """Heading, then the rows oldest first; the footer is no part of the output."""
    preview(client, region)
    done = run("search", "--workspace", "w_brand")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == (
        "Workspace: Brand Campaign 2026\n"
        "2026-04-14 00:00:00  UPLOAD     john@dosya.dev      Render.mp4 (12.4 GB)            "
        "eu-central-2\n"
        "2026-04-14 00:00:00  UPLOAD     john@dosya.dev      file-1.bin                      "
        "eu-central-2\n"
        "2026-04-14 00:00:00  BLOCKED    guest@gmail.com     share link → domain restricted  "
        "eu-central-2\n"
    )
    assert done.stderr == "3 of 3 rows, from the oldest event to the newest event\n"


@pytest.mark.parametrize(
    ("args", "offsets"),
    [
        ([], [0, 1, 2, 3]),
        (["--limit", "2"], [2, 3]),
        (["--user", "JOHN@dosya.dev"], [0, 1, 2]),
        (["--user", "u_7"], [1]),
        (["--user", "guest*"], [3]),
        (["--action", "blocked"], [3]),
        (["--action", "file.*"], [0, 1, 2]),
        (["--file", "render.MP4"], [0]),
        (["--file", "f_2"], [1]),
        (["--file", "/a/"], [0, 1]),
        (["--file", "/a/b/x"], [1]),
        (["--result", "denied", "--result", "error"], [3]),
        (["--user", "u_7", "--result", "denied"], []),
        (["--workspace", "w_b*"], [0, 1, 3]),
        (["--workspace", "brand*"], [0, 1, 2, 3]),
        (["--workspace", "w_other", "--workspace", "w_brand"], [0, 1, 2, 3]),
        (["--from", "2026-04-14T00:00:00.002Z", "--to", "2026-04-14T00:00:00.004Z"], [1, 2]),
        (["--from", "2026-04-15"], []),
    ],
)
def test_each_option_selects_its_rows(
    client: OpenSearch, region: str, run: Run, args: list[str], offsets: list[int]
) -> None:
    """And the export gives the same ones, but for the limit."""
    preview(client, region)
    done = run("search", "--json", *args)
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert [row["log"]["offset"] for row in found] == offsets
    if "--limit" not in args:
        exported = run("export", "--format", "ndjson", "-o", "-", *args)
        assert [json.loads(line) for line in exported.stdout.splitlines()] == found


def test_a_name_of_two_workspaces_is_refused(client: OpenSearch, region: str, run: Run) -> None:
    """The ids are listed; a window in which only one of them acted is clear."""
    preview(client, region)
    done = run("search", "--workspace", "Brand Campaign 2026")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "w_brand, w_other" in done.stderr
    clear = run("search", "--workspace", "brand campaign 2026", "--to", "2026-04-14T00:00:00.003Z")
    assert clear.stdout.startswith("Workspace: Brand Campaign 2026\n")
    assert clear.stdout.count("\n") == 3


def test_rows_of_two_workspaces_have_no_heading(client: OpenSearch, region: str, run: Run) -> None:
    """Neither at once nor streamed."""
    preview(client, region)
    assert "Workspace" not in run("search").stdout
    assert run("search", "--limit", "all").stdout == run("search").stdout
    streamed = run("search", "--limit", "all", "--workspace", "w_brand").stdout
    assert streamed == run("search", "--workspace", "w_brand").stdout


def test_no_index_in_the_window_gives_the_header_alone(
    client: OpenSearch, region: str, run: Run, tmp_path: Path
) -> None:
    """And says so."""
    preview(client, region)
    target = tmp_path / "with blanks.csv"
    done = run("export", "--from", "2026-05-01", "-o", str(target))
    assert done.exit_code == 0
    assert target.read_bytes().count(b"\r\n") == 1
    assert "No index in the window" in done.stderr
    assert "0 rows to " in done.stderr


@pytest.mark.parametrize("args", [["search"], ["export", "-o", "x.csv"]])
def test_a_cluster_without_audit_indices_is_told(
    client: OpenSearch, run: Run, args: list[str]
) -> None:
    """An empty answer would look as if nothing had happened."""
    assert not client.indices.exists(index="audit-*", params={"allow_no_indices": "false"})
    done = run(*args)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "has no audit index" in done.stderr
    assert "auditship setup" in done.stderr


def test_an_index_made_without_the_template_is_told(client: OpenSearch, run: Run) -> None:
    """Guessed field types would miss rows without a word."""
    mapping = {"mappings": {"dynamic": False, "properties": {"event": {"enabled": False}}}}
    # A name in two parts below the region is still one of ours by its pattern.
    name = "audit-foreign-2026.04.14"
    client.indices.put_index_template(
        name="foreign",
        body={"index_patterns": ["audit-foreign-*"], "priority": 1_000_000},
    )
    try:
        client.indices.create(index=name, body=mapping)
        done = run("search")
    finally:
        client.indices.delete_index_template(name="foreign")
        client.indices.delete(index=name)
    assert done.exit_code == 2
    assert name in done.stderr
    assert "made without the template" in done.stderr


def test_ties_over_pages_and_regions_lose_nothing(
    client: OpenSearch, region: str, run: Run, tmp_path: Path
) -> None:
    """Over 10,000 rows in two milliseconds and two regions: all there, in one order."""
    one = [document(START + n % 2, n, server="a", file={"name": f"=f{n}"}) for n in range(5_400)]
    other = [document(START + n % 2, n, server="b", file={"name": f"-{n}"}) for n in range(5_100)]
    store(client, region, DAY, reversed(one))
    store(client, f"{region}-x", DAY, other)
    count = client.count(index=PATTERN)["count"]
    target = tmp_path / "x.csv"
    done = run("export", "-o", str(target))
    assert done.exit_code == 0, done.stderr
    assert f"{count} rows to {target}" in done.stderr
    text = io.StringIO(target.read_bytes().decode(), newline="")
    records = list(csv.DictReader(text, strict=True))

    expected = sorted([*one, *other], key=order)
    assert [record["event_id"] for record in records] == [row["event"]["id"] for row in expected]
    names = [row["file"]["name"] for row in expected]
    assert [undo(record["file_name"]) for record in records] == names
    streamed = run("search", "--limit", "all", "--format", "ndjson").stdout
    assert [json.loads(line)["event"]["id"] for line in streamed.splitlines()] == [
        row["event"]["id"] for row in expected
    ]


def order(row: dict[str, Any]) -> tuple[str, int, str]:
    return row["@timestamp"], row["log"]["offset"], row["event"]["id"]


@pytest.fixture
def few(client: OpenSearch, region: str) -> list[dict[str, Any]]:
    """Fourteen rows in four milliseconds over two regions, one of them stored in both."""
    rows = [document(START + n // 4, n) for n in range(13)]
    companion = document(START + 3, 99)
    del companion["log"]["offset"]
    store(client, region, DAY, rows)
    store(client, f"{region}-x", DAY, [rows[4], companion])
    return sorted([*rows, rows[4], companion], key=lambda row: (row["@timestamp"], place(row)))


def place(row: dict[str, Any]) -> int:
    return int(row["log"].get("offset", 10**9))


def test_the_newest_rows_are_the_same_whatever_the_pages(
    client: OpenSearch, few: list[dict[str, Any]]
) -> None:
    """In one page, or found from the end and then streamed; an absent offset comes last."""
    tree: Tree = Equals("event.action", "file.upload")
    ids = [row["event"]["id"] for row in few]
    with open_snapshot(client, PATTERN) as snapshot:
        for limit, page_rows in itertools.product([*range(1, 17), None], [1, 2, 3, 100]):
            found = newest(snapshot, tree, limit, page_rows=page_rows)
            assert [row["event"]["id"] for row in found.rows] == ids[-(limit or 0) :]
            assert found.total == len(few)
            assert found.workspace == "Brand Campaign 2026"


def test_a_lost_point_in_time_is_told(client: OpenSearch, region: str) -> None:
    """Never half an answer: the rows of a new one might be others."""
    preview(client, region)
    decoder = msgspec.json.Decoder(Page[Hit[dict[str, Any]]])
    with open_snapshot(client, PATTERN) as snapshot:
        client.transport.perform_request("DELETE", "/_search/point_in_time/_all")
        with pytest.raises(ClusterError, match="dropped the point in time"):
            snapshot.page(decoder, {"size": 1})


def test_an_export_contains_what_was_just_stored(client: OpenSearch, region: str, run: Run) -> None:
    """Whoever may refresh does not miss the last second."""
    preview(client, region)
    late = document(START + time.time_ns() % 1000, 77)
    index = index_of_day(region, DAY)
    client.transport.perform_request("PUT", f"/{index}/_create/{late['event']['id']}", body=late)
    assert late["event"]["id"] in run("export", "-o", "-").stdout
