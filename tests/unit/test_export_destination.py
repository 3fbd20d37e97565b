"""A file under its final name is whole; whatever happens before, nothing else has that name."""

import os
from pathlib import Path

import pytest

from auditship_indexer.errors import ConfigError
from auditship_indexer.export import open_destination


def write_and_raise(target: Path, error: type[BaseException]) -> None:
    with open_destination(target) as out:
        out.write(b"new")
        raise error


def test_the_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    """Until then only a hidden `.part` is there."""
    target = tmp_path / "with blanks.csv"
    with open_destination(target) as out:
        out.write(b"a")
        (part,) = tmp_path.iterdir()
        assert part.name.startswith(".with blanks.csv.")
        assert part.name.endswith(".part")
    assert target.read_bytes() == b"a"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, BrokenPipeError])
def test_an_interrupted_export_leaves_the_older_file(
    tmp_path: Path, error: type[BaseException]
) -> None:
    """And nothing that looks complete."""
    target = tmp_path / "x.csv"
    target.write_bytes(b"old")
    with pytest.raises(error):
        write_and_raise(target, error)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    """/dev/full refuses every byte as a full disk does."""
    with (
        pytest.raises(ConfigError, match=r"x\.csv: cannot be written: No space left") as refused,
        open_destination(tmp_path / "x.csv"),
        Path("/dev/full").open("wb", buffering=0) as full,
    ):
        full.write(b"a")
    assert "free some space" in (refused.value.hint or "")
    assert list(tmp_path.iterdir()) == []


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    """Renaming over a pipe or a device would destroy it."""
    os.mkfifo(tmp_path / "pipe")
    with (
        pytest.raises(ConfigError, match="no regular file"),
        open_destination(tmp_path / "pipe"),
    ):
        pass


def test_a_folder_is_refused(tmp_path: Path) -> None:
    """With the advice to name the file."""
    with pytest.raises(ConfigError, match="is a folder"), open_destination(tmp_path):
        pass


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    """Before any row is asked for."""
    with (
        pytest.raises(ConfigError, match="cannot be written: No such file"),
        open_destination(tmp_path / "no" / "x.csv"),
    ):
        pass


def test_a_link_keeps_pointing(tmp_path: Path) -> None:
    """What it points at is replaced."""
    (tmp_path / "real.csv").write_bytes(b"old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    with open_destination(tmp_path / "link.csv") as out:
        out.write(b"new")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_bytes() == b"new"
