"""Preset `caddy`: the JSON access log of Caddy 2, one request a line.

`ts` is the end of a request. Secrets are the query of the URI and all headers but the four that
are named in the shape: the others are never decoded. Header names belong to clients and are not
counted as unknown keys.
"""

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from auditship_agent.config import SourceConfig
from auditship_agent.line import Dead, Ignored, Record, Verdict
from auditship_agent.parsing.decode import Decoded, decode, may_repeat, repeats, too_deep
from auditship_agent.parsing.fit import Fitter
from auditship_agent.parsing.http import HttpRules, Request
from auditship_agent.parsing.kinds import integer
from auditship_agent.parsing.paths import Templates, resolve
from auditship_agent.parsing.preset import Unknown
from auditship_agent.parsing.times import NS_PER_MS, Time, epoch, span_ns, web_server
from auditship_indexer.event.fields import MAX_INTEGER

NAME: Final = "caddy"
SECRETS: Final = ("request.headers", "resp_headers", "request.uri query")
_ACCESS: Final = "http.log.access"
_ERRORS: Final = "http.log.error"
_SHORT: Final = 128  # characters that fit 512 bytes of UTF-8

_Size = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
_Texts = Annotated[list[str], Meta(min_length=1)]


class _Headers(Struct, gc=False):
    agent: _Texts | None = field(default=None, name="User-Agent")
    authorization: Raw | UnsetType = field(default=UNSET, name="Authorization")
    destination: _Texts | None = field(default=None, name="Destination")
    length: _Texts | None = field(default=None, name="Content-Length")


class _ReplyHeaders(Struct, gc=False):
    request_id: _Texts | None = field(default=None, name="X-Request-Id")
    encoding: Raw | UnsetType = field(default=UNSET, name="Content-Encoding")
    length: _Texts | None = field(default=None, name="Content-Length")


class _Request(Struct, forbid_unknown_fields=True, gc=False):
    remote_ip: str | None = None
    remote_port: str | None = None
    client_ip: str | None = None
    proto: Raw | UnsetType = UNSET
    method: str | None = None
    host: Raw | UnsetType = UNSET
    uri: str | None = None
    headers: _Headers | None = None
    tls: Raw | UnsetType = UNSET


class _Caddy(Struct, forbid_unknown_fields=True, gc=False):
    level: Raw | UnsetType = UNSET
    ts: Raw | UnsetType = UNSET
    logger: str | None = None
    msg: Raw | UnsetType = UNSET
    request: _Request | None = None
    bytes_read: _Size | None = None
    user_id: str | None = None
    duration: Raw | UnsetType = UNSET
    size: _Size | None = None
    status: Annotated[int, Meta(ge=0, le=999)] | None = None
    resp_headers: _ReplyHeaders | None = None
    uuid: str | None = None  # where the configuration speaks of {http.request.uuid}


_FIELDS: Final = {
    "ts": "@timestamp",
    "request.remote_ip": "source.ip",
    "request.remote_port": "client.port",
    "request.client_ip": "client.ip",
    "request.method": "http.request.method",
    "request.uri": "file.path",
    "request.headers": "user_agent.original",
    "request.headers.User-Agent": "user_agent.original",
    "request.headers.Destination": "file.path",
    "request.headers.Content-Length": "file.size",
    "bytes_read": "http.request.body.bytes",
    "user_id": "audit.actor",
    "duration": "event.duration",
    "size": "http.response.body.bytes",
    "status": "http.response.status_code",
    "resp_headers": "http.request.id",
    "uuid": "http.request.id",
    "resp_headers.X-Request-Id": "http.request.id",
    "resp_headers.Content-Length": "file.size",
}
_OPEN: Final = frozenset({"request.headers", "resp_headers"})
_KEYS: Final = frozenset({"level", "ts", "logger", "msg", "request", "status"})
_TOP: Final = frozenset({"ts", "status", "request"})
_IN_REQUEST: Final = frozenset({"method", "uri"})
_DECIDING_RAW: Final = (b'"ts"', b'"status"', b'"request"', b'"method"', b'"uri"')
_NOBODY: Final = frozenset({"", "-", "--"})
_NOT_THERE: Final = (b"null", b'""')


class CaddyPreset:
    """Reads Caddy's JSON access log; section 3 of sources.md decides what each request was."""

    name = NAME

    def __init__(self, source: SourceConfig) -> None:
        self.unknown = Unknown()
        self._decoder = msgspec.json.Decoder(_Caddy)
        self._fitter = Fitter(_Caddy, _FIELDS, _OPEN)
        self._rules = HttpRules(
            Templates(source.paths),
            not_found_event=source.not_found == "event",
            propfind_event=source.propfind == "event",
        )

    def parse(self, raw: bytes) -> Verdict:
        """Return the one act of a line, or why it is none. Never raises."""
        try:
            caddy = self._decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._parse_odd(raw)
        if caddy.request is None or may_repeat(raw, _DECIDING_RAW) or too_deep(raw):
            return self._parse_odd(raw)
        return self._verdict(caddy, set(), set())

    def _parse_odd(self, raw: bytes) -> Verdict:
        decoded = decode(raw)
        if not isinstance(decoded, Decoded):
            return decoded
        value = decoded.value
        if repeats(value, _TOP) or repeats(value.get("request"), _IN_REQUEST):
            return Dead("duplicate_key", "ts, status, request, method or uri stands twice")
        if _KEYS.isdisjoint(value):
            return Dead("missing_field", "no key of a line of caddy")
        fitted = self._fitter.fit(value)
        self.unknown.add(fitted.unknown)
        if dead := _undecided(value):
            return dead
        return self._verdict(fitted.value, decoded.flags, fitted.dropped)

    def _verdict(self, caddy: _Caddy, flags: set[str], dropped: set[str]) -> Verdict:
        request = caddy.request
        if caddy.logger is not None or request is None:
            logger = caddy.logger or ""
            if logger.startswith(_ERRORS):
                return Ignored("failed_twin")
            if not logger.startswith(_ACCESS):
                return Ignored("other_logger")
        lacking = _lacking(caddy)
        if lacking or request is None:
            return Dead("missing_field", ", ".join(lacking))
        time = _time(_raw(caddy.ts))
        if time is None:
            return Dead("bad_time", "ts is no time that Caddy writes")
        asked = _asked(caddy, request)
        forced = None if asked.proves_size else _broken_off(caddy, request)
        found = self._rules.judge(asked, time.ms, forced)
        if isinstance(found, Ignored):
            return found
        _complete(found, caddy, request)
        _set_duration(found, _raw(caddy.duration), time, dropped)
        _note(found, time, _raw(caddy.ts), flags, dropped)
        found.is_short = _is_short(found, caddy, request)
        return [found]


def _undecided(value: dict[str, object]) -> Dead | None:
    """Refuse a deciding field of the wrong type, unless another logger wrote the line."""
    logger = value.get("logger")
    if isinstance(logger, str) and not logger.startswith(_ACCESS):
        return None
    request = value.get("request")
    if request is not None and not isinstance(request, dict):
        return Dead("bad_field", "request is not an object")
    for key in _IN_REQUEST if isinstance(request, dict) else ():
        found = request[key] if isinstance(request, dict) and key in request else None
        if found is not None and not isinstance(found, str):
            return Dead("bad_field", f"request.{key} is not a text")
    status = value.get("status")
    if isinstance(status, str) and status.isascii() and status.isdigit() and len(status) < 4:  # noqa: PLR2004 - 3 digits of a status
        return None
    if status is not None and (isinstance(status, bool) or status not in range(1000)):
        return Dead("bad_field", "status is not a number from 0 to 999")
    return None


def _lacking(caddy: _Caddy) -> list[str]:
    if caddy.request is None:
        return ["request"]
    lacking = []
    if caddy.ts is UNSET or _raw(caddy.ts) == b"null":
        lacking.append("ts")
    if caddy.status is None:
        lacking.append("status")
    if caddy.request.method is None:
        lacking.append("request.method")
    if caddy.request.uri is None:
        lacking.append("request.uri")
    return lacking


def _raw(value: Raw | UnsetType) -> bytes:
    return b"null" if isinstance(value, UnsetType) else bytes(value)


def _time(raw: bytes) -> Time | None:
    """Read `ts`: a number by its decimal text, or one of the text forms of the encoder."""
    text = _text(raw)
    return epoch(text) or (web_server(text, None) if raw.startswith(b'"') else None)


def _text(raw: bytes) -> str:
    """Return a JSON text, or the decimal text of a number."""
    if raw.startswith(b'"'):
        return msgspec.json.decode(raw, type=str)
    return raw.decode("ascii", "replace")


def _asked(caddy: _Caddy, request: _Request) -> Request:
    headers = request.headers or _Headers()
    reply = caddy.resp_headers or _ReplyHeaders()
    method, uri = request.method or "", request.uri or ""
    # A body that was not read whole, was sent compressed, or without saying how long it would be,
    # has not the size of the file.
    if method == "GET":
        length = reply.length
        whole = length is not None and length[0] == str(caddy.size) and reply.encoding is UNSET
    else:
        whole = headers.length is None or headers.length[0] == str(caddy.bytes_read)
    return Request(
        method=method,
        status=caddy.status or 200,
        uri=uri,
        credentials=headers.authorization is not UNSET,
        user=None if caddy.user_id in _NOBODY else caddy.user_id,
        destination=headers.destination[0] if headers.destination else None,
        received=caddy.bytes_read,
        sent=caddy.size,
        proves_size=whole,
        resolved=resolve(uri, fragment=False),
    )


def _broken_off(caddy: _Caddy, request: _Request) -> tuple[str, str | None] | None:
    """Return the result of a download whose reply was to be longer than what was sent."""
    reply = caddy.resp_headers
    if request.method != "GET" or caddy.status not in {0, 200, 206}:
        return None
    if caddy.size is None or reply is None or reply.length is None:
        return None
    length = integer(reply.length[0])
    return ("error", "aborted") if length is not None and caddy.size < length else None


def _complete(record: Record, caddy: _Caddy, request: _Request) -> None:
    """Add what every request has: addresses, agent, request id."""
    record.client_ip = request.client_ip or request.remote_ip
    record.proxy_ip = request.remote_ip
    headers = request.headers
    if headers is not None and headers.agent:
        record.user_agent = headers.agent[0] or None
    reply = caddy.resp_headers
    if reply is not None and reply.request_id:
        record.request_id = reply.request_id[0] or None
    else:
        record.request_id = caddy.uuid or None
    if record.client_ip == request.remote_ip and request.remote_port:
        port = request.remote_port
        if port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 65_536:  # noqa: PLR2004 - TCP
            record.client_port = int(port)


def _set_duration(record: Record, raw: bytes, time: Time, dropped: set[str]) -> None:
    if raw in _NOT_THERE:
        return
    duration = span_ns(_text(raw))
    if duration is None or duration > MAX_INTEGER:
        dropped.add("event.duration")
        return
    record.duration_ns = duration
    record.start_ms = (time.ms * NS_PER_MS - duration) // NS_PER_MS


def _is_short(record: Record, caddy: _Caddy, request: _Request) -> bool:
    """Return whether no text can be over its limit, however many bytes its characters take."""
    return (
        len(request.uri or "") <= _SHORT
        and len(record.method or "") <= 8  # noqa: PLR2004 - a quarter of the limit, as all here
        and len(record.user_agent or "") <= 2 * _SHORT
        and len(record.request_id or "") <= _SHORT
        and len(caddy.user_id or "") <= _SHORT
        and len(record.client_ip or "") <= _SHORT
        and len(record.original_time or "") <= _SHORT // 4
        and not record.previous_path
    )


def _note(record: Record, time: Time, ts: bytes, flags: set[str], dropped: set[str]) -> None:
    if not time.is_exact:
        record.original_time = _text(ts)
    if dropped:
        flags = flags | {"bad_field"}
        record.dropped = dropped
    flags = flags | (record.flags or set()) | set(time.flags)
    record.flags = flags or None
