"""Start a node, wait until its cluster can be used, end it."""

import errno
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from auditship_indexer.clock import Clock, SystemClock
from auditship_indexer.errors import NodeError
from auditship_indexer.node import settings
from auditship_indexer.node.account import (
    Account,
    Tell,
    reachable_cache,
    reachable_data,
    unprivileged,
)
from auditship_indexer.node.distribution import Progress, fetch
from auditship_indexer.node.home import CLUSTER, java_command, lay_out, ports_file
from auditship_indexer.node.identity import ProcessId, identify
from auditship_indexer.node.lastwords import decisive_lines, hint_for, read_tail
from auditship_indexer.node.runtime import Runtime, choose_runtime
from auditship_indexer.node.settings import NodeConfig

_POLL_S = 0.1
_REQUEST_TIMEOUT_S = 5.0
_STOP_GRACE_S = 30.0
_SPACE_TO_RUN_BYTES = 100_000_000


class Node:
    """A running node. As a context manager it is stopped at the end of the block."""

    def __init__(
        self,
        *,
        address: str,
        process: ProcessId,
        data_folder: Path,
        supervisor: "subprocess.Popen[str] | None",
        clock: Clock,
        log_start: int = 0,
    ) -> None:
        self.address = address  # http://127.0.0.1:PORT
        self.process = process
        self.data_folder = data_folder  # where it really is: root's may differ from the wish
        self.version = settings.VERSION
        self._supervisor = supervisor
        self._clock = clock
        self._log_start = log_start  # bytes; what stood in the log before is of an earlier life

    @property
    def pid(self) -> int:
        """The pid of the Java process."""
        return self.process.pid

    def alive(self) -> bool:
        """Tell whether the process still runs."""
        return self.process.alive()

    def last_words(self) -> list[str]:
        """Return the decisive lines of its log, for a node that died."""
        return _last_words(self.data_folder, self._log_start)

    def stop(self, *, grace_s: float = _STOP_GRACE_S) -> bool:
        """End the node; return whether it ended by itself within `grace_s`. Repeatable."""
        gentle = self.process.end(self._clock, grace_s=grace_s)
        if self._supervisor is not None:
            self._supervisor.wait()
        return gentle

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def start(
    config: NodeConfig,
    *,
    detach: bool = False,
    progress: Progress | None = None,
    tell: Tell = lambda _: None,
    clock: Clock | None = None,
) -> Node:
    """Start a node and return once its cluster answers and has assigned its shards.

    Fetches the distribution when needed. A node that is not detached ends with this process, at
    the latest; a detached one lives on. `tell` gets notes for a person.

    Raises:
        NodeError: it could not be fetched or started; nothing is left running.
    """
    account = unprivileged()
    cache = reachable_cache(config.cache_folder or settings.cache_folder(), account, tell)
    distribution = fetch(cache, progress=progress, tell=tell)
    runtime = choose_runtime(cache, account, tell)
    folder = reachable_data(config.data_folder.absolute(), account, tell)
    _require_space(folder)
    lock = _lock(folder)
    try:
        _require_port(config.http_port)
        _lay_out(folder, config, distribution, runtime, account)
        command = java_command(folder, config, runtime)
        launched = _Launch(folder, command, account, lock, detach=detach)
    finally:
        os.close(lock)  # from here on the node alone holds it
    clock = clock or SystemClock()
    try:
        address = launched.wait_until_usable(clock, config.start_timeout_s)
    except BaseException:  # also an interrupt: nothing is left running
        launched.kill(clock)
        raise
    return Node(
        address=address,
        process=launched.process,
        data_folder=folder,
        supervisor=launched.supervisor,
        clock=clock,
        log_start=launched.log_start,
    )


class _Launch:
    """A node between its start and its first good answer."""

    def __init__(
        self, folder: Path, command: list[str], account: Account | None, lock: int, *, detach: bool
    ) -> None:
        self._folder = folder
        log = log_file(folder)
        self.log_start = log.stat().st_size if log.exists() else 0
        order = _order(folder, command, account, lock, detach=detach)
        program = Path(__file__).with_name("supervise.py")
        supervisor = subprocess.Popen(
            [sys.executable, "-I", "-S", str(program), json.dumps(order)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=[lock],
            start_new_session=True,  # a Ctrl-C is for us alone
        )
        said = _first_line(supervisor)
        process = identify(int(said)) if said.isdecimal() else None
        if not said.isdecimal():
            supervisor.wait()
            raise NodeError(
                f"{command[0]}: cannot be run: {said.removeprefix('error: ')}",
                hint="see whether the user that runs the node may use this Java",
            )
        if detach:
            supervisor.wait()
        self.supervisor = None if detach else supervisor
        self.process = process or ProcessId(pid=int(said), start_ticks=0, boot_id="")

    def wait_until_usable(self, clock: Clock, timeout_s: float) -> str:
        """Return the address, once the cluster answers there."""
        deadline = clock.monotonic() + timeout_s
        state = "it does not listen yet"
        while clock.monotonic() < deadline:
            if not self.process.alive():
                raise self._died()
            address = _address(self._folder)
            if address:
                state = _state(address)
                if state == "usable":
                    return address
            clock.sleep(_POLL_S)
        raise self._too_slow(timeout_s, state)

    def kill(self, clock: Clock) -> None:
        """End a start that failed."""
        self.process.end(clock, grace_s=0.0)
        if self.supervisor is not None:
            self.supervisor.wait()

    def _died(self) -> NodeError:
        lines = _last_words(self._folder, self.log_start)
        told = "".join(f"\n  {line}" for line in lines)
        return NodeError(
            f"OpenSearch ended while it started:{told or ' it wrote no log'}",
            hint=hint_for(lines, _where_told(self._folder)),
        )

    def _too_slow(self, timeout_s: float, state: str) -> NodeError:
        told = "".join(f"\n  {line}" for line in _last_words(self._folder, self.log_start))
        return NodeError(
            f"OpenSearch was not usable after {timeout_s:g} s ({state}), it was ended:{told}",
            hint=f"on a slow machine raise start_timeout_s; see {_where_told(self._folder)}",
        )


def log_file(folder: Path) -> Path:
    """Return the log of the node in this data folder."""
    return folder / "logs" / f"{CLUSTER}.log"


def _where_told(folder: Path) -> Path:
    log = log_file(folder)
    return log if log.exists() else folder / "console.log"


def _order(
    folder: Path, command: list[str], account: Account | None, lock: int, *, detach: bool
) -> dict[str, Any]:
    kept = ("PATH", "TZ", "LD_LIBRARY_PATH")
    identity = {} if account is None else {"user": account.uid, "group": account.gid}
    return {
        "command": command,
        "cwd": str(folder / "home"),
        # No JAVA_TOOL_OPTIONS and the like; a UTF-8 locale, or Java cannot open "Größe/".
        "env": {name: os.environ[name] for name in kept if name in os.environ}
        | {"HOME": str(folder / "tmp"), "LC_ALL": "C.UTF-8"},
        "console": str(folder / "console.log"),
        "lock_fd": lock,
        "parent": os.getpid(),
        "detach": detach,
        "identity": identity | ({"extra_groups": []} if identity else {}),
    }


def _first_line(supervisor: "subprocess.Popen[str]") -> str:
    if supervisor.stdout is None:
        return "error: no pipe"
    with supervisor.stdout as out:
        return out.readline().strip()


def _lay_out(
    folder: Path,
    config: NodeConfig,
    distribution: Path,
    runtime: Runtime,
    account: Account | None,
) -> None:
    try:
        lay_out(folder, config, distribution, runtime, account)
    except OSError as error:
        raise NodeError(
            f"{error.filename or folder}: {error.strerror}",
            hint="free some space"
            if error.errno == errno.ENOSPC
            else "the data folder must belong to the user that starts the node",
        ) from error


def _lock(folder: Path) -> int:
    """Take the folder for one node; the descriptor is handed on, so that the lock dies with it."""
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise NodeError(
            f"{folder}: {error.strerror}",
            hint="the data folder must belong to the user that starts the node",
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(lock, 20, 0).decode("ascii", errors="replace")
        os.close(lock)
        if not holder:
            raise NodeError(
                f"{folder}: another node is being started in this data folder",
                hint="`auditship status` tells where, once it is there",
            ) from error
        raise NodeError(
            f"{folder}: another node runs in this data folder (pid {holder})",
            hint=f"`auditship down` ends it; if that knows no node, `kill {holder}`",
        ) from error
    os.ftruncate(lock, 0)  # the pid of an earlier node may be anybody's by now
    return lock


def _require_space(
    folder: Path,
    free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
) -> None:
    free = free_bytes(folder)
    if free < _SPACE_TO_RUN_BYTES:
        raise NodeError(
            f"{folder}: {free // 1_000_000} MB free, a node needs"
            f" {_SPACE_TO_RUN_BYTES // 1_000_000} MB to start",
            hint="free some space, or choose another folder",
        )


def _require_port(port: int) -> None:
    """Refuse a port that is taken, before a start of ten seconds finds out."""
    if port == 0:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise NodeError(
                f"port {port} of 127.0.0.1: {error.strerror}",
                hint="choose another with --port, or 0 for any free one",
            ) from error


def _address(folder: Path) -> str | None:
    try:
        lines = ports_file(folder).read_text(encoding="ascii").split()
    except FileNotFoundError:
        return None
    return f"http://{lines[0]}" if lines else None


def _state(address: str) -> str:
    """Return `usable`, or what is still missing.

    Yellow is usable when nothing is on its way: one node never assigns replicas.
    """
    with requests.Session() as session, suppress(requests.RequestException):
        session.trust_env = False  # no proxy between us and ourselves
        reply = session.get(f"{address}/_cluster/health", timeout=_REQUEST_TIMEOUT_S)
        health = reply.json() if reply.ok else {}
        pending = health.get("initializing_shards", 0) or health.get("status") == "red"
        if health.get("status") and not pending:
            return "usable"
        return f"cluster {health.get('status') or f'answers {reply.status_code}'}"
    return "it does not answer"


def _last_words(folder: Path, log_start: int) -> list[str]:
    log = read_tail(log_file(folder), log_start)
    return decisive_lines(log + read_tail(folder / "console.log"))
