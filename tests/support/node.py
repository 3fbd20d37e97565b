"""One real OpenSearch for the tests of a worker, and a Java that only pretends."""

import os
import select
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from auditship_indexer.node import Node, NodeConfig, start

# Compiles quickly rather than well, and collects without threads: right for a node of a minute.
QUICK_START = ("-XX:TieredStopAtLevel=1", "-XX:-UseG1GC", "-XX:+UseSerialGC")


@contextmanager
def node_folder() -> Iterator[Path]:
    """A temporary folder that the node's user can enter, which pytest's own is not for root's."""
    base = Path(tempfile.mkdtemp(prefix="auditship node "))  # with blanks, as people have them
    base.chmod(0o755)
    try:
        yield base
    finally:
        shutil.rmtree(base)


@contextmanager
def running_node(**settings: Any) -> Iterator[Node]:
    """A fresh node on a free port, ended and removed afterwards. Settings go to opensearch.yml.

    Start one a session, not one a test: it takes about ten seconds.
    """
    with node_folder() as folder:
        config = NodeConfig(data_folder=folder, settings=settings, jvm_options=QUICK_START)
        with start(config) as node:
            yield node


class FakeJava:
    """A Java home whose `java` is a shell script: says a version, then does what it is told."""

    def __init__(self, home: Path, *, version: str = "21.0.2", does: str = "exit 1") -> None:
        self.home = home
        java = home / "bin" / "java"
        java.parent.mkdir(parents=True)
        java.write_text(
            "#!/bin/sh\n"
            'case "$1" in\n'
            f"-version) echo 'openjdk version \"{version}\" 2024-01-16' >&2; exit 0;;\n"
            "--list-modules) echo jdk.incubator.vector; exit 0;;\n"
            "esac\n"
            f"{does}\n",
            encoding="utf-8",
        )
        java.chmod(0o755)


def empty_distribution(cache: Path) -> None:
    """Fill a cache folder with a distribution of the right shape that holds nothing."""
    for part in ("lib", "agent", "modules/analysis-common", "modules/transport-netty4"):
        (cache / "opensearch-3.8.0" / part).mkdir(parents=True)


def wait_for_end(pid: int, timeout_s: float = 60.0) -> bool:
    """Wait until a process that need not be our child has ended; tell whether it did."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        ready, _, _ = select.select([watched], [], [], timeout_s)
        return bool(ready)
    finally:
        os.close(watched)
