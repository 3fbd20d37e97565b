"""`auditship export`: every event of a selection, as a file that is whole or not there."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from opensearchpy import OpenSearch

from auditship_indexer.cli.context import config_option, open_client
from auditship_indexer.cli.progress import progress
from auditship_indexer.cli.selection import Selection, select, selection_options
from auditship_indexer.clock import SystemClock
from auditship_indexer.errors import ClusterError
from auditship_indexer.export import FORMATS, indices_by_day, open_destination
from auditship_indexer.export import export as write
from auditship_indexer.query import Tree, to_dsl
from auditship_indexer.search import PATTERN, Key, Page, existing, open_snapshot, refresh

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
    with _opened(output) as out, progress(total, SystemClock()) as tell:
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
