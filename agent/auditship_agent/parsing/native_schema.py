"""The JSON Schema of the native log, made from the Structs that read it: they cannot differ.

    python -m auditship_agent.parsing.native_schema > templates/native-log.schema.json

What it promises stands in its own `description`. It is stricter than the reader, which takes what
a schema for writers must not allow: unknown keys, empty texts, numbers written as text.
"""

import json
import re
import sys
from typing import Any, Final

from msgspec import inspect

from auditship_agent.parsing.native import ACTORS, DEVICES, FILE_TYPES, RESULTS, SCOPES, VERSION
from auditship_agent.parsing.native_shape import FIELDS, Native
from auditship_indexer.event.actions import ACTION_FORM, ACTIONS, OWN_PREFIXES
from auditship_indexer.event.fields import FIELDS as STORED
from auditship_indexer.event.fields import MAX_LABEL_BYTES, MAX_LABELS, MAX_LIST

Node = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
ID: Final = "urn:auditship:native-log:1"
REQUIRED: Final = ("v", "time", "action", "result")
_WIDTH: Final = 120
_END: Final = r"$(?!\n)"  # some validators' `$` stands before a last line feed, too

_PROMISE: Final = (
    "A line that this schema accepts becomes an event: no part of it is dropped, and nothing that "
    "its action requires is missing. A line that it refuses is a dead letter, or becomes an event "
    "that lacks something, lost something or had to be repaired (an empty text, a number written "
    "as text). A schema cannot see five things: a key that stands twice; `started` after `time` "
    "(the event has no start); a text that is within its limit in characters and over it in bytes "
    "of UTF-8 (cut); an address that is none (`ip` is kept as text, `proxy_ip` not at all); a time "
    "that is older than the retention or ahead of the clock (dead letter). "
    "`storage_region` is required by upload, update and download unless the source's settings "
    "give it, so it is not required here."
)

# Years of four digits that begin with 20: no validator has to know more of the calendar.
_DAY: Final = (
    "20(?:[0-9]{2}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    "|(?:[02468][048]|[13579][26])-02-29)"
)
_CLOCK: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
_ZONE: Final = "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
TIME: Final = f"^{_DAY}[Tt]{_CLOCK}{_ZONE}{_END}"

_NOBODY: Final = ("-", "--")
_WORDS: Final = {"actor": ACTORS, "device.kind": DEVICES, "file.type": FILE_TYPES,
                 "share.scope": SCOPES, "result": RESULTS}  # fmt: skip
_PATTERNS: Final = {
    "action": f"^(?!{'|'.join(map(re.escape, OWN_PREFIXES))}){ACTION_FORM.pattern}{_END}",
    "time": TIME,
    "started": TIME,
    "share.expires_at": TIME,
    "reason": f"^[a-z][a-z0-9_]{{0,63}}{_END}",
    "file.sha256": f"^[0-9a-fA-F]{{64}}{_END}",
    "file.path": "^/",
    "file.previous_path": "^/",
}
_ABOUT: Final = {
    "v": "version of this format",
    "time": "when the act was completed: RFC 3339 with a zone",
    "action": "what was attempted",
    "result": "success; denied: a rule said no; error: it was allowed and failed",
    "reason": "why denied or failed; never with success",
    "id": "the application's own id of the event",
    "started": "when the act began, not after time",
    "actor": "absent: api_key if that object is there, else user if that is, else anonymous",
    "user": "who was authenticated, or owns the key; a service gives its name",
    "api_key": "the key that was used: its public id, never the key",
    "claimed_user": "the name of a refused login",
    "acting_as": "the member in whose account the actor works",
    "target": "the member that the act is about",
    "target_key": "the key that was made or revoked",
    "group": "the group whose members or permissions changed",
    "permissions": "what was given and taken",
    "file": "at least one of id, name, path",
    "file.path": "in the workspace",
    "file.size": "of the whole file, in bytes",
    "share": "the link and its policy; its id is not the secret of the link",
    "share.attempt": "which attempt at the password this is, from 1",
    "workspace": "where the act occurred",
    "ip": "the client's address as the application resolved it through its own proxies",
    "proxy_ip": "address of the peer when it is not the client",
    "region": "the region that handled the request; absent: the agent's",
    "storage_region": "the region where the bytes are stored",
    "protocol": "http, webdav, s3, sftp, ftp",
    "partial": "a range, not the whole file",
    "rule": "the policy that refused",
    "error": "the application's words, without secrets",
    "labels": "the place for anything else",
    "bytes_in": "received with this request",
    "bytes_out": "sent with this request",
}


def schema() -> Node:
    """Return the schema, keys in the order in which a person reads them."""
    info = inspect.type_info(Native)
    assert isinstance(info, inspect.StructType)  # noqa: S101 - narrows the type
    return {
        "$schema": DIALECT,
        "$id": ID,
        "title": "One line of the native log, version 1",
        "description": _PROMISE,
        "type": "object",
        "required": list(REQUIRED),
        **_properties(info, ""),
        "allOf": _rules(),
        "$defs": {"named": {"type": "string", "minLength": 1, "not": {"enum": list(_NOBODY)}}},
    }


def _properties(info: inspect.StructType, path: str) -> Node:
    made = {
        field.encode_name: _field(field.type, path + field.encode_name) for field in info.fields
    }
    return {"properties": made, "additionalProperties": False}


def _field(kind: inspect.Type, path: str) -> Node:
    """Return the node of a field; one that is not required may be null, which is absent."""
    node: Node = {"description": _ABOUT[path]} if path in _ABOUT else {}
    if path == "v":
        return node | {"type": "integer", "const": VERSION}
    node |= _value(_bare(kind), path)
    if path in REQUIRED:
        return node
    if "enum" in node:
        node["enum"] = [*node["enum"], None]
    return node | {"type": [node["type"], "null"]}


def _value(kind: inspect.Type, path: str) -> Node:
    if isinstance(kind, inspect.StructType):
        return {"type": "object", **_properties(kind, path + ".")}
    if isinstance(kind, inspect.ListType):
        return {"type": "array", "maxItems": MAX_LIST, "items": _text(path)}
    if isinstance(kind, inspect.DictType):
        return _labels()
    if isinstance(kind, inspect.BoolType):
        return {"type": "boolean"}
    if isinstance(kind, inspect.IntType):
        low = 1 if path == "share.attempt" else kind.ge
        return {"type": "integer", "minimum": low, "maximum": kind.le}
    assert isinstance(kind, inspect.StrType), path  # noqa: S101 - the shape has no other kinds
    return _text(path)


def _text(path: str) -> Node:
    if path in _WORDS:
        return {"type": "string", "enum": sorted(_WORDS[path])}
    node: Node = {"type": "string", "minLength": 1}
    if limit := _limit(path):
        node["maxLength"] = limit
    if pattern := _PATTERNS.get(path):
        node["pattern"] = pattern
    if path == "action":
        node["examples"] = [name for name in ACTIONS if not name.startswith(OWN_PREFIXES)]
    if path in {"user.id", "user.email", "user.name"}:
        node["not"] = {"enum": list(_NOBODY)}
    if path in {"ip", "proxy_ip"}:
        node["not"] = {"type": "string", "pattern": f"^(?:--?{_END}|@{_END}|unix:)"}
    return node


def _limit(path: str) -> int:
    """Return the limit in the index; bytes there, characters here."""
    stored = STORED.get(FIELDS.get(path, path))
    if path in {"ip", "proxy_ip"}:
        stored = STORED["client.address"]
    return stored.limit if stored else 0


def _labels() -> Node:
    return {
        "type": "object",
        "maxProperties": MAX_LABELS,
        "propertyNames": {"pattern": f"^[a-z0-9_]{{1,64}}{_END}"},
        "additionalProperties": {"type": "string", "minLength": 1, "maxLength": MAX_LABEL_BYTES},
    }


def _bare(kind: inspect.Type) -> inspect.Type:
    if isinstance(kind, inspect.UnionType):
        return next(one for one in kind.types if not isinstance(one, inspect.NoneType))
    return kind


def _rules() -> list[Node]:
    """Return what each action requires: `auditship_agent.normalize.required`, as a schema."""
    denied = _is("result", ["denied", "error"])
    return [
        {
            "if": denied,
            "then": _has("reason", {"type": "string"}),
            "else": {"properties": {"reason": {"type": "null"}}},
        },
        _when({"not": _is("action", ["auth.login"])}, "workspace", _one_of("id")),
        _when({"not": _is("actor", ["system"])}, "ip", {"type": "string"}),
        _when(
            {"allOf": [_SOMEBODY_ACTS, {"not": _REFUSED}]},
            "user",
            _one_of("id", "email", "name", of={"$ref": "#/$defs/named"}),
        ),
        _when(_FILES, "file", _one_of("id", "name", "path")),
        _when(_family("share"), "share", _one_of("id")),
        _when(_family("member"), "target", _one_of("id", "email", "name")),
        _when(_family("apikey"), "target_key", _one_of("id", "name")),
        _when(
            _is("action", ["permission.update"]),
            "permissions",
            _one_of("added", "removed", of={"type": "array"}),
        ),
    ]


def _has(key: str, node: Node) -> Node:
    return {"required": [key], "properties": {key: node}}


def _is(key: str, words: list[str]) -> Node:
    return _has(key, {"enum": words})


def _family(name: str) -> Node:
    return _has("action", {"pattern": rf"^{name}\."})


def _when(condition: Node, key: str, node: Node) -> Node:
    return {"if": condition, "then": _has(key, node)}


def _one_of(*keys: str, of: Node | None = None) -> Node:
    has = [_has(key, of or {"type": "string"}) for key in keys]
    return {"type": "object", **(has[0] if len(has) == 1 else {"anyOf": has})}


_OBJECT: Final[Node] = {"type": "object"}
_SOMEBODY_ACTS: Final[Node] = {
    "anyOf": [
        _is("actor", ["user", "api_key", "service"]),
        {
            "properties": {"actor": {"type": "null"}},
            "anyOf": [_has("api_key", _OBJECT), _has("user", _OBJECT)],
        },
    ]
}
# Nobody was authenticated: `auditship_agent.parsing.native` takes who is named for a claim.
_REFUSED: Final[Node] = {
    "allOf": [
        _is("result", ["denied"]),
        {
            "anyOf": [
                _has("status", {"const": 401}),
                {"allOf": [_is("action", ["auth.login"]), _is("reason", ["bad_credentials"])]},
            ]
        },
    ]
}
_FILES: Final[Node] = {
    "anyOf": [
        _has("action", {"pattern": r"^(?:file|folder)\."}),
        _is("action", ["share.create", "share.download", "share.upload"]),
    ]
}


def text() -> str:
    """Return the schema as the file has it: what fits a line stands on one."""
    return _told(schema(), "", 0) + "\n"


def _told(node: Any, indent: str, taken: int) -> str:
    flat = json.dumps(node, ensure_ascii=False)
    if len(indent) + taken + len(flat) <= _WIDTH or not isinstance(node, dict | list):
        return flat
    deeper = indent + "  "
    if isinstance(node, list):
        items = [deeper + _told(item, deeper, 1) for item in node]
        return "[\n" + ",\n".join(items) + f"\n{indent}]"
    heads = {key: f"{json.dumps(key)}: " for key in node}
    pairs = [deeper + head + _told(node[key], deeper, len(head) + 1) for key, head in heads.items()]
    return "{\n" + ",\n".join(pairs) + f"\n{indent}}}"


if __name__ == "__main__":
    sys.stdout.write(text())
