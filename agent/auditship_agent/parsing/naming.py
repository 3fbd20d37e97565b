"""Which keys of a log a preset file names: those that decide, and those that are known at all."""

from auditship_agent.parsing.decode import Decoded, decode, may_repeat, repeats
from auditship_agent.parsing.form import FieldForm, Form, each_of, fields_of, flags_of, sources
from auditship_agent.parsing.pick import Values, picker

_OF_REQUEST = ("http.request.method", "http.response.status_code", "file.path", "raw_path")


class Repeats:
    """Finds deciding keys that stand twice in one object."""

    def __init__(self, form: Form) -> None:
        paths = deciding(form)
        self._keys = frozenset(path.rpartition(".")[2] for path in paths)
        self._raw = tuple(f'"{key}"'.encode() for key in self._keys)
        parents = {path.rpartition(".")[0] for path in paths} - {""}
        self._parents = [picker([parent]) for parent in sorted(parents)]

    def of(self, raw: bytes) -> str | None:
        """Return the names that were looked for; the second parse comes only on suspicion."""
        if not may_repeat(raw, self._raw):
            return None
        again = decode(raw)
        if not isinstance(again, Decoded):
            return None
        objects = [again.value, *(get(again.value) for get in self._parents)]
        twice = any(repeats(one, self._keys) for one in objects)
        return ", ".join(sorted(self._keys)) if twice else None


def deciding(form: Form) -> set[str]:
    """Return the dotted paths without which there is no event."""
    paths = set(sources(form.time.source)) if form.time else set()
    if form.action is not None:
        paths |= set(sources(form.action.source))
    if isinstance(form.result, tuple):
        for rule in form.result:
            paths |= set(rule.when)
    else:
        paths |= set(sources(form.result.source))
    names = _OF_REQUEST if form.http else _OF_REQUEST[1:2] if form.by_status else ()
    fields = fields_of(form)
    for name in names:
        paths |= set(sources(fields.get(name, FieldForm()).source))
    return paths


_DOCKER = {"log", "stream"}


class Foreign:
    """Knows lines of another log: they have no key of this one, but perhaps a time.

    A time alone is believed, since a log may hold lines that are no acts and of which the form
    names nothing else; but Docker writes one around each line, too.
    """

    def __init__(self, form: Form) -> None:
        times = sources(form.time.source) if form.time else ()
        self._times = frozenset(path.partition(".")[0] for path in times)
        self._keys = known(form) - self._times

    def is_one(self, values: Values) -> bool:
        """Return whether a record that is no act is none of this log at all."""
        if not self._keys.isdisjoint(values):
            return False
        return self._times.isdisjoint(values) or values.keys() >= _DOCKER


def known(form: Form) -> frozenset[str]:
    """Return the top-level keys that the form names, read or not."""
    paths = {*form.secrets, *form.known, *form.labels.values(), *deciding(form)}
    for one in fields_of(form).values():
        paths |= {*sources(one.source), *(path for when in each_of(one.when) for path in when)}
    for when in (*form.ignore, *(when for _, when in flags_of(form))):
        paths |= set(when)
    if form.each is not None:
        paths |= {*sources(form.each.source), *form.each.when}
    return frozenset(path.partition(".")[0] for path in paths)
