"""Which files take part: a listing of the folders that the patterns name.

A file takes part if it matches `files`, or its name is a matching name followed by `.` or `-` and
more (`audit.log.1`, `audit.log-20260414.gz`), or it matches `rotated`. Names under `exclude`,
folders, pipes and devices never do. Several names of one file (hard link, symlink, two patterns)
are one file; the first source in configuration order reads it.
"""

import fnmatch
import os
import re
import stat
from collections.abc import Iterable, Sequence
from glob import has_magic, iglob
from pathlib import Path

from msgspec import Struct

from auditship_agent.config import SourceConfig
from auditship_agent.source.content import FileId


class Found(Struct, frozen=True):
    """One file as a listing saw it. `live`: its name matches `files`, so it may still grow."""

    file_id: FileId
    path: str
    source: SourceConfig
    live: bool
    size: int
    modified_ms: int


class Listing(Struct, frozen=True):
    """What the folders held: files oldest first, second names of files, and what failed."""

    files: tuple[Found, ...]
    doubles: tuple[tuple[str, str], ...]  # another name, and the name that is read
    errors: tuple[tuple[str, str], ...]  # path, what the system said


class _Pattern:
    """One glob, split into the folders that it names and a test for a name in them."""

    def __init__(self, glob: str, source: SourceConfig, *, live: bool) -> None:
        self._folder, name = os.path.split(glob)
        exact = fnmatch.translate(name)
        self._exact = re.compile(exact)
        self._rotated = re.compile(fnmatch.translate(f"{name}[.-]*"))
        self.source = source
        self.live = live

    def folders(self) -> Iterable[str]:
        if has_magic(self._folder):
            return iglob(self._folder)  # noqa: PTH207 - Path.glob has no absolute patterns
        return (self._folder,)

    def takes(self, name: str) -> bool | None:
        """Return whether the name is live, or None when it does not take part."""
        if any(fnmatch.fnmatch(name, pattern) for pattern in self.source.exclude):
            return None
        if self._exact.match(name):
            return self.live
        return False if self._rotated.match(name) else None


class Discovery:
    """The listing of all sources of one agent."""

    def __init__(self, sources: Sequence[SourceConfig]) -> None:
        self._patterns = [
            _Pattern(glob, source, live=live)
            for source in sources
            for globs, live in ((source.files, True), (source.rotated, False))
            for glob in globs
        ]

    def folders(self) -> set[str]:
        """Return the folders to watch; those that do not exist are left out."""
        return {
            folder
            for pattern in self._patterns
            for folder in pattern.folders()
            if Path(folder).is_dir()
        }

    def list(self) -> Listing:
        """List every folder once. Errors are returned, not raised: other files must go on."""
        draft = _Draft()
        for pattern in self._patterns:
            for folder in pattern.folders():
                draft.list_folder(pattern, folder)
        return draft.finish()


class _Draft:
    """A listing while it is being made."""

    def __init__(self) -> None:
        self._found: dict[FileId, Found] = {}
        self._doubles: dict[str, str] = {}
        self._errors: dict[str, str] = {}

    def list_folder(self, pattern: _Pattern, folder: str) -> None:
        try:
            names = sorted(os.listdir(folder))  # noqa: PTH208 - names are all we need
        except OSError as error:
            self._errors[folder] = error.strerror or str(error)
            return
        for name in names:
            live = pattern.takes(name)
            if live is not None:
                path = os.path.join(folder, name)  # noqa: PTH118 - a hot listing of plain strings
                self._look(pattern, path, live=live)

    def _look(self, pattern: _Pattern, path: str, *, live: bool) -> None:
        try:
            status = os.stat(path)  # noqa: PTH116 - the same
        except FileNotFoundError:
            return  # gone between listing and look, or a dangling symlink
        except OSError as error:
            self._errors[path] = error.strerror or str(error)
            return
        if not stat.S_ISREG(status.st_mode):
            return
        file_id = FileId(status.st_dev, status.st_ino)
        known = self._found.get(file_id)
        if known is not None and known.path == path:
            return
        # A live name wins over a rotated one: a symlink `current.log` is then the file's name.
        if known is not None and (known.live or not live):
            self._doubles[path] = known.path
            return
        if known is not None:
            self._doubles[known.path] = path
        modified_ms = status.st_mtime_ns // 1_000_000
        self._found[file_id] = Found(
            file_id, path, pattern.source, live, status.st_size, modified_ms
        )

    def finish(self) -> Listing:
        files = sorted(self._found.values(), key=lambda file: (file.modified_ms, file.path))
        return Listing(
            tuple(files), tuple(sorted(self._doubles.items())), tuple(sorted(self._errors.items()))
        )
