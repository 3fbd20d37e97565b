"""Wake-ups by inotify: what is told of hot and of cold folders."""

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from auditship_agent.source import watch
from auditship_agent.source.watch import Changes, Watcher
from auditship_indexer.log import Log

PATIENCE_S = 10.0


class Told:
    """Changes, with a wait until something was told."""

    def __init__(self) -> None:
        self.woken = threading.Event()
        self.changes = Changes(self.woken.set)

    def wait(self) -> tuple[bool, set[str]]:
        """Return the next news."""
        assert self.woken.wait(PATIENCE_S)
        self.woken.clear()
        return self.changes.take()


@pytest.fixture
def told() -> Told:
    """Collects what the watcher tells."""
    return Told()


@pytest.fixture
def out() -> io.StringIO:
    """The log."""
    return io.StringIO()


@pytest.fixture
def watcher(told: Told, out: io.StringIO) -> Iterator[Watcher]:
    """A watcher by inotify."""
    made = Watcher(told.changes, Log(out=out), method="inotify")
    yield made
    made.close()


def test_names_and_bytes(tmp_path: Path, told: Told, watcher: Watcher) -> None:
    """A new file is told as a change of names, an appended line as a modified folder."""
    watcher.follow({str(tmp_path)}, set())
    (tmp_path / "a").touch()
    names, _ = told.wait()
    assert names
    modified: set[str] = set()
    (tmp_path / "a").write_bytes(b"x")
    while str(tmp_path) not in modified:
        modified |= told.wait()[1]


def test_hot_folders_tell_names_only(tmp_path: Path, told: Told, watcher: Watcher) -> None:
    """A busy file would send thousands of events; its rename still comes through."""
    (tmp_path / "a").touch()
    watcher.follow({str(tmp_path)}, {str(tmp_path)})
    for _ in range(100):
        (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "a").rename(tmp_path / "b")
    assert told.wait() == (True, set())


def test_folders_come_and_go(tmp_path: Path, told: Told, watcher: Watcher) -> None:
    """A folder may be deleted under its watch, made again, and not be wanted any more."""
    folder = tmp_path / "f"
    folder.mkdir()
    watcher.follow({str(folder)}, set())
    folder.rmdir()
    told.wait()
    watcher.follow(set(), set())
    folder.mkdir()
    watcher.follow({str(folder)}, set())
    (folder / "a").touch()
    while not told.wait()[0]:
        pass  # news of the folder's own end may come first
    assert watcher.polling == set()


def test_a_missing_folder_is_polled(tmp_path: Path, watcher: Watcher, out: io.StringIO) -> None:
    """What cannot be watched is polled, and that is told once."""
    folders = {str(tmp_path / "no")}
    watcher.follow(folders, set())
    watcher.follow(folders, set())
    assert watcher.polling == folders
    assert out.getvalue().count("watch.degraded") == 1


def test_remote_file_systems_are_polled(
    tmp_path: Path, out: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS and the like do not tell what other machines write."""
    monkeypatch.setattr(watch, "_is_remote", lambda _folder: True)
    watcher = Watcher(Changes(lambda: None), Log(out=out), method="auto")
    watcher.follow({str(tmp_path)}, set())
    assert watcher.polling == {str(tmp_path)}
    assert "remote file system" in out.getvalue()
    watcher.close()


def test_local_file_systems_are_not_remote(tmp_path: Path) -> None:
    """`statfs` is asked for the type; a folder that is not there has none."""
    assert not watch._is_remote(str(tmp_path))
    assert not watch._is_remote(str(tmp_path / "no"))
