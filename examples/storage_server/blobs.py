"""The bytes of files: on this server's disk, or fetched from the region that keeps them."""

import contextlib
import hashlib
import http.client
import io
import os
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from storage_server.refusal import failed

PIECE_BYTES = 262_144
PEER_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Received:
    """What arrived: bytes and their SHA-256 in hex."""

    size: int
    sha256: str


class Blobs:
    """Blobs of this region in `root`; those of the others by the addresses in `peers`."""

    def __init__(self, root: Path, region: str, peers: Mapping[str, str], token: str) -> None:
        self._root = root
        self._region = region
        self._peers = peers
        self._token = token
        (root / "incoming").mkdir(parents=True, exist_ok=True)

    def receive(self, source: BinaryIO, length: int, name: str) -> Received:
        """Stream `length` bytes to the disk as blob `name`.

        Raises:
            RefusedError: the sender went away before the last byte (`aborted`).
        """
        incoming = self._root / "incoming" / name
        try:
            received = _drain(source, length, incoming)
            target = self.path(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            incoming.replace(target)
        finally:
            incoming.unlink(missing_ok=True)
        return received

    def path(self, name: str) -> Path:
        """Return where the blob lies if it lies here."""
        return self._root / "blobs" / name[-2:] / name

    def pieces(self, name: str, region: str, start: int, length: int) -> Generator[bytes]:
        """Open the blob in its region, then return its bytes `[start, start + length)` in pieces.

        Raises:
            RefusedError: the region that keeps it does not answer (`unavailable`), or the bytes
                are not where they should be (`storage_error`).
        """
        if region != self._region:
            return self._fetch(name, region, start, length)
        try:
            file = self.path(name).open("rb")
        except FileNotFoundError as error:
            raise failed("storage_error", status=500, hint="the bytes are gone") from error
        file.seek(start)
        return _read(file, length)

    def remove(self, name: str, region: str) -> None:
        """Delete the blob in its region; one that is gone already is fine."""
        if region == self._region:
            self.path(name).unlink(missing_ok=True)
            return
        with contextlib.closing(self._ask("DELETE", name, region, {})):
            return

    def _fetch(self, name: str, region: str, start: int, length: int) -> Generator[bytes]:
        if length == 0:
            return _read(io.BytesIO(), 0)
        headers = {"Range": f"bytes={start}-{start + length - 1}"}
        return _read(self._ask("GET", name, region, headers), length)

    def _ask(self, method: str, name: str, region: str, headers: dict[str, str]) -> "_PeerReply":
        address = urlsplit(self._peers.get(region, ""))
        connection = http.client.HTTPConnection(
            address.hostname or "", address.port, timeout=PEER_TIMEOUT_S
        )
        try:
            headers = {**headers, "X-Internal-Token": self._token, "Connection": "close"}
            connection.request(method, f"/internal/blobs/{name}", headers=headers)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise failed("unavailable", status=503, hint=f"region {region} is away") from error
        if response.status not in {200, 204, 206}:
            connection.close()
            raise failed("storage_error", status=502, hint=f"region {region} lacks the bytes")
        return _PeerReply(connection, response)


class _PeerReply:
    """The body of a reply of another region; closing it closes the connection."""

    def __init__(
        self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse
    ) -> None:
        self._connection = connection
        self._response = response

    def read(self, size: int) -> bytes:
        return self._response.read(size)

    def close(self) -> None:
        self._response.close()
        self._connection.close()


def _read(source: BinaryIO | _PeerReply, length: int) -> Generator[bytes]:
    """Yield exactly `length` bytes, then close; fewer are an error of the storage."""
    with contextlib.closing(source):
        left = length
        while left:
            piece = source.read(min(PIECE_BYTES, left))
            if not piece:
                raise failed("storage_error", status=500, hint=f"{left} bytes are missing")
            left -= len(piece)
            yield piece


def _drain(source: BinaryIO, length: int, path: Path) -> Received:
    content = hashlib.sha256()
    left = length
    with path.open("xb") as file:
        while left:
            piece = _take(source, left)
            content.update(piece)
            file.write(piece)
            left -= len(piece)
        file.flush()
        os.fsync(file.fileno())
    return Received(length, content.hexdigest())


def _take(source: BinaryIO, left: int) -> bytes:
    try:
        piece = source.read(min(PIECE_BYTES, left))
    except TimeoutError as error:
        raise failed("timeout", status=408, hint=f"{left} bytes never came") from error
    except ConnectionError as error:
        raise failed("aborted", status=400, hint=f"{left} bytes never came") from error
    if not piece:
        raise failed("aborted", status=400, hint=f"{left} bytes never came")
    return piece
