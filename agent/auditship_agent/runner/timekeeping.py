"""Whether the wall clock can be believed: steps are told, a clock far in the past is waited for.

Only `timestamp_out_of_range` rests on the wall clock, and it would send good lines to the dead
letter while the clock is wrong. Time does not go back behind the moment at which the checkpoint was
written. OpenSearch sends no `Date` header, but a proxy in front of it does: a second witness.
"""

from typing import Final

from auditship_indexer.clock import Clock, iso_ms
from auditship_indexer.event.identity import DAY_MS

STEP_MS: Final = 5_000
MOST_APART_MS: Final = DAY_MS // 2


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

    def hold(self, written_ms: int, apart_ms: int | None = None) -> str:
        """Return why no line may be judged now; empty when the clock can be believed.

        `written_ms` is the time of the checkpoint; `apart_ms`: how far the clock is ahead of the
        cluster's, where it tells its own.
        """
        now_ms = self._clock.now_ms()
        if apart_ms is not None and abs(apart_ms) > MOST_APART_MS:
            return (
                f"the clock says {iso_ms(now_ms)}, but the cluster's says "
                f"{iso_ms(now_ms - apart_ms)}: set the one that is wrong"
            )
        if now_ms >= written_ms - DAY_MS:
            return ""
        return (
            f"the clock says {iso_ms(now_ms)}, but the checkpoint was written at "
            f"{iso_ms(written_ms)}: set the clock; if it is right now, stop the agent and move "
            "the checkpoint files out of the state folder (all is read again, nothing doubles)"
        )
