"""A client that sends request targets untouched, breaks off, and remembers what it did."""

import http.client
import socket
import struct
from base64 import b64encode
from collections.abc import Iterable
from typing import Final

from support.seen import Seen

AGENT: Final = "curl/8.5.0"
_PATIENCE_S: Final = 10
_AT_ONCE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: close() resets the connection


def basic(user: str, password: str) -> str:
    """Return the value of an `Authorization` header."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


class RawClient:
    """Speaks to one server on loopback. Each request has a connection of its own."""

    def __init__(self, port: int, *, id_header: str = "x-request-id") -> None:
        self._port = port
        self._id_header = id_header
        self.seen: list[Seen] = []

    def ask(
        self,
        method: str,
        target: str,
        body: bytes | Iterable[bytes] = b"",
        *,
        peer: str = "127.0.0.1",
        **headers: str,
    ) -> Seen:
        """Send one request from the address `peer`; header names are given with underscores.

        A body that is no `bytes` goes in chunks, without a length.
        """
        connection = http.client.HTTPConnection(
            "127.0.0.1", self._port, timeout=_PATIENCE_S, source_address=(peer, 0)
        )
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        named = {"User-Agent": AGENT, **given}
        chunked = not isinstance(body, bytes)
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            if chunked:
                connection.putheader("Transfer-Encoding", "chunked")
            elif body:
                connection.putheader("Content-Length", str(len(bytes(body))))  # type: ignore[arg-type] # told by `chunked`
            for name, value in named.items():
                connection.putheader(name, value.encode())
            connection.endheaders(body or None, encode_chunked=chunked)
            one = self._told(method, target, named["User-Agent"], connection)
            response = connection.getresponse()
            self._read(one, response)
            one.received = len(response.read())
            return one
        finally:
            connection.close()

    def _told(
        self, method: str, target: str, agent: str, connection: http.client.HTTPConnection
    ) -> Seen:
        one = Seen(method, target, agent, port=connection.sock.getsockname()[1])
        self.seen.append(one)
        return one

    def _read(self, one: Seen, response: http.client.HTTPResponse) -> None:
        one.status = response.status
        one.headers = {name.lower(): value for name, value in response.getheaders()}
        one.request_id = one.headers.get(self._id_header)

    def break_upload(self, target: str, head: str, body: bytes) -> Seen:
        """Send the head of a PUT and a part of its body, and go away."""
        return self._break("PUT", target, f"{head}\r\n".encode() + body)

    def break_download(self, target: str, head: str = "") -> Seen:
        """Ask for a file, read the head of the reply, and go away with a reset."""
        return self._break("GET", target, f"{head}\r\n".encode(), read=True)

    def break_waiting(self, target: str, behind: socket.socket) -> Seen:
        """Ask for a page of a server behind the server, which has the request, and go away.

        `behind` listens there; the reply never comes.
        """
        with self._connected() as connection:
            one = self._send(connection, "GET", target, b"\r\n")
            asked, _ = behind.accept()
        with asked:
            asked.settimeout(_PATIENCE_S)
            while asked.recv(1 << 16):
                pass  # until the proxy, too, goes away
        return one

    def _break(self, method: str, target: str, rest: bytes, *, read: bool = False) -> Seen:
        with self._connected() as connection:
            one = self._send(connection, method, target, rest)
            if read:
                response = http.client.HTTPResponse(connection)
                response.begin()
                self._read(one, response)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                response.close()
            return one

    def _connected(self) -> socket.socket:
        connection = socket.socket()
        connection.settimeout(_PATIENCE_S)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", self._port))
        return connection

    def _send(self, connection: socket.socket, method: str, target: str, rest: bytes) -> Seen:
        one = Seen(method, target, AGENT, port=connection.getsockname()[1])
        self.seen.append(one)
        head = f"{method} {target} HTTP/1.1\r\nHost: files\r\nUser-Agent: {AGENT}\r\n"
        connection.sendall(head.encode() + rest)
        return one

    def send(self, raw: bytes) -> bytes:
        """Send bytes that are no request, and return the reply. Nothing is remembered."""
        with self._connected() as connection:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            found = b""
            while more := connection.recv(1 << 16):
                found += more
            return found
