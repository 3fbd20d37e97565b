"""`auditship search`: the newest events of a selection, oldest first."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
import msgspec

from auditship_indexer.cli.context import config_option, open_client
from auditship_indexer.cli.selection import select, selection_options
from auditship_indexer.event import one_line
from auditship_indexer.event.line import plain
from auditship_indexer.search import PATTERN, Found, existing, newest, open_snapshot

DEFAULT_LIMIT: Final = 100
_SORTED: Final = msgspec.json.Encoder(order="sorted")
# What moves a cursor or turns text round is legal inside a JSON string; as an escape it says the
# same and does nothing to a terminal.
_ACTIVE: Final = re.compile("[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
Document = dict[str, Any]


class Limit(click.ParamType[int | None]):
    """A number of rows from 1, or `all`."""

    name = "N|all"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        """Return the number; None is all."""
        text = str(value)
        if text != "all" and not (text.isascii() and text.isdigit() and int(text) > 0):
            self.fail(f"{text!r} is neither a number from 1 nor `all`", param, ctx)
        return None if text == "all" else int(text)


@click.command()
@selection_options
@click.option(
    "--limit", type=Limit(), default=DEFAULT_LIMIT, show_default=True, help="Newest N, or `all`."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "ndjson"]),
    default="table",
    show_default=True,
    help="json is one array, ndjson one document a line.",
)
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@config_option
def search(config_path: Path | None, limit: int | None, form: str, **asked: Any) -> None:
    """Print the newest events of a selection, oldest first.

    A repeated option means or, different options mean and; `*` stands for any characters.
    """
    selection = select(**asked)
    client, _ = open_client(config_path)
    existing(client)
    with open_snapshot(client, PATTERN) as snapshot:
        found = newest(snapshot, selection.tree(snapshot), limit)
        rows = _FORMS[form](found, sys.stdout.buffer)
    click.echo(f"{rows} of {found.total} rows, {selection.window}", err=True)


def _table(found: Found, out: BinaryIO) -> int:
    if found.workspace is not None:
        out.write(f"Workspace: {plain(found.workspace)}\n".encode())
    return _written(out, (f"{one_line(row)}\n".encode() for row in found.rows))


def _ndjson(found: Found, out: BinaryIO) -> int:
    return _written(out, (_document(row) + b"\n" for row in found.rows))


def _json(found: Found, out: BinaryIO) -> int:
    out.write(b"[")
    rows = _written(out, _separated(found.rows))
    out.write(b"\n]\n" if rows else b"]\n")
    out.flush()
    return rows


def _separated(rows: Iterable[Document]) -> Iterator[bytes]:
    before = b"\n"
    for row in rows:
        yield before + _document(row)
        before = b",\n"


def _written(out: BinaryIO, lines: Iterable[bytes]) -> int:
    count = 0
    for line in lines:
        out.write(line)
        count += 1
    out.flush()
    return count


def _document(row: Document) -> bytes:
    text = _SORTED.encode(row).decode()
    return _ACTIVE.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode()


_FORMS: Final[dict[str, Callable[[Found, BinaryIO], int]]] = {
    "table": _table,
    "json": _json,
    "ndjson": _ndjson,
}
