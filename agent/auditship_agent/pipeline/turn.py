"""One turn of one file: what is looked at or counted once, and not line by line."""

from auditship_agent.line import Produced
from auditship_agent.pipeline.transform import window
from auditship_agent.source.logfile import LogFile
from auditship_agent.source.tailer import Tailer
from auditship_indexer.clock import Clock


class Turn:
    """The lines that a file gives in one turn, which takes far less than a second.

    `began_at` is monotonic. `is_inside` says whether the open body holds lines of this turn.
    """

    __slots__ = (
        "_newest", "_oldest", "began_at", "file", "is_inside", "lines", "name", "results", "tailer",
    )  # fmt: skip

    def __init__(self, file: LogFile, tailer: Tailer, clock: Clock, retention_days: int) -> None:
        self.file = file
        self.tailer = tailer
        self.name = file.source.name
        self.began_at = clock.monotonic()
        self.is_inside = False
        self.lines = 0
        self.results: dict[str, int] = {}  # documents by result
        self._oldest, self._newest = window(clock.now_ms(), retention_days)

    def judged(self, produced: Produced) -> Produced:
        """Refuse events that would make an index to be deleted at once, or never."""
        for one in produced.documents:
            if not self._oldest <= one.time_ms <= self._newest:
                return Produced("dead_letter", reason="timestamp_out_of_range")
        return produced

    def count(self, produced: Produced) -> None:
        """Count a line, and its documents."""
        self.lines += 1
        results = self.results
        for one in produced.documents:
            results[one.result] = results.get(one.result, 0) + 1
