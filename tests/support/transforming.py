"""Lines in, documents out: a `Transform` with the settings a test names, and no files."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from auditship_agent.config import (
    AgentConfig,
    AgentIdConfig,
    EnrichConfig,
    ServerConfig,
    SourceConfig,
)
from auditship_agent.line import Line, Produced
from auditship_agent.pipeline.transform import Stream, Transform
from auditship_indexer.opensearch import Connection

EXAMPLES = Path(__file__).parents[2] / "examples" / "logs"
PATH = "/var/log/dosya/audit.log"
SERVER = "fs-usw-1"
REGION = "us-west-1"


def transform(
    preset: str = "native",
    *,
    enrich: EnrichConfig | None = None,
    key_file: Path | None = None,
    **settings: Any,
) -> Transform:
    """Return the transform of one source of server `fs-usw-1` in `us-west-1`."""
    source = SourceConfig(name="it", preset=preset, files=(PATH,), **settings)
    config = AgentConfig(
        server=ServerConfig(SERVER, REGION),
        sources=(source,),
        opensearch=Connection(hosts=("http://127.0.0.1:9200",)),
        agent=AgentIdConfig("a-usw-1"),
        enrich=enrich or EnrichConfig(),
        share_token_key_file=str(key_file) if key_file else None,
    )
    return Transform(config, source)


def as_line(raw: bytes, offset: int = 0) -> Line:
    """Return a complete line that starts at `offset`."""
    return Line(raw, offset, offset + len(raw) + 1, sha256(raw).digest(), len(raw))


def stream(preset: str = "native", *, first: bytes = b"first", **settings: Any) -> Stream:
    """Return the stream of a file whose first line is `first`."""
    return transform(preset, **settings).stream(sha256(first).digest(), PATH)


def event(produced: Produced) -> dict[str, Any]:
    """Return the one document of a line, decoded."""
    assert produced.outcome == "event", produced
    (document,) = produced.documents
    decoded: dict[str, Any] = json.loads(document.body)
    return decoded


def check_produced(produced: Produced) -> None:
    """One verdict, and documents that a bulk body can hold: canonical JSON on one line, by id."""
    assert (produced.outcome == "event") == bool(produced.documents)
    assert (produced.outcome == "event") != bool(produced.reason)
    for item, document in enumerate(produced.documents):
        assert b"\n" not in document.body
        found = json.loads(document.body)
        assert found["event"]["id"] == document.id
        assert found["log"].get("item", 0) == item
        again = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert document.body == again.encode()


def native(**fields: Any) -> bytes:
    """Return a line of the native log: a good preview by John, with `fields` on top.

    A field that is None is left out.
    """
    line: dict[str, Any] = {
        "v": 1,
        "time": "2026-04-14T10:32:15.000Z",
        "action": "file.preview",
        "result": "success",
        "user": {"id": "u_7", "email": "john@dosya.dev"},
        "file": {"id": "f_41", "name": "render-final.mp4"},
        "workspace": {"id": "w_brand"},
        "ip": "203.0.113.10",
        **fields,
    }
    return json.dumps({key: value for key, value in line.items() if value is not None}).encode()


def caddy(**fields: Any) -> bytes:
    """Return a line of Caddy's access log: a good download, with `fields` on top.

    `headers` and keys of `request` go where they belong; a field that is None is left out.
    """
    request: dict[str, Any] = {
        "remote_ip": "203.0.113.10",
        "remote_port": "51234",
        "client_ip": "203.0.113.10",
        "proto": "HTTP/2.0",
        "method": "GET",
        "host": "files.example.org",
        "uri": "/docs/a.txt",
        "headers": {"User-Agent": ["curl/8.5.0"], **fields.pop("headers", {})},
    }
    for key in list(fields):
        if key in request:
            request[key] = fields.pop(key)
    line: dict[str, Any] = {
        "level": "info",
        "ts": 1776162735.123,
        "logger": "http.log.access.log0",
        "msg": "handled request",
        "request": {key: value for key, value in request.items() if value is not None},
        "bytes_read": 0,
        "user_id": "",
        "duration": 0.25,
        "size": 11,
        "status": 200,
        "resp_headers": {"Server": ["Caddy"], "Content-Length": ["11"]},
        **fields,
    }
    return json.dumps({key: value for key, value in line.items() if value is not None}).encode()
