"""A configuration file becomes one frozen Struct, once; from there on nobody reads a dictionary.

Every mistake is told with file, line, key, what is wrong and, for a misspelt key, the nearest one:

    Error: agent.yaml:14: batch.max_byte: unknown setting
    Hint:  did you mean batch.max_bytes? config.example.yaml lists each setting with its unit
"""

import difflib
import re
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import yaml
from msgspec import Meta, Struct

from auditship_indexer.errors import ConfigError

LISTED: Final = "config.example.yaml lists each setting with its unit"
OTHER_FILE: Final = "name another file with --config FILE"
_BYTES: Final = {"unit": "bytes"}
_UNITS: Final = {
    "": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40,
}  # fmt: skip
_SIZE: Final = re.compile(r"(\d+)\s*([A-Za-z]*)", re.ASCII)
_PLACE: Final = re.compile(r" - at `(key` in `)?\$(.*)`$")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`$", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(.*)`$", re.DOTALL)
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")

_SHOWN: Final = 80  # characters of a wrong value: it may be a whole file, named by mistake

Path_ = tuple[str | int, ...]
Settings = TypeVar("Settings", bound=Struct)


def size_meta(*, ge: int, le: int | None = None) -> Meta:
    """Return the annotation of a size in bytes, which a file may write as `8MiB` or `500 kB`."""
    return Meta(ge=ge, le=le, extra=_BYTES)


def load(path: Path, kind: type[Settings], *, document: int = 0) -> Settings:
    """Read the `document`-th YAML document of a file into `kind`.

    Raises:
        ConfigError: the file is missing or unreadable, is not YAML, or a setting is unknown, of
            the wrong type or out of bounds.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(f"{path}: cannot be read: {cause}", hint=OTHER_FILE) from error
    return parse(text, kind, name=str(path), document=document)


def parse(text: str, kind: type[Settings], *, name: str, document: int = 0) -> Settings:
    """Turn YAML text into `kind`; `name` is told in errors. Raises ConfigError as `load`."""
    try:
        nodes: list[yaml.Node | None] = list(yaml.compose_all(text, Loader=yaml.CSafeLoader))
        values = list(yaml.load_all(text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{name}:{line}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: not YAML: {' '.join(str(error).split())}") from error
    if not values:
        nodes, values = [None], [None]  # an empty file, or comments only: the defaults
    if document >= len(values):
        raise ConfigError(
            f"{name}: has {len(values)} YAML documents, number {document + 1} is missing"
        )
    value = {} if values[document] is None else values[document]
    _refuse_twice(nodes[document], name)
    try:
        return msgspec.convert(_with_sizes(value, kind), kind, strict=True)
    except msgspec.ValidationError as error:
        raise _told(str(error), name, nodes[document], value, kind) from error


def _refuse_twice(node: yaml.Node | None, name: str) -> None:
    """A key that stands twice would silently lose its first value."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise ConfigError(f"{name}:{key.start_mark.line + 1}: {key.value}: stands twice")
            seen.add(key.value)
            _refuse_twice(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_twice(item, name)


def _with_sizes(value: Any, kind: Any) -> Any:
    """Replace texts such as `8MiB` by bytes wherever `kind` wants a size."""
    return _sized(value, msgspec.inspect.type_info(kind))


def _sized(value: Any, info: msgspec.inspect.Type) -> Any:
    if isinstance(info, msgspec.inspect.Metadata):
        if info.extra == _BYTES and isinstance(value, str):
            match = _SIZE.fullmatch(value.strip())
            unit = _UNITS.get(match[2].upper()) if match else None
            return int(match[1]) * unit if match and unit else value
        return _sized(value, info.type)
    if isinstance(info, msgspec.inspect.StructType) and isinstance(value, dict):
        kinds = {field.encode_name: field.type for field in info.fields}
        return {k: _sized(v, kinds[k]) if k in kinds else v for k, v in value.items()}
    if isinstance(info, msgspec.inspect.UnionType):
        for option in info.types:
            value = _sized(value, option)
        return value
    if isinstance(info, msgspec.inspect.VarTupleType | msgspec.inspect.ListType) and isinstance(
        value, list
    ):
        return [_sized(item, info.item_type) for item in value]
    return value


def _told(
    message: str, name: str, node: yaml.Node | None, value: Any, kind: type[Struct]
) -> ConfigError:
    """Turn a validation message into file, line, key and advice."""
    place = _PLACE.search(message)
    path = _path_of(place[2]) if place else ()
    what = message[: place.start()] if place else message
    if place and place[1]:  # of which key is not told
        return _error(name, node, path, f"a key: {what[:1].lower()}{what[1:]}", LISTED)
    if unknown := _UNKNOWN.fullmatch(what):
        key = unknown[1]
        near = difflib.get_close_matches(key, _known(kind, path), n=1)
        advice = f"did you mean {_dotted((*path, near[0]))}? " if near else ""
        return _error(name, node, (*path, key), "unknown setting", advice + LISTED)
    if missing := _MISSING.fullmatch(what):
        return _error(name, node, (*path, missing[1]), "required, but not set", LISTED)
    found = _at(value, path)
    shown = repr(found)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    got = "" if isinstance(found, dict | list) else f" (got {shown})"
    return _error(name, node, path, what[:1].lower() + what[1:] + got, LISTED)


def _error(name: str, node: yaml.Node | None, path: Path_, what: str, hint: str) -> ConfigError:
    dotted = " ".join(_dotted(path).split()) or "a blank key"
    return ConfigError(f"{name}:{_line_of(node, path)}: {dotted}: {what}", hint=hint)


def _path_of(text: str) -> Path_:
    steps = (match[1] if match[1] is not None else match[2] for match in _STEP.finditer(text))
    return tuple(int(step) if step.isdigit() else step.replace("...", "*") for step in steps)


def _dotted(path: Path_) -> str:
    told = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return told.lstrip(".") or "the file"


def _line_of(node: yaml.Node | None, path: Path_) -> int:
    """Return the line of the deepest key of `path` that the file has (from 1)."""
    line = node.start_mark.line if node else 0
    for step in path:
        below = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == step:
                    line, below = key.start_mark.line, value
        elif (
            isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value)
        ):
            below = node.value[step]
            line = below.start_mark.line
        if below is None:
            break
        node = below
    return line + 1


def _at(value: Any, path: Path_) -> Any:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return value
    return value


def _known(kind: Any, path: Path_) -> list[str]:
    """Return the keys that are allowed at `path` below a Struct type."""
    info = msgspec.inspect.type_info(kind)
    for step in (None, *path):
        if step is not None:
            info = _below(info, step)
        info = _bare(info)
    return (
        [f.encode_name for f in info.fields] if isinstance(info, msgspec.inspect.StructType) else []
    )


def _bare(info: msgspec.inspect.Type) -> msgspec.inspect.Type:
    """Strip annotations and `| None` from a type."""
    if isinstance(info, msgspec.inspect.Metadata):
        return _bare(info.type)
    if isinstance(info, msgspec.inspect.UnionType):
        structs = [t for t in map(_bare, info.types) if not isinstance(t, msgspec.inspect.NoneType)]
        return structs[0] if structs else info
    return info


def _below(info: msgspec.inspect.Type, step: str | int) -> msgspec.inspect.Type:
    if isinstance(info, msgspec.inspect.StructType):
        return next(
            (f.type for f in info.fields if f.encode_name == step), msgspec.inspect.AnyType()
        )
    if isinstance(info, msgspec.inspect.VarTupleType | msgspec.inspect.ListType):
        return info.item_type
    return msgspec.inspect.AnyType()
