"""The real OpenSearch: from start to green, its settings, its data, its end."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from auditship_indexer.errors import NodeError
from auditship_indexer.node import Node, NodeConfig, start
from support.node import QUICK_START, node_folder, wait_for_end

pytestmark = pytest.mark.node

# A second life of the same data, in a process that will be killed.
SECOND_LIFE = """
import json, pathlib, signal, sys
from auditship_indexer.node import NodeConfig, start
node = start(NodeConfig(data_folder=pathlib.Path(sys.argv[1]), jvm_options=tuple(sys.argv[2:])))
print(json.dumps({"address": node.address, "pid": node.pid}), flush=True)
signal.pause()
"""


def config(folder: Path) -> NodeConfig:
    return NodeConfig(data_folder=folder, jvm_options=QUICK_START)


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with node_folder() as folder, start(config(folder)) as started:
        yield started


def test_it_is_green_and_of_the_pinned_version(node: Node) -> None:
    """Once `start` returns, the cluster can be used."""
    health = requests.get(f"{node.address}/_cluster/health", timeout=10).json()
    version = requests.get(node.address, timeout=10).json()["version"]["number"]

    assert (health["status"], version) == ("green", "3.8.0")
    assert node.alive()


def test_it_does_not_run_as_root(node: Node) -> None:
    """Whoever starts it, the process belongs to an ordinary user."""
    assert os.stat(f"/proc/{node.pid}").st_uid != 0  # noqa: PTH116 - a process, not a file


def test_audit_indices_are_not_made_by_accident(node: Node) -> None:
    """A document for an audit index that is not there is refused; other indices may appear."""
    audit = requests.put(f"{node.address}/audit-x/_create/1", json={"a": 1}, timeout=30)
    other = requests.put(f"{node.address}/other/_create/1", json={"a": 1}, timeout=30)

    assert (audit.status_code, audit.json()["error"]["type"]) == (404, "index_not_found_exception")
    assert other.status_code == 201


def test_its_folder_is_refused_to_another(node: Node) -> None:
    """A second node in the same folder is refused while the first runs."""
    with pytest.raises(NodeError, match="another node runs in this data folder"):
        start(config(node.data_folder))


def test_data_outlive_the_node_and_the_node_does_not_outlive_its_parent(node: Node) -> None:
    """Stopped and started again it has its documents; SIGKILL of its parent ends it."""
    kept = f"{node.address}/kept/_create/1"
    requests.put(f"{node.address}/kept", timeout=30, json={"settings": {"number_of_replicas": 0}})
    assert requests.put(kept, json={"a": 1}, timeout=30).status_code == 201
    assert node.stop()

    command = [sys.executable, "-c", SECOND_LIFE, str(node.data_folder), *QUICK_START]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        second = json.loads(parent.stdout.readline())
        found = requests.get(f"{second['address']}/kept/_doc/1", timeout=30).json()
        parent.kill()

    assert found["_source"] == {"a": 1}
    assert wait_for_end(second["pid"])
