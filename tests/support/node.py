"""One real OpenSearch for the tests of a worker."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from auditship_indexer.node import Node, NodeConfig, start

# Compiles quickly rather than well: right for a node that lives for a minute.
QUICK_START = ("-XX:TieredStopAtLevel=1",)


@contextmanager
def node_folder() -> Iterator[Path]:
    """A temporary data folder that the node's user can enter, which pytest's own is not."""
    base = Path(tempfile.mkdtemp(prefix="auditship node "))  # with blanks, as people have them
    base.chmod(0o755)
    try:
        yield base
    finally:
        shutil.rmtree(base)


@contextmanager
def running_node(**settings: Any) -> Iterator[Node]:
    """A fresh node on a free port, ended and removed afterwards. Settings go to opensearch.yml."""
    with node_folder() as folder:
        config = NodeConfig(data_folder=folder, settings=settings, jvm_options=QUICK_START)
        with start(config) as node:
            yield node


if __name__ == "__main__":
    with running_node() as by_hand:
        os.write(1, f"{by_hand.address}\n".encode())
        input()
