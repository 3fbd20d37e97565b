"""A bulk body becomes actions, or the refusal that OpenSearch 3.8.0 gives for the whole request."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

VERBS: Final = ("create", "delete", "index", "update")
_PARAMETERS: Final = {"_index", "_id", "routing", "require_alias", "pipeline"}
_MAX_ID_BYTES: Final = 512


@dataclass(frozen=True)
class Action:
    """One item of a bulk request, `document` as it stands in the body."""

    verb: str
    index: str
    id: str | None
    document: bytes


@dataclass(frozen=True)
class Refusal:
    """What the node says no with, to a request or to one item."""

    status: int
    type: str
    reason: str
    caused_by: dict[str, Any] | None = None
    extra: tuple[tuple[str, str], ...] = ()  # further keys: index, index_uuid, shard

    def told(self) -> dict[str, Any]:
        """Return the `error` object of an item."""
        told: dict[str, Any] = {"type": self.type, "reason": self.reason}
        if self.caused_by is not None:
            told["caused_by"] = self.caused_by
        return told | dict(self.extra)


class RefusedError(Exception):
    """The node refuses a whole request."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


def parse(body: bytes, default_index: str | None) -> tuple[Action, ...]:
    """Return the actions of a body.

    Raises:
        RefusedError: the node refuses the whole request.
    """
    if not body:
        raise _refused("parse_exception", "request body is required")
    actions = tuple(_actions(body, default_index))
    if faults := _faults(actions):
        numbered = "".join(f"{number}: {fault};" for number, fault in enumerate(faults, 1))
        raise _refused("action_request_validation_exception", f"Validation Failed: {numbered}")
    return actions


def _faults(actions: tuple[Action, ...]) -> list[str]:
    if not actions:
        return ["no requests added"]
    faults = []
    for action in actions:
        size = len((action.id or "").encode())
        if not action.index:
            faults.append("index is missing")
        if size > _MAX_ID_BYTES:
            faults.append(
                f"id [{action.id}] is too long, must be no longer than 512 bytes but was: {size}"
            )
    return faults


def _actions(body: bytes, default_index: str | None) -> Iterator[Action]:
    lines = _lines(body)
    for number, line in lines:
        if not line:
            continue
        verb, meta = _action_line(line, number)
        document = b""
        if verb != "delete":
            following = next(lines, None)
            if following is None:
                return  # the node drops an action line without its document
            document = following[1]
        index = str(meta.get("_index") or default_index or "")
        id_ = meta.get("_id")
        yield Action(verb, index, None if id_ is None else str(id_), document)


def _lines(body: bytes) -> Iterator[tuple[int, bytes]]:
    *whole, rest = body.split(b"\n")
    yield from enumerate(whole, 1)
    if rest:
        reason = "The bulk request must be terminated by a newline [\\n]"
        raise _refused("illegal_argument_exception", reason)


def _action_line(line: bytes, number: int) -> tuple[str, dict[str, Any]]:
    try:
        action = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        cause = {"type": "stream_read_exception", "reason": str(error)}
        raise _refused("json_parse_exception", str(error), cause) from error
    where = f"Malformed action/metadata line [{number}], expected"
    if not isinstance(action, dict):
        raise _malformed(f"{where} START_OBJECT but found [{_token(action)}]")
    verb, meta = next(iter(action.items()), ("", None))
    if verb not in VERBS or not isinstance(meta, dict):
        raise _malformed(f"{where} one of [create, delete, index, update] but found [{verb}]")
    for name in meta:
        if name not in _PARAMETERS:
            raise _malformed(
                f"Action/metadata line [{number}] contains an unknown parameter [{name}]"
            )
    return verb, meta


def _malformed(reason: str) -> RefusedError:
    return _refused("illegal_argument_exception", reason)


def _refused(type_: str, reason: str, cause: dict[str, Any] | None = None) -> RefusedError:
    return RefusedError(Refusal(400, type_, reason, cause))


def _token(value: Any) -> str:
    return "START_ARRAY" if isinstance(value, list) else "VALUE"
