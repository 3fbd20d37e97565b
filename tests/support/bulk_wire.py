"""HTTP/1.1 by hand, as far as a scripted `_bulk` needs it: a request read, an answer written.

By hand, because faults live below what a server library lets through: replies that are cut,
connections that end without one, lengths that lie.
"""

import gzip
import socket
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from http import HTTPStatus
from http.client import parse_headers
from typing import BinaryIO, Final
from urllib.parse import parse_qsl, unquote, urlsplit

_RESET: Final = struct.pack("ii", 1, 0)  # linger on, 0 s: close sends RST instead of FIN


@dataclass(frozen=True)
class Request:
    """One request; `raw` is the body as it came, `body` is what it says after gzip."""

    method: str
    path: str  # without the query, percent signs decoded
    query: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case
    raw: bytes
    body: bytes | None  # None: `raw` claims to be gzip and is not


@dataclass(frozen=True)
class Answer:
    """One reply. `cut_at`: so many body bytes leave, then the connection ends."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    cut_at: int | None = None
    chunked: bool = False


class Hangup(Enum):
    """A connection that ends without a reply."""

    CLOSE = auto()
    RESET = auto()


def read_request(stream: BinaryIO) -> Request | None:
    """Read one request; None when the client has closed its side, also in mid-request."""
    words = stream.readline(65_536).decode("latin-1").split()
    if len(words) != 3:
        return None
    method, target, _version = words
    headers = {name.lower(): value for name, value in parse_headers(stream).items()}
    raw = _read_body(stream, headers)
    if raw is None:
        return None
    url = urlsplit(target)
    return Request(
        method=method,
        path=unquote(url.path),
        query=dict(parse_qsl(url.query, keep_blank_values=True)),
        headers=headers,
        raw=raw,
        body=_decoded(raw, headers),
    )


def _read_body(stream: BinaryIO, headers: Mapping[str, str]) -> bytes | None:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return b"".join(_chunks(stream))
    length = int(headers.get("content-length", "0"))
    body = stream.read(length)
    return body if len(body) == length else None


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while size := int(stream.readline().split(b";")[0] or b"0", 16):
        yield stream.read(size)
        stream.readline()
    while stream.readline().strip():
        pass  # trailers


def _decoded(raw: bytes, headers: Mapping[str, str]) -> bytes | None:
    encoding = headers.get("content-encoding", "identity")
    if encoding == "identity":
        return raw
    if encoding != "gzip":
        return None
    try:
        return inflate(raw)
    except zlib.error:
        return None


def inflate(raw: bytes) -> bytes:
    """Return what gzip members say; of a member that is cut, what is there, as the node does.

    Raises:
        zlib.error: not gzip, or damaged.
    """
    pieces = []
    while raw:
        member = zlib.decompressobj(wbits=31)
        pieces.append(member.decompress(raw))
        raw = member.unused_data
    return b"".join(pieces)


def zipped(answer: Answer) -> Answer:
    """Return the answer for a client that accepts gzip."""
    headers = (*answer.headers, ("content-encoding", "gzip"))
    return replace(answer, body=gzip.compress(answer.body, 1), headers=headers)


def write_answer(connection: socket.socket, answer: Answer, *, head_only: bool) -> bool:
    """Send one answer; return whether the connection may carry another request."""
    body = answer.body
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    if answer.chunked:
        lines.append("transfer-encoding: chunked")
    else:
        lines.append(f"content-length: {len(body)}")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    whole = answer.cut_at is None
    body = body[: answer.cut_at]
    if answer.chunked:
        body = _as_chunk(body, whole=whole)
    connection.sendall(head if head_only else head + body)
    return whole and ("connection", "close") not in answer.headers


def _as_chunk(body: bytes, *, whole: bool) -> bytes:
    chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return chunk + b"0\r\n\r\n" if whole else chunk


def hang_up(connection: socket.socket, how: Hangup) -> None:
    """End a connection without a reply."""
    if how is Hangup.RESET:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    else:
        connection.shutdown(socket.SHUT_RDWR)
