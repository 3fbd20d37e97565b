"""Which files take part: a listing of the folders that the patterns name.

A file takes part if it matches `files`, or its name is a matching name followed by `.` or `-` and
more (`audit.log.1`, `audit.log-20260414.gz`), or it matches `rotated`. Names under `exclude`,
folders, pipes and devices never do. Several names of one file (hard link, symlink, two patterns)
are one file; the first source in configuration order reads it. Files of the folders that no
pattern names are strangers: content that is searched for may lie in one of them.
"""

import fnmatch
import os
import re
import stat
from collections.abc import Container, Iterable, Sequence
from glob import has_magic, iglob
from pathlib import Path

from msgspec import Struct

from auditship_agent.config import SourceConfig
from auditship_agent.source.content import FileId, Stamp, stamp_of


class Found(Struct, frozen=True):
    """One file as a listing saw it. `live`: its name matches `files`, so it may still grow."""

    file_id: FileId
    path: str
    source: SourceConfig
    live: bool
    stamp: Stamp

    def is_as(self, status: os.stat_result) -> bool:
        """Whether the file looks the same again: most files do, so it has to be cheap."""
        stamp = self.stamp
        return (
            stamp.changed_ns == status.st_ctime_ns
            and stamp.modified_ns == status.st_mtime_ns
            and stamp.size == status.st_size
            and self.file_id.inode == status.st_ino
            and self.file_id.device == status.st_dev
        )


class Listing(Struct, frozen=True):
    """What the folders held, oldest first; second names of files; what failed to be looked at."""

    files: tuple[Found, ...]
    strangers: tuple[Found, ...]
    doubles: tuple[tuple[str, str], ...]  # another name, and the name that is read
    errors: tuple[tuple[str, str], ...]  # path, what the system said
    hidden: frozenset[str]  # paths that may be there and could not be looked at


class _Pattern:
    """One glob, split into the folders that it names and a test for a name in them."""

    def __init__(self, glob: str, source: SourceConfig, *, live: bool) -> None:
        self._folder, name = os.path.split(glob)
        self._exact = re.compile(fnmatch.translate(name))
        self._rotated = re.compile(fnmatch.translate(f"{name}[.-]*"))
        excluded = "|".join(fnmatch.translate(one) for one in source.exclude)
        self._excluded = re.compile(excluded or "(?!)")
        self.source = source
        self.live = live

    def folders(self) -> Iterable[str]:
        if has_magic(self._folder):
            return iglob(self._folder)  # noqa: PTH207 - Path.glob has no absolute patterns
        return (self._folder,)

    def excludes(self, name: str) -> bool:
        return self._excluded.match(name) is not None

    def takes(self, name: str) -> bool | None:
        """Return whether the name is live, or None when the pattern does not name it."""
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
        self._before: dict[tuple[str, int], Found] = {}  # of the last listing

    def folders(self) -> set[str]:
        """Return the folders to watch; those that do not exist are left out."""
        return {
            folder
            for pattern in self._patterns
            for folder in pattern.folders()
            if Path(folder).is_dir()
        }

    def list(self, known: Container[FileId] = (), *, strangers: bool = False) -> Listing:
        """List every folder once. Errors are returned, not raised: other files must go on.

        `known` files are found under any name; `strangers`: those that nobody knows are, too.
        """
        draft = _Draft(known, self._before, beyond=strangers)
        for pattern in self._patterns:
            for folder in pattern.folders():
                draft.list_folder(pattern, folder)
        self._before = draft.seen
        return draft.finish()


class _Draft:
    """A listing while it is being made."""

    def __init__(
        self,
        known: Container[FileId],
        before: dict[tuple[str, int], Found],
        *,
        beyond: bool,
    ) -> None:
        self.seen: dict[tuple[str, int], Found] = {}  # by path and pattern
        self._before = before
        self._known = known
        self._beyond = beyond
        self._found: dict[FileId, Found] = {}
        self._others: dict[FileId, Found] = {}
        self._doubles: dict[str, str] = {}
        self._errors: dict[str, str] = {}
        self._hidden: set[str] = set()

    def list_folder(self, pattern: _Pattern, folder: str) -> None:
        try:
            names = sorted(os.listdir(folder))  # noqa: PTH208 - names are all we need
        except OSError as error:
            self._failed(folder, error)
            return
        for name in names:
            live = pattern.takes(name)
            if (live is None and not self._beyond) or pattern.excludes(name):
                continue
            path = f"{folder}/{name}" if folder != "/" else f"/{name}"
            found = self._look(pattern, path, live=bool(live))
            if found is not None and live is None:
                self._others.setdefault(found.file_id, found)
            elif found is not None:
                self._take(found)

    def _look(self, pattern: _Pattern, path: str, *, live: bool) -> Found | None:
        try:
            status = os.stat(path)  # noqa: PTH116 - the same
        except FileNotFoundError:
            return None  # gone between listing and look, or a dangling symlink
        except OSError as error:
            self._failed(path, error)
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        key = path, id(pattern)
        found = self._before.get(key)
        if found is None or not found.is_as(status):
            file_id = FileId(status.st_dev, status.st_ino)
            found = Found(file_id, path, pattern.source, live, stamp_of(status))
        self.seen[key] = found
        return found

    def _failed(self, path: str, error: OSError) -> None:
        self._errors[path] = error.strerror or str(error)
        if not isinstance(error, FileNotFoundError):
            self._hidden.add(path)

    def _take(self, found: Found) -> None:
        known = self._found.get(found.file_id)
        if known is not None and known.path == found.path:
            return
        # A live name wins over a rotated one: a symlink `current.log` is then the file's name.
        if known is not None and (known.live or not found.live):
            self._doubles[found.path] = known.path
            return
        if known is not None:
            self._doubles[known.path] = found.path
        self._found[found.file_id] = found

    def finish(self) -> Listing:
        others = [found for id_, found in self._others.items() if id_ not in self._found]
        adopted = [found for found in others if found.file_id in self._known]
        strangers = [found for found in others if found.file_id not in self._known]
        return Listing(
            _by_age([*self._found.values(), *adopted]),
            _by_age(strangers),
            tuple(sorted(self._doubles.items())),
            tuple(sorted(self._errors.items())),
            frozenset(self._hidden),
        )


def _by_age(found: Iterable[Found]) -> tuple[Found, ...]:
    return tuple(sorted(found, key=lambda file: (file.stamp.modified_ns, file.path)))
