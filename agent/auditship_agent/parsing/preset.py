"""What every preset is: a name, and a pure function from the bytes of a line to a verdict."""

from collections import Counter
from collections.abc import Iterable
from typing import Final, Protocol

from auditship_agent.line import Verdict

_MAX_NAMES: Final = 200
_MAX_NAME: Final = 64


class Unknown:
    """How often each unknown key stood in the lines: at most 200 names, then `other`."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def add(self, names: Iterable[str]) -> None:
        """Count each name once."""
        for name in names:
            short = name[:_MAX_NAME]
            known = short in self.counts or len(self.counts) < _MAX_NAMES
            self.counts[short if known else "other"] += 1


class Preset(Protocol):
    """One format of log. `parse` depends on the line and the source's settings only."""

    name: str
    unknown: Unknown

    def parse(self, raw: bytes) -> Verdict:
        """Return what a line (without LF) says: records, ignored or dead. Never raises."""
