"""Is the memory of a process flat? A line through the samples of its longest quiet life."""

from itertools import groupby
from statistics import linear_regression
from typing import Final

from msgspec import Struct

LIMIT_MIB: Final = 80.0
SLOPE_LIMIT: Final = 1.0  # MiB a minute, over the second half of the longest life
_ENOUGH_S: Final = 60.0  # of samples, without which a slope says nothing


class Sample(Struct, frozen=True):
    """Memory at one moment: seconds since the start of the run, life of the agent, MiB."""

    at_s: float
    life: int
    resident: float
    anonymous: float


class Trend(Struct, frozen=True):
    """All lives together (`highest`), and the second half of the longest one."""

    highest: float  # MiB resident
    highest_anonymous: float
    longest_life_s: float
    from_mib: float
    to_mib: float
    slope: float | None  # MiB a minute; None: too short to tell

    @property
    def is_flat(self) -> bool:
        """Whether the limit held and memory did not grow."""
        return self.highest <= LIMIT_MIB and (self.slope is None or self.slope <= SLOPE_LIMIT)


def trend_of(samples: list[Sample]) -> Trend:
    """Return the trend. `samples` in order of time, at least one."""
    lives = [list(life) for _, life in groupby(samples, key=lambda sample: sample.life)]
    longest = max(lives, key=lambda life: life[-1].at_s - life[0].at_s)
    length_s = longest[-1].at_s - longest[0].at_s
    half = longest[len(longest) // 2 :]
    slope = None
    if half[-1].at_s - half[0].at_s >= _ENOUGH_S / 2:
        line = linear_regression([s.at_s for s in half], [s.resident for s in half])
        slope = round(line.slope * 60, 3)
    return Trend(
        highest=max(sample.resident for sample in samples),
        highest_anonymous=max(sample.anonymous for sample in samples),
        longest_life_s=round(length_s, 1),
        from_mib=half[0].resident,
        to_mib=half[-1].resident,
        slope=slope,
    )
