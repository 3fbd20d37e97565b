"""A writer at a steady rate whose lines say when they were written.

Lines of the corpus, in which the request id is the monotonic clock in ns, read just before the
write; so that the sink, on the same machine, knows how long each was under way. As many lines as
are due are one write. It says when it fell behind: then the figures are not those of the rate.
"""

import os
import signal
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Final

import click

from bench.corpus import lines

_KNOWN: Final = 5_000  # lines that take turns
_MARK: Final = b'"request_id":"'
_BEHIND_S: Final = 0.1


def heads(count: int = _KNOWN) -> list[bytes]:
    """Return the lines up to their request id, which is their last field."""
    found = []
    for row in islice(lines(count), count):
        head, mark, tail = row.rpartition(_MARK)
        if not mark or not tail.endswith(b'"}\n'):
            raise ValueError(f"the request id does not end the line: {row!r}")
        found.append(head + mark)
    return found


class Writer:
    """Writes lines to a log as they become due, until it is stopped."""

    def __init__(self, log: Path, rate: int) -> None:
        self.written = 0
        self.latest_s = 0.0  # the longest that a line was overdue
        self._rate = rate
        self._known = heads()
        self._file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._stopped = False

    def stop(self, *_: object) -> None:
        """Let `run` return; also a signal's handler."""
        self._stopped = True

    def run(self, tick_s: float) -> None:
        """Write each `tick_s` what is due."""
        began = time.monotonic()
        while not self._stopped:
            elapsed = time.monotonic() - began
            self.write(int(elapsed * self._rate) - self.written, tick_s)
            time.sleep(max(0.0, tick_s - (time.monotonic() - began - elapsed)))
        os.close(self._file)

    def write(self, due: int, tick_s: float) -> None:
        """Write `due` lines at once, with the time of now in them."""
        if due <= 0:
            return
        self.latest_s = max(self.latest_s, due / self._rate - tick_s)
        known = self._known
        end = b'%d"}\n' % time.monotonic_ns()
        numbers = range(self.written, self.written + due)
        os.write(self._file, b"".join([known[n % len(known)] + end for n in numbers]))
        self.written += due


@click.command()
@click.argument("log", type=click.Path(path_type=Path))
@click.option("--rate", type=int, required=True, help="Lines a second.")
@click.option(
    "--tick", type=float, default=0.005, show_default=True, help="Seconds between writes."
)
def main(*, log: Path, rate: int, tick: float) -> None:
    """Write until SIGTERM, then print the number of lines; exit 1 when it fell behind."""
    writer = Writer(log, rate)
    signal.signal(signal.SIGTERM, writer.stop)
    writer.run(tick)
    click.echo(writer.written)
    if writer.latest_s > _BEHIND_S:
        click.echo(f"behind by up to {writer.latest_s:.2f} s", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
