"""One flat form for everything that setup compares: a row a setting, as `dotted.path: value`.

The cluster gives back what we sent in other clothes: nested instead of dotted, text instead of
numbers. Both sides become rows, and rows are compared as text. So a diff shows settings, not JSON.
"""

import json
from typing import Any, Final

Rows = dict[str, Any]
Body = dict[str, Any]
_SETTINGS: Final = "settings."
_MAPPINGS: Final = "mappings."
_PROPERTIES: Final = "mappings.properties."


def rows_of(body: Body) -> Rows:
    """Return the rows of a component or index template, a pipeline or a policy."""
    rows: Rows = {}
    for key, value in body.items():
        if key != "template":
            rows[key] = value
    template = body.get("template") or {}
    for key, value in template.items():
        if key == "settings":
            rows.update(_settings_rows(value))
        elif key == "mappings":
            rows.update(_mapping_rows(value))
        else:
            rows[f"template.{key}"] = value
    return rows


def _settings_rows(settings: Body) -> Rows:
    flat: Rows = {}
    _flatten(settings, "", flat)
    return {
        f"{_SETTINGS}{key if key.startswith('index.') else f'index.{key}'}": value
        for key, value in flat.items()
    }


def _flatten(value: Body, path: str, out: Rows) -> None:
    for key, below in value.items():
        if isinstance(below, dict):
            _flatten(below, f"{path}{key}.", out)
        else:
            out[path + key] = below


def _mapping_rows(mappings: Body) -> Rows:
    rows: Rows = {}
    for key, value in mappings.items():
        if key == "properties":
            rows.update({_PROPERTIES + name: field for name, field in value.items()})
        else:
            rows[_MAPPINGS + key] = value
    return rows


def body_of(rows: Rows) -> Body:
    """Return the body whose rows these are; settings stay dotted, which the cluster takes."""
    body: Body = {}
    template: Body = {}
    for path, value in rows.items():
        if path.startswith(_SETTINGS):
            template.setdefault("settings", {})[path.removeprefix(_SETTINGS)] = value
        elif path.startswith(_PROPERTIES):
            properties = template.setdefault("mappings", {}).setdefault("properties", {})
            properties[path.removeprefix(_PROPERTIES)] = value
        elif path.startswith(_MAPPINGS):
            template.setdefault("mappings", {})[path.removeprefix(_MAPPINGS)] = value
        elif path.startswith("template."):
            template[path.removeprefix("template.")] = value
        else:
            body[path] = value
    if template:
        body["template"] = template
    return body


def same(left: Any, right: Any) -> bool:
    """Whether two values mean the same to the cluster, which turns scalars of settings to text."""
    return bool(_plain(left) == _plain(right))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(below) for key, below in value.items()}
    if isinstance(value, list):
        return [_plain(below) for below in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def differs(before: Rows, after: Rows) -> bool:
    """Whether any row was added, removed or changed."""
    return before.keys() != after.keys() or any(not same(before[key], after[key]) for key in after)


def row_text(path: str, value: Any) -> str:
    """Return one row as a person reads it."""
    told = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{path}: {told}"
