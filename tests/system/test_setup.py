"""`auditship setup` on a real OpenSearch: what it makes, keeps, refuses, and what that protects."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConflictError, NotFoundError, RequestError

from auditship_indexer.clock import SystemClock
from auditship_indexer.errors import HoldError, RetryError
from auditship_indexer.event.identity import day_of, day_start_ms, index_of_day
from auditship_indexer.opensearch import (
    Connection,
    agents_index_of_day,
    connect,
    ensure_agents_day,
    ensure_day,
    ensure_days,
    wait_active,
)
from auditship_indexer.setup import read_state, run_setup, wanted

pytestmark = pytest.mark.node
DAY = date(2026, 4, 14)
EVENT = {
    "@timestamp": "2026-04-14T10:32:15.000Z",
    "audit": {"actor": "John@dosya.dev"},
    "event": {"id": "019d8b9d-0628-8c0e-bbee-335e9f98f7bf"},
    "file": {"name": "Report_final-v2.pdf"},
    "unplanned": {"field": "kept"},
}


@pytest.fixture
def client(node_address: str, region: str) -> Iterator[OpenSearch]:
    """A client; afterwards this test's indices are gone and the templates as `setup` makes them."""
    client = connect(Connection(hosts=(node_address,)))
    yield client
    client.indices.delete(index=f"audit-{region}-*,auditship-agents-{region}-*")
    setup(client)
    client.close()


def setup(client: OpenSearch, *regions: str, dry_run: bool = False) -> list[str]:
    """Run setup as the command does; return what it said."""
    said: list[str] = []
    now_ms = SystemClock().now_ms()
    run_setup(client, regions, retention_days=120, now_ms=now_ms, dry_run=dry_run, echo=said.append)
    return said


def forget_templates(client: OpenSearch) -> None:
    """Make the cluster as if setup had never run, but for the indices of other tests."""
    for path in (
        "/_index_template/audit",
        "/_index_template/auditship-agents",
        "/_component_template/auditship-*",
    ):
        client.transport.perform_request("DELETE", path)


def component(client: OpenSearch) -> dict[str, Any]:
    reply = client.transport.perform_request("GET", "/_component_template/auditship-append-only")
    found: dict[str, Any] = reply["component_templates"][0]["component_template"]
    return found


def test_an_empty_cluster_is_made_ready_once(client: OpenSearch, region: str) -> None:
    """First run: everything, with the days of the region. Second run: nothing to change."""
    forget_templates(client)
    first = setup(client, region)
    assert "+ index template audit" in first
    assert "+ component template auditship-events" in first

    today = day_of(SystemClock().now_ms())
    days = [today + timedelta(days=n) for n in range(-1, 8)]
    names = {index_of_day(region, day) for day in days}
    names |= {agents_index_of_day(region, day) for day in days}
    pattern = f"audit-{region}-*,auditship-agents-{region}-*"
    assert set(client.indices.get(index=pattern)) == names
    # Green also on a single node, as soon as the cluster has counted its nodes.
    settled = client.cluster.health(index=pattern, params={"wait_for_status": "green"})
    assert settled["timed_out"] is False

    (last,) = setup(client, region)
    assert last.endswith(": nothing to change")


def test_a_dry_run_tells_the_same_plan_and_changes_nothing(client: OpenSearch, region: str) -> None:
    """The diff of the dry run is that of the run; in between, the cluster is as it was."""
    forget_templates(client)
    want = wanted((region,), [DAY], retention_days=120)
    before = read_state(client, want)
    dry = setup(client, region, dry_run=True)
    assert read_state(client, want) == before
    assert dry[-1].endswith("planned, none made (dry run)")
    assert setup(client, region)[:-1] == dry[:-1]


def test_a_daily_index_counts_from_its_day_and_protects_itself(
    client: OpenSearch, region: str
) -> None:
    """`create` 201, again 409; overwrite, update and delete are refused by the cluster itself."""
    assert ensure_day(client, region, DAY) is True
    assert ensure_day(client, region, DAY) is False
    name = index_of_day(region, DAY)
    settings = client.indices.get_settings(index=name, flat_settings=True)[name]["settings"]
    assert settings["index.creation_date"] == str(day_start_ms(DAY))
    assert settings["index.append_only.enabled"] == "true"
    assert settings["index.final_pipeline"] == "auditship-ingested"
    assert settings["index.codec"] == "best_compression"

    assert client.create(index=name, id="a", body=EVENT)["result"] == "created"
    with pytest.raises(ConflictError):
        client.create(index=name, id="a", body=EVENT)
    for method, path, body in (
        ("PUT", f"/{name}/_doc/a", {}),
        ("POST", f"/{name}/_update/a", {"doc": {"file": {"name": "other"}}}),
        ("DELETE", f"/{name}/_doc/a", None),
        ("PUT", f"/{name}/_settings", {"index.append_only.enabled": False}),
    ):
        with pytest.raises(RequestError):
            client.transport.perform_request(method, path, body=body)
    assert client.get(index=name, id="a")["_source"]["file"] == EVENT["file"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"range": {"event.ingested": {"gte": "now-1h", "lte": "now+1m"}}}, True),
        ({"term": {"audit.actor": "john@DOSYA.dev"}}, True),
        ({"term": {"file.name": "report_final-v2.pdf"}}, False),
        ({"term": {"file.name": "Report_final-v2.pdf"}}, True),
        ({"wildcard": {"file.name.lower": "*final-v2*"}}, True),
        ({"match_phrase": {"file.name.text": "final v"}}, True),
        ({"query_string": {"query": "final"}}, True),
        ({"exists": {"field": "unplanned.field"}}, False),
        ({"range": {"@timestamp": {"gte": "2026-04-14", "lt": "2026-04-15"}}}, True),
    ],
)
def test_the_mapping_answers_as_the_contract_says(
    client: OpenSearch,
    region: str,
    query: dict[str, Any],
    found: bool,  # noqa: FBT001 - a column
) -> None:
    """Stamped on arrival; folded actors; three forms of a name; unplanned fields only stored."""
    ensure_day(client, region, DAY)
    name = index_of_day(region, DAY)
    client.create(index=name, id="a", body=EVENT, params={"refresh": "true"})
    assert (client.count(index=name, body={"query": query})["count"] == 1) is found


def test_position_reports_are_stamped_and_kept(client: OpenSearch, region: str) -> None:
    """Their index is append-only too, and takes every field of a report."""
    assert ensure_agents_day(client, region, DAY) is True
    name = agents_index_of_day(region, DAY)
    report = {
        "@timestamp": "2026-04-14T10:32:15.000Z",
        "acknowledged_to": "2026-04-14T10:32:14.000Z",
        "dead_letters": {"open": 1, "list": [{"generation": "g", "offset": 1, "reason": "x"}]},
        "files": 2,
        "held": [{"index": "audit-x-2026.04.14", "reason": "missing"}],
        "lines": {"stored": 5},
        "oldest_unacknowledged_s": 0.4,
    }
    client.create(index=name, id="r", body=report, params={"refresh": "true"})
    query = {"exists": {"field": "event.ingested"}}
    (hit,) = client.search(index=name, body={"query": query})["hits"]["hits"]
    assert {key: hit["_source"][key] for key in report} == report
    with pytest.raises(RequestError):
        client.delete(index=name, id="r")


def test_days_are_made_in_one_go(client: OpenSearch, region: str) -> None:
    """`ensure_days` makes what is missing of events and reports, and says what it made."""
    ensure_day(client, region, DAY)
    made = ensure_days(client, region, [DAY, DAY + timedelta(days=1)])
    assert made == [
        f"auditship-agents-{region}-2026.04.14",
        f"audit-{region}-2026.04.15",
        f"auditship-agents-{region}-2026.04.15",
    ]


def test_nobody_makes_a_daily_index_by_writing_to_it(client: OpenSearch, region: str) -> None:
    """A document for a missing day is refused: the index would count its age from now."""
    name = index_of_day(region, DAY)
    body = f'{{"create":{{"_id":"a"}}}}\n{json.dumps(EVENT)}\n'
    reply = client.transport.perform_request("POST", f"/{name}/_bulk", body=body)
    (item,) = reply["items"]
    assert item["create"]["status"] == 404
    assert item["create"]["error"]["type"] == "index_not_found_exception"
    assert not client.indices.exists(index=name)


def test_without_our_template_no_day_is_made(client: OpenSearch, region: str) -> None:
    """An index without mapping and protection must not come into being: the hint names setup."""
    forget_templates(client)
    with pytest.raises(HoldError, match="no index template of auditship") as caught:
        ensure_day(client, region, DAY)
    assert "auditship setup" in (caught.value.hint or "")
    assert not client.indices.exists(index=index_of_day(region, DAY))


def test_a_template_that_wins_over_ours_stops_setup(client: OpenSearch, region: str) -> None:
    """Another product's template with a higher priority: nothing is made unprotected."""
    path = "/_index_template/somebody-else"
    body = {"index_patterns": [f"audit-{region}-*"], "priority": 9999}
    client.transport.perform_request("PUT", path, body=body)
    try:
        with pytest.raises(HoldError, match=region):
            setup(client, region)
        with pytest.raises(NotFoundError):
            client.indices.get(index=f"audit-{region}-{day_of(SystemClock().now_ms()):%Y.%m.%d}")
    finally:
        client.transport.perform_request("DELETE", path)


def test_a_foreign_setting_survives_and_ours_comes_back(client: OpenSearch) -> None:
    """What an operator added is kept and told; what they changed of ours is set back."""
    body = component(client)
    body["template"]["settings"]["index"]["max_result_window"] = "20000"
    body["template"]["settings"]["index"]["codec"] = "default"
    path = "/_component_template/auditship-append-only"
    client.transport.perform_request("PUT", path, body=body)
    try:
        said = setup(client)
        kept = "settings.index.max_result_window is not ours, kept"
        assert said[:-1] == [
            "~ component template auditship-append-only",
            "-   settings.index.codec: default",
            "+   settings.index.codec: best_compression",
            f"! component template auditship-append-only: {kept}",
        ]
        settings = component(client)["template"]["settings"]["index"]
        assert settings["max_result_window"] == "20000"
        assert settings["codec"] == "best_compression"
        assert setup(client)[-1].endswith("nothing to change")
    finally:
        del body["template"]["settings"]["index"]["max_result_window"]
        client.transport.perform_request("PUT", path, body=body)


def test_an_index_that_no_node_may_hold_is_told(client: OpenSearch, region: str) -> None:
    """Allocation settings that nothing fulfills: made, but not usable, and said so."""
    name = index_of_day(region, DAY)
    body = {"settings": {"index.routing.allocation.require.temp": "none such"}}
    client.indices.create(index=name, body=body, params={"wait_for_active_shards": 0})
    with pytest.raises(RetryError, match="shards of new indices cannot serve"):
        wait_active(client, name, timeout_s=0)


def auditship(folder: Path, settings: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run the real command with a configuration of its own, in a folder with blanks."""
    place = folder / "a folder"
    place.mkdir()
    path = place / "auditship.yaml"
    path.write_text(settings, encoding="utf-8")
    program = "from auditship_indexer.cli import main; main(prog_name='auditship')"
    return subprocess.run(
        [sys.executable, "-c", program, "setup", "--config", str(path), *args],
        env={**os.environ, "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_command_prints_the_plan(
    node_address: str, client: OpenSearch, region: str, tmp_path: Path
) -> None:
    """Regions of the file, or those of the command line; the dry run leaves no trace."""
    settings = f"opensearch: {{hosts: ['{node_address}']}}\nregions: [{region}-file]\n"
    done = auditship(tmp_path, settings, "--dry-run", "--region", region)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"+ index audit-{region}-" in done.stdout
    assert f"{region}-file" not in done.stdout
    assert client.indices.get(index=f"audit-{region}-*") == {}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("opensearch: {hosts: ['{nobody}']}\n", "connection refused"),
        (
            "opensearch: {host: ['http://127.0.0.1']}\n",
            "auditship.yaml:1: opensearch.host: unknown",
        ),
        ("opensearch: {hosts: ['http://os1:9200']}\n", "unencrypted"),
        (
            "opensearch: {hosts: ['http://127.0.0.1'], password: x}\n",
            "opensearch.password: unknown",
        ),
    ],
)
def test_the_command_tells_what_a_person_must_change(
    tmp_path: Path, settings: str, told: str
) -> None:
    """One message with place and advice, exit code 2, no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
    done = auditship(tmp_path, settings.replace("{nobody}", nobody), "--region", "x")
    assert done.returncode == 2
    assert told in done.stderr
    assert "Hint:" in done.stderr
    assert "Traceback" not in done.stderr
