"""The two clocks of a process, as one parameter that tests replace.

Wall time says when something happened and may step; monotonic time measures waits and never does.
"""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Source of time for everything that waits, expires or stamps."""

    def now_ms(self) -> int:
        """Return the wall clock, Unix ms in UTC."""

    def monotonic(self) -> float:
        """Return seconds of a clock that never steps."""

    def sleep(self, seconds: float) -> None:
        """Wait. Tests step the clock instead."""


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        """Return the wall clock, Unix ms in UTC."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds of the monotonic clock."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        time.sleep(seconds)


def iso_ms(epoch_ms: int) -> str:
    """Return Unix ms as the 24 characters `2026-04-14T10:32:15.000Z`.

    Raises:
        ValueError: the time lies outside the years 1 to 9999.
    """
    seconds, ms = divmod(epoch_ms, 1000)
    try:
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (OverflowError, OSError) as error:
        raise ValueError(f"{epoch_ms} ms is not a time of the years 1 to 9999") from error
    return f"{text.rjust(19, '0')}.{ms:03d}Z"
