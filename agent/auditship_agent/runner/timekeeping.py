"""Whether the wall clock can be believed: steps are told, a clock far in the past is waited for.

Only `timestamp_out_of_range` rests on the wall clock, and it would send good lines to the dead
letter while the clock is wrong. OpenSearch sends no `Date` header, so the one witness is the
checkpoint: time does not go back behind the moment at which it was written.
"""

from typing import Final

from auditship_indexer.clock import Clock, iso_ms
from auditship_indexer.event.identity import DAY_MS

STEP_MS: Final = 5_000


class ClockGuard:
    """Compares the wall clock with the monotonic one, and with the last checkpoint."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall_ms = clock.now_ms()
        self._monotonic = clock.monotonic()

    def step_ms(self) -> int:
        """Return by how much the wall clock stepped since the last call; 0 within 5 s."""
        wall_ms, monotonic = self._clock.now_ms(), self._clock.monotonic()
        expected_ms = self._wall_ms + round((monotonic - self._monotonic) * 1000)
        self._wall_ms, self._monotonic = wall_ms, monotonic
        step = wall_ms - expected_ms
        return step if abs(step) > STEP_MS else 0

    def hold(self, written_ms: int) -> str:
        """Return why no line may be judged now; empty when the clock is not behind `written_ms`."""
        now_ms = self._clock.now_ms()
        if now_ms >= written_ms - DAY_MS:
            return ""
        return (
            f"the clock says {iso_ms(now_ms)}, but the checkpoint was written at "
            f"{iso_ms(written_ms)}: set the clock; if it is right now, stop the agent and move "
            "the checkpoint files out of the state folder (all is read again, nothing doubles)"
        )
