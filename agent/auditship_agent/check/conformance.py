"""How well a sample of a log keeps its format: `auditship-agent check --sample`.

Lines go in one after the other; what is kept of them is counted by class and bounded, so a sample
may be a log of any size. Nothing here needs a server, a cluster or a clock.
"""

from collections import Counter
from typing import Any, Final

from msgspec import Struct

from auditship_agent.config import AgentConfig, SourceConfig
from auditship_agent.line import Dead, Ignored, Line, Record
from auditship_agent.normalize.required import missing
from auditship_agent.pipeline.transform import Transform
from auditship_indexer.event.actions import ACTIONS, OWN_PREFIXES

OTHER: Final = "other"
MAX_BAD: Final = 10
_MAX_ACTIONS: Final = 500  # an application may have actions of its own, but not without end
_MAX_GAPS: Final = 1000
_NATIVE: Final = "native"

GIVEN: Final = tuple(name for name in ACTIONS if not name.startswith(OWN_PREFIXES))
FAMILIES: Final = tuple(dict.fromkeys(name.partition(".")[0] for name in GIVEN))

HINTS: Final = {
    "bad_json": "write each line with a JSON library, in one write",
    "not_object": "a line is one JSON object",
    "duplicate_key": "write time, action and result once",
    "trailing_data": "end each object with LF; two writers in one file need O_APPEND",
    "bad_columns": "is this the preset that the log was written for?",
    "bad_encoding": "write UTF-8",
    "too_deep": "objects and lists may nest 64 levels deep",
    "line_too_long": "shorten the line, or raise max_line_bytes of the source",
    "missing_field": "every line needs its time, action and result",
    "bad_field": "a field that decides what happened has the wrong type",
    "bad_time": "write RFC 3339 with a zone: 2026-04-14T10:32:15.000Z",
    "bad_action": "actions have the form file.upload; audit.* and agent.* are auditship's own",
    "bad_result": "result is success, denied or error",
    "unknown_version": 'write "v":1',
}


class Place(Struct, frozen=True):
    """A line of a sample: its file, its number from 1, the offset of its first byte."""

    file: str
    line: int
    offset: int


class Bad(Struct, frozen=True):
    """A dead letter. `hint` says what the writer should do."""

    place: Place
    reason: str
    detail: str
    hint: str


class Gap(Struct):
    """What lines of one action and result lack, or lost: how many, and where first."""

    count: int
    first: Place


class Sample:
    """Everything that a sample told.

    `missing` is by action, result and key of the native log; `lost` by field of the schema and
    whether it was `left out` or `cut`. `is_trial`: the settings of the source are not known.

    Raises:
        ConfigError: preset or settings cannot be used.
    """

    def __init__(
        self, config: AgentConfig, source: SourceConfig, *, is_trial: bool = False
    ) -> None:
        self.is_trial = is_trial
        self.transform = Transform(config, source)
        self.preset = source.preset
        self.is_native = self.transform.preset.name == _NATIVE
        self.lines = 0
        self.events = 0
        self.partial = 0
        self.ignored: Counter[str] = Counter()
        self.dead: Counter[str] = Counter()
        self.actions: dict[str, Counter[str]] = {}
        self.missing: dict[tuple[str, str, str], Gap] = {}
        self.lost: dict[tuple[str, str], Gap] = {}
        self.flags: Counter[str] = Counter()
        self.bad: list[Bad] = []
        self.wrappers: set[str] = set()  # what dead letters look wrapped by
        self._storage = source.storage_region

    def take(self, place: Place, line: Line) -> None:
        """Count one complete line."""
        self.lines += 1
        if not line.whole:
            self._bury(place, Dead("line_too_long", f"{line.length} bytes"))
            return
        verdict = self.transform.preset.parse(line.raw)
        if isinstance(verdict, Ignored):
            self.ignored[verdict.reason] += 1
        elif isinstance(verdict, Dead):
            self._bury(place, verdict)
        else:
            for record in verdict:
                self._count(place, record)

    @property
    def unknown(self) -> Counter[str]:
        """Keys that nobody reads, and how often they stood."""
        return self.transform.preset.unknown.counts

    @property
    def unseen(self) -> list[str]:
        """Actions that a source may give and that the sample does not hold."""
        return [name for name in GIVEN if name not in self.actions]

    @property
    def faults(self) -> list[str]:
        """Why the sample does not conform, in words; empty when it does.

        What an event lacks is a fault of the native log only: other servers write what they know.
        """
        found = []
        if self.dead:
            found.append(_many(self.dead.total(), "dead letter"))
        if self.is_native and (absent := sum(not self._may_be_set(key) for key in self.missing)):
            found.append(_many(absent, "required field") + " missing")
        if self.is_native and self.lost:
            found.append(_many(len(self.lost), "field") + " left out or cut")
        if not self.events:
            found.append("no event")
        return found

    def _may_be_set(self, key: tuple[str, str, str]) -> bool:
        """Return whether a setting that is not known here may give what lines lack."""
        return self.is_trial and key[2] == "storage_region"

    def _bury(self, place: Place, dead: Dead) -> None:
        self.dead[dead.reason] += 1
        if len(self.bad) < MAX_BAD:
            self.bad.append(Bad(place, dead.reason, dead.detail, HINTS.get(dead.reason, "")))

    def _count(self, place: Place, record: Record) -> None:
        if record.storage_region is None:
            record.storage_region = self._storage
        absent = missing(record)
        action, result = record.action, record.result
        if action not in self.actions and len(self.actions) >= _MAX_ACTIONS:
            action = OTHER
        self.events += 1
        self.actions.setdefault(action, Counter())[result] += 1
        for key in absent:
            _note(self.missing, (action, result, key), place)
        self._look(place, record)

    def _look(self, place: Place, record: Record) -> None:
        audit = self.transform.normalizer.event(record).audit
        assert audit is not None  # noqa: S101 - the normalizer always fills it
        self.flags.update(audit.flags or ())
        for field in audit.dropped_fields or ():
            _note(self.lost, (field, "left out"), place)
        for field in audit.truncated_fields or ():
            _note(self.lost, (field, "cut"), place)


def _note(gaps: dict[Any, Gap], key: tuple[str, ...], place: Place) -> None:
    known = gaps.get(key)
    if known is not None:
        known.count += 1
    elif len(gaps) < _MAX_GAPS:
        gaps[key] = Gap(1, place)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
