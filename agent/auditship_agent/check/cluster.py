"""Is the cluster there, may this agent create, and is the index protected?"""

import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import msgspec

from auditship_agent.check.finding import Finding, failed, fine
from auditship_agent.config import AgentConfig
from auditship_indexer.errors import AuditshipError
from auditship_indexer.event.identity import index_name
from auditship_indexer.opensearch import Connection
from auditship_indexer.opensearch.bulk import (
    BulkChannel,
    HttpReply,
    UnprotectedError,
    UnreachableError,
)

_TIMEOUT_S: Final = 10.0
_HTTPS: Final = 443
_SOON_S: Final = 14 * 86_400
_CLOCK_S: Final = 60.0
_CLOCK: Final = "set the clock of this machine by NTP, or the cluster's"
_RIGHTS: Final = (
    "does the agent's role allow bulk into its region's indices? see docs/opensearch.md"
)


def cluster(config: AgentConfig, host: str) -> Finding:
    """Offer a document that the mapping must refuse: proves address, TLS, rights and index."""
    index = index_name(config.server.region, time.time_ns() // 1_000_000)
    try:
        reply = _offered(config.opensearch, host, index)
    except AuditshipError as error:
        return failed("cluster", f"{host}: {error}", error.hint or "")
    except UnprotectedError as error:
        return failed("cluster", f"{host}: {error}", "run `auditship setup` once")
    except UnreachableError as error:
        hint = "is OpenSearch running there? see opensearch.hosts and opensearch.ca_file"
        return failed("cluster", f"{host}: {_short(error)}", hint)
    told = _judged(host, index, reply.status, reply.body)
    return _with_clock(_with_certificate(told, config.opensearch, host), reply, host)


def secrets(config: AgentConfig) -> Iterator[Finding]:
    """Read password, certificate and key files once, as the agent will."""
    try:
        BulkChannel(
            config.opensearch, config.opensearch.hosts[0], timeout_s=_TIMEOUT_S, pool_size=1
        ).close()
    except AuditshipError as error:
        yield failed("credentials", str(error), error.hint or "")


def _offered(connection: Connection, host: str, index: str) -> HttpReply:
    """Return the reply to a document that no index takes. Raises as `BulkChannel` and `post`."""
    channel = BulkChannel(connection, host, timeout_s=_TIMEOUT_S, pool_size=1)
    probe = b'{"create":{"_id":"auditship-check"}}\n{"@timestamp":"not a time"}\n'
    try:
        return channel.post(index, probe, gzipped=False)
    finally:
        channel.close()


def _with_certificate(told: Finding, connection: Connection, host: str) -> Finding:
    until = _certificate_end(connection, host) if told.ok else None
    if until is None:
        return told
    day = datetime.fromtimestamp(until, UTC).date()
    if until - time.time() < _SOON_S:
        return failed("cluster", f"{host}: its certificate ends on {day}", "renew it")
    return fine("cluster", f"{told.told}, TLS until {day}")


def _with_clock(told: Finding, reply: HttpReply, host: str) -> Finding:
    apart_s = _apart_s(reply.headers.get("date", ""))
    if apart_s is None or not told.ok:
        return told
    if abs(apart_s) > _CLOCK_S:
        return failed("cluster", f"{host}: our clock is {apart_s:+.0f} s off the cluster's", _CLOCK)
    return fine("cluster", f"{told.told}, clock {apart_s:+.0f} s")


def _short(error: UnreachableError) -> str:
    """Return the system's own words where the error ends with them."""
    return str(error).rpartition("] ")[2].rstrip(")").lower()


def _apart_s(date: str) -> float | None:
    """Return how far our clock is ahead of a reply's `Date`; None where there is none."""
    try:
        return time.time() - parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError):
        return None


def _judged(host: str, index: str, status: int, body: bytes) -> Finding:
    if status == HTTPStatus.UNAUTHORIZED:
        told = f"{host}: 401, user, password or client certificate is not accepted"
        return failed("cluster", told, "mend opensearch.username and its password or certificate")
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
