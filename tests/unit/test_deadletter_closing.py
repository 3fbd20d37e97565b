"""Dead letters that are settled: closed once, by whichever process, and gone after a week."""

import contextlib
from pathlib import Path
from typing import Final

import pytest

from auditship_agent.deadletter import DeadLetterFile, Resolutions
from auditship_agent.durable import RealDisk
from support.disk import DiedError, Fate, FaultDisk
from support.letters import NOW_MS, ROOM, added, closing, letter, opened, seqs

DAY_MS: Final = 86_400_000


def test_closed_records_are_not_open(tmp_path: Path) -> None:
    """What is closed stays closed over a restart, and its line stays known."""
    letters = opened(tmp_path)
    added(letters, 3)
    letters.resolve(closing(2))

    assert letters.open == {1, 3}
    again = opened(tmp_path)
    assert again.open == {1, 3}
    assert not again.add(letter(2))
    assert seqs(tmp_path, only_open=False) == [1, 2, 3]


def test_a_running_agent_learns_what_a_command_closed(tmp_path: Path) -> None:
    """Another process adds resolutions under its lock; the agent sees them at its next look."""
    letters = opened(tmp_path)
    added(letters, 2)
    Resolutions(tmp_path).add(closing(1), RealDisk())
    assert letters.open == {1, 2}
    letters.refresh()

    assert letters.open == {2}


@pytest.mark.parametrize("fate", list(Fate))
@pytest.mark.parametrize("call", range(1, 4))
def test_a_torn_resolution_spoils_no_other(tmp_path: Path, call: int, fate: Fate) -> None:
    """Killed while closing: the record is open or closed, and the next resolution counts."""
    added(opened(tmp_path), 3)
    disk = FaultDisk(tmp_path)
    disk.plan(call, fate)
    with pytest.raises(DiedError):
        Resolutions(tmp_path).add(closing(1), disk)
    Resolutions(tmp_path).add(closing(2), RealDisk())

    assert set(seqs(tmp_path)) in ({3}, {1, 3})


def _closed_files(tmp_path: Path) -> DeadLetterFile:
    letters = opened(tmp_path, max_bytes=10 * ROOM)
    for number in range(1, 6):  # two a file but for the last
        letters.add(letter(number, b"x" * 5_000_000))
    letters.sync()
    letters.resolve(closing(1, 2, 3))
    return letters


def test_files_go_7_days_after_their_last_record_was_closed(tmp_path: Path) -> None:
    """Not earlier, not with an open record inside, and never the file that is written."""
    letters = _closed_files(tmp_path)
    letters.forget_closed(NOW_MS + 7 * DAY_MS)
    assert len(list(tmp_path.glob("0*.jsonl"))) == 3
    letters.forget_closed(NOW_MS + 7 * DAY_MS + 1)
    assert [p.name for p in sorted(tmp_path.glob("0*.jsonl"))] == ["000002.jsonl", "000003.jsonl"]

    again = opened(tmp_path, max_bytes=10 * ROOM)
    assert again.open == {4, 5}
    assert again.next_seq() == 6
    assert seqs(tmp_path, only_open=False) == [3, 4, 5]
    Resolutions(tmp_path).add(closing(4), RealDisk())
    again.refresh()
    assert again.open == {5}


@pytest.mark.parametrize("fate", [Fate.NOT_DONE, Fate.UNREPORTED])
@pytest.mark.parametrize("call", range(1, 6))
def test_a_crash_while_files_go(tmp_path: Path, call: int, fate: Fate) -> None:
    """Killed in the middle of tidying: open records stay open, closed ones closed."""
    folder = tmp_path / "state"
    _closed_files(folder)
    disk = FaultDisk(folder)
    letters = opened(folder, disk, max_bytes=10 * ROOM)
    disk.plan(call, fate)
    with contextlib.suppress(DiedError):
        letters.forget_closed(NOW_MS + 8 * DAY_MS)

    again = opened(folder, max_bytes=10 * ROOM)
    assert again.open == {4, 5}
    assert again.next_seq() == 6


def test_an_open_line_is_found_by_its_place(tmp_path: Path) -> None:
    """A line that grew after all is found, so that its record can be closed as superseded."""
    letters = opened(tmp_path)
    added(letters, 3)

    (found,) = letters.find(letter(2).generation, 2)
    assert found.seq == 2
    letters.resolve(closing(2))
    assert letters.find(letter(2).generation, 2) == []
