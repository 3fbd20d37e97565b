"""The real Caddy writes its access log while a client works; each event is what the client did."""

import http.client
import json
import signal
import socket
import subprocess
import sysconfig
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from support.transforming import as_line, stream

_CADDY = Path(sysconfig.get_path("scripts")) / "caddy"
_MARK = "MARKED-SECRET"
# bcrypt of "geheim" at the lowest cost
_HASH = "$2a$04$H2fnZ3QUZShkVD3a57w8DO4c60tlVYG5UjC6qJMPGGW/C4fmQ2nZq"
_CONFIG = f"""
{{
    admin off
    auto_https off
    persist_config off
}}
:{{$PORT}} {{
    bind 127.0.0.1
    log {{
        output file "{{$FOLDER}}/access.log"
        format json
    }}
    handle /closed/* {{
        respond 403
    }}
    basic_auth /secret/* {{
        bob {_HASH}
    }}
    @put method PUT
    handle @put {{
        respond "{{http.request.body}}" 201
    }}
    @change method DELETE MOVE COPY
    handle @change {{
        respond 204
    }}
    @mkcol method MKCOL
    handle @mkcol {{
        respond 201
    }}
    handle /s/gone {{
        respond 410
    }}
    handle /s/* {{
        respond "shared" 200
    }}
    handle {{
        header X-Request-Id req-7
        root * "{{$FOLDER}}/www"
        file_server browse
    }}
}}
"""


class Sent(Struct):
    """One request of the client, and what it saw."""

    method: str
    target: str
    status: int
    received: int
    port: int


class Client:
    """Speaks HTTP without touching the request target, and remembers what it did."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.sent: list[Sent] = []

    def ask(
        self, method: str, target: str, body: bytes = b"", **headers: str
    ) -> http.client.HTTPResponse:
        """Send one request; header names are given with underscores."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            connection.putheader("User-Agent", "curl/8.5.0")
            if body:
                connection.putheader("Content-Length", str(len(body)))
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders(body or None)
            port = connection.sock.getsockname()[1]
            response = connection.getresponse()
            content = response.read()
            self.sent.append(Sent(method, target, response.status, len(content), port))
            return response
        finally:
            connection.close()


@contextmanager
def _caddy(folder: Path) -> Iterator[Client]:
    """Run Caddy with its log in `folder`; the log is complete when the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "Caddyfile").write_text(_CONFIG)
    process = subprocess.Popen(
        [_CADDY, "run", "--adapter", "caddyfile", "--config", folder / "Caddyfile"],
        env={"PORT": str(port), "FOLDER": str(folder), "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    with process, process.stderr:
        try:
            told = b""
            while b"serving initial configuration" not in told:
                line = process.stderr.readline()
                told += line
                assert line, told.decode()
            yield Client(port)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)


def _work(client: Client) -> None:
    """Everything that the test wants to see in the log."""
    basic = "Basic " + b64encode(b"bob:geheim").decode()
    wrong = "Basic " + b64encode(f"bob:{_MARK}".encode()).decode()
    tag = client.ask("GET", "/docs/a.txt").headers["ETag"]
    client.ask("GET", "/docs/a.txt", Range="bytes=0-3")
    client.ask("GET", "/docs/a.txt", If_None_Match=tag)
    client.ask("GET", f"/docs/a.txt?token={_MARK}", Cookie=f"sid={_MARK}", Referer=f"/{_MARK}")
    client.ask("GET", "/docs/")
    client.ask("GET", "/none")
    client.ask("HEAD", "/docs/a.txt")
    client.ask("GET", "/closed/x.txt")
    client.ask("GET", "/secret/a.txt")
    client.ask("GET", "/secret/a.txt", Authorization=wrong)
    client.ask("GET", "/secret/a.txt", Authorization=basic)
    client.ask("PUT", "/ws/brand/up.bin", b"12345")
    client.ask("DELETE", "/ws/brand/up.bin")
    client.ask("MOVE", "/ws/brand/a", Destination="http://files/ws/brand/b%20c")
    client.ask("COPY", "/ws/brand/a", Destination="/ws/brand/x/a")
    client.ask("MKCOL", "/ws/brand/new/")
    client.ask("GET", "/docs/%2e%2e/docs/a.txt")
    client.ask("GET", "/docs/..%2fdocs%2Fa.txt")
    client.ask("GET", "//docs/./b%20c.txt")
    client.ask("GET", "/docs/%C3%BC%252e.txt")
    client.ask("DELETE", "/ws/brand/%2e%2e/acme/%ff%0a{}")
    client.ask("GET", f"/s/{_MARK}")
    client.ask("GET", f"/s/{_MARK}/a.txt")
    client.ask("GET", "/s/gone")


# outcome or action with result and reason; workspace; path
_TOLD: list[tuple[str, str | None, str | None]] = [
    ("file.download success", None, "/docs/a.txt"),
    ("file.download success", None, "/docs/a.txt"),
    ("file.access success", None, "/docs/a.txt"),
    ("file.download success", None, "/docs/a.txt"),
    ("file.list success", None, "/docs"),
    ("not_found", None, None),
    ("not_an_act", None, None),
    ("file.download denied permission", None, "/closed/x.txt"),
    ("auth_challenge", None, None),
    ("file.download denied bad_credentials", None, "/secret/a.txt"),
    ("file.download success", None, "/secret/a.txt"),
    ("file.upload success", "brand", "/up.bin"),
    ("file.delete success", "brand", "/up.bin"),
    ("file.rename success", "brand", "/b c"),
    ("file.copy success", "brand", "/x/a"),
    ("folder.create success", "brand", "/new"),
    ("file.download success", None, "/docs/a.txt"),
    ("file.download success", None, "/docs/a.txt"),
    ("file.download success", None, "/docs/b c.txt"),
    ("file.download success", None, "/docs/ü%2e.txt"),
    ("file.delete success", "acme", "/\ufffd\n{}"),
    ("share.open success", None, None),
    ("share.download success", None, "/a.txt"),
    ("share.open denied link_gone", None, None),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a blank in its name, with files to serve."""
    folder = tmp_path / "storage server"
    for name in ("docs/a.txt", "docs/b c.txt", "docs/ü%2e.txt", "secret/a.txt"):
        path = folder / "www" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("hello world")
    return folder


def _told(produced: Any, found: dict[str, Any]) -> str:
    if produced.outcome != "event":
        return str(produced.reason)
    act = found["event"]
    return " ".join(filter(None, (act["action"], found["audit"]["result"], act.get("reason"))))


def test_each_event_is_what_the_client_did(folder: Path, tmp_path: Path) -> None:
    """Act, workspace and path as Caddy resolved them; status, bytes and port as the client saw."""
    with _caddy(folder) as client:
        _work(client)
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o600)
    templates = ("/ws/{workspace}/{path*}", "/s/{share_token}", "/s/{share_token}/{path*}")
    made = stream("caddy", key_file=key, paths=templates)

    lines = (folder / "access.log").read_bytes().splitlines()
    assert len(lines) == len(client.sent) == len(_TOLD)
    for raw, sent, (told, workspace, path) in zip(lines, client.sent, _TOLD, strict=True):
        produced = made.produce(as_line(raw))
        found = json.loads(produced.documents[0].body) if produced.documents else {}
        assert _told(produced, found) == told, raw
        if found:
            _compare(found, sent)
            assert found.get("workspace", {}).get("id") == workspace
            assert found.get("file", {}).get("path") == path
            assert _MARK.encode() not in produced.documents[0].body


def _compare(found: dict[str, Any], sent: Sent) -> None:
    """What the client saw on the wire stands in the event."""
    response = found["http"]["response"]
    assert response["status_code"] == sent.status
    assert response["body"]["bytes"] == sent.received
    assert found["http"]["request"]["method"] == sent.method
    assert found["client"] == {"ip": "127.0.0.1", "port": sent.port}
    assert found["user_agent"]["original"] == "curl/8.5.0"
    assert found["event"]["start"] <= found["@timestamp"]
    partial = "partial" in found["audit"].get("flags", ())
    assert partial is (sent.status == 206)
    whole = found["event"]["action"] in {"file.download", "share.download"} and sent.status == 200
    if whole:
        assert found["file"]["size"] == sent.received
    elif found["event"]["action"] == "file.upload":
        assert found["file"]["size"] == 5
    else:
        assert "size" not in found.get("file", {})


def test_users_are_those_that_caddy_checked(folder: Path) -> None:
    """Good credentials name the user; refused ones name nobody as actor."""
    good = "Basic " + b64encode(b"bob:geheim").decode()
    bad = "Basic " + b64encode(b"bob:falsch").decode()
    with _caddy(folder) as client:
        client.ask("GET", "/secret/a.txt", Authorization=good)
        client.ask("GET", "/secret/a.txt", Authorization=bad)
        client.ask("GET", "/docs/a.txt")
    made = stream("caddy")
    lines = (folder / "access.log").read_bytes().splitlines()
    found = [json.loads(made.produce(as_line(raw)).documents[0].body) for raw in lines]

    assert [one["audit"]["actor"] for one in found] == ["bob", "anonymous", "anonymous"]
    assert found[0]["user"] == {"name": "bob"}
    assert "user" not in found[1]
    assert found[1]["audit"]["verb"] == "BLOCKED"
    assert found[2]["http"]["request"]["id"] == "req-7"
