"""Run the `tests:` of a preset file: each line must become what the file says."""

from collections.abc import Callable
from typing import Any

import msgspec

from auditship_agent.config import SourceConfig
from auditship_agent.line import Dead, Ignored, Record, Verdict
from auditship_agent.parsing.form import Form, Test
from auditship_agent.parsing.preset import Preset
from auditship_indexer.errors import AuditshipError
from auditship_indexer.event.document import Event


def run(
    form: Form,
    name: str,
    preset_of: Callable[[SourceConfig], Preset],
    event_of: Callable[[Record], Event],
) -> list[str]:
    """Return what failed, one sentence each; the line's content is not told."""
    told = []
    for number, test in enumerate(form.tests, start=1):
        try:
            preset = preset_of(_source(name, test))
        except (AuditshipError, msgspec.ValidationError) as error:
            hint = getattr(error, "hint", None)
            told.append(f"test {number}: {error}{f' ({hint})' if hint else ''}")
            continue
        verdict = preset.parse(test.line.encode(errors="surrogateescape"))
        told += [f"test {number}: {problem}" for problem in _problems(test, verdict, event_of)]
    return told


def _source(name: str, test: Test) -> SourceConfig:
    settings = {"name": "test", "preset": name, "files": ["/"], **test.settings}
    return msgspec.convert(settings, SourceConfig, strict=True)


def _problems(test: Test, verdict: Verdict, event_of: Callable[[Record], Event]) -> list[str]:
    outcome = _outcome(verdict)
    if outcome != test.outcome:
        return [f"is {outcome}, not {test.outcome}"]
    if not isinstance(verdict, list):
        return []
    if len(verdict) != test.events:
        return [f"gives {len(verdict)} events, not {test.events}"]
    event = msgspec.to_builtins(event_of(verdict[0]))
    return [
        f"{field} is {found!r}, not {wanted!r}"
        for field, wanted in test.expect.items()
        if (found := _value(event, field)) != wanted
    ]


def _outcome(verdict: Verdict) -> str:
    if isinstance(verdict, Ignored):
        return f"ignored {verdict.reason}"
    return f"dead_letter {verdict.reason}" if isinstance(verdict, Dead) else "event"


def _value(event: Any, field: str) -> Any:
    for key in field.split("."):
        event = event.get(key) if isinstance(event, dict) else None
    return event
