"""What many tests share: the real node, the scripted `_bulk`, and regions that nobody else uses."""

import itertools
import os
import time
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

from auditship_indexer.opensearch import Connection, connect
from auditship_indexer.setup import run_setup
from support.bulk import BulkServer
from support.node import running_node

_regions: Final = itertools.count(1)

# No deadlines: a loaded machine is no defect. In CI each run tries the same examples.
settings.register_profile("local", deadline=None, max_examples=100)
settings.register_profile(
    "ci",
    deadline=None,
    max_examples=100,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "local")


@pytest.fixture(scope="session")
def node_address() -> Iterator[str]:
    """The address of one real OpenSearch a worker, after `auditship setup`."""
    with running_node() as node:
        with connect(Connection(hosts=(node.address,))) as client:
            now_ms = time.time_ns() // 1_000_000
            run_setup(client, (), retention_days=120, now_ms=now_ms, echo=lambda _line: None)
        yield node.address


@pytest.fixture
def region() -> str:
    """A region of this test alone, so that its indices are nobody else's."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    return f"t-{worker}-{next(_regions)}"


@pytest.fixture
def bulk_server() -> Iterator[BulkServer]:
    """A scripted `_bulk` that behaves well until it is told otherwise."""
    with BulkServer() as server:
        yield server
