"""Index State Management as it was recorded: a small server that replays replies by name.

The plugin is not in the package registry, so its calls are tested against `tests/data/ism.json`.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch

from auditship_indexer.opensearch import Connection, connect

RECORDED: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).parents[1].joinpath("data", "ism.json").read_text(encoding="utf-8")
)["replies"]


class RecordedIsm:
    """What to answer to each of ISM's calls (`GET policies`, `POST add`), and what was asked."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, Any]] = []  # method, path and query, body

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        self.asked.append((method, path, body))
        call = path.removeprefix("/_plugins/_ism/").split("/")[0]
        name = self.answers.get(f"{method} {call}")
        if name is None:
            return 500, {"error": f"no recorded reply chosen for {method} {path}"}
        return RECORDED[name]["status"], RECORDED[name]["body"]

    @property
    def written(self) -> list[str]:
        """Every request that is no question, as `METHOD path`."""
        return [f"{method} {path}" for method, path, _ in self.asked if method != "GET"]


@contextmanager
def recorded_ism(**answers: str) -> Iterator[tuple[OpenSearch, RecordedIsm]]:
    """Serve recorded replies: `GET_policies="canon.11.policy.get"`; yields a client and the log."""
    ism = RecordedIsm({call.replace("_", " ", 1): name for call, name in answers.items()})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _reply(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, body = ism.answer(self.command, self.path, json.loads(raw) if raw else None)
            sent = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json; charset=UTF-8")
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_PUT = do_POST = _reply  # noqa: N815 - names that http.server looks up

        def log_message(self, *_: object) -> None:
            """Tests read `asked` instead."""

    with serving(Handler) as address:
        client = connect(Connection(hosts=(address,)))
        yield client, ism
        client.close()


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on a free loopback port in a thread; yields the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
