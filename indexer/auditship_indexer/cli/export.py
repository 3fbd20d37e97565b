"""`auditship export`: every event of a selection, as a file that is whole or not there."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from opensearchpy import OpenSearch

from auditship_indexer.cli.context import config_option, open_client
from auditship_indexer.cli.selection import Selection, select, selection_options
from auditship_indexer.clock import Clock, SystemClock
from auditship_indexer.errors import ClusterError
from auditship_indexer.export import FORMATS, indices_by_day, open_destination
from auditship_indexer.export import export as write
from auditship_indexer.query import Tree, to_dsl
from auditship_indexer.search import PATTERN, Key, Page, existing, open_snapshot, refresh

_TOLD_EACH_S: Final = 10.0
_ENDINGS: Final = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
_COUNT: Final = msgspec.json.Decoder(Page[Key])


@click.command()
@selection_options
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="Where to; an older file is replaced once the new one is whole. - is standard output.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(sorted(FORMATS)),
    help="Default: by the file's ending, else csv.",
)
@config_option
def export(config_path: Path | None, output: str, form: str | None, **asked: Any) -> None:
    """Write every event of a selection to a file, oldest first.

    CSV is RFC 4180; a text that a spreadsheet would run as a formula gets one ' in front.
    """
    selection = select(**asked)
    name = form or _ENDINGS.get(Path(output).suffix.lower(), "csv")
    client, _ = open_client(config_path)
    refresh(client)
    days = indices_by_day(existing(client), selection.window)
    tree, total = _resolved(client, selection)
    with _opened(output) as out, _progress(total) as tell:
        done = write(client, days, tree, FORMATS[name], out, progress=tell)
        out.flush()
    if not days:
        click.echo("No index in the window: the file holds no event", err=True)
    where = "standard output" if output == "-" else output
    click.echo(f"{done.rows} rows to {where}, {selection.window}", err=True)


def _resolved(client: OpenSearch, selection: Selection) -> tuple[Tree, int]:
    """Return the whole condition, and the number of rows to expect for the progress bar."""
    with open_snapshot(client, PATTERN) as snapshot:
        tree = selection.tree(snapshot)
        body = {"size": 0, "query": to_dsl(tree), "track_total_hits": True}
        total = snapshot.page(_COUNT, body).hits.total
    if total is None:
        raise ClusterError("the cluster did not count the rows that match")
    return tree, total.value


@contextmanager
def _opened(output: str) -> Iterator[Any]:
    if output == "-":
        yield sys.stdout.buffer
        return
    with open_destination(Path(output)) as out:
        yield out


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Yield what is told the rows so far: a bar on a terminal, else a line each 10 s."""
    if not sys.stderr.isatty():
        yield _Lines(total, SystemClock())
        return
    # Imported here: a pipe, or a base install without the extra, does not need it.
    from rich.console import Console  # noqa: PLC0415 - see above
    from rich.progress import (  # noqa: PLC0415 - see above
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.speed:,.0f} rows/s", justify="right"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Exporting", total=total)
        yield lambda rows: bar.update(task, completed=rows)


class _Lines:
    """Progress for a log file."""

    def __init__(self, total: int, clock: Clock) -> None:
        self._total = total
        self._clock = clock
        self._told_at = clock.monotonic()

    def __call__(self, rows: int) -> None:
        now = self._clock.monotonic()
        if now - self._told_at >= _TOLD_EACH_S:
            self._told_at = now
            click.echo(f"{rows} of {self._total} rows", err=True)
