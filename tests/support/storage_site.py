"""Two regions of the demo's storage server in this process, with a clock and ids that count."""

import hashlib
import itertools
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from storage_server.seed import SeedFile, SeedLink, SeedUser, SeedWorkspace, plant
from storage_server.web import StorageServer

EU, EAST = "eu-central-2", "us-east-1"
NOW_MS = 1_776_162_735_000  # 2026-04-14T10:32:15Z
NOW = "2026-04-14T10:32:15.000Z"
TEAM = {"id": "w_brand", "name": "Brand Campaign 2026"}
JOHN = {"id": "u_7", "email": "john@dosya.dev", "name": "John", "roles": ["Owner"]}
SARAH = {"id": "u_9", "email": "sarah@team.com", "name": "Sarah", "roles": ["Editor"]}
VIEWER = {"id": "u_21", "email": "client@acme.com", "name": "Client", "roles": ["Viewer"]}
GUEST = {"id": "u_30", "email": "guest@gmail.com", "name": "Guest"}
TOKEN = "token-of-the-acme-link"
CONTENT = b"draft" * 200
DRAFT = {
    "id": "f_30",
    "name": "draft.mp4",
    "path": "/draft.mp4",
    "type": "file",
    "size": 1000,
    "version": "v1",
    "sha256": hashlib.sha256(CONTENT).hexdigest(),
    "mime_type": "video/mp4",
}
HERE = {"storage_region": EU}


class SteppedWorld:
    """A clock that stands still until stepped, and ids that count."""

    def __init__(self, start: int) -> None:
        self.ms = NOW_MS
        self._ids = itertools.count(start)
        self.secrets: list[str] = []

    def now_ms(self) -> int:
        return self.ms

    def new_id(self, prefix: str) -> str:
        # Events are numbered apart, so that the other ids of a test do not depend on their count.
        return "evt" if prefix == "evt" else f"{prefix}_{next(self._ids)}"

    def new_secret(self) -> str:
        self.secrets.append(f"secret{len(self.secrets)}{'x' * 20}")
        return self.secrets[-1]


class Site:
    """Two regions with a known beginning; asks as somebody and reads the line that follows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = SteppedWorld(100)
        self.session = requests.Session()
        self.session.trust_env = False
        self.servers = {EU: self._serve(EU, {})}
        self.servers[EAST] = self._serve(EAST, {EU: self.servers[EU].url})
        self._threads = [threading.Thread(target=s.serve) for s in self.servers.values()]
        for thread in self._threads:
            thread.start()

    def _serve(self, region: str, peers: dict[str, str]) -> StorageServer:
        return StorageServer(
            region=region,
            root=self.folder / region,
            log=self.log(region),
            shared=self.folder / "shared",
            peers=peers,
            world=self.world,
        )

    def log(self, region: str = EU) -> Path:
        return self.folder / "logs" / f"{region}.log"

    def close(self) -> None:
        self.session.close()
        for server, thread in zip(self.servers.values(), self._threads, strict=True):
            server.shutdown()
            thread.join()

    def ask(
        self,
        who: dict[str, Any] | None,
        method: str,
        path: str,
        *,
        region: str = EU,
        status: int = 200,
        **how: Any,
    ) -> requests.Response:
        headers = {"X-Forwarded-For": "203.0.113.10", "User-Agent": "test/1"} | how.pop(
            "headers", {}
        )
        if who:
            how.setdefault("auth", (who["email"], f"pw of {who['name']}"))
        url = self.servers[region].url + path
        reply = self.session.request(method, url, headers=headers, timeout=10, **how)
        assert reply.status_code == status, reply.text
        return reply

    def lines(self, region: str = EU) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log(region).read_text("utf-8").splitlines()]

    def last(self, region: str = EU) -> dict[str, Any]:
        """The newest line without what each line of these tests has; that is checked here."""
        line = self.lines(region)[-1]
        for key, value in (COMMON | {"region": region}).items():
            assert line.pop(key) == value
        return line


USERS = [
    SeedUser(str(u["id"]), str(u["email"]), str(u["name"]), f"pw of {u['name']}")
    for u in (JOHN, SARAH, VIEWER, GUEST)
]
BRAND = SeedWorkspace(
    "w_brand",
    "Brand Campaign 2026",
    {"john@dosya.dev": "Owner", "sarah@team.com": "Editor", "client@acme.com": "Viewer"},
    files=[SeedFile("f_30", "/draft.mp4", EU, CONTENT), SeedFile("d_5", "/archive")],
    links=[
        SeedLink("s_a00", TOKEN, "f_30", "john@dosya.dev", EU, ["acme.com"], ("r_3", "acme only"))
    ],
    groups={("g_2", "Contractors"): ["client@acme.com"]},
    quota_bytes=100_000,
)
COMMON = {
    "v": 1,
    "time": NOW,
    "id": "evt",
    "ip": "203.0.113.10",
    "proxy_ip": "127.0.0.1",
    "user_agent": "test/1",
    "protocol": "http",
    "service": "demo-storage",
}


def act(
    action: str, who: dict[str, Any] | None, method: str, status: int, **more: Any
) -> dict[str, Any]:
    """The rest of a line: of `who`, in the workspace, a success unless said otherwise."""
    actor = {"user": who} if who else {"actor": "anonymous"}
    base = {"action": action, "result": "success", "workspace": TEAM}
    return base | actor | {"method": method, "status": status} | more


W = "/v1/workspaces/w_brand"


def plant_site(folder: Path) -> Path:
    """Make the beginning that `running_site` copies."""
    plant(folder / "shared", {name: folder / name for name in (EU, EAST)}, USERS, [BRAND])
    return folder


@contextmanager
def running_site(planted: Path, folder: Path) -> Iterator[Site]:
    """Serve a copy of what was planted, in `folder`."""
    shutil.copytree(planted, folder)
    site = Site(folder)
    try:
        yield site
    finally:
        site.close()
