"""Every exception of the client becomes one of our errors here, and nowhere else.

The type says what the caller does next. RetryError: the same call may work later. HoldError: a
person is needed (rights, TLS, a missing template). RejectError: this very call will never work.
ClusterError: the answer cannot be read, so its outcome is unknown. The server's error type
decides, never the HTTP class alone: a 403 can be a full disk, a 400 a full cluster.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from opensearchpy import OpenSearch
from opensearchpy import exceptions as foreign

from auditship_indexer.errors import (
    AuditshipError,
    ClusterError,
    HoldError,
    RejectError,
    RetryError,
)

_REASON_CHARS: Final = 300
_RUNNING: Final = (
    "is OpenSearch running there? `auditship up` starts one on this machine; "
    "opensearch.hosts names another"
)
# What TLS says, and what a person does about it. The first mark found decides.
_TLS_HINTS: Final = (
    ("hostname mismatch", "the certificate is of another host: use a name that it lists"),
    ("ip address mismatch", "the certificate does not list this address: use a name that it lists"),
    ("certificate has expired", "renew the certificate of the server"),
    ("not yet valid", "compare the clocks of this machine and the server"),
    ("self-signed", "set opensearch.ca_file to the CA that signed the server's certificate"),
    ("unable to get", "set opensearch.ca_file to the CA that signed the server's certificate"),
    ("wrong version number", "the server may speak plain http: see opensearch.hosts"),
    ("record layer failure", "the server may speak plain http: see opensearch.hosts"),
    ("alert", "the server refused our certificate: see opensearch.client_cert_file"),
)
# What a broken connection says, in a person's words.
_CONNECTION_CAUSES: Final = (
    ("connection refused", "connection refused", _RUNNING),
    ("failed to resolve", "this name is not known", "see opensearch.hosts, or the name server"),
    ("timed out", "no connection in time", "is a firewall between? see opensearch.hosts"),
    ("no route", "no route to this host", "see opensearch.hosts"),
    ("unreachable", "network unreachable", "see opensearch.hosts"),
    ("without response", "closed without an answer", "a server with TLS needs https:// in hosts"),
    ("aborted", "the connection broke", None),
)
# Error types and marks that need a person although their status says "your fault" or "later".
_HELD: Final = (
    ("validation_exception", "this action would add", "cluster.max_shards_per_node is reached"),
    ("illegal_argument_exception", "pipeline with id", "run `auditship setup`"),
    ("fail_processor_exception", "", "a pipeline of the cluster refuses documents"),
    ("index_not_found_exception", "", "run `auditship setup`"),
)
_BUSY: Final = (
    "cluster_block_exception",
    "rejected_execution_exception",
    "circuit_breaking_exception",
)
_QUOTES_BODY: Final = ("json_parse_exception", "parse_exception")


@contextmanager
def asking(client: OpenSearch, doing: str) -> Iterator[None]:
    """Translate what the client raises inside; `doing` says what was tried ("reading templates").

    Raises:
        AuditshipError: as `translate` says, naming the client's hosts.
    """
    try:
        yield
    except foreign.OpenSearchException as error:
        raise translate(error, doing, at=hosts_of(client)) from error


def addresses(client: OpenSearch) -> str:
    """Return the client's hosts as a person writes them, for messages."""
    return ", ".join(hosts_of(client))


def hosts_of(client: OpenSearch) -> list[str]:
    """Return the address of each of the client's hosts."""
    return [_address(host) for host in client.transport.hosts]


def _address(host: dict[str, Any]) -> str:
    scheme = "https" if host.get("use_ssl") else "http"
    prefix = f"/{host['url_prefix']}" if host.get("url_prefix") else ""
    return f"{scheme}://{_netloc(host['host'], host['port'])}{prefix}"


def _netloc(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def translate(
    error: foreign.OpenSearchException, doing: str, *, at: Sequence[str] = ()
) -> AuditshipError:
    """Return our error for one of the client's; the caller raises it `from` the original.

    `at` are the hosts that may have been asked; of them the one is named that the exception knows.
    Bulk items are not errors of the request and never come here.
    """
    where = _where(error, at)
    if isinstance(error, foreign.SSLError):
        cause = _cause(error)
        return HoldError(f"{doing}: {where}: TLS: {cause}", hint=_hint(cause, _TLS_HINTS))
    if isinstance(error, foreign.ConnectionTimeout):
        return RetryError(
            f"{doing}: {where}: no answer in time; what was sent may have been done",
            hint="is the cluster overloaded?",
        )
    if isinstance(error, foreign.ConnectionError):
        return _broken(error, doing, where)
    if isinstance(error, foreign.TransportError):
        return _answered(error, doing, where)
    return ClusterError(f"{doing}: {where}: the answer is not that of OpenSearch", hint=_PROXY)


_PROXY: Final = "is a proxy, or another service, at this address? see opensearch.hosts"


def _broken(error: foreign.ConnectionError, doing: str, where: str) -> RetryError:
    cause = _cause(error)
    for mark, told, hint in _CONNECTION_CAUSES:
        if mark in cause.lower():
            return RetryError(f"{doing}: {where}: {told}", hint=hint)
    return RetryError(f"{doing}: {where}: {cause}", hint=_RUNNING)


def _answered(error: foreign.TransportError, doing: str, where: str) -> AuditshipError:
    """Decide by error type and mark first, then by status."""
    status = error.status_code if isinstance(error.status_code, int) else 0
    kind, reason = error_of(error)
    told = f"{doing}: {where}: {status}"
    if kind:
        told = (
            f"{told} {kind}" if kind in _QUOTES_BODY or not reason else f"{told} {kind}: {reason}"
        )
    if kind in _BUSY:
        full = "the disk is full, or somebody blocked writing" if "block" in kind else None
        return RetryError(told, hint=full)
    for held, mark, hint in _HELD:
        if kind == held and mark in reason:
            return HoldError(told, hint=hint)
    return _by_status(status, told)


def _by_status(status: int, told: str) -> AuditshipError:
    if status == 401:  # noqa: PLR2004 - RFC 9110
        return HoldError(
            f"{told}: user name or password refused",
            hint="see opensearch.username and opensearch.password_file",
        )
    if status == 403:  # noqa: PLR2004 - RFC 9110
        return HoldError(told, hint="this identity lacks a right: compare its role with templates/")
    if status in {404, 406} or 300 <= status < 400:  # noqa: PLR2004 - RFC 9110
        return HoldError(f"{told}: no such address there", hint=_PROXY)
    if status == 429 or status >= 500:  # noqa: PLR2004 - RFC 9110
        return RetryError(f"{told}: cannot serve at present")
    return RejectError(told)


def error_of(error: foreign.TransportError) -> tuple[str, str]:
    """Return the server's error type and its reason (one line, cut), each "" when it gave none.

    Some plugins and unknown paths answer with a plain string: it comes back as the reason.
    """
    body: Any = error.info if len(error.args) > 2 else None  # noqa: PLR2004 - (status, type, body)
    found = body.get("error") if isinstance(body, dict) else None
    if isinstance(found, dict):
        return str(found.get("type") or ""), _one_line(found.get("reason"))
    return "", _one_line(found)


def _one_line(text: Any) -> str:
    return " ".join(str(text or "").split())[:_REASON_CHARS]


def _cause(error: foreign.TransportError) -> str:
    return _one_line(error.args[1] if len(error.args) > 1 else error)


def _hint(cause: str, table: tuple[tuple[str, str], ...]) -> str | None:
    return next((hint for mark, hint in table if mark in cause.lower()), None)


def _where(error: foreign.OpenSearchException, at: Sequence[str]) -> str:
    """Return the one host that failed when the exception knows it, else all that were asked."""
    host = _host_of(error)
    if not at:
        return host or "OpenSearch"
    return next((one for one in at if urlsplit(one).netloc == host), ", ".join(at))


def _host_of(error: foreign.OpenSearchException) -> str | None:
    """Return `host:port` of a broken connection, which urllib3 keeps in its exception."""
    inner = error.args[2] if len(error.args) > 2 else None  # noqa: PLR2004 - (status, text, inner)
    source = getattr(inner, "conn", None) or getattr(inner, "pool", None)
    host, port = getattr(source, "host", None), getattr(source, "port", None)
    return _netloc(host, port) if host and port else None
