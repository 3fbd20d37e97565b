"""A preset that is data: the field map of a preset file, compiled once into readers.

A record of the log is a dictionary; every path of the file became a closure, so that a line costs
a look for each field that the file names and nothing for those that it does not.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from auditship_agent.config import SourceConfig
from auditship_agent.line import Dead, Ignored, Record, Verdict
from auditship_agent.parsing.clocks import clock
from auditship_agent.parsing.decode import (
    Decoded,
    decode,
    is_blank,
    number,
    too_deep,
)
from auditship_agent.parsing.filling import Filling
from auditship_agent.parsing.form import Form, flags_of, sources
from auditship_agent.parsing.hiding import hiding
from auditship_agent.parsing.mapped_http import Asked, MappedHttp
from auditship_agent.parsing.naming import Foreign, Repeats, known
from auditship_agent.parsing.outcome import Decision, Outcome, Rules, ignoring
from auditship_agent.parsing.paths import Templates
from auditship_agent.parsing.pick import Values, condition, picker
from auditship_agent.parsing.preset import Unknown
from auditship_agent.parsing.settling import Settling
from auditship_agent.parsing.times import NS_PER_MS, Time
from auditship_indexer.errors import ConfigError

Split = Callable[[bytes], Decoded | Ignored | Dead]
Prepare = Callable[[Values, set[str]], None]
_FAST: Final = msgspec.json.Decoder(dict[str, Any], float_hook=number)


class MappedPreset:
    """Reads one log by a form.

    `split` reads a line that is not JSON; `prepare` is the small module of a preset, which adds
    what a map cannot say to a record, and flags.

    Raises:
        ConfigError: the source lacks a setting that the form needs, or has one it cannot have.
    """

    def __init__(
        self,
        form: Form,
        source: SourceConfig,
        *,
        split: Split | None = None,
        prepare: Prepare | None = None,
    ) -> None:
        if form.time is None:
            raise ConfigError(f"preset {form.preset!r} has no time")
        self.name = form.preset
        self.unknown = Unknown()
        self._split = split or _json
        self._prepare = prepare
        nothing = frozenset(form.none)
        self._fill = Filling(form, source, nothing)
        templates = Templates(source.paths)
        self._settle = Settling(source, templates, has_user=self._fill.has_user)
        self._get_time = picker(sources(form.time.source), nothing)
        self._time_name = sources(form.time.source)[0]
        self._clock = clock(form.time, source.timezone)
        self._at_start = form.time.at == "start"
        self._ignores = ignoring(form.ignore, source.ignore, nothing)
        skipped = frozenset({"internal"}) if source.internal == "event" else frozenset[str]()
        rules = Rules(form, nothing, skipped)
        self._flags = [(name, condition(when, nothing)) for name, when in flags_of(form)]
        self._each = _each(form, nothing)
        self._http = MappedHttp(form, source, self._fill, rules, templates) if form.http else None
        self._outcome = Outcome(
            form, nothing, rules,
            read_status=self._fill.getter("http.response.status_code"),
            has_credentials=self._fill.has_credentials,
            not_found_event=source.not_found == "event",
        )  # fmt: skip
        self._hide = hiding(form.secrets)
        self._repeats = Repeats(form)
        self._known = known(form)
        self._foreign = Foreign(form)

    def parse(self, raw: bytes) -> Verdict:
        """Return the acts of a line, or why it is none. Never raises."""
        decoded = self._split(raw)
        if not isinstance(decoded, Decoded):
            return decoded
        if twice := self._repeats.of(raw):
            return Dead("duplicate_key", f"{twice} stands twice")
        values, flags = decoded.value, decoded.flags
        if not values.keys() <= self._known:
            self.unknown.add(sorted(values.keys() - self._known))
        if self._prepare is not None:
            self._prepare(values, flags)
        if self._ignores is not None and self._ignores(values):
            return Ignored("operator_rule")
        items = self._each(values) if self._each is not None else None
        if items is None:
            record = self._record(values, flags)
            if isinstance(record, Ignored) and self._foreign.is_one(values):
                return Dead("missing_field", f"no key of a line of {self.name}")
            return [record] if isinstance(record, Record) else record
        return self._records(values, flags, items)

    def _records(self, values: Values, flags: set[str], items: list[Any]) -> Verdict:
        records: list[Record] = []
        for item in items:
            record = self._record({**values, "item": item}, set(flags))
            if not isinstance(record, Record):
                return record  # the outcome depends on the line, not on the item
            records.append(record)
        return records

    def _record(self, values: Values, flags: set[str]) -> Record | Ignored | Dead:
        found: Asked | Decision | Ignored | Dead
        found = self._outcome.of(values) if self._http is None else self._http.asked(values)
        if isinstance(found, Ignored | Dead):
            return found
        time = self._time(values)
        if isinstance(time, Dead):
            return time
        if isinstance(found, Asked):
            record = found.judge(time.ms)
            if isinstance(record, Ignored):
                return record
        else:
            action, result, reason = found
            record = Record(time.ms, action, result, reason=reason)
        return self._finish(record, values, flags, time)

    def _finish(self, record: Record, values: Values, flags: set[str], time: Time) -> Record:
        flags = flags | (record.flags or set()) | set(time.flags)
        dropped: set[str] = set()
        self._fill.fill(record, values, dropped)
        if record.error_message is not None:
            record.error_message = self._hide(record.error_message, values)
        for name, holds in self._flags:
            if holds(values):
                flags.add(name)
        self._set_times(record, values, time)
        self._settle.settle(record, flags, dropped, is_http=self._http is not None)
        if dropped:
            flags.add("bad_field")
            record.dropped = dropped
        record.flags = flags or None
        return record

    def _time(self, values: Values) -> Time | Dead:
        value = self._get_time(values)
        if value is None:
            return Dead("missing_field", self._time_name)
        return self._clock(value) or Dead("bad_time", f"{self._time_name} is not a time")

    def _set_times(self, record: Record, values: Values, time: Time) -> None:
        if not time.is_exact:
            value = self._get_time(values)
            record.original_time = value if isinstance(value, str) else str(_digits(value))
        duration = record.duration_ns
        if duration is None:
            return
        if self._at_start:
            record.start_ms = time.ms
            record.time_ms = (time.ns + duration) // NS_PER_MS
        elif record.start_ms is None:
            record.start_ms = (time.ns - duration) // NS_PER_MS


def _digits(value: Any) -> Any:
    return getattr(value, "text", value)


def _json(raw: bytes) -> Decoded | Ignored | Dead:
    try:
        values = _FAST.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        return decode(raw)
    if too_deep(raw):
        return Dead("too_deep", "more than 64 levels")
    return Decoded(values, set())


def blank(raw: bytes) -> Ignored | None:
    """Return the verdict on a line without content, for readers of text."""
    return Ignored("empty_line") if is_blank(raw) else None


def _each(form: Form, nothing: frozenset[str]) -> Callable[[Values], list[Any] | None] | None:
    if form.each is None:
        return None
    get, holds = picker(sources(form.each.source), nothing), condition(form.each.when, nothing)

    def items(values: Values) -> list[Any] | None:
        found = get(values) if holds(values) else None
        return found if isinstance(found, list) and found else None

    return items
