"""Any damage to the state: a byte, a tail, a run of NUL; the start falls back or replays."""

import tempfile
from pathlib import Path
from typing import Final

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from auditship_agent.checkpoint import (
    CheckpointFile,
    DamagedError,
    Entry,
    Own,
    Snapshot,
    decode,
    encode,
)
from auditship_agent.durable import RealDisk

HEX: Final = "0123456789abcdef"
TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ENTRIES: Final = st.builds(
    Entry,
    acked=st.integers(0, 2**53),
    anchor=st.text(HEX, min_size=64, max_size=64),
    codec=st.sampled_from(["gzip", "plain"]),
    dev=st.integers(0, 2**53),
    first=st.text(HEX, min_size=64, max_size=64),
    generation=st.text(HEX, min_size=32, max_size=32),
    ino=st.integers(0, 2**53),
    path=TEXT,
    seen=st.just("2026-04-14T10:50:18.000Z"),
    size=st.integers(0, 2**53),
    source=TEXT,
    state=st.sampled_from(["live", "drained", "spare", "finished", "lost", "expired"]),
)
SNAPSHOTS: Final = st.builds(
    Snapshot,
    agent=TEXT,
    boot=TEXT,
    entries=st.lists(ENTRIES, max_size=3).map(tuple),
    own=st.lists(st.builds(Own, document=TEXT, id=TEXT, index=TEXT), max_size=2).map(tuple),
    region=TEXT,
    sequence=st.integers(0, 2**53),
    server=TEXT,
    written=st.just("2026-04-14T10:50:18.210Z"),
)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Return bytes that differ from the whole file in one place."""
    at = draw(st.integers(0, len(whole) - 1))
    kind = draw(st.sampled_from(["flip", "cut", "nul", "zero", "twice"]))
    if kind == "flip":
        return whole[:at] + bytes([whole[at] ^ (1 << draw(st.integers(0, 7)))]) + whole[at + 1 :]
    if kind == "cut":
        return whole[:at]
    if kind == "nul":
        return bytes(len(whole))
    if kind == "zero":
        return whole[:at] + bytes(len(whole) - at)
    return whole + whole[at:]


@given(SNAPSHOTS)
def test_a_checkpoint_comes_back(snapshot: Snapshot) -> None:
    """Whatever paths and numbers it holds."""
    assert decode(encode(snapshot)) == snapshot


@given(st.data(), SNAPSHOTS)
def test_any_damage_falls_back_to_the_one_before(data: st.DataObject, snapshot: Snapshot) -> None:
    """F31: the newest file is damaged anywhere: the previous generation counts, and it is told."""
    before = replace(snapshot, sequence=snapshot.sequence + 1)
    newest = replace(snapshot, sequence=snapshot.sequence + 2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = CheckpointFile(folder, RealDisk())
        file.save(before)
        file.save(newest)
        current = folder / "checkpoint"
        current.write_bytes(data.draw(damaged(current.read_bytes())))

        assert file.load() == (before, [current])


@given(st.data(), SNAPSHOTS)
def test_damage_to_both_is_never_taken_for_state(data: st.DataObject, snapshot: Snapshot) -> None:
    """F31: with both files damaged there is no state: all is read again, or a person is asked."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = CheckpointFile(folder, RealDisk())
        for sequence in (1, 2):
            file.save(replace(snapshot, sequence=sequence))
        for path in (folder / "checkpoint", folder / "checkpoint.1"):
            path.write_bytes(data.draw(damaged(path.read_bytes())))

        found, told = file.load()
        assert found is None
        assert [path.name for path in told] == ["checkpoint", "checkpoint.1"]


def _is_damage(data: bytes) -> bool:
    """Whether no start would take these bytes for a checkpoint, nor stumble over them."""
    try:
        decode(data)
    except DamagedError:
        return True
    return False


def test_every_single_byte_counts() -> None:
    """F31: any bit of a small file flipped: it is never taken for a whole checkpoint."""
    whole = encode(Snapshot("a", "b", (), (), "r", 7, "s", "2026-04-14T10:50:18.210Z"))
    taken = [
        (at, bit)
        for at in range(len(whole))
        for bit in range(8)
        if not _is_damage(whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :])
    ]
    assert taken == []
    assert not _is_damage(whole)


@given(st.binary(max_size=200))
def test_any_bytes_are_no_checkpoint(data: bytes) -> None:
    """F31: foreign content is damage, never an error of another kind."""
    assert _is_damage(data)
