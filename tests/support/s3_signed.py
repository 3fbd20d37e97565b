"""Requests of the S3 API, signed by hand: AWS Signature Version 4, in headers or in the query."""

import hmac
import http.client
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from msgspec import Struct

from support.raw_client import AGENT
from support.seen import Seen

_REGION: Final = "us-east-1"
_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_UNSIGNED: Final = "UNSIGNED-PAYLOAD"


class Key(Struct, frozen=True):
    """An access key."""

    id: str
    secret: str


def headers(  # noqa: PLR0917 - a request has these parts
    key: Key,
    host: str,
    method: str,
    path: str,
    query: dict[str, str],
    body: bytes,
    more: dict[str, str],
) -> dict[str, str]:
    """Return the headers that sign a request, with `more`; `path` is escaped as it will be sent."""
    time = _now()
    digest = sha256(body).hexdigest()
    given = {**more, "host": host, "x-amz-content-sha256": digest, "x-amz-date": time}
    names = ";".join(sorted(given))
    lines = "".join(f"{name}:{given[name]}\n" for name in sorted(given))
    asked = "\n".join((method, path, encoded(query), lines, names, digest))
    scope = _scope(time)
    signature = _signature(key, time, asked)
    credential = f"Credential={key.id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**given, "authorization": f"{_ALGORITHM} {credential}"}


def link(key: Key, host: str, path: str, query: dict[str, str] | None = None) -> str:
    """Return the target of a presigned GET."""
    time = _now()
    given = {
        **(query or {}),
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{key.id}/{_scope(time)}",
        "X-Amz-Date": time,
        "X-Amz-Expires": "600",
        "X-Amz-SignedHeaders": "host",
    }
    asked = "\n".join(("GET", path, encoded(given), f"host:{host}\n", "host", _UNSIGNED))
    return f"{path}?{encoded(given)}&X-Amz-Signature={_signature(key, time, asked)}"


def encoded(query: dict[str, str]) -> str:
    """Return a query string, sorted and escaped as a signature wants it."""
    return "&".join(
        f"{quote(name, safe='')}={quote(query[name], safe='')}" for name in sorted(query)
    )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


def _scope(time: str) -> str:
    return f"{time[:8]}/{_REGION}/s3/aws4_request"


def _signature(key: Key, time: str, asked: str) -> str:
    secret = f"AWS4{key.secret}".encode()
    for part in _scope(time).split("/"):
        secret = hmac.digest(secret, part.encode(), "sha256")
    digest = sha256(asked.encode()).hexdigest()
    text = "\n".join((_ALGORITHM, time, _scope(time), digest))
    return hmac.new(secret, text.encode(), "sha256").hexdigest()


class S3Client:
    """Speaks to one gateway on loopback, and remembers what it did."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._host = f"127.0.0.1:{port}"
        self.seen: list[Seen] = []

    def ask(
        self,
        key: Key | None,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: bytes = b"",
        **more: str,
    ) -> tuple[Seen, bytes]:
        """Send a request, signed unless `key` is None; return what was seen, and the reply."""
        given = query or {}
        named = {name.replace("_", "-").lower(): value for name, value in more.items()}
        if key is not None:
            named = headers(key, self._host, method, path, given, body, named)
        target = f"{path}?{encoded(given)}" if given else path
        return self._send(method, target, body, named)

    def open_link(self, key: Key, path: str, query: dict[str, str] | None = None) -> Seen:
        """Follow a presigned link of `key`."""
        return self._send("GET", link(key, self._host, path, query), b"", {})[0]

    def _send(
        self, method: str, target: str, body: bytes, given: dict[str, str]
    ) -> tuple[Seen, bytes]:
        named = {"user-agent": AGENT, **given}
        one = Seen(method, target, named["user-agent"])
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request(method, target, body=body, headers=named)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        one.status, one.received = response.status, len(content)
        one.request_id = response.getheader("x-amz-request-id")
        self.seen.append(one)
        return one, content
