"""`auditship up`, `down` and `status`: the embedded OpenSearch.

What belongs to other parts (the settings file, `setup` once the cluster answers) comes in by
`NodeHooks`, which the command group puts into click's context.
"""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import click
import requests
from msgspec import Struct
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from auditship_indexer.cli.context import config_option
from auditship_indexer.clock import SystemClock
from auditship_indexer.errors import NodeError, StateError
from auditship_indexer.node import (
    Node,
    NodeConfig,
    Running,
    find_running,
    forget_running,
    make_folder,
    save_running,
    start,
    state_folder,
)

EXIT_NOT_RUNNING = 3  # what an init script answers to `status`
DEFAULT_PORT = 9200  # where clients look for OpenSearch
STOP_GRACE_S = 30.0
_WATCH_S = 1.0
_REQUEST_TIMEOUT_S = 5.0


class NodeHooks(Struct, frozen=True):
    """What the commands need of parts that they do not know.

    Each is given the path of `--config`, or None. `after_start` gets the address of the usable
    cluster, also when it ran before, and so must be repeatable.
    """

    after_start: Callable[[str, Path | None], None] = lambda _address, _config: None
    state_dir: Callable[[Path | None], Path] = lambda _config: state_folder()
    cluster: Callable[[Path | None], str | None] = lambda _config: None  # one that is not ours


@click.command()
@config_option
@click.option(
    "--foreground/--detach",
    default=False,
    help="Stay until Ctrl-C and end the node then, or leave it running (default).",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=DEFAULT_PORT,
    show_default=True,
    help="HTTP port on 127.0.0.1; 0 takes a free one.",
)
def up(config_path: Path | None, port: int, *, foreground: bool) -> None:
    """Start OpenSearch on this machine and make it ready for audit events."""
    hooks = _hooks()
    outside = hooks.cluster(config_path)
    if outside is not None:
        click.echo(f"Using the cluster of the configuration: {outside}")
        hooks.after_start(outside, config_path)
        return
    state = hooks.state_dir(config_path)
    make_folder(state)
    running = find_running(state)
    if running is not None:
        click.echo(f"Already running: OpenSearch {running.version} at {running.address}")
        hooks.after_start(running.address, config_path)
        return
    node = _start(state, port, detach=not foreground)
    if not foreground:
        hooks.after_start(node.address, config_path)
        return
    _stay(node, state, lambda: hooks.after_start(node.address, config_path))


@click.command()
@config_option
def down(config_path: Path | None) -> None:
    """End the OpenSearch that `auditship up` started."""
    state = _hooks().state_dir(config_path)
    running = find_running(state)
    if running is None:
        click.echo("OpenSearch is not running")
        return
    gentle = _end(running)
    forget_running(state)
    how = "Stopped" if gentle else f"Killed after {STOP_GRACE_S:g} s without an answer:"
    click.echo(f"{how} OpenSearch {running.version} (pid {running.process.pid})")


@click.command()
@config_option
def status(config_path: Path | None) -> None:
    """Tell where OpenSearch runs and how it is; exit status 3 when it does not run."""
    running = find_running(_hooks().state_dir(config_path))
    if running is None:
        click.echo("OpenSearch is not running")
        sys.exit(EXIT_NOT_RUNNING)
    rows = {
        "address": running.address,
        "version": running.version,
        "cluster": _health(running.address),
        "pid": str(running.process.pid),
        "data": running.data_folder,
    }
    for name, value in rows.items():
        click.echo(f"{name:<8} {value}")


def _hooks() -> NodeHooks:
    return click.get_current_context().find_object(NodeHooks) or NodeHooks()


def _start(state: Path, port: int, *, detach: bool) -> Node:
    config = NodeConfig(data_folder=state / "node", http_port=port)
    err = Console(stderr=True)
    clock = SystemClock()
    began = clock.monotonic()
    node = start(config, detach=detach, progress=_download_bar(err), tell=_note)
    try:
        save_running(state, node)
    except OSError as error:  # a node that nobody could find again must not live on
        node.stop()
        raise StateError(
            f"{state}: {error.strerror}", hint="see the rights of state.dir"
        ) from error
    took_s = clock.monotonic() - began
    click.echo(f"OpenSearch {node.version} at {node.address} (pid {node.pid}, {took_s:.1f} s)")
    return node


def _stay(node: Node, state: Path, then: Callable[[], None]) -> None:
    """Run until a signal asks for the end, or the node dies."""
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    try:
        then()
        click.echo("Ctrl-C ends it")
        while signal.sigtimedwait(ends, _WATCH_S) is None:
            if not node.alive():
                told = "".join(f"\n  {line}" for line in node.last_words())
                raise NodeError(f"OpenSearch ended by itself:{told}")
        click.echo("Stopping OpenSearch")
    finally:
        node.stop(grace_s=STOP_GRACE_S)
        forget_running(state)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ends)


def _end(running: Running) -> bool:
    try:
        return running.process.end(SystemClock(), grace_s=STOP_GRACE_S)
    except PermissionError as error:
        raise NodeError(
            f"pid {running.process.pid} belongs to another user",
            hint="run `auditship down` as the user that ran `auditship up`",
        ) from error


def _health(address: str) -> str:
    with requests.Session() as session:
        session.trust_env = False  # no proxy between us and this machine
        try:
            reply = session.get(f"{address}/_cluster/health", timeout=_REQUEST_TIMEOUT_S)
            return str(reply.json()["status"])
        except (requests.RequestException, KeyError) as error:
            return f"no answer ({type(error).__name__})"


def _download_bar(
    console: Console,
) -> Callable[[str, int], AbstractContextManager[Callable[[int], None]]]:
    @contextmanager
    def bar(name: str, total_bytes: int) -> Iterator[Callable[[int], None]]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(f"Downloading {name}", total=total_bytes)
            yield lambda count: progress.advance(task, count)

    return bar


def _note(text: str) -> None:
    click.echo(f"Note: {text}", err=True)
