"""An application that writes its audit log: numbered lines of the native log, by `O_APPEND`.

It behaves as the integrators' page asks: each line is one `write`, and a log that was renamed is
left for the new one. It ends at SIGTERM, between two lines, and prints how many it wrote; it ends
also when the process that started it is gone.
"""

import json
import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Final

import click

from auditship_indexer.clock import iso_ms

_TICK_S: Final = 0.02
_ACTIONS: Final = ("file.preview", "file.download", "file.upload", "file.rename", "file.delete")
_BROWSER: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:137.0) Gecko/20100101 Firefox/137.0"


def line(name: str, number: int, now_ms: int) -> bytes:
    """Return line `number` of the writer `name`; its request id tells it from all others."""
    record = {
        "v": 1,
        "time": iso_ms(now_ms),
        "action": _ACTIONS[number % len(_ACTIONS)],
        "result": "success",
        "user": {"id": f"u_{number % 300}", "email": f"user{number % 300}@example.org"},
        "file": {
            "id": f"f_{number}",
            "name": f"{'Größe ' * (number % 7)}{number}.mp4",
            "size": number * 1000,
        },
        "workspace": {"id": f"w_{number % 75}"},
        "ip": f"203.0.113.{number % 250 + 1}",
        "user_agent": _BROWSER,
        "storage_region": "us-west-1",
        "request_id": f"{name}-{number}",
    }
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


class AppendedLog:
    """A log file opened for appending, opened anew as soon as its path leads elsewhere."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._reopen()

    def write(self, data: bytes) -> None:
        """Append one line in one write.

        Raises:
            OSError: the file system took it not, or not whole.
        """
        if not self._is_current():
            self._reopen()
        if os.write(self._descriptor, data) != len(data):
            raise OSError(f"{self._path}: a line was written in part")

    def _is_current(self) -> bool:
        try:
            there = self._path.stat()
        except FileNotFoundError:  # renamed, and nobody has made the new one yet
            return False
        return os.path.samestat(there, os.fstat(self._descriptor))

    def _reopen(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = os.open(
            self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640
        )


@click.command()
@click.argument("log", type=click.Path(path_type=Path))
@click.option("--name", required=True)
@click.option("--rate", type=float, required=True, help="Lines a second.")
def main(log: Path, name: str, rate: float) -> None:
    """Write lines until SIGTERM, then print their number."""
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    target = AppendedLog(log)
    began = time.monotonic()
    count = 0
    parent = os.getppid()
    while not ended.wait(_TICK_S) and os.getppid() == parent:
        now_ms = time.time_ns() // 1_000_000
        due = min(int((time.monotonic() - began) * rate), count + int(rate) + 1)
        while count < due and not ended.is_set():
            target.write(line(name, count, now_ms))
            count += 1
    click.echo(count)


if __name__ == "__main__":
    main()
