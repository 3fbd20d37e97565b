"""F39: a file of dead letters that somebody deleted is noticed, named once, and stops nothing."""

import contextlib
from pathlib import Path

import pytest

from auditship_agent.deadletter import DeadLetterFile
from support.disk import BROKEN, DiedError, Fate, FaultDisk
from support.letters import NOW_MS, added, closing, letter, opened, seqs

WEEK_MS = 8 * 86_400_000


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record a file."""
    monkeypatch.setattr("auditship_agent.deadletter.spool.FILE_BYTES", 10)


def told(letters: DeadLetterFile) -> list[str]:
    """Return the names of files that are told as gone."""
    found: list[Path] = []
    letters.tell_vanished(found.append)
    return [path.name for path in found]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_deleted_while_the_agent_was_down(tmp_path: Path, number: int) -> None:
    """F39: told at the start, also of the last file; told once; new records take new numbers."""
    added(opened(tmp_path), 3)
    (tmp_path / f"00000{number}.jsonl").unlink()

    letters = opened(tmp_path)
    assert told(letters) == [f"00000{number}.jsonl"]
    assert told(letters) == []
    assert letters.open == {1, 2, 3} - {number}
    letters.add(letter(9))
    letters.sync()
    assert (tmp_path / "000004.jsonl").exists()
    assert told(opened(tmp_path)) == []


def test_put_back_it_is_taken_up(tmp_path: Path) -> None:
    """F39: the way back: the file from a backup, while the agent is stopped."""
    added(opened(tmp_path), 3)
    kept = (tmp_path / "000002.jsonl").read_bytes()
    (tmp_path / "000002.jsonl").unlink()
    assert told(opened(tmp_path)) == ["000002.jsonl"]
    (tmp_path / "000002.jsonl").write_bytes(kept)

    letters = opened(tmp_path)
    assert (told(letters), letters.open) == ([], {1, 2, 3})


@pytest.mark.parametrize("number", [1, 3])
def test_deleted_under_a_running_agent(tmp_path: Path, number: int) -> None:
    """F39: it is told, and recording goes on durably, under a name that was not used before."""
    letters = opened(tmp_path)
    added(letters, 3)
    (tmp_path / f"00000{number}.jsonl").unlink()

    assert told(letters) == [f"00000{number}.jsonl"]
    assert told(letters) == []
    added(letters, 1)
    assert letters.open == {1, 2, 3, 4} - {number}
    assert seqs(tmp_path) == sorted(letters.open)
    assert told(opened(tmp_path)) == []


@pytest.mark.parametrize("notice", ["add", "sync", "tell"])
def test_deleted_before_it_was_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notice: str
) -> None:
    """F39: records that do not count yet are written into the next file."""
    monkeypatch.setattr("auditship_agent.deadletter.spool.FILE_BYTES", 10_000)
    disk = FaultDisk(tmp_path)
    letters = opened(tmp_path, disk)
    added(letters, 1)
    letters.add(letter(2))
    (tmp_path / "000001.jsonl").unlink()
    if notice == "add":
        letters.add(letter(3))
    elif notice == "tell":
        assert told(letters) == ["000001.jsonl"]
    disk.failing(BROKEN)
    with pytest.raises(OSError, match="error"):
        letters.sync()
    disk.heal()
    letters.sync()

    expected = [2, 3] if notice == "add" else [2]
    assert seqs(tmp_path) == expected
    assert letters.open == set(expected)
    assert told(letters) == ([] if notice == "tell" else ["000001.jsonl"])
    assert opened(tmp_path).open == set(expected)


@pytest.mark.parametrize("content", [b"", b"\0" * 30, b"{}\n", None])
def test_a_list_that_is_damaged_or_gone(tmp_path: Path, content: bytes | None) -> None:
    """F39: then nothing is known to be missing, and the next list is right."""
    added(opened(tmp_path), 2)
    (tmp_path / "000001.jsonl").unlink()
    if content is None:
        (tmp_path / "files.json").unlink()
    else:
        (tmp_path / "files.json").write_bytes(content)

    letters = opened(tmp_path)
    assert (told(letters), letters.open) == ([], {2})
    (tmp_path / "000002.jsonl").unlink()
    assert told(opened(tmp_path)) == ["000002.jsonl"]


def _life(folder: Path, disk: FaultDisk) -> None:
    """Make three files and forget two of them."""
    letters = opened(folder, disk)
    added(letters, 3)
    letters.resolve(closing(1, 2))
    letters.forget_closed(NOW_MS + WEEK_MS)


def test_no_crash_is_taken_for_a_deletion(tmp_path: Path) -> None:
    """F39, F30, F32: killed at any call, or power lost behind it: nothing is told as vanished."""
    (tmp_path / "calm").mkdir()
    calm = FaultDisk(tmp_path / "calm")
    _life(tmp_path / "calm", calm)
    assert (tmp_path / "calm" / "000003.jsonl").exists()
    assert not (tmp_path / "calm" / "000001.jsonl").exists()
    for call in range(1, len(calm.calls) + 1):
        for fate in Fate:
            folder = tmp_path / f"{call} {fate.value}"
            folder.mkdir()
            disk = FaultDisk(folder)
            disk.plan(call, fate)
            with contextlib.suppress(DiedError):
                _life(folder, disk)
            losses = disk.power_losses() if fate is Fate.UNREPORTED else ()
            for number, left in enumerate(losses):
                after = tmp_path / f"{call} {fate.value} {number}"
                after.mkdir()
                left.restore(after)
                assert told(opened(after)) == [], (call, fate, number)
            letters = opened(folder)
            assert told(letters) == [], (call, fate)
            _life(folder, FaultDisk(folder))
