"""A collector of the fluent forward protocol on loopback: records in, JSON lines out.

What Fluentd and Fluent Bit do for a log, without their buffers: each record is written at once.
Message mode alone is spoken: `[tag, time, record, option]`, as MessagePack.
"""

import json
import socket
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

_PATIENCE_S: Final = 20.0
# first byte -> (bytes of the length that follows, bytes beside it) of a text or binary
_SIZED: Final = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_FIXED: Final = {
    0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8,
    0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8, 0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17,
}  # fmt: skip
_MANY: Final = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


def end_of(data: bytes, at: int = 0) -> int:
    """Return where the MessagePack value that begins at `at` ends.

    Raises:
        IndexError: it is not whole yet.
    """
    first = data[at]
    at += 1
    if first in _FIXED:
        at += _FIXED[first]
    elif size := _SIZED.get(first):
        at += size + int.from_bytes(data[at : at + size])
    elif 0xA0 <= first <= 0xBF:
        at += first & 0x1F
    elif first in _MANY or 0x80 <= first <= 0x9F:
        at = _end_of_items(data, first, at)
    if at > len(data):
        raise IndexError(at)
    return at


def _end_of_items(data: bytes, first: int, at: int) -> int:
    size, each = _MANY.get(first, (0, 2 if first < 0x90 else 1))
    count = int.from_bytes(data[at : at + size]) if size else first & 0x0F
    at += size
    for _ in range(count * each):
        at = end_of(data, at)
    return at


class FluentFile:
    """Listens on a port of its own until it is closed, and appends each record to `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("ab", buffering=0)
        self._came: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._threads = [threading.Thread(target=self._listen)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join(_PATIENCE_S)
        self._file.close()

    def wait(self, counts: Mapping[str, int]) -> None:
        """Return when so many records of each of these requests are in the file."""
        wanted = Counter(counts)
        with self._changed:
            came = self._changed.wait_for(lambda: wanted <= self._came, _PATIENCE_S)
            assert came, wanted - self._came

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return  # closed
            self._threads.append(threading.Thread(target=self._read, args=(connection,)))
            self._threads[-1].start()

    def _read(self, connection: socket.socket) -> None:
        waiting = b""
        with connection:
            while more := connection.recv(1 << 16):
                waiting = self._taken(waiting + more)

    def _taken(self, data: bytes) -> bytes:
        """Write the records that are whole, and return the rest."""
        while data:
            try:
                end = end_of(data)
            except IndexError:
                break
            _tag, _time, record, *_ = msgspec.msgpack.decode(data[:end])
            self._write(record)
            data = data[end:]
        return data

    def _write(self, record: dict[str, Any]) -> None:
        with self._changed:
            self._file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
            self._came[str(record.get("request_id"))] += 1
            self._changed.notify_all()
