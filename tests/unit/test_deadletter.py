"""Dead letters: durable before they count, never twice, never torn, gone when long closed."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auditship_agent.deadletter import (
    DeadLetter,
    DeadLetterFile,
    FullError,
    records,
)
from auditship_agent.durable import RealDisk
from support.disk import BROKEN, FULL, DiedError, Fate, FaultDisk
from support.letters import ROOM, added, closing, letter, opened, seqs

# -- recording ---------------------------------------------------------------------------------


def test_a_record_comes_back_whole(tmp_path: Path) -> None:
    """Raw bytes of any kind survive, with reason and position."""
    line = bytes(range(256))
    letters = opened(tmp_path)
    letters.add(letter(1, line))
    letters.sync()

    (found,) = records(tmp_path)
    assert found == letter(1, line)
    assert found.line == line


def test_the_same_line_is_recorded_once(tmp_path: Path) -> None:
    """A line that is read again, after a crash too, is known by its place and its hash."""
    letters = opened(tmp_path)
    assert letters.add(letter(1))
    again = DeadLetter(**{f: getattr(letter(1), f) for f in DeadLetter.__struct_fields__})
    assert not letters.add(again)
    letters.sync()

    assert not opened(tmp_path).add(letter(1))
    assert seqs(tmp_path) == [1]


def test_documents_of_one_lost_line_are_all_kept(tmp_path: Path) -> None:
    """Where documents stand for a line that is gone, each refused one is a record."""
    fields = {f: getattr(letter(1, b""), f) for f in DeadLetter.__struct_fields__}
    letters = opened(tmp_path)
    for number, name in enumerate(("id-a", "id-b"), 1):
        record = DeadLetter(**{**fields, "seq": number, "id": name, "document": "{}"})
        assert letters.add(record)


def test_full_writes_nothing(tmp_path: Path) -> None:
    """A record that would go over the limit is refused whole, and fits once there is room."""
    letters = opened(tmp_path, max_bytes=ROOM)
    letters.add(letter(1, b"x" * 8_000_000))
    letters.limit(letters.bytes_used + 100, 0)
    with pytest.raises(FullError):
        letters.add(letter(2))
    assert seqs(tmp_path) == [1]
    letters.limit(ROOM, 0)

    assert letters.add(letter(2))


def test_a_disk_without_room_counts_as_full(tmp_path: Path) -> None:
    """The last free bytes of a disk are not the dead letters' to take."""
    letters = DeadLetterFile(tmp_path, RealDisk(), max_bytes=ROOM, min_free_bytes=1 << 62)
    letters.recover()

    with pytest.raises(FullError):
        letters.add(letter(1))


def test_files_end_at_16_mib(tmp_path: Path) -> None:
    """Records go on in a new file; numbers and order go on, too."""
    letters = opened(tmp_path, max_bytes=10 * ROOM)
    for number in range(1, 6):
        letters.add(letter(number, b"x" * 5_000_000))
    letters.sync()

    assert [path.name for path in sorted(tmp_path.glob("*.jsonl"))] == [
        "000001.jsonl",
        "000002.jsonl",
        "000003.jsonl",
    ]
    assert seqs(tmp_path) == [1, 2, 3, 4, 5]
    assert opened(tmp_path).next_seq() == 6


def test_files_are_private(tmp_path: Path) -> None:
    """Raw lines may hold secrets: nobody else reads them."""
    folder = tmp_path / "dead-letter"
    added(opened(folder), 1)

    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "000001.jsonl").stat().st_mode & 0o777 == 0o600


# -- faults of the disk ------------------------------------------------------------------------


def _life(folder: Path, disk: FaultDisk, done: list[int]) -> None:
    """Recover, then record two lines one by one; note each that may be acknowledged."""
    letters = DeadLetterFile(folder / "dead-letter", disk, max_bytes=ROOM)
    letters.recover()
    for offset in (10, 11):
        letters.add(_at(letters, offset))
        letters.sync()
        done.append(offset)


def _at(letters: DeadLetterFile, offset: int) -> DeadLetter:
    fields = {f: getattr(letter(offset), f) for f in DeadLetter.__struct_fields__}
    return DeadLetter(**{**fields, "seq": letters.next_seq()})


def _offsets(folder: Path) -> list[int]:
    return [record.offset for record in records(folder / "dead-letter")]


@pytest.mark.parametrize("fate", list(Fate))
@pytest.mark.parametrize("call", range(1, 8))
def test_a_crash_at_any_step_keeps_what_was_acknowledged(
    tmp_path: Path, call: int, fate: Fate
) -> None:
    """F30: killed at any call, or without power: acknowledged records stay, none is double."""
    folder = tmp_path / "state"
    folder.mkdir()
    disk = FaultDisk(folder)
    disk.plan(call, fate)
    done: list[int] = []
    with contextlib.suppress(DiedError):
        _life(folder, disk, done)
    lefts = list(disk.power_losses())

    for number, left in enumerate(lefts):
        after = tmp_path / str(number)
        after.mkdir()
        left.restore(after)
        _check_restart(after, done)
    _check_restart(folder, done)


def _check_restart(folder: Path, done: list[int]) -> None:
    """A restart finds what was acknowledged, reads the rest again, and has each line once."""
    letters = opened(folder / "dead-letter")
    assert set(done) <= set(_offsets(folder))
    for offset in (10, 11):
        letters.add(_at(letters, offset))
    letters.sync()
    assert sorted(_offsets(folder)) == [10, 11]
    assert letters.damaged == 0
    found = [record.seq for record in records(folder / "dead-letter")]
    assert len(set(found)) == len(found)


def test_what_a_killed_agent_left_is_made_durable(tmp_path: Path) -> None:
    """A record found at start counts from then on, so it is synced first."""
    folder = tmp_path / "state"
    folder.mkdir()
    killed = FaultDisk(folder)
    letters = DeadLetterFile(folder / "dead-letter", killed, max_bytes=ROOM)
    letters.recover()
    letters.add(letter(1))  # no sync: killed here

    opened(folder / "dead-letter", killed)
    for number, left in enumerate(killed.power_losses()):
        left.restore(tmp_path / str(number))
        assert seqs(tmp_path / str(number) / "dead-letter") == [1]


@pytest.mark.parametrize("error", [FULL, BROKEN])
@pytest.mark.parametrize("fate", list(Fate))
@pytest.mark.parametrize("call", range(1, 7))
def test_an_error_at_any_step_heals(tmp_path: Path, call: int, fate: Fate, error: int) -> None:
    """F33: after an error the same calls are repeated; each record is durable, and once."""
    folder = tmp_path / "state"
    folder.mkdir()
    disk = FaultDisk(folder)
    letters = opened(folder / "dead-letter", disk)
    disk.plan(call, fate, error=error)
    for offset in (10, 11):
        for _ in range(3):
            try:
                letters.add(_at(letters, offset))
                letters.sync()
            except OSError:
                continue
            break

    for number, left in enumerate(disk.power_losses()):
        after = tmp_path / str(number)
        left.restore(after)
        assert _offsets(after) == [10, 11]
    assert _offsets(folder) == [10, 11]


def test_a_second_fsync_is_not_believed(tmp_path: Path) -> None:
    """F32, F33: after a failed fsync the bytes are written again: a repeat may write none."""
    disk = FaultDisk(tmp_path)
    letters = opened(tmp_path, disk)
    letters.add(letter(1))
    disk.failing(BROKEN)
    with pytest.raises(OSError, match="error"):
        letters.sync()
    disk.heal()
    letters.sync()

    for number, left in enumerate(disk.power_losses()):
        left.restore(tmp_path / f"after-{number}")
        assert seqs(tmp_path / f"after-{number}") == [1]


def test_a_tail_that_cannot_be_cut_takes_no_record(tmp_path: Path) -> None:
    """Half a record on a broken disk: nothing is appended to it until it is gone."""
    disk = FaultDisk(tmp_path)
    letters = opened(tmp_path, disk)
    added(letters, 1)
    disk.plan(1, Fate.TORN, error=FULL)
    with pytest.raises(OSError, match="space"):
        letters.add(letter(2))
    disk.failing(BROKEN)
    with pytest.raises(OSError, match="error"):
        letters.add(letter(2))
    disk.heal()
    added(letters, 1)

    assert seqs(tmp_path) == [1, 2]
    assert opened(tmp_path).damaged == 0


# -- damage ------------------------------------------------------------------------------------


def test_a_torn_tail_is_cut(tmp_path: Path) -> None:
    """F39: half a record at the end was never acknowledged: it goes, and the next one is whole."""
    added(opened(tmp_path), 2)
    file = tmp_path / "000001.jsonl"
    file.write_bytes(file.read_bytes()[:-20])

    letters = opened(tmp_path)
    assert letters.damaged == 0
    added(letters, 1)
    assert seqs(tmp_path) == [1, 2]


def test_a_damaged_record_is_set_aside(tmp_path: Path) -> None:
    """F39: told with the file that keeps its bytes, counted at each start, and not told again."""
    added(opened(tmp_path), 3)
    file = tmp_path / "000001.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    bad = lines[1].replace(b"bad_json", b"bad_jsOn")
    file.write_bytes(lines[0] + bad + lines[2])

    (damage,) = DeadLetterFile(tmp_path, RealDisk(), max_bytes=ROOM).recover()
    assert (damage.path, damage.records) == (file, 1)
    assert damage.kept.read_bytes() == bad
    assert file.read_bytes() == lines[0] + lines[2]
    letters = DeadLetterFile(tmp_path, RealDisk(), max_bytes=ROOM)
    assert letters.recover() == []
    assert letters.damaged == 1
    assert letters.open == {1, 3}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_survived(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """F39: flip, cut or zero anything anywhere: the start succeeds, and new records go on."""
    folder = tmp_path_factory.mktemp("letters")
    letters = opened(folder)
    added(letters, 4)
    letters.resolve(closing(2))
    name = data.draw(st.sampled_from(["000001.jsonl", "resolved.jsonl"]))
    content = bytearray((folder / name).read_bytes())
    begin = data.draw(st.integers(0, len(content) - 1))
    end = data.draw(st.integers(begin, min(len(content), begin + 40)))
    content[begin:end] = data.draw(st.sampled_from([b"", bytes(end - begin), b"\n", b"\xff"]))
    (folder / name).write_bytes(content)

    again = opened(folder)
    added(again, 1)
    assert set(again.open) == set(seqs(folder))
    assert again.next_seq() > max(again.open)
    once_more = opened(folder)
    assert once_more.open == again.open
    assert (once_more.damaged, once_more.next_seq()) == (again.damaged, again.next_seq())


@pytest.mark.parametrize("fate", list(Fate))
@pytest.mark.parametrize("call", range(1, 8))
def test_a_crash_while_damage_is_set_aside(tmp_path: Path, call: int, fate: Fate) -> None:
    """F39: killed in the middle of mending: the next start ends it, and nothing is gone."""
    added(opened(tmp_path), 3)
    file = tmp_path / "000001.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"seq":2', b'"seq":9'))
    disk = FaultDisk(tmp_path)
    disk.plan(call, fate)
    with contextlib.suppress(DiedError):
        opened(tmp_path, disk)

    letters = opened(tmp_path)
    assert letters.open == {1, 3}
    assert letters.damaged == 1
