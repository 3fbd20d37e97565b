"""Bring the pinned distribution into the cache: download, checksum, unpack, rename.

Everything happens in a temporary folder inside the cache, under a lock; the last step is a rename.
So a folder of the final name is complete, whoever was killed and when, and two processes that
start at once download once.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import requests

from auditship_indexer.errors import NodeError
from auditship_indexer.node.account import Tell
from auditship_indexer.node.settings import ARTIFACT, GROUP, SHA256, VERSION

# The zip (161 MB) and what comes out of it (213 MB) lie there together for a moment.
SPACE_NEEDED_BYTES = 420_000_000
TRIES = 3
_SILENCE_S = 60  # of a repository, before a try counts as failed
_SHAKY = (requests.RequestException, RuntimeError)  # what a failed try raises
_WORK = "unpacking-"

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Shows a download: gets file name and size in bytes, gives a function that counts bytes in."""

Download = Callable[[Path, Progress | None], Path]
"""Puts the artifact somewhere below the folder that it is given, and returns the file."""


def fetch(
    cache: Path,
    *,
    progress: Progress | None = None,
    tell: Tell = lambda _: None,
    sha256: str = SHA256,
    download: Download | None = None,
    free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
) -> Path:
    """Return the folder of the unpacked distribution, fetching it when the cache lacks it.

    A repeat costs nothing. `cache` exists.

    Raises:
        NodeError: no network, wrong checksum (the file is removed), no space, no rights.
    """
    ready = cache / f"opensearch-{VERSION}"
    if ready.is_dir():
        return ready
    with _errors_explained(cache), _lock(cache / "lock", tell):
        if ready.is_dir():  # another process was faster
            return ready
        _remove_leftovers(cache)
        _require_space(cache, free_bytes(cache))
        with tempfile.TemporaryDirectory(prefix=_WORK, dir=cache) as work:
            archive = (download or download_by_jgo)(Path(work), progress)
            check_sha256(archive, sha256)
            unpacked = _unpack(archive, Path(work) / "unpacked")
            # COMMIT POINT: above it the cache is as before, but for a leftover that the next
            # call removes; below it the distribution is complete.
            unpacked.rename(ready)
    return ready


def download_by_jgo(work: Path, progress: Progress | None) -> Path:
    """Download the artifact from jgo's default repository into the folder `work`.

    Raises:
        NodeError: the repository cannot be reached or lacks the artifact, or jgo is not installed.
    """
    try:
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 - extra `node` only
    except ImportError as error:
        raise NodeError(
            "jgo, which downloads OpenSearch, is not installed",
            hint="pip install 'auditship[node]'",
        ) from error
    resolver = PythonResolver(progress_callback=progress)
    context = MavenContext(resolver, repo_cache=work, timeout=_SILENCE_S)
    component = context.project(GROUP, ARTIFACT).at_version(VERSION)
    return repeated(lambda: Path(component.artifact(packaging="zip").resolve()))


def repeated(resolve: Callable[[], Path]) -> Path:
    """Call `resolve` until it gives the file; a slow or shaky network deserves another try.

    Raises:
        NodeError: it failed `TRIES` times; the message is that of the last.
    """
    for _ in range(TRIES - 1):
        with suppress(*_SHAKY):
            return resolve()
    try:
        return resolve()
    except _SHAKY as error:
        raise NodeError(
            f"OpenSearch {VERSION} could not be downloaded, tried {TRIES} times: {_short(error)}",
            hint="check the network and HTTPS_PROXY, or copy the cache folder of another machine",
        ) from error


def check_sha256(archive: Path, expected: str) -> None:
    """Compare a file with its pinned checksum; one that differs is removed.

    Raises:
        NodeError: it differs.
    """
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        archive.unlink()
        raise NodeError(
            f"{archive.name}: wrong checksum, the file was removed: SHA-256 {found},"
            f" expected {expected}",
            hint="try again; if it stays wrong, a proxy or mirror alters the download",
        )


def _unpack(archive: Path, target: Path) -> Path:
    """Unpack, durable and readable for all, and return the archive's one top folder."""
    with zipfile.ZipFile(archive) as zipped:
        for member in zipped.infolist():
            path = Path(zipped.extract(member, target))
            if not member.is_dir():
                path.chmod(0o644)
                _fsync(path)
    for folder, _, _ in os.walk(target):
        Path(folder).chmod(0o755)
    archive.unlink()
    return target / f"opensearch-{VERSION}"


def _fsync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _remove_leftovers(cache: Path) -> None:
    """Remove what killed processes left; the lock says that none of them is at work."""
    for leftover in cache.glob(f"{_WORK}*"):
        shutil.rmtree(leftover)


def _require_space(cache: Path, free: int) -> None:
    if free < SPACE_NEEDED_BYTES:
        raise NodeError(
            f"{cache}: {free // 1_000_000} MB free, OpenSearch {VERSION} needs"
            f" {SPACE_NEEDED_BYTES // 1_000_000} MB to download and unpack",
            hint="free some space, or choose another folder by AUDITSHIP_CACHE_DIR",
        )


@contextmanager
def _lock(path: Path, tell: Tell) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("waiting for another process that fetches OpenSearch")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _errors_explained(cache: Path) -> Iterator[None]:
    try:
        yield
    except zipfile.BadZipFile as error:
        raise NodeError(f"{cache}: the downloaded archive is damaged: {error}") from error
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise NodeError(
                f"{cache}: no space left while OpenSearch was fetched",
                hint="free some space, or choose another folder by AUDITSHIP_CACHE_DIR",
            ) from error
        raise NodeError(
            f"{error.filename or cache}: {error.strerror or error}",
            hint="choose another cache folder by AUDITSHIP_CACHE_DIR, or change its rights",
        ) from error


def _short(error: Exception) -> str:
    """Return the innermost cause, which says more than the chain of wrappers around it."""
    inner: BaseException = error
    while inner.args and isinstance(inner.args[0], BaseException):
        inner = inner.args[0]
    reason = getattr(inner, "reason", None)
    return str(reason or inner).splitlines()[0]
