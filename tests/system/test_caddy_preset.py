"""The real Caddy writes its access log while clients work; each event is what they did."""

import hmac
import json
import time
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec import Struct

from auditship_agent.pipeline.transform import Stream
from support import caddy as server
from support import rclone as other
from support.caddy import caddy, published
from support.raw_client import RawClient, basic
from support.rclone import Rclone
from support.seen import Seen
from support.transforming import stream
from support.whole_event import BIG, Step, Told, by_user, check, told

pytestmark = pytest.mark.skipif(server.MISSING is not None, reason=str(server.MISSING))

MARK: Final = "MARKED-SECRET"
KEY: Final = b"k" * 32
TEMPLATES: Final = ("/ws/{workspace}/{path*}", "/s/{share_token}", "/s/{share_token}/{path*}")
_AUTH: Final = basic("bob", "geheim")
# bcrypt of "geheim" at the lowest cost
_HASH: Final = "$2a$04$H2fnZ3QUZShkVD3a57w8DO4c60tlVYG5UjC6qJMPGGW/C4fmQ2nZq"
_SITE: Final = f"""
header X-Request-Id {{http.request.uuid}}
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
    {published()[1]}
    root * "{{$FOLDER}}/www"
    encode gzip
    file_server browse
}}
"""
TRUSTED: Final = "127.0.0.2"
_OPTIONS: Final = f"servers {{\ntrusted_proxies static {TRUSTED}/32\n}}"
_FIVE: Final[dict[str, Any]] = {"file__size": 5, "http__request__body__bytes": 5}
_SIZE: Final[dict[str, Any]] = {"file__size": 11}
_PARTIAL: Final[dict[str, Any]] = {"audit__flags": ["partial"]}
_FAR: Final[dict[str, Any]] = {"http__request__body__bytes": 0}


class Run(Struct):
    """What a whole run left behind."""

    log: bytes
    steps: list[Step]
    rclone: list[Seen]
    ended_ms: int


class Script:
    """The work of a client that sends targets untouched."""

    def __init__(self, port: int) -> None:
        self.client = RawClient(port)
        self.steps: list[Step] = []

    def note(self, seen: Seen, told: str, path: str | None = None, **fields: Any) -> Seen:
        """Remember what must become of a request."""
        self.steps.append(Step(seen, told, {"file__path": path, **_FAR, **fields}))
        return seen

    def download(self) -> None:
        """Whole, in part, unchanged, compressed, listed, with secrets in all places, not found."""
        ask, note, a = self.client.ask, self.note, "/docs/a.txt"
        tag = note(ask("GET", a), "file.download", a, **_SIZE).headers["etag"]
        note(ask("GET", a, Range="bytes=0-3"), "file.download", a, **_PARTIAL)
        note(ask("GET", a, If_None_Match=tag), "file.access", a)
        secret: dict[str, Any] = {"Cookie": f"sid={MARK}", "Referer": f"/{MARK}"}
        note(ask("GET", f"{a}?token={MARK}", **secret), "file.download", a, **_SIZE)
        note(ask("GET", f"http://x{a}?{MARK}"), "file.download", a, **_SIZE)
        note(ask("GET", "/docs/long.txt", Accept_Encoding="gzip"), "file.download",
             "/docs/long.txt")  # fmt: skip
        note(ask("GET", "/docs/"), "file.list", "/docs", file__type="dir")
        for method in ("DELETE-IT", "get", "PROPFIND", "POST"):
            note(ask(method, "/docs/"), "bad_request")
        note(ask("GET", "/none"), "not_found")
        note(ask("HEAD", a), "not_an_act")
        note(ask("GET", f"/s/{MARK}"), "share.open", share__id=_link(MARK))
        note(ask("GET", f"/s/{MARK}/a.txt"), "share.download", "/a.txt", share__id=_link(MARK))
        note(ask("GET", "/s/gone"), "share.open denied link_gone", share__id=_link("gone"))

    def refuse(self) -> None:
        """Without credentials, with wrong ones, without the right."""
        ask, note, a = self.client.ask, self.note, "/secret/a.txt"
        note(ask("GET", "/closed/x"), "file.download denied permission", "/closed/x")
        note(ask("GET", a), "auth_challenge")
        for wrong in (basic("bob", MARK), basic('ro"ot\n{}', MARK), f"Bearer {MARK}"):
            note(ask("GET", a, Authorization=wrong), "file.download denied bad_credentials", a)
        note(ask("GET", a, Authorization=_AUTH), "file.download", a, **_SIZE, **by_user("bob"))

    def change(self) -> None:
        """Uploads whole, in chunks and broken off, moves, copies, folders, deletions."""
        ask, brand = self.client.ask, {"workspace__id": "brand"}

        def note(seen: Seen, told: str, path: str, **fields: Any) -> None:
            self.note(seen, told, path, **{**brand, **fields})

        up = "/ws/brand/up.bin"
        note(ask("PUT", up, b"12345"), "file.upload", "/up.bin", **_FIVE)
        note(ask("PUT", up, [b"123", b"45"]), "file.upload", "/up.bin", **_FIVE)
        note(self.client.break_upload(up, "Content-Length: 99999\r\n", b"123"), "file.upload",
             "/up.bin", http__request__body__bytes=3, http__response__status_code=201,
             http__response__body__bytes=3)  # fmt: skip
        note(ask("DELETE", up), "file.delete", "/up.bin")
        old = {"file__previous__path": "/a", "file__previous__name": "a"}
        to = "http://files/ws/brand/b%20c"
        note(ask("MOVE", "/ws/brand/a", Destination=to), "file.rename", "/b c", **old)
        note(ask("COPY", "/ws/brand/a", Destination="/ws/brand/x/a"), "file.copy", "/x/a", **old)
        note(ask("MKCOL", "/ws/brand/new/"), "folder.create", "/new", file__type="dir")

    def climb(self) -> None:
        """Escapes, dots and odd names: the path is that of the file which Caddy served."""
        a, y = "/docs/a.txt", "/docs/x/y.txt"
        for target, path in (
            ("/docs/x%2Fy.txt", y),
            ("/docs%2Fx%2fy.txt", y),
            ("/docs/%2e%2e/docs/a.txt", a),
            ("/docs/..%2fdocs%2Fa.txt", a),
            ("///docs//./a.txt", a),
            ("/none#/../docs/a.txt", a),
            ("/docs/b%20c.txt", "/docs/b c.txt"),
            ("/docs/%C3%BC%252Fz.txt", "/docs/ü%2Fz.txt"),
            ("/docs/a.txt%23x", "/docs/a.txt#x"),
            ("/docs/a.txt#x", "/docs/a.txt#x"),
        ):
            seen = self.note(self.client.ask("GET", target), "file.download", path, **_SIZE)
            assert seen.received == _SIZE["file__size"], target
        self.note(self.client.ask("DELETE", "/ws/brand/%2e%2e/acme/%ff%0a{}"), "file.delete",
                  "/\ufffd\n{}", workspace__id="acme", audit__flags=["bad_utf8"])  # fmt: skip
        agent = 'x" \\ \t{"forged":1}'
        self.note(self.client.ask("GET", a, User_Agent=agent), "file.download", a, **_SIZE)

    def go_away(self) -> None:
        """Break a download off, whole and in part."""
        for head, flags in (("", None), ("Range: bytes=5-\r\n", ["partial"])):
            seen = self.client.break_download("/docs/big.bin", head)
            self.note(seen, "file.download error aborted", "/docs/big.bin", audit__flags=flags)

    def forward(self) -> None:
        """A header that names another client counts only from the trusted peer."""
        a, header = "/docs/a.txt", "203.0.113.9"
        for peer, client in ((TRUSTED, header), ("127.0.0.1", "127.0.0.1")):
            seen = self.client.ask("GET", a, peer=peer, X_Forwarded_For=header)
            behind: dict[str, Any] = {"source__ip": peer, "client__port": None}
            behind = {} if client == peer else behind
            self.note(seen, "file.download", a, client__ip=client, **_SIZE, **behind)

    def babble(self) -> None:
        """Send what is no request: Caddy logs none of it."""
        for raw in (b"garbage\r\n\r\n", b"GET /docs/%zz HTTP/1.1\r\nHost: x\r\n\r\n"):
            assert b" 400 " in self.client.send(raw)


def _link(token: str) -> str:
    return "h_" + hmac.digest(KEY, token.encode(), "sha256").hex()[:32]


def _site(folder: Path) -> None:
    """Files to serve, in a folder with a blank in its name."""
    names = ("a.txt", "b c.txt", "ü%2Fz.txt", "a.txt#x", "x/y.txt")
    for name in (*(f"docs/{name}" for name in names), "secret/a.txt"):
        path = folder / "www" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("hello world")
    (folder / "www" / "docs" / "long.txt").write_text("hello world" * 1_000)
    with (folder / "www" / "docs" / "big.bin").open("wb") as big:
        big.truncate(BIG)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole script, done once against one server that has ended."""
    folder = tmp_path_factory.mktemp("caddy") / "storage server"
    _site(folder)
    with caddy(folder, _SITE, _OPTIONS) as running:
        script = Script(running.port)
        for work in (script.download, script.refuse, script.change, script.climb, script.go_away,
                     script.forward, script.babble):  # fmt: skip
            work()
        seen = [] if other.MISSING else _browse(f"http://127.0.0.1:{running.port}")
    assert running.log.stat().st_mode & 0o777 == 0o640  # as the document says
    return Run(running.log.read_bytes(), script.steps, seen, time.time_ns() // 1_000_000)


def _browse(url: str) -> list[Seen]:
    """Read the listings and files with rclone as a person does; return its requests."""
    client = Rclone({"type": "http", "url": f"{url}/docs"})
    assert "x/y.txt" in client.run("lsf", "-R", "it:").splitlines()
    assert client.run("cat", "it:b c.txt") == "hello world"
    assert client.run("cat", "--offset", "6", "--count", "3", "it:x/y.txt") == "wor"
    client.run("cat", "it:x.txt", ok=False, url=f"{url}/closed")
    return client.seen


def _stream(folder: Path) -> Stream:
    key = folder / "key"
    key.write_bytes(KEY)
    key.chmod(0o600)
    return stream("caddy", key_file=key, paths=TEMPLATES)


def _names(one: Told) -> tuple[str, str]:
    """Return the id of a line's request and the port of its client."""
    line = json.loads(one.raw)
    return line["resp_headers"]["X-Request-Id"][0], line["request"]["remote_port"]


def _lines(run: Run, folder: Path) -> dict[str, Told]:
    lines = told(_stream(folder), run.log)
    return {name: one for one in lines for name in _names(one)}


def test_each_event_is_what_the_client_did(run: Run, tmp_path: Path) -> None:
    """Every request becomes the whole event that is expected, or none, as said."""
    known = _lines(run, tmp_path)
    for step in run.steps:
        one = known[step.seen.request_id or str(step.seen.port)]
        check("caddy", one, step.seen, step.told, step.fields, ended_ms=run.ended_ms)


_NO: Final = "file.access denied permission"
# What rclone read, in its order; its looks (HEAD) are none of these.
_ACTS: list[tuple[str, str, dict[str, Any]]] = [
    ("file.list", "/docs", {"file__type": "dir"}),
    ("file.list", "/docs/x", {"file__type": "dir"}),
    ("file.download", "/docs/b c.txt", _SIZE),
    ("file.download", "/docs/x/y.txt", _PARTIAL),
    (_NO, "/closed/x.txt", {}),
    (_NO, "/closed/x.txt", {}),
]


@pytest.mark.skipif(other.MISSING is not None, reason=str(other.MISSING))
def test_what_rclone_read_is_told_in_its_order(run: Run, tmp_path: Path) -> None:
    """Each request of rclone has its line; listings, downloads and what was closed are acts."""
    known = _lines(run, tmp_path)
    acts = iter(_ACTS)
    for seen in run.rclone:
        one = known[str(seen.request_id)]
        if seen.method == "HEAD" and seen.status != 403:
            assert one.outcome == "ignored"
            continue
        length = seen.headers.get("content-length")
        seen.received = int(length) if length and seen.method == "GET" else None
        act, path, fields = next(acts)
        fields = {"file__path": path, **_FAR, **fields}
        check("caddy", one, seen, act, fields, ended_ms=run.ended_ms)
    assert next(acts, None) is None


def test_no_line_is_lost_and_no_secret_is_told(run: Run, tmp_path: Path) -> None:
    """Whatever clients send: an event or a known reason, the same bytes again, and no secret."""
    lines = told(_stream(tmp_path), run.log)
    again = told(_stream(tmp_path), run.log)

    assert MARK.encode() in run.log
    assert {one.outcome for one in lines} == {"event", "ignored"}
    assert [one.bodies for one in lines] == [one.bodies for one in again]
    for one in lines:
        assert not any(MARK.encode() in body for body in one.bodies), one.raw
    assert len(lines) == len(run.steps) + len(run.rclone)
