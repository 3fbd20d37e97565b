"""What a collector put around a line, taken off: `unwrap`, outermost first; and glued objects.

A line without the wrapper that its source names is a dead letter: nothing is guessed.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Struct

from auditship_agent.line import Dead, Ignored, Record, Verdict
from auditship_agent.parsing.decode import is_blank, too_deep
from auditship_agent.parsing.form import Form
from auditship_agent.parsing.preset import Preset

Step = Callable[[bytes], bytes | None]
_CRI: Final = re.compile(rb"\S+ (?:stdout|stderr) [FP](?:\S*) (.*)", re.DOTALL)
_COMPOSE: Final = re.compile(rb"[A-Za-z0-9_.-]+ *\| (.*)", re.DOTALL)
_FLUENT: Final = re.compile(rb"[^\t]*\t[^\t]*\t(.*)", re.DOTALL)
_SYSLOG: Final = re.compile(
    # RFC 5424: priority, version, time, host, program, process, message id, structured data
    rb"(?:<\d{1,3}>1 (?:\S+ ){5}(?:-|(?:\[(?:[^\]\\]|\\.)*\])+) (?:\xef\xbb\xbf)?(.*)"
    # RFC 3164 and what daemons write into files: time (2 forms), host, program[process]:
    rb"|(?:<\d{1,3}>)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\S+) \S+ [^:\s]+: ?(.*))",
    re.DOTALL,
)
_CEE: Final = b"@cee:"


class _Docker(Struct):
    log: str


_DOCKER: Final = msgspec.json.Decoder(_Docker)


def _docker(raw: bytes) -> bytes | None:
    try:
        return _DOCKER.decode(raw).log.encode().removesuffix(b"\n")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _cee(raw: bytes) -> bytes | None:
    return raw[len(_CEE) :] if raw.startswith(_CEE) else None


def _syslog(raw: bytes) -> bytes | None:
    found = _SYSLOG.fullmatch(raw)
    return None if found is None else found[2] if found[1] is None else found[1]


def _by(pattern: re.Pattern[bytes]) -> Step:
    def step(raw: bytes) -> bytes | None:
        found = pattern.fullmatch(raw)
        return None if found is None else found[1]

    return step


_STEPS: Final[dict[str, Step]] = {
    "docker": _docker,
    "cri": _by(_CRI),
    "compose": _by(_COMPOSE),
    "syslog": _syslog,
    "cee": _cee,
    "fluent": _by(_FLUENT),
}


class Unwrapped:
    """A preset behind wrappers."""

    def __init__(self, inner: Preset, names: tuple[str, ...]) -> None:
        self.name = inner.name
        self.unknown = inner.unknown
        self._inner = inner
        self._steps = [(name, _STEPS[name]) for name in names]

    def parse(self, raw: bytes) -> Verdict:
        """Return what the innermost line says. Never raises."""
        if is_blank(raw):
            return Ignored("empty_line")
        body = raw.removesuffix(b"\r")
        for name, step in self._steps:
            found = step(body.lstrip(b" "))
            if found is None:
                reason = "missing_field" if name == "docker" else "bad_json"
                return Dead(reason, f"the line is not wrapped by {name}")
            body = found
        return self._inner.parse(body)


_BLANKS: Final = re.compile(r"[ \t\r]*")
_SCANNER: Final = json.JSONDecoder(strict=False)


class Glued:
    """A preset whose lines may hold several objects: each is read, in order."""

    def __init__(self, inner: Preset) -> None:
        self.name = inner.name
        self.unknown = inner.unknown
        self._inner = inner

    def parse(self, raw: bytes) -> Verdict:
        """Return the events of all objects; one that is a dead letter makes the line one."""
        pieces = _pieces(raw)
        if len(pieces) == 1:
            return self._inner.parse(raw)
        records: list[Record] = []
        ignored: Ignored | None = None
        for piece in pieces:
            verdict = self._inner.parse(piece)
            if isinstance(verdict, Dead):
                return verdict
            if isinstance(verdict, Ignored):
                ignored = ignored or verdict
            else:
                records += verdict
        return records or ignored or Ignored("empty_line")


def _pieces(raw: bytes) -> list[bytes]:
    """Cut a line between its objects; one that is not a row of objects stays whole."""
    text = raw.decode("latin-1")  # one character a byte: JSON's own signs are ASCII
    if text.count("{") < 2 or too_deep(raw):  # noqa: PLR2004 - nothing can be glued
        return [raw]
    pieces = []
    place = 0
    while (start := _blanks_end(text, place)) < len(text):
        try:
            found, place = _SCANNER.raw_decode(text, start)
        except (ValueError, RecursionError):
            return [raw]
        if not isinstance(found, dict):
            return [raw]
        pieces.append(raw[start:place])
    return pieces


def _blanks_end(text: str, place: int) -> int:
    """Return where blanks end. The rest of the text is not copied: that would be quadratic."""
    found = _BLANKS.match(text, place)
    return place if found is None else found.end()


class Filtered:
    """A typed preset with `ignore` rules of the operator, which need the decoded line."""

    def __init__(self, inner: Preset, ignores: Callable[[dict[str, Any]], bool]) -> None:
        self.name = inner.name
        self.unknown = inner.unknown
        self._inner = inner
        self._ignores = ignores

    def parse(self, raw: bytes) -> Verdict:
        """Return `operator_rule` for a line that a rule names, else what the preset says."""
        try:
            values = _ANY.decode(raw)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return self._inner.parse(raw)  # no rule speaks of a line that has to be repaired
        if isinstance(values, dict) and self._ignores(values):
            return Ignored("operator_rule")
        return self._inner.parse(raw)


_ANY: Final = msgspec.json.Decoder()


def wrapped(preset: Preset, form: Form, unwrap: tuple[str, ...]) -> Preset:
    """Put around a preset what its form and its source ask for."""
    if form.concatenated:
        preset = Glued(preset)
    steps = unwrap or form.unwrap
    return Unwrapped(preset, steps) if steps else preset
