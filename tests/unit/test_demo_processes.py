"""The demo's children: started, watched, ended, found again."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.processes import DemoError, LateError, Troupe, end_left_running, wait_until

FOREVER = [sys.executable, "-c", "import signal; print('here', flush=True); signal.pause()"]


@pytest.fixture
def troupe(tmp_path: Path) -> Iterator[Troupe]:
    made = Troupe(tmp_path / "a demo")
    made.folder.mkdir()
    yield made
    made.end()


def test_all_children_are_ended(troupe: Troupe) -> None:
    """After `end` no child lives, and none is remembered."""
    children = [troupe.start(name, FOREVER) for name in ("one", "two")]
    troupe.end()
    assert all(child.process.returncode is not None for child in children)
    assert not (troupe.folder / "running.json").exists()


def test_a_dead_child_is_told_with_the_end_of_its_log(troupe: Troupe) -> None:
    """Waiting for a child that dies fails at once, with what it said last."""
    child = troupe.start("poor", [sys.executable, "-c", "raise SystemExit('no disk')"])
    child.process.wait()
    with pytest.raises(DemoError, match="poor ended with exit code 1") as caught:
        wait_until("an answer", lambda: False, child, timeout_s=60)
    assert "no disk" in caught.value.explain()


def test_waiting_has_an_end(troupe: Troupe) -> None:
    """What does not happen in its time is a `LateError` that says what."""
    child = troupe.start("idle", FOREVER)
    with pytest.raises(LateError, match="an answer: not within 0 s"):
        wait_until("an answer", lambda: False, child, timeout_s=0)


def test_a_command_that_fails_is_told(troupe: Troupe) -> None:
    """The message has what the command wrote on stderr."""
    with pytest.raises(DemoError) as caught:
        troupe.run("search", [sys.executable, "-c", "raise SystemExit('no cluster')"])
    assert "no cluster" in caught.value.explain()


def test_what_was_left_running_is_ended_by_another_run(troupe: Troupe) -> None:
    """`--down` finds the children of an earlier demo by pid and start time."""
    child = troupe.start("left", FOREVER)
    assert end_left_running(troupe.folder) == ["left"]
    assert child.process.wait(10) != 0
    assert end_left_running(troupe.folder) == []


def test_a_reused_pid_is_left_alone(tmp_path: Path) -> None:
    """A pid that belongs to another process by now is never ended."""
    other = [{"name": "old", "pid": os.getpid(), "start": "1"}]
    (tmp_path / "running.json").write_text(json.dumps(other))
    assert end_left_running(tmp_path) == []


def test_a_child_that_must_end_well(troupe: Troupe) -> None:
    """A child that dies of the signal, or ends with an error, is told; others stay."""
    other = troupe.start("other", FOREVER)
    with pytest.raises(DemoError, match="one ended with -15"):
        troupe.finish(troupe.start("one", FOREVER))
    assert other.process.poll() is None
    assert [child.name for child in troupe.children] == ["other"]
