"""What the demo prints: short headings, the commands' own output, times, and the verdict."""

import contextlib
import time
from collections.abc import Callable, Iterator

from demo.ledger import Difference, Ledger

CSV_ROWS = 4
SHOWN = 12
Say = Callable[[str], None]


class Report:
    """Prints as the demo goes; remembers how long each step took."""

    def __init__(self, say: Say = print) -> None:
        self._say = say
        self._began = time.monotonic()

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """Print one line for the block: name, the text it appends to the list, seconds."""
        began = time.monotonic()
        told: list[str] = []
        yield told
        self._say(f"  {name:<12} {' '.join(told):<58} {time.monotonic() - began:5.1f} s")

    def heading(self, text: str) -> None:
        """Print a heading."""
        self._say(f"\n{text}")

    def output(self, command: str, ask: Callable[[], str], *, lines: int | None = None) -> None:
        """Run a command; print it with its time, and what it gave, or the first lines of it."""
        began = time.monotonic()
        printed = ask().splitlines()
        self._say(f"\n$ {command:<71} {time.monotonic() - began:5.1f} s")
        for line in printed[:lines]:
            self._say(line)
        if lines is not None and len(printed) > lines:
            self._say(f"… {len(printed) - lines} more lines")

    def verdict(self, ledger: Ledger, stored: int, difference: Difference) -> bool:
        """Print requests sent against events stored; return whether they are equal."""
        expected = ledger.expected().total()
        by_system = sum(sent.by_system for sent in ledger.sent)
        requests = len(ledger.sent) - by_system
        self._say("\nRequests sent against events stored")
        self._say(f"  {requests} requests, {ledger.silent} of them no act (HEAD, OPTIONS, 404)")
        self._say(f"  {by_system} act of the system (a link that expired)")
        self._say(f"  {expected} events expected, {stored} stored: {_word(difference)}")
        for label, events in (("missing", difference.missing), ("surplus", difference.surplus)):
            for event in events[:SHOWN]:
                self._say(f"  {label}: {event}")
            if len(events) > SHOWN:
                self._say(f"  {label}: … {len(events) - SHOWN} more")
        return not difference

    def total(self) -> None:
        """Print how long all of it took."""
        self._say(f"\nDone in {time.monotonic() - self._began:.1f} s.")


def _word(difference: Difference) -> str:
    return "NOT EQUAL" if difference else "equal, each exactly once"
