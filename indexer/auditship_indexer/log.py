"""Log lines: one JSON object each on stderr, with one stable event name.

INFO: what an operator may want to see. WARNING: odd, nothing lost. ERROR: a loss, or a person is
needed. No secrets and no content of source lines, ever: positions instead.
A lasting fault is told at once, then each `repeat_s` with the count of what was left out, then
once more at its end.
"""

import json
import logging
import sys
import threading
from typing import Any, TextIO

from auditship_indexer.clock import Clock, SystemClock, iso_ms

LEVELS = ("debug", "info", "warning", "error")


class Log:
    """Writer of log lines; one a process, handed to whoever tells something."""

    def __init__(
        self,
        *,
        level: str = "info",
        repeat_s: float = 60.0,
        clock: Clock | None = None,
        out: TextIO | None = None,
    ) -> None:
        self._threshold = LEVELS.index(level)
        self._repeat_s = repeat_s
        self._clock = clock or SystemClock()
        self._out = out
        self._faults: dict[str, _Fault] = {}
        self._lock = threading.Lock()

    def set_level(self, level: str, repeat_s: float) -> None:
        """Change what is told from now on."""
        self._threshold = LEVELS.index(level)
        self._repeat_s = repeat_s

    def debug(self, event: str, **fields: Any) -> None:
        """Tell something that only a developer wants to know."""
        self._write("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """Tell a step of normal life."""
        self._write("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Tell something odd; nothing is lost."""
        self._write("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Tell a loss, or that a person is needed."""
        self._write("error", event, fields)

    def fault(self, key: str, event: str, *, level: str = "error", **fields: Any) -> None:
        """Tell a lasting fault: at once, then each `repeat_s` with the number of times left out."""
        now = self._clock.monotonic()
        with self._lock:
            fault = self._faults.setdefault(key, _Fault(since=now))
            if fault.told_at is not None and now - fault.told_at < self._repeat_s:
                fault.left_out += 1
                return
            if fault.left_out:
                fields["left_out"] = fault.left_out
            fault.told_at, fault.left_out = now, 0
        self._write(level, event, fields)

    def recovered(self, key: str, event: str, **fields: Any) -> None:
        """Tell once that a lasting fault is over, and how long it lasted; else do nothing."""
        with self._lock:
            fault = self._faults.pop(key, None)
        if fault is not None:
            lasted = round(self._clock.monotonic() - fault.since, 3)
            self._write("info", event, {**fields, "lasted_s": lasted})

    def _write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        if LEVELS.index(level) < self._threshold:
            return
        record = {"time": iso_ms(self._clock.now_ms()), "level": level, "event": event, **fields}
        line = json.dumps(record, ensure_ascii=True, default=str) + "\n"
        out = self._out or sys.stderr
        with self._lock:
            out.write(line)
            out.flush()


class _Fault:
    """One lasting fault: since when, when last told, how often left out since."""

    def __init__(self, *, since: float) -> None:
        self.since = since
        self.told_at: float | None = None
        self.left_out = 0


def adopt(log: Log) -> None:
    """Let what libraries tell by `logging` and `warnings` become lines of this log, for good.

    Left alone it would reach stderr as plain text, between lines that a collector parses.
    """
    root = logging.getLogger()
    root.addHandler(_Libraries(log))
    logging.captureWarnings(capture=True)
    threading.excepthook = lambda failure: log.error(
        "thread.failed", thread=getattr(failure.thread, "name", ""), why=repr(failure.exc_value)
    )


class _Libraries(logging.Handler):
    """Each library is told at once, then each `repeat_s` with the count of what was left out."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        level = "error" if record.levelno >= logging.ERROR else "warning"
        self._log.fault(
            f"library:{record.name}",
            "library.told",
            level=level,
            library=record.name,
            message=record.getMessage(),
        )
