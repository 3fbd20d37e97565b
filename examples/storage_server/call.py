"""One request on its way to one audit line.

A call gathers the fields of its line while it is served. The line is written by the statement
that makes the outcome certain: inside the transaction of a change, right before its commit; before
the reply of a refusal or a reading; before the last piece of a transfer.
"""

import contextlib
import json
import sqlite3
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, BinaryIO, Protocol

from storage_server.accounts import ANONYMOUS, Doorkeeper, Identity
from storage_server.audit import AuditLog, rfc3339
from storage_server.blobs import Blobs
from storage_server.refusal import RefusedError, failed
from storage_server.store import Store, transaction

SERVICE = "demo-storage"
DEVICE_KINDS = ["browser", "cli", "sdk", "api", "sync", "mobile", "webdav", "sftp", "ftp", "bot"]
JSON_LIMIT = 65_536


class Surroundings(Protocol):
    """The random ids and the clock; tests give their own."""

    def now_ms(self) -> int:
        """Return Unix ms."""

    def new_id(self, prefix: str) -> str:
        """Return a new public id, `<prefix>_…`."""

    def new_secret(self) -> str:
        """Return a new secret of 256 bits."""


@dataclass(frozen=True)
class Site:
    """What all calls of a process share."""

    region: str
    store: Store
    blobs: Blobs
    log: AuditLog
    world: Surroundings
    door: Doorkeeper

    def tell(self, action: str, result: str, fields: Mapping[str, Any]) -> None:
        """Write one line of the audit log."""
        self.log.write(
            {
                "v": 1,
                "time": rfc3339(self.world.now_ms()),
                "action": action,
                "result": result,
                "reason": fields.get("reason"),
                "id": self.world.new_id("evt"),
                **{key: value for key, value in fields.items() if key != "reason"},
                "region": self.region,
                "service": SERVICE,
            }
        )


@dataclass
class Reply:
    """What goes back: JSON, or bytes in pieces."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    pieces: Generator[bytes] | None = None
    length: int = 0


@dataclass
class Call:
    """One request; used by one thread."""

    site: Site
    method: str
    path: str  # percent-decoded once
    query: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case
    source: BinaryIO
    ip: str
    port: int | None
    proxy_ip: str | None
    db: sqlite3.Connection
    action: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    who: Identity = ANONYMOUS
    role: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    consumed: bool = False  # the request's body was read whole
    told: bool = False
    started_ms: int = 0

    @property
    def length(self) -> int | None:
        """Return the announced bytes of the body, None when they are not announced."""
        text = self.headers.get("content-length", "")
        if "transfer-encoding" in self.headers:
            return None
        return int(text) if text.isascii() and text.isdigit() else None

    def read_json(self) -> None:
        """Read the body as a JSON object into `body`.

        Raises:
            RefusedError: it is none (`invalid_request`) or longer than 64 KiB (`too_large`).
        """
        length = self.length or 0
        if length > JSON_LIMIT:
            raise failed("too_large", status=413)
        raw = self.source.read(length)
        self.consumed = True
        try:
            body = json.loads(raw) if raw else {}
            json.dumps(body, ensure_ascii=False).encode()  # half a surrogate pair is no text
        except ValueError as error:
            raise failed("invalid_request", status=400, hint="the body is no JSON") from error
        if not isinstance(body, dict):
            raise failed("invalid_request", status=400, hint="the body is no JSON object")
        self.body = body

    def text(self, key: str) -> str:
        """Return a required text of the body.

        Raises:
            RefusedError: it is absent or no text (`invalid_request`).
        """
        value = self.body.get(key)
        if not isinstance(value, str) or not value:
            raise failed("invalid_request", status=400, hint=f"{key}: a text is needed")
        return value

    def texts(self, key: str) -> list[str]:
        """Return a list of texts of the body; absent is empty."""
        value = self.body.get(key) or []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise failed("invalid_request", status=400, hint=f"{key}: a list of texts is needed")
        return value

    @contextlib.contextmanager
    def change(self, status: int = HTTPStatus.OK) -> Iterator[sqlite3.Connection]:
        """Change the metadata, tell it, commit: all or nothing."""
        with transaction(self.db) as db:
            yield db
            self.tell("success", status)

    def refusal(self, refused: RefusedError) -> None:
        """Write the line of an act that did not happen."""
        self.fields |= {"reason": refused.reason, **refused.fields}
        self.tell(refused.result, refused.status)

    def tell(self, result: str, status: int) -> None:
        """Write the line of this call, once."""
        if self.told:
            return
        fields = {**self._actor(), **self.fields, **self._client(), "status": int(status)}
        self.site.tell(self.action, result, fields)
        self.told = True

    def starting(self) -> None:
        """Note that a transfer begins."""
        self.started_ms = self.site.world.now_ms()
        self.fields["started"] = rfc3339(self.started_ms)

    def _actor(self) -> dict[str, Any]:
        return self.who.fields(self.role)

    def _client(self) -> dict[str, Any]:
        kind = self.headers.get("x-device-kind")
        device = {"kind": kind if kind in DEVICE_KINDS else None}
        return {
            "ip": self.ip,
            "port": self.port,
            "proxy_ip": self.proxy_ip,
            "user_agent": self.headers.get("user-agent"),
            "device": {**device, "id": self.headers.get("x-device-id")},
            "protocol": "http",
            "request_id": self.headers.get("x-request-id") if self.proxy_ip else None,
            "method": self.method,
        }


Endpoint = Callable[[Call], Reply]
