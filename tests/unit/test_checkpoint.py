"""The checkpoint: any single damage falls back, any crash or power loss leaves an older truth."""

import errno
import os
import re
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest
from msgspec.structs import replace

from auditship_agent.checkpoint import (
    NAMES,
    CheckpointFile,
    DamagedError,
    Entry,
    Own,
    Snapshot,
    decode,
    encode,
)
from auditship_agent.durable import RealDisk
from auditship_indexer.errors import StateError
from support.disk import BROKEN, FULL, READ_ONLY, DiedError, Fate, FaultDisk

DATA: Final = Path(__file__).parents[1] / "data"
ENTRY: Final = Entry(
    acked=10_485_760,
    anchor="5be2" * 16,
    codec="plain",
    dev=2049,
    first="51aa" * 16,
    generation="912f467adb08c3f5a11b875e4b428c0b",
    ino=393_223,
    path="/var/log/dosya/audit.log",
    seen="2026-04-14T10:50:18.000Z",
    size=10_490_112,
    source="dosya",
    state="live",
)


def snapshot(sequence: int) -> Snapshot:
    """Return a state that differs from others by its sequence."""
    return Snapshot(
        agent="a-usw-1",
        boot="6f0c",
        entries=(replace(ENTRY, acked=sequence),),
        own=(Own(document="{}", id="019d8b9d", index="audit-us-west-1-2026.04.14"),),
        region="us-west-1",
        sequence=sequence,
        server="fs-usw-1",
        written="2026-04-14T10:50:18.210Z",
    )


def loaded(folder: Path) -> Snapshot | None:
    """Return what a start finds."""
    return CheckpointFile(folder, RealDisk()).load()[0]


def saved(folder: Path, *sequences: int) -> CheckpointFile:
    """Return a checkpoint into which some states were saved one after the other."""
    file = CheckpointFile(folder, RealDisk())
    for sequence in sequences:
        file.save(snapshot(sequence))
    return file


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    """The newest state comes back whole; the one before is kept beside it."""
    saved(tmp_path, 1, 2, 3)

    assert loaded(tmp_path) == snapshot(3)
    assert decode((tmp_path / "checkpoint.1").read_bytes()) == snapshot(2)
    assert not (tmp_path / "checkpoint.new").exists()


def test_an_empty_folder_has_no_checkpoint(tmp_path: Path) -> None:
    """A first start reads everything from 0 and finds no damage."""
    assert CheckpointFile(tmp_path, RealDisk()).load() == (None, [])


def test_the_file_is_two_lines_of_canonical_json() -> None:
    """Head with version, checksum and length; body with sorted keys and no blanks."""
    head, body, rest = encode(snapshot(1)).split(b"\n")

    assert head.startswith(b"auditship-checkpoint 1 ")
    assert head.endswith(b" %d" % len(body))
    assert body.startswith(b'{"agent":"a-usw-1","boot":"6f0c","entries":[{"acked":1,')
    assert rest == b""


def test_a_file_of_format_1_is_read(tmp_path: Path) -> None:
    """F37: a checkpoint of the first released format loads in every later version."""
    data = (DATA / "checkpoint-format-1").read_bytes()
    (tmp_path / "checkpoint").write_bytes(data)

    assert loaded(tmp_path) == snapshot(4711)
    assert encode(snapshot(4711)) == data


def test_both_damaged_is_told(tmp_path: Path) -> None:
    """F31: with no valid file left the start learns which ones were damaged."""
    saved(tmp_path, 1, 2)
    for name in ("checkpoint", "checkpoint.1"):
        (tmp_path / name).write_bytes(b"\0" * 100)

    found, damaged = CheckpointFile(tmp_path, RealDisk()).load()
    assert found is None
    assert [path.name for path in damaged] == ["checkpoint", "checkpoint.1"]


def test_a_torn_first_save_is_no_damage(tmp_path: Path) -> None:
    """A crash inside the very first save leaves half a file: nothing was ever promised by it."""
    (tmp_path / "checkpoint.new").write_bytes(encode(snapshot(1))[:100])

    assert CheckpointFile(tmp_path, RealDisk()).load() == (None, [])


def test_a_torn_new_file_beside_a_good_one_is_no_damage(tmp_path: Path) -> None:
    """A crash inside a later save leaves the old checkpoint, and no alarm."""
    saved(tmp_path, 1)
    (tmp_path / "checkpoint.new").write_bytes(encode(snapshot(2))[:100])

    assert CheckpointFile(tmp_path, RealDisk()).load() == (snapshot(1), [])


def test_a_bad_new_file_after_the_rename_is_damage(tmp_path: Path) -> None:
    """Once the old name is free, the new file was whole: half of it is a fault of the disk."""
    saved(tmp_path, 1)
    (tmp_path / "checkpoint").rename(tmp_path / "checkpoint.1")
    (tmp_path / "checkpoint.new").write_bytes(encode(snapshot(2))[:100])

    found, damaged = CheckpointFile(tmp_path, RealDisk()).load()
    assert found == snapshot(1)
    assert [path.name for path in damaged] == ["checkpoint.new"]


def test_damaged_files_are_kept_aside(tmp_path: Path) -> None:
    """What was damaged stays for a person to look at, under a name that tells when."""
    file = saved(tmp_path, 1, 2)
    (tmp_path / "checkpoint").write_bytes(b"?")
    file.keep_damaged(file.load()[1], "2026-04-14T105018Z")

    assert (tmp_path / "checkpoint.damaged-2026-04-14T105018Z").read_bytes() == b"?"
    assert loaded(tmp_path) == snapshot(1)


def test_a_newer_version_is_not_touched(tmp_path: Path) -> None:
    """F37: a whole file of a later format stops the start; torn, it is damage like any other."""
    newer = encode(replace(snapshot(9), format=2)).replace(b"checkpoint 1 ", b"checkpoint 2 ", 1)
    (tmp_path / "checkpoint").write_bytes(newer)

    with pytest.raises(StateError, match=r"checkpoint: the checkpoint has format 2"):
        loaded(tmp_path)
    with pytest.raises(DamagedError):
        decode(newer[:-5])


def test_a_flipped_version_is_damage() -> None:
    """A version that the body does not confirm is no newer agent's."""
    with pytest.raises(DamagedError, match="the version differs"):
        decode(encode(snapshot(9)).replace(b"checkpoint 1 ", b"checkpoint 7 ", 1))


def test_a_body_of_another_shape_is_damage() -> None:
    """Right checksum, wrong content: told as damage, not as a crash."""
    foreign = encode(snapshot(1)).split(b"\n")[1].replace(b'"sequence":1', b'"sequence":"x"')
    head = b"auditship-checkpoint 1 %s %d" % (sha256(foreign).hexdigest().encode(), len(foreign))
    with pytest.raises(DamagedError, match="sequence"):
        decode(head + b"\n" + foreign + b"\n")


def test_a_file_that_may_not_be_read_stops_the_start(tmp_path: Path) -> None:
    """Something unreadable in the place of a checkpoint needs a person: never a silent replay."""
    (tmp_path / "checkpoint").mkdir()

    with pytest.raises(StateError, match="checkpoint"):
        loaded(tmp_path)


@pytest.mark.parametrize("fate", list(Fate))
@pytest.mark.parametrize("call", range(1, 5))
def test_a_crash_at_any_step_leaves_a_valid_state(tmp_path: Path, call: int, fate: Fate) -> None:
    """F30: whatever step of a save dies, and how: the start finds the old state or the new one."""
    saved(tmp_path, 1, 2)
    disk = FaultDisk(tmp_path)
    disk.plan(call, fate)
    with pytest.raises(DiedError):
        CheckpointFile(tmp_path, disk).save(snapshot(3))

    found, damaged = CheckpointFile(tmp_path, RealDisk()).load()
    assert found in {snapshot(2), snapshot(3)}
    assert damaged == []
    saved(tmp_path, 4)
    assert loaded(tmp_path) == snapshot(4)


@pytest.mark.parametrize("call", range(1, 6))
def test_power_loss_after_any_step_leaves_a_valid_state(tmp_path: Path, call: int) -> None:
    """F32: names and contents that were not synced may be gone, in any combination."""
    folder = tmp_path / "state"
    folder.mkdir()
    saved(folder, 1, 2)
    disk = FaultDisk(folder)
    disk.plan(call, Fate.UNREPORTED)
    try:
        CheckpointFile(folder, disk).save(snapshot(3))
        allowed = {snapshot(3)}
    except DiedError:
        allowed = {snapshot(2), snapshot(3)}

    for number, left in enumerate(disk.power_losses()):
        after = tmp_path / str(number)
        left.restore(after)
        assert loaded(after) in allowed, left.files.keys()


@pytest.mark.parametrize("error", [FULL, BROKEN, READ_ONLY, errno.EACCES])
@pytest.mark.parametrize("fate", list(Fate))
@pytest.mark.parametrize("call", range(1, 5))
def test_a_failed_save_heals(tmp_path: Path, call: int, fate: Fate, error: int) -> None:
    """F33: an error at any step leaves a valid state, and the next save succeeds."""
    saved(tmp_path, 1, 2)
    disk = FaultDisk(tmp_path)
    file = CheckpointFile(tmp_path, disk)
    disk.plan(call, fate, error=error)
    with pytest.raises(OSError, match=re.escape(os.strerror(error))):
        file.save(snapshot(3))
    assert loaded(tmp_path) in {snapshot(2), snapshot(3)}
    disk.heal()
    file.save(snapshot(4))

    assert loaded(tmp_path) == snapshot(4)
    assert [name for name in NAMES if (tmp_path / name).exists()] == ["checkpoint", "checkpoint.1"]
