"""A loopback server that answers `_bulk` as OpenSearch 3.8.0 does, and fails as it is told.

    with BulkServer() as server:
        server.script(lost_reply(), too_many_requests(retry_after_s=2))
        ...                                  # the agent ships to server.address
        server.wait_for(lambda: len(server.bulks) == 3)
        assert server.documents[index][id] == document

Behaviors stand in support.bulk_script. The contract suite holds this server beside the real node.
"""

import json
import socket
import threading
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from support.bulk_body import Action, RefusedError, parse
from support.bulk_cluster import AUTO_CREATE, Cluster, Judge, accept_all
from support.bulk_filter import filtered
from support.bulk_gate import Gate
from support.bulk_listener import Listener, Tls
from support.bulk_routes import route
from support.bulk_script import Behavior, error_answer, json_answer, serve, unauthorized
from support.bulk_wire import (
    Answer,
    Hangup,
    Request,
    hang_up,
    write_answer,
    zipped,
)

DEFAULT_LIMIT = 100 * 2**20  # bytes; `http.max_content_length` of the node


class BulkServer:
    """One node. Starts at once; `close` ends it and raises what went wrong inside."""

    def __init__(
        self,
        *,
        max_content_length: int = DEFAULT_LIMIT,
        auto_create: str = AUTO_CREATE,
        keep: bool = True,
        tls: Tls | None = None,
    ) -> None:
        """Listen on a free port. `keep=False` forgets bodies and documents, keeps ids."""
        self.max_content_length = max_content_length
        self.cluster = Cluster(auto_create=auto_create, keep=keep)
        self.requests: list[Request] = []
        self.credentials: tuple[str, str] | None = None  # set: others get 401
        self.date: str | None = None  # `Date` of each reply; the node sends none, a proxy may
        self.fixed: dict[tuple[str, str], Answer] = {}  # (method, path) -> always this
        self.otherwise: Behavior = serve()  # when the script is at its end
        self._keep = keep
        self._tls = tls
        self._script: deque[Behavior] = deque()
        self._gates: list[Gate] = []
        self._changed = threading.Condition(threading.RLock())
        self._listener = Listener(self._serve, tls)

    # -- what a test says ------------------------------------------------------------------

    @property
    def address(self) -> str:
        """Return `http://127.0.0.1:<port>`, with TLS `https://localhost:<port>`."""
        scheme, host = ("https", "localhost") if self._tls else ("http", "127.0.0.1")
        return f"{scheme}://{host}:{self._listener.port}"

    def script(self, *behaviors: Behavior) -> None:
        """Lay out behaviors for the next `_bulk` requests, one each, in the order of arrival."""
        with self._changed:
            self._script.extend(behaviors)

    def gate(self) -> Gate:
        """Return a closed gate for `hold_reply`; closing the server opens it."""
        self._gates.append(Gate())
        return self._gates[-1]

    def make_index(self, name: str, body: Mapping[str, object] | None = None) -> None:
        """Make an index, append-only unless `body` says otherwise."""
        with self._changed:
            made = {"settings": {"index": {"append_only.enabled": True}}} if body is None else body
            if (no := self.cluster.create(name, made)) is not None:
                raise ValueError(no.reason)

    def pause(self) -> None:
        """Refuse connections, and end those that there are, until `resume`."""
        self._listener.pause()

    def resume(self) -> None:
        """Listen again, on the same port."""
        self._listener.resume()

    def renew(self, tls: Tls) -> None:
        """Show another certificate from the next connection on."""
        self._listener.renew(tls)

    # -- what a test sees ------------------------------------------------------------------

    @property
    def documents(self) -> Mapping[str, Mapping[str, bytes]]:
        """Return what is stored: index -> id -> document, byte by byte as it was sent."""
        return self.cluster.documents

    @property
    def handshake_errors(self) -> list[str]:
        """Return what failed TLS handshakes said."""
        return self._listener.handshake_errors

    @property
    def bulks(self) -> list[Request]:
        """Return the `_bulk` requests, in the order of arrival."""
        return [request for request in self.requests if _is_bulk(request)]

    def actions(self, request: Request) -> tuple[Action, ...]:
        """Return the actions of a recorded request. Raises RefusedError as the node would."""
        return parse(request.body or b"", _index_of(request))

    def wait_for(self, holds: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Return as soon as `holds()`, looked at whenever a request arrives or is answered.

        Raises:
            TimeoutError: it does not.
        """
        with self._changed:
            if not self._changed.wait_for(holds, timeout_s):
                raise TimeoutError(f"after {len(self.requests)} requests it still does not hold")

    def close(self) -> None:
        """End every connection and thread; raise the first error of a thread, if any."""
        for gate in self._gates:
            gate.open()
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- one request -----------------------------------------------------------------------

    def _serve(self, connection: socket.socket, request: Request) -> bool:
        behavior = self._note(request)
        answer = self._answer(request, behavior)
        try:
            if isinstance(answer, Hangup):
                hang_up(connection, answer)
                return False
            if self.date is not None:
                answer = _with_header(answer, ("date", self.date))
            if "gzip" in request.headers.get("accept-encoding", "") and answer.body:
                answer = zipped(answer)
            return write_answer(connection, answer, head_only=request.method == "HEAD")
        finally:
            with self._changed:
                self._changed.notify_all()

    def _note(self, request: Request) -> Behavior:
        """Record a request and take its behavior, in the order of arrival."""
        with self._changed:
            self.requests.append(request if self._keep else _without_bodies(request))
            scripted = self._script and _is_bulk(request)
            behavior = self._script.popleft() if scripted else self.otherwise
            self._changed.notify_all()
        return behavior

    def _answer(self, request: Request, behavior: Behavior) -> Answer | Hangup:
        if (fixed := self.fixed.get((request.method, request.path))) is not None:
            return fixed
        exchange = _Exchange(request, self)
        if self.credentials and request.headers.get("authorization") != _basic(self.credentials):
            return unauthorized()(exchange)
        if request.body is None:
            return Hangup.CLOSE  # what the node does with a body that is not the gzip it claims
        if len(request.body) > self.max_content_length:
            zipped_close = (("connection", "close"),) if request.body != request.raw else ()
            return Answer(413, headers=zipped_close)
        if _is_bulk(request):
            return behavior(exchange)
        with self._changed:
            return route(self.cluster, request)

    def apply(self, request: Request, judge: Judge) -> Answer:
        """Do what a bulk request says, and return the true reply."""
        kind = request.headers.get("content-type", "").split(";")[0]
        if kind not in {"application/json", "application/x-ndjson"}:
            told = f"Content-Type header [{kind}] is not supported"
            return json_answer(406, {"error": told, "status": 406})
        try:
            actions = self.actions(request)
        except RefusedError as error:
            return error_answer(error.refusal)
        with self._changed:
            items = self.cluster.bulk(actions, judge)
        return _reply(request, items)


class _Exchange:
    """One bulk request and the server that may apply it."""

    def __init__(self, request: Request, server: BulkServer) -> None:
        self.request = request
        self._server = server

    def apply(self, judge: Judge = accept_all) -> Answer:
        return self._server.apply(self.request, judge)


def _reply(request: Request, items: Sequence[Mapping[str, Mapping[str, object]]]) -> Answer:
    errors = any("error" in item for one in items for item in one.values())
    reply = {"took": 1, "errors": errors, "items": items}
    if "filter_path" in request.query:
        reply = filtered(reply, request.query["filter_path"])
    answer = json_answer(200, reply)
    if "pretty" not in request.query:
        return answer
    body = json.dumps(reply, indent=2, separators=(",", " : "), ensure_ascii=False)
    return Answer(200, body.encode() + b"\n", answer.headers)


def _is_bulk(request: Request) -> bool:
    parts = request.path.strip("/").split("/")
    return request.method in {"POST", "PUT"} and parts[-1] == "_bulk" and len(parts) <= 2


def _index_of(request: Request) -> str | None:
    parts = request.path.strip("/").split("/")
    return parts[0] if len(parts) == 2 else None


def _without_bodies(request: Request) -> Request:
    return Request(request.method, request.path, request.query, request.headers, b"", b"")


def _with_header(answer: Answer, header: tuple[str, str]) -> Answer:
    headers = (*answer.headers, header)
    return Answer(answer.status, answer.body, headers, answer.cut_at, answer.chunked)


def _basic(credentials: tuple[str, str]) -> str:
    return "Basic " + b64encode(":".join(credentials).encode()).decode()
