"""The whole event that a request must become, from what its client did and saw."""

import json
from hashlib import sha256
from typing import Any, Final

from msgspec import Struct

from auditship_agent.line import Produced
from auditship_agent.pipeline.transform import Stream
from auditship_indexer import __version__
from auditship_indexer.clock import iso_ms
from support.seen import Seen
from support.transforming import PATH, REGION, SERVER, as_line

BIG: Final = 32 << 20  # a file that does not fit the buffers between a server and a client
# action -> verb, type of a success
_ACTS: Final = {
    "file.upload": ("UPLOAD", "creation"),
    "file.update": ("UPLOAD", "change"),
    "file.download": ("DOWNLOAD", "access"),
    "file.access": ("ACCESS", "access"),
    "file.list": ("ACCESS", "access"),
    "file.rename": ("RENAME", "change"),
    "file.move": ("MOVE", "change"),
    "file.copy": ("COPY", "creation"),
    "file.delete": ("DELETE", "deletion"),
    "folder.create": ("CREATE", "creation"),
    "share.open": ("ACCESS", "access"),
    "share.download": ("DOWNLOAD", "access"),
}
# product of a user agent -> its name, its kind
_AGENTS: Final = {
    "curl": ("curl", "cli"),
    "python-requests": ("Python Requests", "sdk"),
    "rclone": ("rclone", "cli"),
}
_WEBDAV: Final = {"MKCOL", "MOVE", "COPY", "PROPFIND"}
# known only to the server's clock and to the place of the line: looked at in `settled`
_OF_LINE: Final = ("start", "duration", "id")


class Step(Struct):
    """A request, with what its line must become: an act, or the reason why it is none."""

    seen: Seen
    told: str
    fields: dict[str, Any]
    raw: str | None = None  # the act with `path_from: raw`, where that is another


class Told:
    """What one line of a log became: `reason` of an ignored one, or one event."""

    def __init__(self, raw: bytes, offset: int, produced: Produced) -> None:
        self.raw, self.offset = raw, offset
        self.outcome, self.reason = produced.outcome, produced.reason
        self.bodies = [document.body for document in produced.documents]
        self.event: dict[str, Any] = json.loads(self.bodies[0]) if self.bodies else {}
        self.request_id = self.event.get("http", {}).get("request", {}).get("id")


def told(stream: Stream, content: bytes) -> list[Told]:
    """Return what each line of a log becomes."""
    found = []
    offset = 0
    for raw in content.splitlines(keepends=True):
        line = raw.removesuffix(b"\n")
        found.append(Told(line, offset, stream.produce(as_line(line, offset))))
        offset += len(raw)
    return found


def check(
    preset: str, one: Told, seen: Seen, act: str, fields: dict[str, Any], *, ended_ms: int
) -> None:
    """Compare what a line became with the whole event of a request, or with why it is none."""
    if "." not in act:
        assert (one.outcome, one.reason) == ("ignored", act), one.raw
        return
    if not seen.request_id:  # the client was gone before the reply
        fields = {**fields, "http__request__id": one.request_id}
    event = settled(one, seen, ended_ms)
    if seen.port is None:
        event["client"].pop("port")
    if seen.received is None and "http__response__body__bytes" not in fields:
        sent = event["http"]["response"]["body"]["bytes"]  # before the client was gone
        assert 0 <= sent < BIG
        fields = {**fields, "http__response__body__bytes": sent}
    assert event == expected(preset, seen, act, **fields), one.raw


def settled(one: Told, seen: Seen, ended_ms: int) -> dict[str, Any]:
    """Return an event without what only the server's clock and the line's place say.

    Those are checked here: in the time of the run, consistent, and of this line.
    """
    event = json.loads(one.bodies[0])
    time, log = event.pop("@timestamp"), event.pop("log")
    act = event["event"]
    start, duration, _ = (act.pop(name, None) for name in _OF_LINE)
    assert iso_ms(seen.begun_ms // 1000 * 1000) <= time <= iso_ms(ended_ms)
    assert start is None or start <= time
    assert duration is None or 0 <= duration <= (ended_ms - seen.begun_ms + 1_000) * 1_000_000
    if original := event["audit"].pop("original_time", None):
        assert original.encode() in one.raw
    assert log.pop("generation")
    assert log == {
        "file": {"path": PATH},
        "line_sha256": sha256(one.raw).hexdigest(),
        "offset": one.offset,
    }
    _unframe(event, seen)
    decoded: dict[str, Any] = event
    return decoded


def _unframe(event: dict[str, Any], seen: Seen) -> None:
    """A reply in chunks is logged with their framing; the client counted without it."""
    if seen.headers.get("transfer-encoding") == "chunked" and seen.received is not None:
        body = event["http"]["response"]["body"]
        assert body["bytes"] >= seen.received
        body["bytes"] = seen.received


def expected(preset: str, seen: Seen, told: str, **fields: Any) -> dict[str, Any]:
    """Return the event of a request: `told` is action, and result with reason unless it succeeded.

    Fields are given with `__` for dots; `file__path` also gives name, directory and extension. A
    field that is None is taken out.
    """
    action, result, reason = told.split() if " " in told else (told, "success", "")
    verb, kind = _ACTS[action]
    denied = result == "denied"
    category = ["file", "web"] if action == "share.open" else ["file"]
    found: dict[str, Any] = {
        "ecs.version": "9.4.0",
        "event.kind": "event",
        "event.action": action,
        "event.category": sorted([*category, "api"]) if denied else category,
        "event.type": ["access", "denied"] if denied else [kind],
        "event.outcome": "success" if result == "success" else "failure",
        "event.dataset": preset,
        "event.reason": reason or None,
        "audit.schema": 1,
        "audit.result": result,
        "audit.verb": "BLOCKED" if denied else verb,
        "audit.actor": "anonymous",
        "audit.actor_type": "anonymous",
        "cloud.region": REGION,
        "host.id": SERVER,
        "agent.id": "a-usw-1",
        "agent.version": __version__,
        "client.ip": "127.0.0.1",
        **_agent(seen.agent),
        **_request(seen),
        **_path(fields.get("file__path"), fields.get("file__type")),
    }
    found |= {name.replace("__", "."): value for name, value in fields.items()}
    return _nested({name: value for name, value in found.items() if value is not None})


def by_user(user: str) -> dict[str, Any]:
    """Return the fields of an act of a user that the server checked."""
    field = "user__email" if "@" in user else "user__name"
    return {"audit__actor": user, "audit__actor_type": "user", field: user}


def _agent(agent: str) -> dict[str, Any]:
    product, _, version = agent.partition("/")
    found = {"user_agent.original": agent or None}
    if product not in _AGENTS:
        return found
    name, kind = _AGENTS[product]
    return {
        **found,
        "user_agent.name": name,
        "user_agent.version": version.removeprefix("v"),
        "audit.device": kind,
    }


def _request(seen: Seen) -> dict[str, Any]:
    return {
        "client.port": seen.port,
        "network.protocol": "webdav" if seen.method in _WEBDAV else "http",
        "http.request.method": seen.method,
        "http.request.id": seen.request_id,
        "http.response.status_code": seen.status,
        "http.response.body.bytes": seen.received,
    }


def _path(path: str | None, kind: str | None) -> dict[str, Any]:
    if path is None or path == "/":
        return {}
    directory, _, name = path.rpartition("/")
    _, dot, extension = name.rpartition(".")
    return {
        "file.name": name,
        "file.directory": directory or "/",
        "file.extension": extension.lower() if dot and extension and kind != "dir" else None,
    }


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for dotted, value in flat.items():
        *parents, last = dotted.split(".")
        place = found
        for name in parents:
            place = place.setdefault(name, {})
        place[last] = value
    return found
