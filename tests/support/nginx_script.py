"""What clients do to the real nginx, each request with what must become of its line."""

import socket
import time
from typing import Any

import requests

from support.nginx import Nginx
from support.nginx_site import (
    AUTH,
    CLAIM_LIMIT,
    GONE,
    LINK,
    MARK,
    PARTIAL,
    PASSWORD,
    TRUSTED,
    USER,
)
from support.raw_client import RawClient, basic
from support.seen import Seen
from support.whole_event import Step, by_user


class Script:
    """The work of the clients, each request with what must become of it."""

    def __init__(self, server: Nginx, behind: socket.socket) -> None:
        self.client = RawClient(server.port)
        self.url = f"http://127.0.0.1:{server.port}"
        self.steps: list[Step] = []
        self._server = server
        self._behind = behind

    def note(self, seen: Seen, told: str, *, raw: str | None = None, **fields: Any) -> Seen:
        """Remember what must become of a request."""
        self.steps.append(Step(seen, told, fields, raw))
        return seen

    def download(self) -> None:
        """Whole, in part, unchanged, compressed, listed, with secrets in all places, not found."""
        ask, note = self.client.ask, self.note
        size: dict[str, Any] = {"file__size": 11}
        a: dict[str, Any] = {"file__path": "/docs/a.txt"}
        tag = note(ask("GET", "/docs/a.txt"), "file.download", **a, **size).headers["etag"]
        note(ask("GET", "/docs/a.txt", Range="bytes=2-5"), "file.download", **a, **PARTIAL)
        note(ask("GET", "/docs/a.txt", Range="bytes=99-"), "bad_request")
        note(ask("GET", "/docs/a.txt", If_None_Match=tag), "file.access", **a)
        secret: dict[str, Any] = {"Cookie": f"sid={MARK}", "Referer": f"/{MARK}"}
        note(ask("GET", f"/docs/a.txt?token={MARK}", **secret), "file.download", **a, **size)
        note(ask("GET", f"/docs/a.txt#{MARK}"), "file.download", **a, **size)
        note(ask("GET", f"http://x/docs/a.txt?{MARK}"), "file.download", **a, **size)
        note(ask("GET", "/docs/"), "file.list", file__path="/docs", file__type="dir")
        note(ask("GET", "/docs"), "redirect")
        note(ask("HEAD", "/docs/a.txt"), "not_an_act")
        note(ask("GET", "/docs/none"), "not_found")
        note(ask("GET", "/gz/a.txt"), "file.download", file__path="/gz/a.txt", **size)
        note(
            ask("GET", "/gz/a.txt", Accept_Encoding="gzip"), "file.download", file__path="/gz/a.txt"
        )
        note(ask("GET", f"/s/{MARK}"), "redirect")
        # `index` answers with another file, and $uri names that one; the raw path names the link
        note(
            ask("GET", f"/s/{MARK}/"),
            "share.download",
            share__id=LINK,
            file__path="/index.html",
            file__size=15,
            raw="share.open",
        )
        note(
            ask("GET", f"/s/{MARK}/a.txt"),
            "share.download",
            share__id=LINK,
            file__path="/a.txt",
            **size,
        )
        note(ask("GET", "/s/gone"), "share.open denied link_gone", share__id=GONE)

    def refuse(self) -> None:
        """Without credentials, with wrong ones, without the right, too often, too large."""
        ask, note = self.client.ask, self.note
        x = {"workspace__id": "brand", "file__path": "/x.txt"}
        note(ask("GET", "/ws/brand/x.txt"), "auth_challenge")
        note(ask("PUT", "/ws/brand/x.txt", b"12345"), "auth_challenge")
        for user in (USER, "nobody", 'ro"ot\\\n{"forged":1}', "a:b", "-", "ünal" * 200):
            wrong = basic(user, MARK)
            claimed = None if user == "-" else user.partition(":")[0]
            flags = _cut(claimed)
            for method, act in (("GET", "file.download"), ("PUT", "file.upload")):
                note(
                    ask(method, "/ws/brand/x.txt", Authorization=wrong),
                    f"{act} denied bad_credentials",
                    **x,
                    **flags,
                )
        note(
            ask("GET", "/ws/brand/x.txt", Authorization=f"Bearer {MARK}"),
            "file.download denied bad_credentials",
            **x,
        )
        note(
            ask("GET", "/closed/x.txt"),
            "file.download denied permission",
            file__path="/closed/x.txt",
        )
        note(
            ask("DELETE", "/closed/x.txt"),
            "file.delete denied permission",
            file__path="/closed/x.txt",
        )
        note(ask("GET", "/busy/x"), "file.download denied rate_limited", file__path="/busy/x")
        note(ask("GET", "/down/x"), "file.download error unavailable", file__path="/down/x")
        note(
            ask("PUT", "/ws/brand/x.txt", b"", Authorization=AUTH, Content_Length="9999999999"),
            "file.upload error too_large",
            **x,
            **by_user(USER),
        )

    def change(self) -> None:
        """Uploads whole and in chunks, moves, copies, folders, deletions, all by a known user."""
        session = requests.Session()
        session.auth = (USER, PASSWORD)
        ask, user = self.client.ask, by_user(USER)

        def note(seen: Seen, told: str, path: str | None = None, **fields: Any) -> None:
            place = {"file__path": path, "workspace__id": "brand", **user} if path else {}
            self.note(seen, told, **place, **fields)

        auth: dict[str, Any] = {"Authorization": AUTH}
        note(
            ask("PUT", "/ws/brand/a%20b.txt", b"12345", **auth),
            "file.upload",
            "/a b.txt",
            file__size=5,
            http__request__body__bytes=5,
        )
        note(
            ask("PUT", "/ws/brand/a%20b.txt", b"123", **auth),
            "file.update",
            "/a b.txt",
            file__size=3,
            http__request__body__bytes=3,
        )
        note(
            ask("PUT", "/ws/brand/chunks", [b"12345", b"67"], **auth),
            "file.upload",
            "/chunks",
            file__size=7,
            http__request__body__bytes=7,
        )
        note(
            ask("PUT", "/ws/brand/empty", b"", Content_Length="0", **auth),
            "file.upload",
            "/empty",
            file__size=0,
            http__request__body__bytes=0,
        )
        note(ask("MKCOL", "/ws/brand/new/", **auth), "folder.create", "/new", file__type="dir")
        note(
            ask("MKCOL", "/ws/brand/no/where/", **auth),
            "folder.create error conflict",
            "/no/where",
            file__type="dir",
        )
        to = f"{self.url}/ws/brand/new/b%20c.txt"
        note(
            ask("COPY", "/ws/brand/a%20b.txt", Destination=to, **auth),
            "file.copy",
            "/new/b c.txt",
            file__previous__path="/a b.txt",
            file__previous__name="a b.txt",
        )
        note(
            ask("MOVE", "/ws/brand/new/b%20c.txt", Destination="/ws/brand/new/%C3%BC%2525", **auth),
            "file.rename",
            "/new/ü%25",
            file__previous__path="/new/b c.txt",
            file__previous__name="b c.txt",
        )
        note(
            ask("MOVE", "/ws/brand/new/%C3%BC%2525", Destination=f"/ws/brand/e?{MARK}", **auth),
            "file.move",
            "/e",
            file__previous__path="/new/ü%25",
            file__previous__name="ü%25",
        )
        note(ask("MOVE", "/ws/brand/e", **auth), "bad_request")
        note(ask("PROPFIND", "/ws/brand/", Depth="1", **auth), "not_an_act")
        note(ask("OPTIONS", "/ws/brand/", **auth), "not_an_act")
        note(ask("DELETE", "/ws/brand/new/", **auth), "file.delete", "/new", file__type="dir")
        note(ask("DELETE", "/ws/brand/new/", **auth), "not_found")
        note(ask("DELETE", "/ws/brand/e", **auth), "file.delete", "/e")
        note(ask("POST", "/ws/brand/form", b"a=1", **auth), "not_found")
        self._by_requests(session)

    def _by_requests(self, session: requests.Session) -> None:
        url, size = f"{self.url}/ws/brand/by%20requests.bin", 4_000_000
        for method, act, body in (
            ("PUT", "file.upload", bytes(size)),
            ("GET", "file.download", None),
        ):
            seen = asked(session, method, url, body)
            self.note(
                seen,
                act,
                workspace__id="brand",
                file__path="/by requests.bin",
                file__size=size,
                **by_user(USER),
                http__request__body__bytes=size if body else None,
            )

    def climb(self) -> None:
        """Escapes, dots and odd names: the workspace is the one whose file nginx touched."""
        auth: dict[str, Any] = {"Authorization": AUTH}
        for target, workspace, path, flags in (
            ("/ws/brand/x%2Fy.txt", "brand", "/x/y.txt", None),
            ("/ws/brand/%2e%2e/acme/a", "acme", "/a", None),
            ("/ws/brand/..%2Facme%2Fb", "acme", "/b", None),
            ("//ws//brand/./c", "brand", "/c", None),
            ("/ws/brand/%252e%252e", "brand", "/%2e%2e", None),
            ("/ws/brand/%61%5c%22%27", "brand", "/a\\\"'", None),
            ("/ws/brand/a%0a%7B%22v%22%3A1%7D", "brand", '/a\n{"v":1}', None),
            ("/ws/brand/q%3Fx%23y", "brand", "/q?x#y", None),
            ("/ws/brand/%e2%80%ae%e2%80%a8%01%7f.t", "brand", "/\u202e\u2028\x01\x7f.t", None),
            ("/ws/brand/e%cc%81", "brand", "/e\u0301", None),
            ("/ws/brand/%ff%fe.txt", "brand", "/\ufffd\ufffd.txt", ["bad_utf8"]),
            ("/ws/brand/=cmd()", "brand", "/=cmd()", None),
        ):
            self.note(
                self.client.ask("PUT", target, b"1", **auth),
                "file.upload",
                workspace__id=workspace,
                file__path=path,
                file__size=1,
                http__request__body__bytes=1,
                audit__flags=flags,
                **by_user(USER),
            )
        self.note(
            self.client.ask("GET", "/docs/x%2Fy.txt"),
            "file.download",
            file__path="/docs/x/y.txt",
            file__size=11,
        )
        self.note(
            self.client.ask("GET", "/page/x.txt"),
            "file.download denied permission",
            file__path="/page/x.txt",
        )
        self.note(
            self.client.ask("GET", "/ws/page/x.txt"),
            "file.download denied permission",
            workspace__id="page",
            file__path="/x.txt",
        )
        agent = 'x" \\ \x7f\t{"forged":1}'
        self.note(
            self.client.ask("GET", "/docs/a.txt", User_Agent=agent),
            "file.download",
            file__path="/docs/a.txt",
            file__size=11,
        )

    def claim(self) -> None:
        """Give a name where the server checks none."""
        seen = self.client.ask("PUT", "/unchecked/x.txt", b"1", Authorization=basic("root", MARK))
        self.note(
            seen,
            "file.upload",
            file__path="/unchecked/x.txt",
            file__size=1,
            http__request__body__bytes=1,
            **by_user("root"),
        )

    def go_away(self) -> None:
        """Broken off: an upload, one in chunks, a download, a wait for a server behind."""
        client, user = self.client, by_user(USER)
        auth = f"Authorization: {AUTH}\r\n"
        place: dict[str, Any] = {
            "workspace__id": "brand",
            "file__path": "/gone.bin",
            **user,
            "http__response__body__bytes": 0,
        }
        one = client.break_upload("/ws/brand/gone.bin", f"{auth}Content-Length: 99999\r\n", b"123")
        self.note(one, "file.upload error aborted", **place, http__response__status_code=400)
        one = client.break_upload(
            "/ws/brand/gone.bin", f"{auth}Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n"
        )
        self.note(one, "file.upload error aborted", **place, http__response__status_code=400)
        self.note(
            client.break_download("/docs/big.bin"),
            "file.download error aborted",
            file__path="/docs/big.bin",
        )
        self.note(
            client.break_download("/docs/big.bin", "Range: bytes=5-\r\n"),
            "file.download error aborted",
            file__path="/docs/big.bin",
            **PARTIAL,
        )
        self.note(
            client.break_waiting("/behind/x", self._behind),
            "file.download error aborted",
            file__path="/behind/x",
            http__response__status_code=499,
            http__response__body__bytes=0,
        )

    def forward(self) -> None:
        """A header that names another client counts only from the trusted peer."""
        a: dict[str, Any] = {"file__path": "/docs/a.txt", "file__size": 11}
        for peer, header, client in (
            (TRUSTED, "203.0.113.9", "203.0.113.9"),
            (TRUSTED, "198.51.100.1, 203.0.113.9", "203.0.113.9"),
            (TRUSTED, "203.0.113.9, garbage", TRUSTED),
            (TRUSTED, '"},{"', TRUSTED),
            ("127.0.0.1", "203.0.113.9", "127.0.0.1"),
        ):
            seen = self.client.ask("GET", "/docs/a.txt", peer=peer, X_Forwarded_For=header)
            behind: dict[str, Any] = (
                {} if client == peer else {"source__ip": peer, "client__port": None}
            )
            self.note(seen, "file.download", **a, client__ip=client, **behind)

    def rotate(self) -> None:
        """Rename the log, work, let nginx open it anew, work."""
        a: dict[str, Any] = {"file__path": "/docs/a.txt", "file__size": 11}
        log = self._server.log
        log.rename(log.with_name("audit.log.1"))
        self.note(self.client.ask("GET", "/docs/a.txt"), "file.download", **a)
        self._server.reopen()
        self.note(self.client.ask("GET", "/docs/a.txt"), "file.download", **a)

    def babble(self) -> None:
        """Send what is no request: nginx writes a line for each."""
        noise = (
            b"\x16\x03\x01garbage\r\n\r\n",
            b"get / HTTP/1.1\r\n\r\n",
            b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9_000 + b"\r\n\r\n",
            b"GET /docs/%00 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /docs/%zz HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /../../a HTTP/1.1\r\nHost: x\r\n\r\n",
            b"PUT /ws/a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
        )
        for raw in noise:
            assert self.client.send(raw).split(b" ")[1] in {b"400", b"414"}


def asked(session: requests.Session, method: str, url: str, body: bytes | None) -> Seen:
    """Make a request by the library `requests` and return what it saw."""
    begun_ms = time.time_ns() // 1_000_000
    with session.request(method, url, data=body, timeout=10, stream=True) as reply:
        connection = reply.raw.connection
        assert connection is not None
        port = connection.sock.getsockname()[1]
        agent = reply.request.headers["User-Agent"]
        received = len(reply.content)
        request_id = reply.headers["X-Request-Id"]
        return Seen(
            method, url, agent, reply.status_code, request_id, received, port, begun_ms=begun_ms
        )


def _cut(claimed: str | None) -> dict[str, Any]:
    """Return the fields of a name that was claimed; the schema keeps 512 bytes of it."""
    whole = claimed.encode() if claimed else b""
    if len(whole) <= CLAIM_LIMIT:
        return {"audit__claimed_user": claimed}
    return {
        "audit__claimed_user": whole[:CLAIM_LIMIT].decode(errors="ignore"),
        "audit__flags": ["truncated"],
        "audit__truncated_fields": ["audit.claimed_user"],
    }
