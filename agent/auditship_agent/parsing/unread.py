"""Which settings of a source its preset never looks at: who wrote them believes in something."""

from typing import Final

import msgspec

from auditship_agent.config import SourceConfig
from auditship_agent.parsing.form import Form, fields_of, sources

_OF_PRESETS: Final = (
    "paths", "path_from", "not_found", "propfind", "internal", "user_verified", "timezone",
    "trusted_proxies",
)  # fmt: skip
_OF_HTTP: Final = frozenset({"paths", "not_found", "propfind"})
_DEFAULTS: Final = {
    field.name: field.default
    for field in msgspec.structs.fields(SourceConfig)
    if field.name in _OF_PRESETS
}


def unread(form: Form, source: SourceConfig) -> list[str]:
    """Return the settings that are set and have no meaning with this preset."""
    read = _read(form)
    return [
        name
        for name in _OF_PRESETS
        if name not in read and getattr(source, name) != _DEFAULTS[name]
    ]


def _read(form: Form) -> frozenset[str]:
    """Return what the reader of a form looks at."""
    if form.reader == "native":
        return frozenset()
    if form.reader == "caddy":
        return _OF_HTTP
    found = {"user_verified", "paths", *(_OF_HTTP if form.http else ())}
    if form.by_status:
        found.add("not_found")
    if "raw_path" in fields_of(form):
        found.add("path_from")
    if "forwarded_for" in fields_of(form):
        found.add("trusted_proxies")
    if isinstance(form.result, tuple) and any(rule.ignored == "internal" for rule in form.result):
        found.add("internal")
    if form.time is not None and any(map(_lacks_zone, sources(form.time.format))):
        found.add("timezone")
    return frozenset(found)


def _lacks_zone(name: str) -> bool:
    return name == "iso8601" or ("%" in name and "%z" not in name)
