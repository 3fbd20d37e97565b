"""From a request to its reply and its one line.

Requests that are no act on files give no line: `GET /health`, `OPTIONS`, `HEAD`, unknown paths,
and the servers' own fetches under `/internal/`.
"""

import contextlib
import hmac
import sqlite3
import sys
import threading
import traceback
from collections.abc import Generator

from storage_server.call import Call, Reply, Site
from storage_server.links import expire_due
from storage_server.refusal import RefusedError, failed
from storage_server.routes import Route, match
from storage_server.transfer import byte_range

EXPIRY_POLL_S = 0.25


def answer(call: Call) -> Reply:
    """Serve one request. The line is written, except for a transfer whose pieces are to come."""
    route = match(call)
    if route is None:
        return _no_act(call)
    try:
        reply = _serve(call, route)
        if reply.pieces is None:
            call.tell("success", reply.status)
    except RefusedError as refused:
        call.refusal(refused)
        return refusal_reply(refused)
    except Exception:  # noqa: BLE001 - the edge of the request loop: one act, one line, one reply
        traceback.print_exc(file=sys.stderr)
        return _broken(call)
    return reply


def _serve(call: Call, route: Route) -> Reply:
    call.action = route.action(call)
    route.claim(call)
    if route.body:
        call.read_json()
    call.who = call.site.door.identify(call.db, call.headers)
    route.enter(call)
    return route.endpoint(call)


def _broken(call: Call) -> Reply:
    refused = failed("server_error", status=500)
    try:
        call.refusal(refused)
    except OSError:  # the log itself is broken; the reply below is all that can be told
        traceback.print_exc(file=sys.stderr)
    return refusal_reply(refused)


def refusal_reply(refused: RefusedError) -> Reply:
    """Return what the client sees of a refusal."""
    headers = {}
    if refused.status == 401:  # noqa: PLR2004 - the one status that must name the scheme (RFC 9110)
        headers["WWW-Authenticate"] = 'Basic realm="files"'
    body = {"result": refused.result, "reason": refused.reason, "hint": refused.hint}
    return Reply(refused.status, body, headers)


def transfer(call: Call, reply: Reply) -> Generator[bytes]:
    """Yield the pieces of a reply; the line is written before the last of them leaves.

    Raises:
        RefusedError: the bytes ran out; the line tells it.
    """
    if reply.pieces is None:
        return
    waiting: bytes | None = None
    try:
        with contextlib.closing(reply.pieces):
            for piece in reply.pieces:
                if waiting is not None:
                    yield waiting
                waiting = piece
    except RefusedError as refused:
        call.refusal(refused)
        raise
    except GeneratorExit:
        call.fields.pop("bytes_out", None)
        call.refusal(failed("aborted", status=reply.status))
        raise
    call.tell("success", reply.status)
    if waiting is not None:
        yield waiting


def _no_act(call: Call) -> Reply:
    prefix = "/internal/blobs/"
    if call.path.startswith(prefix):
        return _internal(call, call.path.removeprefix(prefix))
    if call.path == "/health" and call.method == "GET":
        return Reply(body={"region": call.site.region})
    if call.method == "OPTIONS":
        return Reply(204, headers={"Allow": "GET, PUT, POST, PATCH, DELETE, OPTIONS"})
    return Reply(404, {"result": "error", "reason": "not_found", "hint": "no such address"})


def _internal(call: Call, name: str) -> Reply:
    """Serve another region, which writes the line of the act."""
    token = call.headers.get("x-internal-token", "").encode("latin-1", "replace")
    allowed = hmac.compare_digest(token, call.site.store.internal_token.encode())
    path = call.site.blobs.path(name)
    call.told = True
    if not allowed or not name.replace("_", "").isalnum() or not path.is_file():
        return Reply(404)
    if call.method == "DELETE":
        call.site.blobs.remove(name, call.site.region)
        return Reply(204)
    size = path.stat().st_size
    start, length = byte_range(call.headers.get("range", ""), size)
    pieces = call.site.blobs.pieces(name, call.site.region, start, length)
    return Reply(206, pieces=pieces, length=length)


class ExpiryTimer(threading.Thread):
    """Tells expiries when they happen, also those of links that nobody visits."""

    def __init__(self, site: Site) -> None:
        super().__init__(name="expiry", daemon=True)
        self._site = site
        self._ending = threading.Event()

    def run(self) -> None:
        """Look each quarter of a second until `close`."""
        db = self._site.store.connect()
        try:
            while not self._ending.wait(EXPIRY_POLL_S):
                self._look(db)
        finally:
            db.close()

    def _look(self, db: sqlite3.Connection) -> None:
        try:
            expire_due(self._site, db)
        except (OSError, sqlite3.Error):  # a full disk passes; the next look tells the expiry
            traceback.print_exc(file=sys.stderr)

    def close(self) -> None:
        """End the thread and wait for it."""
        self._ending.set()
        self.join()
