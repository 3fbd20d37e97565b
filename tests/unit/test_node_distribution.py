"""The cache of the distribution: complete or absent, whatever fails."""

import errno
import hashlib
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from auditship_indexer.errors import NodeError
from auditship_indexer.node.distribution import TRIES, Progress, download_by_jgo, fetch, repeated

MEMBERS = {"opensearch-3.8.0/lib/a.jar": b"a" * 100, "opensearch-3.8.0/modules/m/b.jar": b"b"}


class FakeRepository:
    """Hands out one archive, or fails with an error given."""

    def __init__(self, folder: Path, error: BaseException | None = None) -> None:
        self._archive = folder / "source.zip"
        with zipfile.ZipFile(self._archive, "w") as zipped:
            for name, content in MEMBERS.items():
                zipped.writestr(name, content)
        self.sha256 = hashlib.sha256(self._archive.read_bytes()).hexdigest()
        self.downloads = 0
        self._error = error
        self._lock = threading.Lock()

    def __call__(self, work: Path, progress: Progress | None) -> Path:
        with self._lock:
            self.downloads += 1
        if self._error is not None:
            raise self._error
        content = self._archive.read_bytes()
        target = work / "m2" / "opensearch.zip"
        target.parent.mkdir()
        target.write_bytes(content)
        if progress is not None:
            with progress(target.name, len(content)) as advance:
                advance(len(content))
        return target


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "cache with blanks"
    folder.mkdir()
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "lock")


def test_first_fetch_unpacks_and_second_does_nothing(cache: Path, tmp_path: Path) -> None:
    """The distribution is downloaded once; only the unpacked folder stays in the cache."""
    repository = FakeRepository(tmp_path)

    folder = fetch(cache, sha256=repository.sha256, download=repository)
    again = fetch(cache, sha256=repository.sha256, download=repository)

    assert folder == again
    assert (folder / "lib" / "a.jar").read_bytes() == b"a" * 100
    assert repository.downloads == 1
    assert names(cache) == ["opensearch-3.8.0"]


def test_progress_counts_every_byte(cache: Path, tmp_path: Path) -> None:
    """The progress bar is told the file's size and then as many bytes."""
    repository = FakeRepository(tmp_path)
    told: list[int] = []

    @contextmanager
    def bar(_name: str, total_bytes: int) -> Iterator[object]:
        told.append(total_bytes)
        yield told.append

    fetch(cache, sha256=repository.sha256, download=repository, progress=bar)  # type: ignore[arg-type] # list.append returns None, as a counter does

    assert told[0] == told[1] > 0


def test_wrong_checksum_leaves_nothing(cache: Path, tmp_path: Path) -> None:
    """An archive that differs from the pinned checksum is removed and never unpacked."""
    repository = FakeRepository(tmp_path)

    with pytest.raises(NodeError, match="wrong checksum, the file was removed") as caught:
        fetch(cache, download=repository)

    assert repository.sha256 in str(caught.value)
    assert caught.value.hint is not None
    assert names(cache) == []


def test_leftover_of_a_killed_process_is_removed(cache: Path, tmp_path: Path) -> None:
    """A half-unpacked folder is not used, and goes with the next fetch."""
    half = cache / "unpacking-abc" / "unpacked" / "opensearch-3.8.0" / "lib"
    half.mkdir(parents=True)
    repository = FakeRepository(tmp_path)

    folder = fetch(cache, sha256=repository.sha256, download=repository)

    assert (folder / "modules" / "m" / "b.jar").is_file()
    assert names(cache) == ["opensearch-3.8.0"]


def test_interrupt_leaves_the_cache_as_it_was(cache: Path, tmp_path: Path) -> None:
    """Ctrl-C in a download leaves no folder behind."""
    repository = FakeRepository(tmp_path, KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        fetch(cache, sha256=repository.sha256, download=repository)

    assert names(cache) == []


def test_too_little_space_is_told_before_the_download(cache: Path, tmp_path: Path) -> None:
    """When the disk cannot hold the distribution, nothing is downloaded."""
    repository = FakeRepository(tmp_path)

    with pytest.raises(NodeError, match=r"10 MB free, OpenSearch 3\.8\.0 needs 420 MB"):
        fetch(cache, download=repository, free_bytes=lambda _: 10_000_000)

    assert repository.downloads == 0


def test_disk_that_fills_up_is_told_as_such(cache: Path, tmp_path: Path) -> None:
    """ENOSPC in the middle becomes one message with what to do, and leaves nothing."""
    full = OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(NodeError, match="no space left") as caught:
        fetch(cache, download=FakeRepository(tmp_path, full))

    assert caught.value.hint is not None
    assert names(cache) == []


def test_two_at_once_download_once(cache: Path, tmp_path: Path) -> None:
    """Whoever comes second waits and uses what the first unpacked."""
    repository = FakeRepository(tmp_path)

    with ThreadPoolExecutor(4) as pool:
        runs = [
            pool.submit(fetch, cache, sha256=repository.sha256, download=repository)
            for _ in range(4)
        ]
    folders = {run.result() for run in runs}

    assert folders == {cache / "opensearch-3.8.0"}
    assert repository.downloads == 1


def test_no_network_says_so(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository that cannot be reached gives one line and a hint, not a traceback."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(NodeError, match="could not be downloaded") as caught:
        download_by_jgo(cache, None)

    assert "\n" not in str(caught.value)
    assert "network" in (caught.value.hint or "")


class ShakyNetwork:
    """Fails the first calls as a slow repository does, then gives the file."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls = 0

    def __call__(self) -> Path:
        self.calls += 1
        if self.calls <= self.failures:
            raise requests.ReadTimeout("nothing came for 60 s")
        return Path("opensearch.zip")


def test_a_slow_repository_gets_another_try() -> None:
    """A download that breaks off is tried again; the third failure is told with its cause."""
    shaky, dead = ShakyNetwork(failures=TRIES - 1), ShakyNetwork(failures=TRIES)

    assert repeated(shaky) == Path("opensearch.zip")
    with pytest.raises(NodeError, match=f"tried {TRIES} times: nothing came for 60 s"):
        repeated(dead)
    assert dead.calls == TRIES
