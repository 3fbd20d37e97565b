"""How fast to send: the window of requests in flight, the pause after failures, the hold.

Main thread only; times are monotonic seconds.
"""

from collections.abc import Callable
from typing import Final

from auditship_agent.config import DeliveryConfig
from auditship_indexer.retry import backoff_s

FIRST_RETRY_S: Final = 1.0
_HALVE_EACH_S: Final = 1.0


class Flow:
    """The flow control of one cluster. `random` returns numbers in [0, 1)."""

    def __init__(self, config: DeliveryConfig, random: Callable[[], float]) -> None:
        self._config = config
        self._random = random
        self._window = 1
        self._clean = 0
        self._halved_at = float("-inf")
        self._failures = 0  # in a row, on all hosts
        self._wished = float("-inf")  # what a server asked for outlasts another's good reply
        self.gate = float("-inf")  # nothing is sent before
        self.hold = ""  # why nothing is sent, until a person acts

    def reconfigure(self, config: DeliveryConfig) -> None:
        """Take other settings. A hold is probed at once: maybe they are what it waited for."""
        self._config = config
        self._window = min(self._window, config.max_in_flight)
        if self.hold:
            self.gate = self._wished

    @property
    def window(self) -> int:
        """How many requests may be under way: one while something is wrong."""
        return 1 if self._failures or self.hold else self._window

    def clean(self, *, was_full: bool) -> None:
        """A request was taken: grow after as many clean replies as the window is wide."""
        self._failures = 0
        self.hold = ""
        self.gate = self._wished
        self._clean += was_full
        if self._clean >= self._window:
            self._clean = 0
            self._window = min(self._window + 1, self._config.max_in_flight)

    def halve(self, now: float) -> None:
        """The server has too much to do, or was lost."""
        self._clean = 0
        if now - self._halved_at >= _HALVE_EACH_S:
            self._halved_at = now
            self._window = max(1, self._window // 2)

    def pause(self, now: float, wish_s: float | None = None) -> None:
        """Send nothing for a while that grows with each failure in a row."""
        self._failures += 1
        self.gate = now + self.retry_s(self._failures, wish_s)
        if wish_s is not None:
            self._wished = now + wish_s

    def retry_s(self, attempt: int, wish_s: float | None = None) -> float:
        """Return the wait before repeat number `attempt`, from 1."""
        return backoff_s(
            attempt,
            first_s=FIRST_RETRY_S,
            max_s=self._config.retry_max_s,
            wish_s=wish_s,
            random=self._random,
        )

    def stop_for(self, why: str, now: float) -> None:
        """Hold everything until the next probe."""
        self.hold = why
        self.gate = now + self._config.hold_probe_s
