"""Lines and documents that cannot be stored become dead letters, or stop their file.

Room for the record is a precondition of going on: a full disk or dead letter is back-pressure on
the file with the bad line, never a loss. The poison guard holds a source of which nothing but dead
letters comes (a wrong preset, a wrong mapping) before they fill the disk.
"""

from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from auditship_agent.config import DeadLetterConfig
from auditship_agent.deadletter import (
    UNTERMINATED,
    Begun,
    DeadLetter,
    DeadLetterFile,
    FullError,
    Resolution,
    raw_text,
)
from auditship_agent.deliver import Refused
from auditship_agent.line import Document, Line
from auditship_agent.metrics import Metrics
from auditship_agent.source.logfile import LogFile
from auditship_indexer.clock import Clock, iso_ms
from auditship_indexer.event.identity import generation
from auditship_indexer.log import Log

_FORGET_EACH_S: Final = 3600.0
_STALE_S: Final = 5.0  # whoever has no room tries again each second
_ROOM: Final = (
    "free disk space, or raise the limit and reload; closed records leave after 7 days; "
    "no line is dropped"
)


class Refusals:
    """Records dead letters for one agent. Main thread only."""

    def __init__(
        self,
        config: DeadLetterConfig,
        letters: DeadLetterFile,
        server_id: str,
        *,
        clock: Clock,
        log: Log,
        metrics: Metrics,
    ) -> None:
        self._config = config
        self._letters = letters
        self._server_id = server_id
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._forget_at = float("-inf")
        self._in_a_row: dict[str, int] = {}
        self.poisoned: set[str] = set()  # sources that are held
        self._stopped = "", float("-inf")  # why a record was not taken, and when (monotonic)

    @property
    def stopped(self) -> str:
        """Why lines wait that should become dead letters; empty when none does."""
        why, at = self._stopped
        return why if self._clock.monotonic() - at < _STALE_S else ""

    def _failed(self, error: OSError) -> bool:
        """Tell that the disk takes no record; return False."""
        self._stopped = f"dead letters cannot be written: {error}", self._clock.monotonic()
        self._log.fault("deadletter", "deadletter.failed", error=str(error))
        return False

    def fine(self, source: str) -> None:
        """A line of the source became something: it is no poison."""
        if self._in_a_row:
            self._in_a_row.pop(source, None)

    def take_line(self, file: LogFile, line: Line, reason: str, detail: str) -> bool:
        """Record a line; False when there is no room and the file must stop before it."""
        assert file.first is not None  # noqa: S101 - lines come only from identified files
        record = DeadLetter(
            seq=self._letters.next_seq(),
            time=iso_ms(self._clock.now_ms()),
            reason=reason,
            detail=detail,
            source=file.source.name,
            preset=file.source.preset,
            path=file.path,
            generation=generation(self._server_id, file.first),
            first=file.first.hex(),
            offset=line.offset,
            line_bytes=line.length,
            line_sha256=line.sha256.hex(),
            raw=raw_text(line.raw),
        )
        return self._add(record, file.source.name)

    def unrecorded(self, documents: tuple[Document, ...]) -> tuple[Document, ...]:
        """Return the documents that no open dead letter holds.

        A line that is read again after a crash keeps the outcome that it had, even if the cluster
        would take its document by now: a replay of the record is what stores it.
        """
        if not self._letters.refuses:
            return documents
        is_refused = self._letters.is_refused
        return tuple(one for one in documents if not is_refused(one.id))

    def take_unfinished(self, file: LogFile, line: Line) -> bool:
        """Record, durably, a last line without LF; False: not yet, try again."""
        assert file.first is not None  # noqa: S101 - only files with a generation are finished
        place = generation(self._server_id, file.first), line.offset
        begun = self._letters.unterminated.get(place)
        if begun is not None and begun.sha256 != line.sha256.hex() and not self._supersede(begun):
            return False
        return self.take_line(file, line, UNTERMINATED, "") and self.sync()

    def supersede(self, name: str, line: Line) -> bool:
        """Close the record of an earlier, unfinished state of a line; False: the disk failed.

        `name` is the generation. A crash behind it reads the line again: it had no outcome yet.
        """
        if not self._letters.unterminated:
            return True
        begun = self._letters.unterminated.get((name, line.offset))
        return begun is None or not _continues(line, begun) or self._supersede(begun)

    def _supersede(self, begun: Begun) -> bool:
        resolution = Resolution(begun.seq, "superseded", iso_ms(self._clock.now_ms()))
        try:
            self._letters.resolve([resolution])
        except OSError as error:
            return self._failed(error)
        return True

    def take_document(self, file: LogFile | None, line: Line | None, refused: Refused) -> bool:
        """Record a line whose document the cluster refused; False when there is no room.

        `line` is None when its file does not give it any more: the document stands for it then.
        """
        document: Any = msgspec.json.decode(refused.document)
        log = document.get("log", {})
        digest = log.get("line_sha256", "")
        if line is not None and line.sha256.hex() != digest:
            line = None
        source = file.source.name if file else document["event"]["dataset"]
        record = DeadLetter(
            seq=self._letters.next_seq(),
            time=iso_ms(self._clock.now_ms()),
            reason="too_large" if refused.type == "too_large" else "rejected",
            detail=f"{refused.type}: {refused.reason}",
            source=source,
            preset=document["event"]["dataset"],
            path=log.get("file", {}).get("path", ""),
            generation=log.get("generation", ""),
            first=file.first.hex() if file and file.first else "",
            offset=log.get("offset", refused.item.begin),
            line_bytes=line.length if line else 0,
            line_sha256=digest,
            raw=raw_text(line.raw) if line else "",
            items=(log.get("item", 0),),
            id=refused.item.id,
            index=refused.item.index,
            document="" if line else refused.document.decode(),
        )
        return self._add(record, source)

    def _add(self, record: DeadLetter, name: str) -> bool:
        try:
            added = self._letters.add(record)
        except FullError as error:
            self._stopped = f"no room for dead letters: {error}", self._clock.monotonic()
            self._log.fault(
                "deadletter",
                "deadletter.full",
                path=record.path,
                offset=record.offset,
                why=str(error),
                hint=_ROOM,
            )
            return False
        except OSError as error:
            return self._failed(error)
        self._stopped = "", float("-inf")
        self._log.recovered("deadletter", "deadletter.resumed")
        if added:
            self._metrics.dead_letters.labels(name, record.reason).inc()
            self._log.fault(
                f"deadletter:{name}:{record.reason}",
                "deadletter.added",
                level="warning",
                source=name,
                reason=record.reason,
                path=record.path,
                generation=record.generation,
                offset=record.offset,
            )
            self._count(name)
        return True

    def _count(self, source: str) -> None:
        count = self._in_a_row[source] = self._in_a_row.get(source, 0) + 1
        if self._config.max_in_a_row and count >= self._config.max_in_a_row:
            del self._in_a_row[source]
            self.poisoned.add(source)
            hint = "right preset? auditship-agent explain shows why; mend it and reload"
            self._log.error("source.held", source=source, dead_letters_in_a_row=count, hint=hint)

    def sync(self) -> bool:
        """Make records durable before their lines count; False: not yet, try again."""
        try:
            self._letters.sync()
        except OSError as error:
            return self._failed(error)
        return True

    def reconfigure(self, config: DeadLetterConfig) -> None:
        """Take new settings between two steps; a person has acted, so every source is let go."""
        self._config = config
        self._letters.limit(config.max_bytes, config.min_free_bytes)
        self.poisoned.clear()
        self._in_a_row.clear()

    def show(self) -> None:
        """Learn what commands closed, forget what is long closed, bring the gauges up to date."""
        try:
            self._letters.tell_vanished(self._tell_vanished)
            self._letters.refresh()
            if self._clock.monotonic() >= self._forget_at:
                self._forget_at = self._clock.monotonic() + _FORGET_EACH_S
                self._letters.forget_closed(self._clock.now_ms())
            if self.stopped and self._letters.is_full():
                # Room is what keeps lines waiting: what a person has closed goes at once.
                self._letters.forget_closed(self._clock.now_ms(), any_age=True)
        except OSError as error:
            self._log.fault("deadletter", "deadletter.failed", error=str(error))
        self._metrics.dead_letter_open.set(len(self._letters.open))
        self._metrics.dead_letter_bytes.set(self._letters.bytes_used)
        self._metrics.dead_letter_damaged.set(self._letters.damaged)

    def _tell_vanished(self, path: Path) -> None:
        self._metrics.dead_letter_files_missing.inc()
        self._log.error("deadletter.missing", path=str(path))


def _continues(line: Line, begun: Begun) -> bool:
    """Whether the line starts with the bytes that were recorded without their LF."""
    if line.length < begun.bytes:
        return False
    if begun.bytes > len(line.raw):
        return True  # an over-long line: its head alone is at hand
    return sha256(line.raw[: begun.bytes]).hexdigest() == begun.sha256
