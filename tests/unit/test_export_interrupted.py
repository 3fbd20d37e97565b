"""Ctrl-C in the middle of an export, by a real process against a cluster that stands still."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

FIELDS = {
    "@timestamp": "date",
    "audit.actor": "keyword",
    "event.action": "keyword",
    "event.id": "keyword",
    "log.offset": "long",
}
INDEX = "audit-eu-2026.04.14"


class StandingStill(ThreadingHTTPServer):
    """Counts a million rows, then answers no page until the test ends."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.asked = threading.Event()
        self.released = threading.Event()


class _Answer(BaseHTTPRequestHandler):
    server: StandingStill

    def log_message(self, *_args: Any) -> None:
        pass

    def reply(self) -> dict[str, Any]:
        if "_field_caps" in self.path:
            caps = {name: {kind: {"type": kind}} for name, kind in FIELDS.items()}
            return {"indices": [INDEX], "fields": caps}
        if "point_in_time" in self.path:
            return {"pit_id": "p"}
        return {
            "timed_out": False,
            "_shards": {"total": 1, "failed": 0},
            "hits": {"total": {"value": 1_000_000, "relation": "eq"}, "hits": []},
        }

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if b"_shard_doc" in body:
            self.server.asked.set()
            self.server.released.wait()
            return
        sent = json.dumps(self.reply()).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815 - names of http.server


@pytest.fixture
def cluster() -> Iterator[StandingStill]:
    with StandingStill() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.released.set()
        server.shutdown()
        thread.join()


def test_ctrl_c_leaves_no_file(cluster: StandingStill, tmp_path: Path) -> None:
    """Exit code 130, no file under the name, and the part that was written is gone, too."""
    folder = tmp_path / "with blanks"
    folder.mkdir()
    config = tmp_path / "auditship.yaml"
    config.write_text(f"opensearch: {{hosts: ['http://127.0.0.1:{cluster.server_port}']}}")
    command = [sys.executable, "-c", "from auditship_indexer.cli import main; main()"]
    with subprocess.Popen(
        [*command, "export", "-o", str(folder / "x.csv"), "--config", str(config)],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert cluster.asked.wait(60)
        assert [path.suffix for path in folder.iterdir()] == [".part"]
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert (process.returncode, told.strip()) == (130, "Interrupted")
    assert list(folder.iterdir()) == []
