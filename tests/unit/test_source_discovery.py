"""Which names take part, and what a listing says of folders that cannot be looked at."""

import os
from pathlib import Path

import pytest

from auditship_agent.config import SourceConfig
from auditship_agent.source.discovery import Discovery, Found


def source(*files: Path, name: str = "s", rotated: tuple[Path, ...] = ()) -> SourceConfig:
    """Return a source of these globs."""
    return SourceConfig(
        name=name,
        preset="native",
        files=tuple(map(str, files)),
        rotated=tuple(map(str, rotated)),
    )


def touch(folder: Path, *names: str) -> None:
    """Make empty files."""
    for name in names:
        (folder / name).touch()


def names(found: tuple[Found, ...]) -> set[str]:
    """Return the names of what was found."""
    return {Path(one.path).name for one in found}


def test_rotated_names_take_part(tmp_path: Path) -> None:
    """A matching name followed by `.` or `-` and more is a rotated one; only exact ones live."""
    touch(tmp_path, "audit.log", "audit.log.1", "audit.log-20260414.gz", "audit.logx", "other.log")
    found = Discovery([source(tmp_path / "audit.log")]).list().files
    assert names(found) == {"audit.log", "audit.log.1", "audit.log-20260414.gz"}
    assert {Path(one.path).name for one in found if one.live} == {"audit.log"}


def test_what_never_takes_part(tmp_path: Path) -> None:
    """Excluded names, folders, pipes and dangling links."""
    touch(tmp_path, "a.log", "a.log~", "a.log.swp", "a.log.tmp", "a.log.part", ".a.log")
    (tmp_path / "a.log.d").mkdir()
    os.mkfifo(tmp_path / "a.log.pipe")
    (tmp_path / "a.log.link").symlink_to("nowhere")
    assert names(Discovery([source(tmp_path / "*.log")]).list().files) == {"a.log"}


def test_globs_of_folders_and_a_folder_of_rotated_files(tmp_path: Path) -> None:
    """Folders may be patterns, too, and may come later; rotated files may lie elsewhere."""
    discovery = Discovery(
        [source(tmp_path / "app *" / "audit.log", rotated=(tmp_path / "old" / "*.gz",))]
    )
    assert discovery.folders() == set()
    for folder in ("app 1", "app 2", "old"):
        (tmp_path / folder).mkdir()
    touch(tmp_path / "app 1", "audit.log")
    touch(tmp_path / "app 2", "audit.log")
    touch(tmp_path / "old", "x.gz")
    found = discovery.list().files
    assert [one.live for one in found] == [True, True, False]
    assert len(discovery.folders()) == 3


def test_the_first_source_reads_a_file_of_two(tmp_path: Path) -> None:
    """Overlapping patterns: one reader, the first in the order of the configuration."""
    touch(tmp_path, "a.log")
    discovery = Discovery(
        [source(tmp_path / "a.log", name="one"), source(tmp_path / "*.log", name="two")]
    )
    (found,) = discovery.list().files
    assert found.source.name == "one"


def test_a_live_name_wins_over_a_rotated_one(tmp_path: Path) -> None:
    """A link by the live name is the file's name; the other one is told as its double."""
    touch(tmp_path, "audit.log.7")
    (tmp_path / "audit.log").symlink_to("audit.log.7")
    listing = Discovery([source(tmp_path / "audit.log")]).list()
    assert names(listing.files) == {"audit.log"}
    assert [Path(path).name for path, _ in listing.doubles] == ["audit.log.7"]


def test_strangers_are_listed_when_wanted(tmp_path: Path) -> None:
    """Names that no pattern has are strangers; known files are found under any name."""
    touch(tmp_path, "audit.log", "moved")
    discovery = Discovery([source(tmp_path / "audit.log")])
    assert discovery.list().strangers == ()
    (stranger,) = discovery.list(strangers=True).strangers
    assert Path(stranger.path).name == "moved"
    listing = discovery.list({stranger.file_id}, strangers=True)
    assert names(listing.files) == {"audit.log", "moved"}
    assert listing.strangers == ()


def test_a_missing_folder_hides_nothing(tmp_path: Path) -> None:
    """It is an error to tell; its files are gone, not hidden."""
    listing = Discovery([source(tmp_path / "no" / "a.log")]).list()
    assert dict(listing.errors) == {str(tmp_path / "no"): "No such file or directory"}
    assert not listing.hidden


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_an_unreadable_folder_hides_its_files(tmp_path: Path) -> None:
    """What is in it may still be there."""
    folder = tmp_path / "f"
    folder.mkdir(mode=0o000)
    assert Discovery([source(folder / "a.log")]).list().hidden == {str(folder)}
    folder.chmod(0o700)
