"""A stand-in for a cluster that costs little: it takes bulk bodies, checks and counts them.

A process of its own, a thread a connection, HTTP/1.1 with what the clients under test use of it:
keep-alive, bodies by length or in chunks, `Expect: 100-continue`, gzip. Each action line must name
an operation and each document must be one JSON object to the eye (full JSON is checked where the
documents are kept for comparison); ids are counted, and how many of them differ. The reply is that
of OpenSearch, whole or cut by `filter_path`. `GET /_counters` tells what came, `POST /_reset`
forgets it.
"""

import functools
import json
import re
import socket
import sys
import threading
import time
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
from isal import isal_zlib
from msgspec import Struct

_GZIP: Final = zlib.MAX_WBITS | 16
_BANNER: Final = {
    "name": "sink",
    "cluster_name": "opensearch",
    "version": {"distribution": "opensearch", "number": "3.8.0", "build_type": "zip"},
    "tagline": "The OpenSearch Project: https://opensearch.org/",
}
_TEMPLATE: Final = {"template": {"settings": {"index": {"append_only": {"enabled": "true"}}}}}
_ID: Final = re.compile(
    rb'^\{ ?"(?:create|index)" ?: ?\{[^\n]*?"_id": ?"([^"\\\n]+)"', re.MULTILINE
)
_STAMP: Final = re.compile(rb'"request":\{"id":"(\d+)"')
_SHORT: Final = '{"create":{"_id":"%s","status":201}}'
_WHOLE: Final = (
    '{"create":{"_index":"audit","_id":"%s","_version":1,"result":"created",'
    '"_shards":{"total":2,"successful":1,"failed":0},"_seq_no":1,"_primary_term":1,"status":201}}'
)


class Counters(Struct):
    """What came since the last reset. `bad` counts action lines and documents that are none."""

    requests: int = 0
    documents: int = 0
    unique: int = 0
    bad: int = 0
    wire_bytes: int = 0  # of bodies as sent
    plain_bytes: int = 0  # of bodies after gunzip
    gzipped: int = 0  # requests
    slowest_ms: float = 0.0  # from the end of a body to the end of its reply


class Store:
    """The one state that the threads share."""

    def __init__(self, keep: Path | None, *, is_live: bool = False) -> None:
        self.counters = Counters()
        self.stamps: list[int] = []
        self._ids: set[bytes] = set()
        self._keep: BinaryIO | None = keep.open("wb") if keep else None
        self._is_live = is_live
        self._lock = threading.Lock()

    def take(self, body: bytes, *, wire_bytes: int, now_ns: int) -> list[bytes]:
        """Check and count one plain body; return the ids in order."""
        rows = body.split(b"\n")
        actions, documents = rows[0:-1:2], rows[1::2]
        ids = _ID.findall(b"\n".join(actions))
        bad = abs(len(actions) - len(ids)) + abs(len(actions) - len(documents))
        bad += sum(not _is_object(document) for document in documents) + (rows[-1] != b"")
        delays = _delays(documents, now_ns) if self._is_live else []
        with self._lock:
            self._ids.update(ids)
            count = self.counters
            count.requests += 1
            count.documents += len(documents)
            count.unique = len(self._ids)
            count.bad += bad
            count.wire_bytes += wire_bytes
            count.plain_bytes += len(body)
            count.gzipped += wire_bytes != len(body)
            self.stamps += delays
            if self._keep:
                self._keep.writelines(row + b"\n" for row in documents)
                self._keep.flush()
        return ids

    def reset(self) -> None:
        """Forget what came."""
        with self._lock:
            self._ids.clear()
            self.stamps.clear()
            self.counters = Counters()


def _is_object(document: bytes) -> bool:
    return document[:1] == b"{" and document[-1:] == b"}"


def _delays(documents: Iterable[bytes], now_ns: int) -> list[int]:
    """Return microseconds from write to arrival; the writer's clock stands in the request id."""
    found = (_STAMP.search(document) for document in documents)
    return [(now_ns - int(match[1])) // 1000 for match in found if match]


class _Request(Struct):
    method: str
    path: str
    headers: dict[bytes, bytes]
    body: bytes = b""


class _Connection:
    """One client, until it hangs up."""

    def __init__(self, wire: socket.socket, store: Store) -> None:
        self._wire = wire
        self._store = store
        self._file = wire.makefile("rb", 1 << 18)

    def serve(self) -> None:
        with self._wire, self._file:
            wire_failures = (ConnectionError, TimeoutError)
            try:
                while (request := self._read()) is not None:
                    began = time.perf_counter()
                    self._wire.sendall(self._answer(request))
                    count = self._store.counters
                    count.slowest_ms = max(
                        count.slowest_ms, round((time.perf_counter() - began) * 1000, 1)
                    )
            except wire_failures:
                return  # the client is gone: nothing was taken that is not counted

    def _read(self) -> _Request | None:
        first = self._file.readline()
        if not first:
            return None
        method, path, _ = first.decode("latin-1").split(" ", 2)
        headers: dict[bytes, bytes] = {}
        while (row := self._file.readline().rstrip()) != b"":
            name, _, value = row.partition(b":")
            headers[name.strip().lower()] = value.strip()
        if headers.get(b"expect", b"").lower() == b"100-continue":
            self._wire.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return _Request(method, path, headers, self._body(headers))

    def _body(self, headers: dict[bytes, bytes]) -> bytes:
        if headers.get(b"transfer-encoding", b"").lower() != b"chunked":
            whole: bytes = self._file.read(int(headers.get(b"content-length", b"0")))
            return whole
        parts: list[bytes] = []
        while size := int(self._file.readline().split(b";")[0], 16):
            parts.append(self._file.read(size))
            self._file.readline()
        while self._file.readline().strip():  # trailers
            pass
        return b"".join(parts)

    def _answer(self, request: _Request) -> bytes:
        path, _, query = request.path.partition("?")
        if path.rstrip("/").endswith("_bulk"):
            return _reply(self._bulk(request, query))
        told: Any = _BANNER
        if path == "/_counters":
            told = json.loads(_json(self._store.counters))
        elif path == "/_stamps":
            told = self._store.stamps
        elif path == "/_reset":
            self._store.reset()
        elif path.startswith("/_index_template/_simulate_index"):
            told = _TEMPLATE
        elif path == "/_cluster/health":
            told = {"cluster_name": "opensearch", "status": "green", "timed_out": False}
        return _reply(json.dumps(told).encode(), with_body=request.method != "HEAD")

    def _bulk(self, request: _Request, query: str) -> bytes:
        now_ns = time.monotonic_ns()
        body = request.body
        if request.headers.get(b"content-encoding") == b"gzip":
            body = bytes(isal_zlib.decompress(body, _GZIP))
        ids = self._store.take(body, wire_bytes=len(request.body), now_ns=now_ns)
        form, head = (_SHORT, "") if "filter_path" in query else (_WHOLE, '"took":3,')
        items = ",".join([form % name.decode() for name in ids])
        return f'{{{head}"errors":false,"items":[{items}]}}'.encode()


def _json(counters: Counters) -> str:
    return json.dumps({name: getattr(counters, name) for name in counters.__struct_fields__})


def _reply(body: bytes, *, with_body: bool = True) -> bytes:
    head = (
        "HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=UTF-8\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + (body if with_body else b"")


def serve(listener: socket.socket, store: Store) -> None:
    """Take connections for ever."""
    while True:
        wire, _ = listener.accept()
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        serving = functools.partial(_Connection(wire, store).serve)
        threading.Thread(target=serving, daemon=True).start()


@click.command()
@click.option("--keep", type=click.Path(path_type=Path), help="Write all documents there.")
@click.option("--live", is_flag=True, help="Measure delays by the time in each request id.")
def main(*, keep: Path | None, live: bool) -> None:
    """Listen on a free port of 127.0.0.1, print it, serve until stdin is closed."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    click.echo(listener.getsockname()[1])
    store = Store(keep, is_live=live)
    threading.Thread(target=serve, args=(listener, store), daemon=True).start()
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
