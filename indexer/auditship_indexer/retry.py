"""The schedule of repeats: exponential, capped, with full jitter.

Pure: the caller owns the clock and the random numbers.
"""

from collections.abc import Callable


def backoff_s(
    attempt: int,
    *,
    first_s: float,
    max_s: float,
    wish_s: float | None,
    random: Callable[[], float],
) -> float:
    """Return how long to wait before repeat number `attempt` (from 1).

    The bound doubles from `first_s` to `max_s`; the wait is drawn evenly below it (full jitter),
    so that clients that failed together do not come back together. A server's wish
    (`Retry-After`) is a lower limit. `random` returns numbers in [0, 1).
    """
    bound = min(max_s, first_s * 2.0 ** min(attempt - 1, 60))
    return max(bound * random(), wish_s or 0.0)
