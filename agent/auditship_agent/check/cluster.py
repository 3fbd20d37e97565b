"""Is the cluster there, may this agent create, and is the index protected?"""

import socket
import ssl
import time
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import msgspec

from auditship_agent.check.finding import Finding, failed, fine
from auditship_agent.config import AgentConfig
from auditship_indexer.errors import AuditshipError
from auditship_indexer.event.identity import index_name
from auditship_indexer.opensearch import Connection, check_template
from auditship_indexer.opensearch.bulk import BulkChannel, UnreachableError

_TIMEOUT_S: Final = 10.0
_HTTPS: Final = 443
_SOON_S: Final = 14 * 86_400
_RIGHTS: Final = (
    "does the agent's role allow bulk into its region's indices? see docs/opensearch.md"
)


def cluster(config: AgentConfig, host: str) -> Finding:
    """Offer a document that the mapping must refuse: proves address, TLS, rights and index."""
    now_ms = time.time_ns() // 1_000_000
    index = index_name(config.server.region, now_ms)
    try:
        channel = BulkChannel(config.opensearch, host, timeout_s=_TIMEOUT_S, pool_size=1)
    except AuditshipError as error:
        return failed("cluster", f"{host}: {error}", error.hint or "")
    try:
        check_template(channel.client, index)
        probe = b'{"create":{"_id":"auditship-check"}}\n{"@timestamp":"not a time"}\n'
        reply = channel.post(index, probe, gzipped=False)
    except AuditshipError as error:
        return failed("cluster", str(error), error.hint or "")
    except UnreachableError as error:
        hint = "is OpenSearch running there? see opensearch.hosts and opensearch.ca_file"
        return failed("cluster", f"{host}: {error}", hint)
    finally:
        channel.close()
    told = _judged(host, index, reply.status, reply.body)
    until = _certificate_end(config.opensearch, host)
    if until is None or not told.ok:
        return told
    day = datetime.fromtimestamp(until, UTC).date()
    if until - time.time() < _SOON_S:
        return failed("cluster", f"{host}: its certificate ends on {day}", "renew it")
    return fine("cluster", f"{told.told}, TLS until {day}")


def _judged(host: str, index: str, status: int, body: bytes) -> Finding:
    try:
        answer = msgspec.json.decode(body)
        kind = answer["items"][0]["create"]["error"]["type"]
    except (msgspec.MsgspecError, LookupError, TypeError):
        return failed("cluster", f"{host}: {status}, not the answer of a bulk request", _RIGHTS)
    if kind == "mapper_parsing_exception":
        return fine("cluster", f"{host}: create allowed in {index}")
    if kind == "index_not_found_exception":
        return fine("cluster", f"{host}: {index} is made with the first event of the day")
    return failed("cluster", f"{host}: {index}: {kind}", _RIGHTS)


def _certificate_end(connection: Connection, host: str) -> float | None:
    """Return when the server's certificate ends (Unix seconds); None without TLS."""
    address = urlsplit(host)
    if address.scheme != "https":
        return None
    context = ssl.create_default_context(cafile=connection.ca_file)
    if connection.client_cert_file and connection.client_key_file:
        context.load_cert_chain(connection.client_cert_file, connection.client_key_file)
    target = (address.hostname or "", address.port or _HTTPS)
    try:
        with (
            socket.create_connection(target, timeout=_TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=address.hostname) as secure,
        ):
            certificate = secure.getpeercert() or {}
    except OSError:
        return None  # the request above went through: the server's limits are no finding here
    return ssl.cert_time_to_seconds(str(certificate["notAfter"]))
