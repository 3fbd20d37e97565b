"""A clock that a test moves by hand."""

from typing import Final

START_MS: Final = 1_776_162_735_000  # 2026-04-14T10:32:15Z


class TestClock:
    """Wall and monotonic time stand still until `advance`; `step_wall` moves the wall alone.

    Threads may read it while the test moves it: each reading is one look at one number.
    """

    __test__ = False  # not a class of tests

    def __init__(self, now_ms: int = START_MS) -> None:
        self._now_ms = now_ms
        self._monotonic = 1_000.0

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        """Pass at once: whoever waits finds its time over."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._monotonic += seconds
        self._now_ms += round(seconds * 1000)

    def step_wall(self, milliseconds: int) -> None:
        """Set the wall clock forward or back, as an operator or NTP does."""
        self._now_ms += milliseconds
