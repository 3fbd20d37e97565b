"""HTTP/1.1 in front of the application: one thread a connection, behind a proxy or not."""

import contextlib
import ipaddress
import json
import secrets
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import parse_qsl, unquote

from storage_server.accounts import Doorkeeper
from storage_server.app import ExpiryTimer, answer, transfer
from storage_server.audit import AuditLog
from storage_server.blobs import Blobs
from storage_server.call import Call, Reply, Site, Surroundings
from storage_server.refusal import RefusedError
from storage_server.store import Store

DRAIN_BYTES = 16_777_216  # of a refused upload, so that its sender reads the refusal
IDLE_S = 60


class World:
    """The machine's clock and random numbers."""

    def now_ms(self) -> int:
        """Return Unix ms."""
        return time.time_ns() // 1_000_000

    def new_id(self, prefix: str) -> str:
        """Return a new public id."""
        return f"{prefix}_{secrets.token_hex(6)}"

    def new_secret(self) -> str:
        """Return a new secret."""
        return secrets.token_urlsafe(32)


class StorageServer(ThreadingHTTPServer):
    """The server of one region, listening on loopback."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        *,
        region: str,
        root: Path,
        log: Path,
        shared: Path,
        port: int = 0,
        peers: Mapping[str, str] | None = None,
        world: Surroundings | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", port), _Exchange)
        store = Store(shared)
        blobs = Blobs(root, region, peers or {}, store.internal_token)
        site = Site(region, store, blobs, AuditLog(log), world or World(), Doorkeeper())
        self.site = site
        self._timer = ExpiryTimer(site)

    @property
    def url(self) -> str:
        """Return the address of this server."""
        return f"http://127.0.0.1:{self.server_port}"

    def serve(self) -> None:
        """Serve until `shutdown`, then give everything back."""
        self._timer.start()
        try:
            self.serve_forever(poll_interval=0.05)
        finally:
            self._timer.close()
            self.server_close()
            self.site.log.close()


class _Exchange(BaseHTTPRequestHandler):
    """One connection; each request becomes a call."""

    protocol_version = "HTTP/1.1"
    server_version = "demo-storage/1"
    sys_version = ""
    timeout = IDLE_S
    disable_nagle_algorithm = True

    def serve_request(self) -> None:
        """Answer one request of any method."""
        site = cast("StorageServer", self.server).site
        with contextlib.closing(site.store.connect()) as db:
            headers = {name.lower(): _utf8(value) for name, value in self.headers.items()}
            path, _, query = self.path.partition("?")
            peer = self.client_address[0]
            ip, proxy_ip = client_of(peer, headers.get("x-forwarded-for", ""))
            call = Call(
                site=site,
                method=self.command,
                path=unquote(path, errors="replace"),
                query=dict(parse_qsl(query, errors="replace")),
                headers=headers,
                source=cast("BinaryIO", self.rfile),
                ip=ip,
                port=None if proxy_ip else self.client_address[1],
                proxy_ip=proxy_ip,
                db=db,
            )
            self._send(call, answer(call))

    do_GET = do_PUT = do_POST = serve_request  # noqa: N815 - names that http.server calls
    do_PATCH = do_DELETE = do_OPTIONS = serve_request  # noqa: N815 - the same

    def _send(self, call: Call, reply: Reply) -> None:
        pieces = transfer(call, reply)
        try:
            # The first piece is fetched before the status leaves: bytes that are not there
            # become an honest status.
            first = next(pieces, b"")
        except RefusedError as refused:
            self._send(call, Reply(refused.status, {"reason": refused.reason}))
            return
        with contextlib.closing(pieces):
            try:
                self._head(call, reply)
                self.wfile.write(first)
                for piece in pieces:
                    self.wfile.write(piece)
            except (ConnectionError, TimeoutError, RefusedError):
                self.close_connection = True  # closing the pieces writes the line of the abort

    def _head(self, call: Call, reply: Reply) -> None:
        body = b"" if reply.body is None else json.dumps(reply.body).encode() + b"\n"
        self.send_response(reply.status)
        if reply.body is not None:
            self.send_header("Content-Type", "application/json")
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
            self.send_header("Content-Length", str(reply.length if reply.pieces else len(body)))
        if not self._drained(call):
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def _drained(self, call: Call) -> bool:
        """Read what is left of a small body; a larger one ends the connection after the reply."""
        if call.consumed or not call.headers.keys() & {"content-length", "transfer-encoding"}:
            return True
        left = call.length
        if left is None or left > DRAIN_BYTES:
            return False
        while left and (piece := self.rfile.read(min(left, 65_536))):
            left -= len(piece)
        return left == 0

    def log_message(self, *_args: object) -> None:
        """Say nothing: the audit log is what this server tells."""


def _utf8(text: str) -> str:
    """Read a header as UTF-8; http.server hands it over as Latin-1."""
    return text.encode("latin-1", "replace").decode("utf-8", "replace")


def client_of(peer: str, forwarded_for: str) -> tuple[str, str | None]:
    """Return the client's address, and the proxy's when there is one.

    `X-Forwarded-For` counts only from a loopback peer. It is walked from the right; loopback
    addresses are proxies, the first other one is the client, and what is no address ends the walk.
    """
    client = peer
    if not ipaddress.ip_address(peer).is_loopback:
        return peer, None
    for hop in reversed(forwarded_for.split(",")):
        try:
            address = ipaddress.ip_address(hop.strip())
        except ValueError:
            break
        client = str(address)
        if not address.is_loopback:
            break
    return client, peer if client != peer else None
