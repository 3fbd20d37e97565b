"""How far a long command is: a bar on a terminal, else a line each 10 s."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

import click

from auditship_indexer.clock import Clock

_TOLD_EACH_S: Final = 10.0


@contextmanager
def progress(
    total: int, clock: Clock, out: TextIO | None = None
) -> Iterator[Callable[[int], None]]:
    """Yield what is told the number of rows so far. `out` is standard error by default."""
    stream = out or sys.stderr
    if not stream.isatty():
        yield _Lines(total, clock, stream)
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
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    began = clock.monotonic()
    with Progress(*columns, console=Console(file=stream), transient=True) as bar:
        task = bar.add_task("Exporting", total=total, rate="")

        def tell(rows: int) -> None:
            took_s = clock.monotonic() - began
            rate = f"{rows / took_s:,.0f} rows/s" if took_s > 0 else ""
            bar.update(task, completed=rows, rate=rate)

        yield tell


class _Lines:
    """Progress for a log file."""

    def __init__(self, total: int, clock: Clock, out: TextIO) -> None:
        self._total = total
        self._clock = clock
        self._out = out
        self._told_at = clock.monotonic()

    def __call__(self, rows: int) -> None:
        now = self._clock.monotonic()
        if now - self._told_at >= _TOLD_EACH_S:
            self._told_at = now
            click.echo(f"{rows} of {self._total} rows", file=self._out)
