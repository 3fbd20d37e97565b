"""Faults that a real OpenSearch can be brought to: F45-F50, F54, F55 of the fault matrix."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch

from auditship_agent.deliver import Report
from auditship_agent.positions import Held, Letters, Position, index_of
from auditship_indexer.event.identity import parse_index_name
from auditship_indexer.node import Node, NodeConfig, start
from auditship_indexer.opensearch import Connection, connect, ensure_day
from auditship_indexer.opensearch.bulk import BulkChannel, UnprotectedError
from auditship_indexer.setup import run_setup
from support.node import QUICK_START, node_folder, wait_for_end
from support.shipping import Shipping, body_of

pytestmark = pytest.mark.node


@pytest.fixture
def client(node_address: str) -> Iterator[OpenSearch]:
    """A client of the shared node."""
    with connect(Connection(hosts=(node_address,))) as made:
        yield made


@pytest.fixture
def index(client: OpenSearch, region: str) -> str:
    """The index of one day, made ahead."""
    name = f"audit-{region}-2026.04.14"
    make_day(client, name)
    return name


def make_day(client: OpenSearch, name: str) -> None:
    parsed = parse_index_name(name)
    assert parsed is not None
    ensure_day(client, *parsed)


def stored(client: OpenSearch, index: str) -> dict[str, Any]:
    """Return what the index holds, without the stamp of the pipeline."""
    client.indices.refresh(index=index)
    hits = client.search(index=index, body={"size": 10_000})["hits"]["hits"]
    for hit in hits:
        hit["_source"].pop("event", None)
    return {hit["_id"]: hit["_source"] for hit in hits}


def check(ship: Shipping, client: OpenSearch, *indices: str) -> None:
    """The oracle, with documents compared as values: a pipeline does not keep their bytes."""
    ship.check_lines()
    for index in indices:
        expected = {id_: json.loads(body) for id_, body in ship.expected(index).items()}
        assert stored(client, index) == expected


def test_clean_run_twice(node_address: str, client: OpenSearch, index: str) -> None:
    """Stored once; a second run changes nothing and says so."""
    for run in ("stored", "present"):
        with Shipping(node_address) as ship:
            for _ in range(4):
                ship.write(200, index=index)
            ship.run()
            check(ship, client, index)
            assert getattr(ship, run) == 800


def test_mapping_error_on_one_of_a_thousand(
    node_address: str, client: OpenSearch, index: str
) -> None:
    """F45: 999 stored, one dead letter with the server's reason."""
    with Shipping(node_address) as ship:
        ids = ship.write(1_000, index=index, bad={123}, more={"client": {"ip": "nowhere"}})
        ship.run()
        check(ship, client, index)
        ((dead, (kind, reason)),) = ship.dead.items()
        assert (dead, kind) == (ids[123], "mapper_parsing_exception")
        assert "client.ip" in reason


def test_one_document_spoils_its_index(node_address: str, client: OpenSearch, index: str) -> None:
    """F45: a document that is no object spoils its whole request: found by halving."""
    with Shipping(node_address) as ship:
        made = [
            (f"id-{n:03d}", index, b"[]" if n == 77 else b'{"line":%d}' % n) for n in range(100)
        ]
        ship._documents |= {id_: (where, body) for id_, where, body in made}
        ship.delivery.submit(body_of(made, ship.owner, gzip=True))
        ship.run()
        check(ship, client, index)
        assert list(ship.dead) == ["id-077"]


def test_doubtful_document(node_address: str, client: OpenSearch, region: str) -> None:
    """F45: the alone rule: a term too long for the index is rejected, its neighbors are stored."""
    index = f"audit-{region}-2026.04.14"
    body = {
        "settings": {"index.append_only.enabled": True, "index.final_pipeline": "_none"},
        "mappings": {"dynamic": False, "properties": {"text": {"type": "keyword"}}},
    }
    client.indices.create(index=index, body=body)
    with Shipping(node_address) as ship:
        ids = ship.write(5, index=index, fill=[0, 0, 40_000, 0, 0])
        ship.run()
        check(ship, client, index)
        assert {id_: kind for id_, (kind, _) in ship.dead.items()} == {
            ids[2]: "illegal_argument_exception"
        }


def test_missing_day_is_made(node_address: str, client: OpenSearch, region: str) -> None:
    """F50: with the creation date of its day, append-only, and nothing is lost meanwhile."""
    index = f"audit-{region}-2026.04.14"
    with Shipping(node_address) as ship:
        ship.write(50, index=index)
        ship.run()
        check(ship, client, index)
        settings = client.indices.get(index=index)[index]["settings"]["index"]
        assert settings["creation_date"] == "1776124800000"
        assert settings["append_only"]["enabled"] == "true"


def test_shard_limit(node_address: str, client: OpenSearch, region: str) -> None:
    """F46: the cluster takes no new index: a hold of that day; lifted, all are stored."""
    index = f"audit-{region}-2026.04.14"
    limit = "cluster.max_shards_per_node"
    client.cluster.put_settings(body={"persistent": {limit: 1}})
    try:
        with Shipping(node_address) as ship:
            ship.write(10, index=index)
            ship.run(lambda: bool(ship.delivery.held))
            assert "shards" in ship.delivery.held[index]
            ship.run_for(100)
            client.cluster.put_settings(body={"persistent": {limit: None}})
            ship.run()
            check(ship, client, index)
    finally:
        client.cluster.put_settings(body={"persistent": {limit: None}})


def test_pipeline_removed(node_address: str, client: OpenSearch, region: str) -> None:
    """F46: an operator's fault is no document's: a hold until the pipeline is back."""
    index, pipeline = f"audit-{region}-2026.04.14", f"stamp-{region}"
    body = {"settings": {"index.append_only.enabled": True, "index.final_pipeline": pipeline}}
    client.indices.create(index=index, body=body)
    with Shipping(node_address) as ship:
        ship.write(10, index=index)
        ship.run(lambda: bool(ship.delivery.held))
        assert "pipeline with id" in ship.delivery.held[index]
        ship.run_for(100)
        client.ingest.put_pipeline(id=pipeline, body={"processors": []})
        ship.run()
        check(ship, client, index)


def test_closed_index(node_address: str, client: OpenSearch, index: str, region: str) -> None:
    """F50: one day is closed: its lines wait, those of another day flow."""
    other = f"audit-{region}-2026.04.15"
    make_day(client, other)
    client.indices.close(index=index)
    with Shipping(node_address) as ship:
        ship.write(5, documents=2, index=[index, other])
        ship.write(5, index=other)
        ship.run_for(100)
        assert len(ship.owner.completed) == 5
        assert "index_closed_exception" in ship.delivery.held[index]
        client.indices.open(index=index)
        ship.run()
        check(ship, client, index, other)


@pytest.mark.parametrize(
    ("block", "is_held"), [("write", True), ("read_only", False), ("read_only_allow_delete", False)]
)
def test_blocked_index(
    node_address: str,
    client: OpenSearch,
    index: str,
    block: str,
    is_held: bool,  # noqa: FBT001 - a table
) -> None:
    """F49, F50: what the disk did is retried with an alarm; what a person did is held."""
    client.indices.put_settings(index=index, body={f"index.blocks.{block}": True})
    with Shipping(node_address) as ship:
        ship.write(5, index=index)
        ship.run_for(100)
        assert bool(ship.delivery.held) is is_held
        assert bool(ship.delivery.alarm) is not is_held
        client.indices.put_settings(index=index, body={f"index.blocks.{block}": None})
        ship.run()
        check(ship, client, index)
        assert not ship.delivery.alarm


def test_cluster_read_only(node_address: str, client: OpenSearch, index: str) -> None:
    """F49: a block of the whole cluster is waited for."""
    block = "cluster.blocks.read_only"
    client.cluster.put_settings(body={"persistent": {block: True}})
    try:
        with Shipping(node_address) as ship:
            ship.write(5, index=index)
            ship.run_for(100)
            assert ship.delivery.alarm
            assert not ship.delivery.flow.hold
            client.cluster.put_settings(body={"persistent": {block: None}})
            ship.run()
            check(ship, client, index)
    finally:
        client.cluster.put_settings(body={"persistent": {block: None}})


def test_id_that_holds_another_content(node_address: str, client: OpenSearch, index: str) -> None:
    """F54: an agent cannot read: it counts as already present, and nothing is overwritten."""
    client.create(index=index, id="00000002-0000", body={"forged": True})
    with Shipping(node_address) as ship:
        ship.write(5, index=index)
        ship.run()
        ship.check_lines()
        assert (ship.stored, ship.present) == (4, 1)
        assert stored(client, index)["00000002-0000"] == {"forged": True}


# -- nodes of their own --------------------------------------------------------------------


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that a node's user can enter."""
    with node_folder() as made:
        yield made


def small_node(folder: Path, port: int) -> Node:
    config = NodeConfig(
        data_folder=folder / "data",
        http_port=port,
        settings={"http.max_content_length": "100kb"},
        jvm_options=QUICK_START,
    )
    return start(config)


def test_node_killed_and_started_again(folder: Path) -> None:
    """F47, F51: bodies over the limit are halved; kill -9 in between loses and doubles none."""
    port, index = free_port(), "audit-killed-2026.04.14"
    with ExitStack() as stack:
        node = stack.enter_context(small_node(folder, port))
        client = stack.enter_context(connect(Connection(hosts=(node.address,))))
        run_setup(
            client,
            ("killed",),
            retention_days=120,
            now_ms=1_776_162_735_000,
            echo=lambda _line: None,
            days=[date(2026, 4, 14)],
        )
        ship = stack.enter_context(Shipping(node.address))
        ship.write(400, index=index, fill=1_000)
        ship.run(lambda: len(ship.owner.completed) >= 100)
        ship.write(400, index=index, fill=100)
        ship.poll()
        os.kill(node.pid, signal.SIGKILL)
        assert wait_for_end(node.pid)
        ship.run_for(600)
        assert ship.delivery.pending
        stack.enter_context(small_node(folder, port))
        ship.run()
        check(ship, client, index)
        assert ship.delivery.learned_bytes is not None
        assert not ship.dead


def test_node_makes_no_index_without_our_template(
    node_address: str, client: OpenSearch, region: str
) -> None:
    """F50: a node that makes indices by itself is not given the chance, whatever their name."""
    index = f"unprotected-{region}"
    channel = BulkChannel(
        Connection(hosts=(node_address,)), node_address, timeout_s=30, pool_size=1
    )
    with pytest.raises(UnprotectedError, match="auditship setup"):
        channel.post(index, b'{"create":{"_id":"a"}}\n{"n":1}\n', gzipped=False)
    channel.close()
    assert not client.indices.exists(index=index)


def test_position_report_is_stored_and_searchable(
    node_address: str, client: OpenSearch, region: str
) -> None:
    """The day of reports is made; a report is stamped when it is stored, and found by its time."""
    now = "2026-04-14T10:32:15.000Z"
    position = Position(
        timestamp=now,
        agent={"id": "a-1", "version": "1"},
        host={"id": "fs-1"},
        cloud={"region": region},
        started=now,
        files={"live": 1},
        lag_bytes=0,
        oldest_unacknowledged_s=0.0,
        lines={"read": 1},
        dead_letters=Letters(1, ({"generation": "0" * 32, "offset": 0, "reason": "bad_json"},)),
        gaps=0,
        lost_bytes=0,
        held=(Held(f"audit-{region}-2026.04.14", "closed"),),
        checkpoint_sequence=1,
        acknowledged_to=now,
    )
    index = index_of(region, 1_776_162_735_000)
    with Shipping(node_address) as ship:
        report = Report("fs-1.1", index, region, date(2026, 4, 14), position.body("fs-1.1"))
        for _ in range(2):  # a repeat is no second report, and no fault
            assert ship.delivery.tell(report)
            ship.run(lambda: not ship.delivery._is_telling)
        assert ship.events("position.failed") == []
    client.indices.refresh(index=index)
    query = {
        "bool": {
            "filter": [
                {"range": {"acknowledged_to": {"gte": now}}},
                {"term": {"host.id": "fs-1"}},
                {"term": {"held.index": f"audit-{region}-2026.04.14"}},
                {"exists": {"field": "event.ingested"}},
            ]
        }
    }
    found = client.search(index=index, body={"query": query})["hits"]["hits"]
    assert [hit["_source"]["lines"] for hit in found] == [{"read": 1}]
