"""What libraries say becomes lines of the log: a collector parses every line of stderr."""

import io
import json
import logging
import threading
import warnings
from collections.abc import Iterator

import pytest

from auditship_indexer.log import Log, adopt
from support.clock import TestClock


@pytest.fixture
def told() -> Iterator[tuple[TestClock, io.StringIO]]:
    """What an adopting log wrote, and its clock; afterwards all is as before."""
    root, hook, show = logging.getLogger(), threading.excepthook, warnings.showwarning
    before = list(root.handlers)
    clock, out = TestClock(), io.StringIO()
    adopt(Log(clock=clock, out=out, repeat_s=60))
    yield clock, out
    logging.captureWarnings(capture=False)
    for handler in set(root.handlers) - set(before):
        root.removeHandler(handler)
    threading.excepthook, warnings.showwarning = hook, show


def lines(out: io.StringIO) -> list[dict[str, str]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_library_message_is_a_line(told: tuple[TestClock, io.StringIO]) -> None:
    """A warning of a library names it; what it tells for its developers is left out."""
    _, out = told
    logging.getLogger("watchdog").debug("nobody's business")
    logging.getLogger("watchdog").error("called %s times\nin a row", 7)
    (line,) = lines(out)
    assert (line["level"], line["event"], line["library"]) == ("error", "library.told", "watchdog")
    assert line["message"] == "called 7 times\nin a row"


def test_flood_is_counted(told: tuple[TestClock, io.StringIO]) -> None:
    """A library that repeats itself gets a line a minute, with the number of those left out."""
    clock, out = told
    for _ in range(100):
        logging.getLogger("urllib3").warning("again")
    clock.advance(61)
    logging.getLogger("urllib3").warning("again")
    assert [str(line.get("left_out")) for line in lines(out)] == ["None", "99"]


@pytest.mark.filterwarnings("default")
def test_warning_is_a_line(told: tuple[TestClock, io.StringIO]) -> None:
    """`warnings.warn` of a library does not reach stderr as plain text."""
    _, out = told
    warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert lines(out)[0]["library"] == "py.warnings"


def test_thread_that_dies_is_told(told: tuple[TestClock, io.StringIO]) -> None:
    """An exception that ends a thread is one line, too."""
    _, out = told

    def fail() -> None:
        raise KeyError("oops")

    thread = threading.Thread(target=fail, name="watcher")
    thread.start()
    thread.join()
    (line,) = lines(out)
    assert (line["event"], line["thread"], line["why"]) == (
        "thread.failed", "watcher", "KeyError('oops')",
    )  # fmt: skip
