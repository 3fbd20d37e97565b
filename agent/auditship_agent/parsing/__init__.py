"""Parsing: the bytes of a line become records, by the preset of their source.

A preset is a pure function of a line and its source's settings; none imports another. Each is a
file of the form that operators write, too (`form`); `native` and `caddy` have typed readers.
"""

from collections.abc import Callable
from typing import Any, Final

from auditship_agent.config import SourceConfig
from auditship_agent.line import Record
from auditship_agent.parsing import form as forms
from auditship_agent.parsing import s3_access
from auditship_agent.parsing.caddy import CaddyPreset
from auditship_agent.parsing.form import Form, form_of, is_file, path_of
from auditship_agent.parsing.mapped import MappedPreset
from auditship_agent.parsing.native import NativePreset
from auditship_agent.parsing.outcome import ignoring
from auditship_agent.parsing.preset import Preset, Unknown
from auditship_agent.parsing.selftest import run as _run_tests
from auditship_agent.parsing.unread import unread
from auditship_agent.parsing.wrappers import Filtered, wrapped
from auditship_indexer.event.document import Event

__all__ = [
    "PRESETS",
    "Preset",
    "Unknown",
    "form_of",
    "is_file",
    "path_of",
    "preset_of",
    "self_test",
    "unread",
]

PRESETS: Final = tuple(forms.names())

_TYPED: Final[dict[str, Callable[[SourceConfig], Preset]]] = {
    "native": NativePreset,
    "caddy": CaddyPreset,
}
_FORMATS: Final[dict[str, dict[str, Any]]] = {
    "json": {},
    "s3-columns": {"split": s3_access.split, "prepare": s3_access.prepare},
}


def preset_of(source: SourceConfig) -> Preset:
    """Return the preset that reads a source, set up with the source's settings.

    Raises:
        ConfigError: no such preset, a mistake in a preset file, a path template that cannot be
            read, or a setting that the preset needs and the source lacks.
    """
    form = form_of(source.preset)
    return wrapped(_reader(form, source), form, source.unwrap)


def _reader(form: Form, source: SourceConfig) -> Preset:
    typed = _TYPED.get(form.reader)
    if typed is None:
        return MappedPreset(form, source, **_FORMATS[form.format])
    preset = typed(source)
    ignores = ignoring(form.ignore, source.ignore, frozenset())
    return preset if ignores is None else Filtered(preset, ignores)


def self_test(preset: str, event_of: Callable[[Record], Event]) -> list[str]:
    """Run the tests inside a preset file; return what failed, one sentence each.

    `event_of` is the normalizer's: a test speaks of the fields of the stored event.

    Raises:
        ConfigError: the file cannot be read.
    """
    return _run_tests(form_of(preset), preset, preset_of, event_of)
