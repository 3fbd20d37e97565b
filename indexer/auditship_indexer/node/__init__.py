"""A real OpenSearch on this machine, for which nothing but Python has to be installed.

The distribution is a published artifact: fetched once by jgo, held to the checksum that this
package pins, unpacked once into the cache. Each node is a folder of its own with links into that
one copy, so that a start costs no disk and any number of nodes can run side by side.

Invariants: a folder in the cache is complete or absent; one data folder serves one node at a time
(a lock that the Java process itself holds); a node that was not started detached does not outlive
the process that started it.
"""

from auditship_indexer.node.account import make_folder
from auditship_indexer.node.detached import Running, find_running, forget_running, save_running
from auditship_indexer.node.distribution import fetch
from auditship_indexer.node.process import Node, start
from auditship_indexer.node.settings import NodeConfig, cache_folder, state_folder

__all__ = [
    "Node",
    "NodeConfig",
    "Running",
    "cache_folder",
    "fetch",
    "find_running",
    "forget_running",
    "make_folder",
    "save_running",
    "start",
    "state_folder",
]
