"""The writer of the native log, version 1: one JSON object a line, each in one write.

The file is opened with `O_APPEND` and opened again when its path leads elsewhere, so rotation by
rename needs no signal. A line that cannot be written whole is an error of the request: no act of
this application goes without its line.
"""

import contextlib
import json
import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FILE_MODE = 0o640  # readable by the group of the agent's user


class AuditLog:
    """One log file of one process; its threads share it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.Lock()
        self._descriptor = self._open()

    def write(self, fields: Mapping[str, Any]) -> None:
        """Append one line. Absent and empty values are left out.

        Raises:
            OSError: the line did not reach the file, or not whole.
        """
        line = encode(fields)
        with self._lock:
            self._follow_rotation()
            written = os.write(self._descriptor, line)
        if written != len(line):
            raise OSError(f"{self._path}: {written} of {len(line)} bytes of a line were written")

    def close(self) -> None:
        """Give the file back; nothing is written after this."""
        with self._lock:
            os.close(self._descriptor)

    def _follow_rotation(self) -> None:
        ours = os.fstat(self._descriptor)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(ours, self._path.stat()):
                return
        fresh = self._open()
        os.close(self._descriptor)
        self._descriptor = fresh

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        return os.open(self._path, flags, FILE_MODE)


def encode(fields: Mapping[str, Any]) -> bytes:
    """Return the line of an event with its LF; empty strings, lists and objects are absent."""
    return json.dumps(_dense(fields), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def rfc3339(epoch_ms: int) -> str:
    """Return Unix ms as RFC 3339 in UTC with three digits of fraction."""
    seconds, ms = divmod(epoch_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03d}Z"


def _dense(fields: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in fields.items():
        kept = _dense(value) if isinstance(value, Mapping) else value
        if kept is None or kept in ("", [], {}):
            continue
        out[key] = kept
    return out
