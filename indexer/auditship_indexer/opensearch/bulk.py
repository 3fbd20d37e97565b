"""One host's `_bulk`, as bytes in and bytes out.

The client library keeps what it is good at (TLS, identity, connections); this channel takes the
reply before the library judges it, since the sender judges by the server's own error type: status,
headers and body as they came, whole by length or last chunk, and at most `MAX_REPLY_BYTES`.
"""

import logging
import threading
from typing import Any, Final, Literal

from msgspec import Struct
from opensearchpy.exceptions import (
    ConnectionTimeout,
    OpenSearchException,
    SSLError,
)

from auditship_indexer.opensearch.client import client_of_host
from auditship_indexer.opensearch.connection import Connection

MAX_REPLY_BYTES: Final = 64 * 1024 * 1024
_FILTER: Final = ",".join(
    ("errors", *(f"items.create.{key}" for key in ("_id", "status", "error.type", "error.reason")))
)
_PIECE: Final = 65_536
_OK: Final = 200


class HttpReply(Struct, frozen=True):
    """What a host answered, unjudged. Header names are lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes


class UnreachableError(Exception):
    """No whole reply came: whether anything was stored is unknown.

    `kind`: `timeout`, `tls` (a person is needed), `oversize` (a reply over the limit) or
    `connection` (refused, reset, name not found, cut).
    """

    def __init__(
        self, kind: Literal["timeout", "tls", "oversize", "connection"], message: str
    ) -> None:
        super().__init__(message)
        self.kind = kind


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
        self._pool = wire.pool = _Pool(wire.pool)

    def post(self, index: str, body: bytes, *, gzipped: bool) -> HttpReply:
        """Send one bulk body to `/<index>/_bulk` and return the reply, whatever its status.

        Raises:
            UnreachableError: no whole reply.
        """
        headers = {"content-type": "application/x-ndjson"}
        if gzipped:
            headers["content-encoding"] = "gzip"
        return self._exchange("POST", f"/{index}/_bulk?filter_path={_FILTER}", body, headers)

    def _exchange(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> HttpReply:
        self._pool.forget()
        try:
            self.client.transport.perform_request(method, path, body=body, headers=headers)
        except OpenSearchException as error:
            # Also raised for a reply that the library does not like: that one was kept.
            if self._pool.last is None:
                raise _unreachable(error) from error
        except ValueError as error:  # an error status whose body is no JSON the library knows
            if self._pool.last is None:
                raise UnreachableError("connection", str(error)) from error
        reply = self._pool.last
        if reply is None:
            raise UnreachableError("connection", "no reply was read")
        return reply

    def close(self) -> None:
        """Close the connections."""
        self.client.close()


def _unreachable(error: OpenSearchException) -> UnreachableError:
    cause: Any = error.args[2] if len(error.args) > 2 else error  # noqa: PLR2004 - the library's triple
    message = str(cause)
    if isinstance(error, ConnectionTimeout):
        return UnreachableError("timeout", message)
    if isinstance(error, SSLError):
        return UnreachableError("tls", message)
    if isinstance(cause, OversizeError):
        return UnreachableError("oversize", message)
    return UnreachableError("connection", message)


class _Pool:
    """The library's connection pool, with bounded replies that are kept for the sender."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._replies = threading.local()

    @property
    def last(self) -> HttpReply | None:
        """The reply to this thread's request, once it was read whole."""
        reply: HttpReply | None = getattr(self._replies, "last", None)
        return reply

    def forget(self) -> None:
        self._replies.last = None

    def urlopen(self, method: str, url: str, body: bytes, **options: Any) -> Any:
        response = self._pool.urlopen(
            method, url, body, preload_content=False, redirect=False, **options
        )
        data = bytearray()
        while piece := response.read(_PIECE):
            data += piece
            if len(data) > MAX_REPLY_BYTES:
                response.close()
                raise OversizeError(f"a reply of more than {MAX_REPLY_BYTES} bytes")
        response.release_conn()
        headers = {name.lower(): value for name, value in response.headers.items()}
        self._replies.last = HttpReply(response.status, headers, bytes(data))
        # The sender parses a true bulk reply itself: the library need not do it, too.
        ours = response.status == _OK and "/_bulk" in url
        return _Read(response.status, response.headers, b"" if ours else bytes(data))

    def close(self) -> None:
        self._pool.close()


class _Read:
    """A response that was read already, in the shape that the library looks at."""

    def __init__(self, status: int, headers: Any, data: bytes) -> None:
        self.status = status
        self.headers = headers
        self.data = data
