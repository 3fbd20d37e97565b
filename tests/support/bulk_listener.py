"""Sockets and threads of a scripted server: it listens, pauses, resumes, and ends without trace."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support.bulk_wire import Request, read_request


@dataclass(frozen=True)
class Tls:
    """Files of a server that speaks TLS; with `client_ca` it demands a client certificate."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Read the files."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        if self.client_ca is not None:
            context.load_verify_locations(self.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class Listener:
    """Reads requests, one thread a connection, and hands each to `serve`.

    `serve(connection, request)` answers and returns whether the connection may carry another.
    """

    def __init__(self, serve: Callable[[socket.socket, Request], bool], tls: Tls | None) -> None:
        self.port = 0
        self.handshake_errors: list[str] = []
        self._serve = serve
        self._context = tls.context() if tls else None
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._errors: list[Exception] = []
        self._socket: socket.socket | None = None
        self.resume()

    def resume(self) -> None:
        """Listen on a free port; after `pause` on the same one again."""
        self._socket = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = self._socket.getsockname()[1]
        self._acceptor = self._spawn(self._accept, self._socket)

    def pause(self) -> None:
        """Refuse connections and end those that there are. Safe to repeat."""
        if self._socket is None:
            return
        self._socket.shutdown(socket.SHUT_RDWR)  # wakes the acceptor
        self._acceptor.join()
        self._socket.close()
        self._socket = None
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):  # it may have ended by itself
                    connection.shutdown(socket.SHUT_RDWR)

    def renew(self, tls: Tls) -> None:
        """Show another certificate from the next connection on."""
        self._context = tls.context()

    def close(self) -> None:
        """Pause, wait for every thread, and raise the first error of one, if any."""
        self.pause()
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _spawn(self, work: Callable[[socket.socket], None], on: socket.socket) -> threading.Thread:
        thread = threading.Thread(target=self._guarded, args=(work, on), name="bulk", daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _guarded(self, work: Callable[[socket.socket], None], on: socket.socket) -> None:
        try:
            work(on)
        except Exception as error:  # noqa: BLE001 - edge of a thread: `close` raises it
            self._errors.append(error)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return  # `pause` ended it
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections.add(connection)
            self._spawn(self._talk, connection)

    def _talk(self, plain: socket.socket) -> None:
        connection = self._secured(plain)
        if connection is None:
            return
        try:
            with connection, connection.makefile("rb") as stream:
                while (request := read_request(stream)) and self._serve(connection, request):
                    pass
        except OSError:
            pass  # the client or `pause` ended the connection: a fault that tests make
        finally:
            with self._lock:
                self._connections.discard(connection)

    def _secured(self, plain: socket.socket) -> socket.socket | None:
        if self._context is None:
            return plain
        try:
            secured = self._context.wrap_socket(plain, server_side=True)
        except OSError as error:  # ssl.SSLError is one
            self.handshake_errors.append(str(error))
            plain.close()
            secured = None
        with self._lock:
            self._connections.discard(plain)
            if secured is not None:
                self._connections.add(secured)
        return secured
