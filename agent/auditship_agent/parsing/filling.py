"""Fill a record from a decoded line by the `fields` and `labels` of a preset file."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from auditship_agent.config import SourceConfig
from auditship_agent.line import Record
from auditship_agent.parsing.form import FieldForm, Form, each_of, fields_of, sources
from auditship_agent.parsing.http import set_user
from auditship_agent.parsing.kinds import MISFIT, Reader, reader
from auditship_agent.parsing.pick import Condition, Getter, Values, condition, picker
from auditship_agent.parsing.proxies import Proxies
from auditship_agent.parsing.targets import MAPPED, OF_REQUEST, PSEUDO, TARGETS

_NOBODY = frozenset({"-", "--"})


class _Step(Struct, frozen=True, gc=False):
    """One field, compiled."""

    name: str
    attribute: str
    get: Getter
    read: Reader
    holds: Condition | None
    words: dict[str, str] | None


class Filling:
    """The fields of one form, for one source."""

    def __init__(self, form: Form, source: SourceConfig, nothing: frozenset[str]) -> None:
        self._fields = fields_of(form)
        self._nothing = nothing
        self._proxies = Proxies(source.trusted_proxies)
        self._get_forwarded = self.getter("forwarded_for")
        self._get_user = None if form.http else self.getter("user")
        taken = OF_REQUEST if form.http else frozenset[str]()
        self._constants = [
            (TARGETS[name][0], _constant(name, one), self._condition(name))
            for name, one in self._fields.items()
            if one.value is not None and name in TARGETS
        ]
        self._steps = [
            self._step(name, one)
            for name, one in self._fields.items()
            if one.source is not None and name in (TARGETS.keys() | MAPPED) - taken
        ]
        self._labels = [(key, picker([path], nothing)) for key, path in form.labels.items()]
        users = ("user", "user.id", "user.email", "user.name", "api_key.id")
        self.has_user = any(name in self._fields for name in users)
        self.has_credentials = self._credentials(users)

    def getter(self, name: str) -> Getter | None:
        """Return what reads a field's value as it stands in the log, None: it is not mapped.

        Where the `when` of the field does not hold, the value is absent.
        """
        one = self._fields.get(name)
        if one is None or one.source is None:
            return None
        get, holds = self._picker(one), self._condition(name)
        return get if holds is None else lambda values: get(values) if holds(values) else None

    def texts(self, name: str) -> Getter:
        """Return what reads a field whose empty text says something, unlike its absence."""
        one = self._fields[name]
        getters = [picker([path]) for path in sources(one.source)]
        paths = sources(one.source)
        empty = [_holder(path) for path in paths]

        def read(values: Values) -> Any:
            for get in getters:
                if (found := get(values)) is not None:
                    return found
            return "" if any(look(values) == "" for look in empty) else None

        return read

    def kind(self, name: str) -> str:
        """Return as what a field is read."""
        one = self._fields[name]
        return one.kind or (TARGETS | PSEUDO)[name][1]

    def fill(self, record: Record, values: Values, dropped: set[str]) -> None:
        """Set what the fields say. A value that does not fit is named in `dropped`."""
        for attribute, constant, holds in self._constants:
            if holds is None or holds(values):
                setattr(record, attribute, constant)
        for step in self._steps:
            value = step.get(values)
            if value is None or (step.holds is not None and not step.holds(values)):
                continue
            read = step.read(value if step.words is None else _word(step.words, value))
            if read is MISFIT:
                dropped.add(step.name)
            else:
                setattr(record, step.attribute, read)
        self._set_user(record, values, dropped)
        if self._get_forwarded is not None:
            self._set_client(record, values)
        if self._labels:
            self._set_labels(record, values, dropped)

    def _picker(self, one: FieldForm) -> Getter:
        return picker(sources(one.source), self._nothing)

    def _condition(self, name: str) -> Condition | None:
        one = self._fields.get(name)
        whens = () if one is None else each_of(one.when)
        if len(whens) <= 1:
            return condition(whens[0], self._nothing) if whens else None
        holds = [condition(when, self._nothing) for when in whens]
        return lambda values: any(one(values) for one in holds)

    def _step(self, name: str, one: FieldForm) -> _Step:
        attribute, kind = (TARGETS | PSEUDO)[name]
        read = reader(one.kind or kind, attribute)
        return _Step(name, attribute, self._picker(one), read, self._condition(name), one.map)

    def _credentials(self, users: tuple[str, ...]) -> Callable[[Values], bool]:
        given = self.getter("credentials")
        if given is not None:
            return lambda values: given(values) is not None
        getters = [get for name in users if (get := self.getter(name)) is not None]
        return lambda values: any(is_somebody(get(values)) for get in getters)

    def _set_user(self, record: Record, values: Values, dropped: set[str]) -> None:
        if self._get_user is None:
            return
        name = self._get_user(values)
        if name is None:
            return
        if not isinstance(name, str):
            dropped.add("audit.actor")
        elif is_somebody(name):
            set_user(record, name)

    def _set_client(self, record: Record, values: Values) -> None:
        """Walk the proxies; the peer stays in `source.ip`."""
        forwarded = self._get_forwarded(values) if self._get_forwarded else None
        peer = record.client_ip
        if peer is None or not isinstance(forwarded, str):
            return
        client = self._proxies.client(peer, forwarded)
        if client != peer:
            record.client_ip, record.proxy_ip, record.client_port = client, peer, None

    def _set_labels(self, record: Record, values: Values, dropped: set[str]) -> None:
        found: dict[str, str] = {}
        for key, get in self._labels:
            value = get(values)
            if isinstance(value, str):
                found[key] = value
            elif value is not None:
                dropped.add("labels")
        record.labels = found or None


def _constant(name: str, one: FieldForm) -> Any:
    """Return what a `value` is for its field; that it fits was seen when the form was read."""
    attribute, kind = TARGETS[name]
    return reader(one.kind or kind, attribute)(one.value)


def _word(words: dict[str, str], value: Any) -> Any:
    """Translate a word; one that the file does not list fits no field."""
    return words.get(value, MISFIT) if isinstance(value, str) else MISFIT


def is_somebody(value: Any) -> bool:
    """Return whether a value names someone: `-` and `--` are how logs write nobody."""
    return value is not None and not (isinstance(value, str) and value in _NOBODY)


def _holder(path: str) -> Getter:
    """Read a path without taking an empty text for nothing."""
    parent, _, key = path.rpartition(".")
    get = picker([parent]) if parent else None

    def look(values: Values) -> Any:
        found = values if get is None else get(values)
        return found.get(key) if isinstance(found, dict) else None

    return look
