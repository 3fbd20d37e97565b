"""Build clients of the cluster, and ask it what it is.

The client never repeats a request by itself (`max_retries=0`): who sends owns the schedule. It
follows no redirect, uses no proxy of the environment and compresses nothing.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from opensearchpy import OpenSearch, Urllib3HttpConnection

from auditship_indexer.errors import ClusterError
from auditship_indexer.opensearch.connection import (
    Connection,
    authorization,
    check_private,
    check_readable,
    node_of,
)
from auditship_indexer.opensearch.failures import addresses, asking

TIMEOUT_S: Final = 30.0


class ClusterInfo(Struct, frozen=True):
    """What a cluster says of itself. `version` is comparable, `number` is its text."""

    name: str
    distribution: str
    number: str
    version: tuple[int, ...]


def connect(
    connection: Connection,
    *,
    timeout_s: float = TIMEOUT_S,
    max_retries: int = 0,
    pool_size: int = 4,
    environ: Mapping[str, str] = os.environ,
) -> OpenSearch:
    """Return a client that takes the configured hosts in turn. Sends nothing yet.

    `pool_size` is the number of requests that may be under way at once, for each host.

    Raises:
        ConfigError: a password, certificate, key or CA file is missing or open to all.
    """
    return _build(
        connection,
        connection.hosts,
        timeout_s=timeout_s,
        max_retries=max_retries,
        pool_size=pool_size,
        environ=environ,
    )


def client_of_host(
    connection: Connection,
    host: str,
    *,
    timeout_s: float = TIMEOUT_S,
    pool_size: int = 4,
    environ: Mapping[str, str] = os.environ,
) -> OpenSearch:
    """Return a client of one of `connection.hosts`, for a sender that chooses hosts by itself.

    Raises:
        ConfigError: a password, certificate, key or CA file is missing or open to all.
    """
    return _build(
        connection,
        (host,),
        timeout_s=timeout_s,
        max_retries=0,
        pool_size=pool_size,
        environ=environ,
    )


def _build(
    connection: Connection,
    hosts: tuple[str, ...],
    *,
    timeout_s: float,
    max_retries: int,
    pool_size: int,
    environ: Mapping[str, str],
) -> OpenSearch:
    header = authorization(connection, environ)
    return OpenSearch(
        hosts=[node_of(host) for host in hosts],
        # urllib3 by name: the `requests` one ignores `ca_certs` when REQUESTS_CA_BUNDLE is set.
        connection_class=Urllib3HttpConnection,
        headers={"authorization": header} if header else {},
        timeout=timeout_s,
        max_retries=max_retries,
        pool_maxsize=pool_size,
        **_tls(connection),
    )


def _tls(connection: Connection) -> dict[str, Any]:
    files: dict[str, Any] = {}
    if connection.ca_file is not None:
        check_readable("opensearch.ca_file", Path(connection.ca_file))
        files["ca_certs"] = connection.ca_file
    if connection.client_cert_file is not None and connection.client_key_file is not None:
        check_readable("opensearch.client_cert_file", Path(connection.client_cert_file))
        check_private("opensearch.client_key_file", Path(connection.client_key_file))
        check_readable("opensearch.client_key_file", Path(connection.client_key_file))
        files["client_cert"] = connection.client_cert_file
        files["client_key"] = connection.client_key_file
    return files


def cluster_info(client: OpenSearch) -> ClusterInfo:
    """Ask the cluster for its name and version.

    Raises:
        AuditshipError: no answer (as `translate` says), or ClusterError: not that of OpenSearch.
    """
    with asking(client, "asking for the version"):
        reply: Any = client.info()
    at = addresses(client)
    version = reply.get("version") if isinstance(reply, dict) else None
    if not isinstance(version, dict) or not isinstance(version.get("number"), str):
        raise ClusterError(f"{at} answers, but not as OpenSearch does", hint="see opensearch.hosts")
    number = version["number"]
    digits = number.split("-")[0].split(".")
    if not all(part.isascii() and part.isdigit() for part in digits):
        raise ClusterError(f"{at} gives a version that is no number: {number[:40]!r}")
    return ClusterInfo(
        name=str(reply.get("cluster_name", "")),
        distribution=str(version.get("distribution", "elasticsearch")),
        number=number,
        version=tuple(map(int, digits)),
    )
