"""The only way to the cluster: settings, clients, translated errors, daily indices."""

from auditship_indexer.opensearch.client import (
    ClusterInfo,
    client_of_host,
    cluster_info,
    connect,
)
from auditship_indexer.opensearch.connection import Connection
from auditship_indexer.opensearch.days import (
    agents_index_of_day,
    check_template,
    days_ahead,
    ensure_agents_day,
    ensure_day,
    ensure_days,
    make_index,
    wait_active,
)
from auditship_indexer.opensearch.failures import addresses, asking, error_of, hosts_of, translate

__all__ = [
    "ClusterInfo",
    "Connection",
    "addresses",
    "agents_index_of_day",
    "asking",
    "check_template",
    "client_of_host",
    "cluster_info",
    "connect",
    "days_ahead",
    "ensure_agents_day",
    "ensure_day",
    "ensure_days",
    "error_of",
    "hosts_of",
    "make_index",
    "translate",
    "wait_active",
]
