"""One host's `_bulk`, as bytes in and bytes out.

The client library keeps what it is good at (TLS, identity, connections); this channel takes the
reply before the library judges it, since the sender judges by the server's own error type: status,
headers and body as they came, whole by length or last chunk, and at most `MAX_REPLY_BYTES`.
"""

import contextlib
import json
import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from opensearchpy.exceptions import (
    ConnectionTimeout,
    OpenSearchException,
    SSLError,
)
from urllib3 import Timeout
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ReadTimeoutError

from auditship_indexer.opensearch.client import client_of_host
from auditship_indexer.opensearch.connection import Connection

MAX_REPLY_BYTES: Final = 64 * 1024 * 1024
_FILTER: Final = ",".join(
    ("errors", *(f"items.create.{key}" for key in ("_id", "status", "error.type", "error.reason")))
)
_CONNECT_S: Final = 10.0  # a host that is there accepts at once, however long it takes to answer
_PIECE: Final = 65_536
_OK: Final = 200
_MAY_NOT_ASK: Final = {403, 404, 405}
_SPECIAL: Final = 300  # RFC 9110: from here on, a status is no success
_NOTHING_SENT: Final = (NewConnectionError, ConnectTimeoutError)  # a name not found is one, too
# TLS that ends in the middle: a server that goes down, or a balancer that has none behind it.
_CUT_TLS: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError)


class _AppendOnly(Struct, frozen=True):
    enabled: str = ""


class _IndexSettings(Struct, frozen=True):
    append_only: _AppendOnly = _AppendOnly()


class _Settings(Struct, frozen=True):
    index: _IndexSettings = _IndexSettings()


class _Template(Struct, frozen=True):
    settings: _Settings = _Settings()


class _Simulated(Struct, frozen=True):
    template: _Template = _Template()


_SIMULATED: Final = msgspec.json.Decoder(_Simulated)


class HttpReply(Struct, frozen=True):
    """What a host answered, unjudged. Header names are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes


class UnreachableError(Exception):
    """No whole reply came: whether anything was stored is unknown.

    `kind`: `refused` (no connection, so nothing was sent: refused, name not found, too slow to
    accept), `connection` (reset, cut), `timeout` (no whole reply in time), `tls` (a person is
    needed) or `oversize` (a reply over the limit).
    """

    def __init__(self, kind: "UnreachableKind", message: str) -> None:
        super().__init__(message)
        self.kind: UnreachableKind = kind


UnreachableKind = Literal["refused", "connection", "timeout", "tls", "oversize"]


class UnprotectedError(Exception):
    """An index that does not exist yet would come into being without our template."""


class OversizeError(Exception):
    """A reply was longer than any true one."""


class BulkChannel:
    """Sends bulk bodies to one host. Threads may share it; each sees its own replies.

    Raises:
        ConfigError: a password, certificate or key file cannot be used.
    """

    def __init__(
        self, connection: Connection, host: str, *, timeout_s: float, pool_size: int
    ) -> None:
        self.host = host
        self.client = client_of_host(connection, host, timeout_s=timeout_s, pool_size=pool_size)
        # The library logs failed requests with whole bodies; the sender tells what matters.
        logging.getLogger("opensearch").setLevel(logging.CRITICAL)
        wire: Any = self.client.transport.get_connection()
        self._pool = wire.pool = _Pool(wire.pool, timeout_s)
        self._protected: set[str] = set()  # indices that are made by our template, if at all

    def post(
        self, index: str, body: bytes, *, gzipped: bool, others: Iterable[str] = ()
    ) -> HttpReply:
        """Send one bulk body to `/<index>/_bulk` and return the reply, whatever its status.

        `others` are the other indices that its action lines name. Before the first body for an
        index, the host is asked once whether our template would shape it: a cluster that makes
        indices by itself and never saw `auditship setup` must not make one that can be changed.

        Raises:
            UnreachableError: no whole reply.
            UnprotectedError: it would be made without our template; nothing was sent.
        """
        for name in {index, *others} - self._protected:
            answer = self._ask_template(name)
            if answer is not None:
                return answer
            self._protected.add(name)
        headers = {"content-type": "application/x-ndjson"}
        if gzipped:
            headers["content-encoding"] = "gzip"
        return self._perform(f"/{index}/_bulk?filter_path={_FILTER}", body, headers)

    def _ask_template(self, index: str) -> HttpReply | None:
        """Return None when the index is in order, else what to take for the answer to a bulk."""
        path = f"/_index_template/_simulate_index/{index}?filter_path=template.settings.index"
        reply = self._perform(path, None, {})
        if reply.status in _MAY_NOT_ASK:
            return None  # roles are given out with the templates; a proxy may let `_bulk` through
        if reply.status != _OK:
            return reply
        try:
            told = _SIMULATED.decode(reply.body).template.settings.index.append_only.enabled
        except msgspec.MsgspecError:
            told = "?"
        if told == "true":
            return None
        raise UnprotectedError(
            f"no index template of auditship for {index}: run `auditship setup` once against "
            "this cluster"
        )

    def _perform(self, path: str, body: bytes | None, headers: dict[str, str]) -> HttpReply:
        with self._pool.keeping() as replies:
            try:
                self.client.transport.perform_request("POST", path, body=body, headers=headers)
            except OpenSearchException as error:
                raise _unreachable(error) from error
            return replies[0]

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


def _unreachable(error: OpenSearchException) -> UnreachableError:
    cause: Any = error.args[2] if len(error.args) > 2 else error  # noqa: PLR2004 - the library's triple
    return UnreachableError(_kind(error, cause), str(cause))


def _kind(error: OpenSearchException, cause: Exception) -> UnreachableKind:
    if isinstance(error, ConnectionTimeout):
        return "timeout"
    if isinstance(error, SSLError):
        return "connection" if any(isinstance(one, _CUT_TLS) for one in _chain(cause)) else "tls"
    if isinstance(cause, OversizeError):
        return "oversize"
    return "refused" if isinstance(cause, _NOTHING_SENT) else "connection"


def _chain(error: BaseException | None) -> Iterator[object]:
    """Yield an error with what it wraps and what it came from."""
    while error is not None:
        yield error
        yield from error.args
        error = error.__cause__ or error.__context__


class _Pool:
    """The library's connection pool, with bounded replies, of which bulk ones are kept aside."""

    def __init__(
        self, pool: Any, timeout_s: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool = pool
        self._monotonic = monotonic
        self._timeout_s = timeout_s
        self._timeout = Timeout(connect=min(_CONNECT_S, timeout_s), read=timeout_s)
        self._thread = threading.local()

    @contextlib.contextmanager
    def keeping(self) -> Iterator[list[HttpReply]]:
        """Collect this thread's replies for the sender; the library sees an empty success.

        So it neither parses them a second time nor judges them by its own lights.
        """
        kept: list[HttpReply] = []
        self._thread.kept = kept
        try:
            yield kept
        finally:
            self._thread.kept = None

    def urlopen(self, method: str, url: str, body: bytes, **options: Any) -> Any:
        options.setdefault("timeout", self._timeout)
        response = self._pool.urlopen(
            method, url, body, preload_content=False, redirect=False, **options
        )
        data = self._read(response, url)
        kept = getattr(self._thread, "kept", None)
        if kept is not None:
            headers = {name.lower(): value for name, value in response.headers.items()}
            kept.append(HttpReply(response.status, headers, data))
            return _Read(200, {}, b"")
        return _for_library(response.status, response.headers, data)

    def _read(self, response: Any, url: str) -> bytes:
        """Read a reply whole, as long as it is neither endless nor without end."""
        until = self._monotonic() + self._timeout_s
        data = bytearray()
        while piece := response.read1(_PIECE):
            data += piece
            if len(data) > MAX_REPLY_BYTES:
                response.close()
                raise OversizeError(f"a reply of more than {MAX_REPLY_BYTES} bytes")
            if self._monotonic() > until:
                response.close()
                raise ReadTimeoutError(self._pool, url, "the reply takes too long")
        response.release_conn()
        return bytes(data)

    def close(self) -> None:
        self._pool.close()


class _Headers(dict[str, str]):
    """Headers in the shape that the library looks at."""

    def get_all(self, name: str, default: object = None) -> object:
        return [self[name]] if name in self else default


class _Read:
    """A response that was read already, in the shape that the library looks at."""

    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self.status = status
        self.headers = _Headers(headers)
        self.data = data


def _for_library(status: int, headers: Mapping[str, str], data: bytes) -> _Read:
    """Return a reply to another request, of which the library stumbles over nothing.

    It expects an object wherever JSON is promised, and prints `Warning` headers on stderr.
    """
    told = {"content-type": headers.get("content-type", "")}
    try:
        is_object = isinstance(json.loads(data), dict)
    except (ValueError, RecursionError):
        is_object = False
    if status < _SPECIAL and not is_object:
        raise OSError(f"status {status} with a body that is not the answer of OpenSearch")
    return _Read(status, told if is_object else {}, data)
