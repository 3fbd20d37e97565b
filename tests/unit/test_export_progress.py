"""What a person sees of a long export."""

import io

import pytest

from auditship_indexer.cli.progress import progress


class Stepped:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = 0.0

    def now_ms(self) -> int:
        return int(self.at * 1000)

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of total and rows a second, from the first moment on."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    out, clock = Terminal(), Stepped()
    with progress(2_000, clock, out) as tell:
        tell(0)
        clock.sleep(2)
        tell(1_000)
    assert "1000/2000" in out.getvalue()
    assert "500 rows/s" in out.getvalue()


def test_a_log_gets_a_line_each_ten_seconds() -> None:
    """And no control characters."""
    out, clock = io.StringIO(), Stepped()
    with progress(9, clock, out) as tell:
        for rows in range(1, 9):
            clock.sleep(4)
            tell(rows)
    assert out.getvalue() == "3 of 9 rows\n6 of 9 rows\n"
