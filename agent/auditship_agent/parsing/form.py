"""The form of a preset file: what an operator writes, and what the built-in presets are.

sources.md section 11 shows it. Everything is checked when the file is loaded: an unknown key, a
field that the schema does not have, a read below `secrets`, an action that cannot be.
"""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field

from auditship_agent.config import Wrapper
from auditship_agent.parsing.kinds import MISFIT, reader
from auditship_agent.parsing.pick import check_when
from auditship_agent.parsing.targets import KINDS, MAPPED, OF_REQUEST, PSEUDO, TARGETS
from auditship_indexer.errors import ConfigError
from auditship_indexer.event.actions import ACTION_FORM, OWN_PREFIXES
from auditship_indexer.event.fields import FIELDS
from auditship_indexer.settings import LISTED, OTHER_FILE, load

FOLDER: Final = Path(__file__).parent / "presets"
DEAD_LETTER: Final = "dead_letter"
IGNORED: Final = frozenset({
    "not_an_act", "auth_challenge", "not_found", "redirect", "bad_request", "multipart_part",
    "failed_twin", "internal", "other_logger", "operator_rule", "empty_line",
})  # fmt: skip
_MAX_ACTION: Final = FIELDS["event.action"].limit


def names() -> list[str]:
    """Return the names of the built-in presets."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


_HINT: Final = "the built-in presets show the form: auditship-agent presets show nginx-json"

EMPTY_IGNORE: Final = "ignore: an entry without a key would match every line"
_FILE_HINT: Final = (
    "name a file that is there; the built-in ones: auditship-agent presets list, presets show NAME"
)

Word = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}\Z")]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\Z")]
LabelKey = Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,64}\Z")]
Paths = str | tuple[str, ...]  # dotted paths; of several, the first that is there
When = dict[str, Any]  # dotted path -> value, list, "prefix*", "2xx", present, absent, {not: value}
Kind = Literal[
    "text", "int", "bool", "date", "seconds", "milliseconds", "nanoseconds", "ip", "ip_port",
    "path", "raw_path", "list",
]  # fmt: skip


class TimeForm(Struct, frozen=True, forbid_unknown_fields=True):
    """When the act was completed, or with `at: start` when it began (`event.duration` is added).

    `timezone` is an IANA name for forms without a zone; `source` wants it in the source's settings.
    """

    source: Paths = field(name="from")
    format: str | tuple[str, ...] = "rfc3339"
    timezone: str | None = None
    at: Literal["end", "start"] = "end"


class FieldForm(Struct, frozen=True, forbid_unknown_fields=True):
    """One field: read at `from` as a kind, translated by `map`; or always `value`.

    With `when` it is there only while the condition holds, or one of a list of them.
    """

    source: Paths | None = field(default=None, name="from")
    kind: Kind | None = field(default=None, name="as")
    map: dict[str, str] | None = None
    value: str | None = None
    when: When | tuple[When, ...] | None = None


class ActionForm(Struct, frozen=True, forbid_unknown_fields=True):
    """`map` gives an action, or a reason to ignore the line; without it the value is the action."""

    source: Paths = field(name="from")
    map: dict[str, str] | None = None
    otherwise: str = DEAD_LETTER
    absent: str = DEAD_LETTER


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """The first rule whose `when` holds decides: result and reason, or why there is no event."""

    when: When = {}
    result: Literal["success", "denied", "error"] | None = None
    reason: Word | None = None
    action: str | None = None
    ignored: str | None = None
    dead_letter: Literal["unknown_version"] | None = None


class ResultForm(Struct, frozen=True, forbid_unknown_fields=True):
    """The log tells the result in our words."""

    source: Paths = field(name="from")


class Each(Struct, frozen=True, forbid_unknown_fields=True):
    """One line, several events: one for each item of the list at `from`, read as `item.…`."""

    source: Paths = field(name="from")
    when: When = {}


class Test(Struct, frozen=True, forbid_unknown_fields=True):
    """A line and what it must become: fields of the (first) event, or another outcome."""

    line: str
    expect: dict[str, Any] = {}
    outcome: str = "event"  # or `ignored REASON`, `dead_letter REASON`
    events: int = 1
    settings: dict[str, Any] = {}  # of the source: timezone, paths, trusted_proxies, ...


class Form(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole preset file."""

    preset: Name
    about: str = ""
    reader: Literal["map", "native", "caddy"] = "map"  # the typed readers ignore the map
    format: Literal["json", "s3-columns"] = "json"
    unwrap: tuple[Wrapper, ...] = ()
    concatenated: bool = False
    http: bool = False
    by_status: bool = False
    none: tuple[str, ...] = ()  # texts that mean "absent" in this log
    secrets: tuple[str, ...] = ()
    time: TimeForm | None = None
    fields: dict[str, Paths | FieldForm] = {}
    labels: dict[LabelKey, str] = {}
    flags: dict[Word, When | tuple[When, ...]] = {}  # of several one has to match
    ignore: tuple[When, ...] = ()
    each: Each | None = None
    action: ActionForm | None = None
    result: tuple[Rule, ...] | ResultForm = ()
    known: tuple[str, ...] = ()  # keys that are not read and not worth counting as unknown
    tests: tuple[Test, ...] = ()


def is_file(preset: str) -> bool:
    """Return whether `preset` names a file of the operator, not a built-in preset."""
    return "/" in preset or preset.endswith((".yaml", ".yml"))


def path_of(preset: str) -> Path:
    """Return the file of a preset.

    Raises:
        ConfigError: there is no built-in preset of that name.
    """
    if is_file(preset):
        return Path(preset)
    path = FOLDER / f"{preset}.yaml"
    if preset not in names():
        raise ConfigError(
            f"preset {preset!r} is not known",
            hint=f"use one of: {', '.join(names())}; or the path of a preset file (.yaml)",
        )
    return path


def form_of(preset: str) -> Form:
    """Read and check a preset file; again when it was changed, so that a reload sees it.

    Raises:
        ConfigError: with file, line or key, and what to do.
    """
    path = path_of(preset)
    try:
        found = path.stat()
    except OSError:
        return _form(path, None)  # the reader says what is wrong with it
    return _form(path, (found.st_ino, found.st_size, found.st_mtime_ns))


@functools.lru_cache(maxsize=64)
def _form(path: Path, state: tuple[int, int, int] | None) -> Form:
    del state  # the file's, so that the cache knows a changed one
    try:
        form = load(path, Form)
    except ConfigError as error:
        hint = (error.hint or _HINT).replace(LISTED, _HINT).replace(OTHER_FILE, _FILE_HINT)
        raise ConfigError(str(error), hint=hint) from error
    if form.reader != "map" and path.parent != FOLDER:
        raise ConfigError(
            f"{path}: reader: {form.reader} reads no map of yours",
            hint="leave reader out; then the map below it is what reads the lines",
        )
    for problem in _problems(form):
        raise ConfigError(f"{path}: {problem}", hint=_HINT)
    return form


def fields_of(form: Form) -> dict[str, FieldForm]:
    """Return the fields of a form with the short spelling written out."""
    return {
        name: one if isinstance(one, FieldForm) else FieldForm(source=one)
        for name, one in form.fields.items()
    }


def flags_of(form: Form) -> Iterator[tuple[str, When]]:
    """Yield each flag of a form with each of its conditions."""
    for name, whens in form.flags.items():
        yield from ((name, when) for when in each_of(whens))


def each_of(whens: When | tuple[When, ...] | None) -> tuple[When, ...]:
    """Return one condition, several or none as a tuple."""
    if whens is None:
        return ()
    return whens if isinstance(whens, tuple) else (whens,)


def sources(paths: Paths | None) -> tuple[str, ...]:
    """Return dotted paths as a tuple."""
    if paths is None:
        return ()
    return (paths,) if isinstance(paths, str) else paths


def _problems(form: Form) -> list[str]:
    found = [*_field_problems(form), *_outcome_problems(form), *_test_problems(form)]
    if form.reader != "map":
        return found
    if form.time is None:
        found.append("time: required, but not set")
    if form.http:
        wanted = ("http.request.method", "http.response.status_code", "file.path")
        found += [f"fields: {name}: required with http: true" for name in wanted
                  if name not in form.fields]  # fmt: skip
        found += [f"{key}: has no meaning with http: true: method, status and path decide"
                  for key, is_set in (("action", form.action), ("by_status", form.by_status))
                  if is_set]  # fmt: skip
    elif form.action is None and not (_rules(form) and all(map(_acts, _rules(form)))):
        found.append("action: required, but not set")
    if form.by_status and "http.response.status_code" not in form.fields:
        found.append("fields: http.response.status_code: required with by_status: true")
    return found


def _field_problems(form: Form) -> list[str]:
    found = []
    for name, one in fields_of(form).items():
        where = f"fields: {name}"
        if name not in TARGETS and name not in PSEUDO:
            found.append(f"{where}: no source can give this field")
            continue
        if one.kind is not None and one.kind not in KINDS[(TARGETS | PSEUDO)[name][1]]:
            found.append(f"{where}: cannot be read as {one.kind}")
            continue
        if (one.source is None) == (one.value is None):
            found.append(f"{where}: needs either from or value")
        found += _value_problems(form, name, one)
        for when in each_of(one.when):
            found += _when_problems(where, when)
        if name != "credentials":  # of these nothing but their presence is looked at
            found += _secret(form, where, one.source)
    for key, path in form.labels.items():
        found += _secret(form, f"labels: {key}", path)
    for where, part in (
        ("time", form.time), ("action", form.action), ("each", form.each), ("result", form.result),
    ):  # fmt: skip
        if isinstance(part, TimeForm | ActionForm | Each | ResultForm):
            found += _secret(form, where, part.source)
    return found


def _value_problems(form: Form, name: str, one: FieldForm) -> list[str]:
    """Refuse what a field could never hold, before a line comes."""
    where = f"fields: {name}"
    attribute, kind = (TARGETS | PSEUDO)[name]
    if name in PSEUDO and one.value is not None:
        return [f"{where}: cannot be a value, only read from the log"]
    is_mapped = name in TARGETS or name in MAPPED
    if one.map is not None and (not is_mapped or (form.http and name in OF_REQUEST)):
        return [f"{where}: map: this field is read as it is"]
    read = reader(one.kind or kind, attribute)
    words = [*(one.map or {}).values(), *([] if one.value is None else [one.value])]
    return [f"{where}: {word!r} does not fit" for word in words if not word or read(word) is MISFIT]


def _when_problems(where: str, when: When) -> list[str]:
    problem = check_when(when)
    return [f"{where}: {problem}"] if problem else []


def _secret(form: Form, where: str, paths: Paths | None) -> list[str]:
    if paths is not None and not all(sources(paths) or ("",)):
        return [f"{where}: from: needs a path"]
    return [
        f"{where}: {path} lies below secrets: {secret}"
        for path in sources(paths)
        for secret in form.secrets
        if path == secret or path.startswith(secret + ".")
    ]


def _rules(form: Form) -> tuple[Rule, ...]:
    return () if isinstance(form.result, ResultForm) else form.result


def _acts(rule: Rule) -> bool:
    return bool(rule.action or rule.ignored or rule.dead_letter)


def _outcome_problems(form: Form) -> list[str]:
    found = [] if form.action is None else _action_problems(form.action)
    if not all(form.ignore):
        found.append(EMPTY_IGNORE)
    for number, rule in enumerate(_rules(form)):
        found += [f"result: rule {number + 1}: {problem}" for problem in _rule_problems(rule)]
    ignores = [("ignore", one) for one in form.ignore]
    each = [] if form.each is None else [("each", form.each.when)]
    flags = ((f"flags: {name}", one) for name, one in flags_of(form))
    for where, when in (*ignores, *each, *flags):
        found += _when_problems(where, when)
    return found


def _test_problems(form: Form) -> list[str]:
    """A test that can look at nothing would always pass."""
    found = []
    for number, test in enumerate(form.tests, start=1):
        if test.expect and test.outcome != "event":
            found.append(f"tests: {number}: expect: there is no event to look at")
        found += [
            f"tests: {number}: expect: {name}: no field of an event"
            for name in test.expect
            if name not in FIELDS and not any(one.startswith(name + ".") for one in FIELDS)
        ]
    return found


def _action_problems(action: ActionForm) -> list[str]:
    found = [
        f"action: map: {key}: {word!r} is neither an action nor a reason to ignore"
        for key, word in (action.map or {}).items()
        if word not in IGNORED and not is_action(word)
    ]
    ways = f"use dead_letter or one of {', '.join(sorted(IGNORED))}"
    for key in ("otherwise", "absent"):
        if getattr(action, key) not in {DEAD_LETTER, *IGNORED}:
            found.append(f"action: {key}: {ways}")  # noqa: PERF401 - two keys, and a loop reads better
    return found


def _rule_problems(rule: Rule) -> list[str]:
    found = []
    if sum(one is not None for one in (rule.result, rule.ignored, rule.dead_letter)) != 1:
        found.append("needs one of result, ignored, dead_letter")
    if rule.ignored is not None and rule.ignored not in IGNORED:
        found.append(f"ignored: use one of {', '.join(sorted(IGNORED))}")
    if rule.action is not None and not is_action(rule.action):
        found.append(f"{rule.action!r} is no action")
    if rule.reason is not None and rule.result in {None, "success"}:
        found.append("a reason belongs to denied and error")
    if problem := check_when(rule.when):
        found.append(problem)
    return found


def is_action(word: str) -> bool:
    """Return whether a source may give this action."""
    fits = len(word) <= _MAX_ACTION and ACTION_FORM.fullmatch(word)
    return bool(fits) and not word.startswith(OWN_PREFIXES)
