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
from collections.abc import Collection, Iterable, Sequence
from glob import has_magic, iglob
from operator import is_
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
        self._looks: dict[tuple[int, str], _Look] = {}  # the last ones, by pattern and folder
        self._listing: Listing | None = None  # made of them, where it may be given again

    def folders(self) -> set[str]:
        """Return the folders to watch; those that do not exist are left out."""
        return {
            folder
            for pattern in self._patterns
            for folder in pattern.folders()
            if Path(folder).is_dir()
        }

    def list(self, known: Collection[FileId] = (), *, strangers: bool = False) -> Listing:
        """List every folder once. Errors are returned, not raised: other files must go on.

        `known` files are found under any name; `strangers`: those that nobody knows are, too.
        While nothing changes, the very same listing is returned.
        """
        looks = {
            (number, folder): self._look(number, pattern, folder, strangers=strangers)
            for number, pattern in enumerate(self._patterns)
            for folder in pattern.folders()
        }
        before, self._looks = self._looks, looks
        is_same = before.keys() == looks.keys() and all(looks[key] is before[key] for key in looks)
        if self._listing is not None and is_same:
            return self._listing
        listing = _joined(looks.values(), known)
        is_plain = not (strangers or known or listing.errors)
        self._listing = listing if is_plain else None
        return listing

    def _look(self, number: int, pattern: _Pattern, folder: str, *, strangers: bool) -> "_Look":
        before = self._looks.get((number, folder))
        try:
            names = os.listdir(folder)  # noqa: PTH208 - names are all we need
        except OSError as error:
            return _Look([], strangers, [], [], ((folder, error),))
        if before is not None and before.names == names and before.beyond is strangers:
            return before.again()
        return _Look.first(pattern, folder, names, before, strangers=strangers)


class _Look(Struct, frozen=True):
    """What one pattern found in one folder: mostly the same as before, so that has to be cheap.

    `names` are all names, in the order of the file system; `beyond`: of no pattern's files, too.
    """

    names: list[str]
    beyond: bool
    chosen: list[tuple[str, "_Pattern", bool | None]]  # path; live, rotated, or of no pattern
    found: list[Found | None]  # for each of those
    errors: tuple[tuple[str, OSError], ...] = ()

    @classmethod
    def first(
        cls,
        pattern: _Pattern,
        folder: str,
        names: list[str],
        before: "_Look | None",
        *,
        strangers: bool,
    ) -> "_Look":
        """Look at a folder with other names than before."""
        above = "" if folder == "/" else folder
        chosen = []
        for name in sorted(names):
            live = pattern.takes(name)
            if (live is not None or strangers) and not pattern.excludes(name):
                chosen.append((f"{above}/{name}", pattern, live))
        known = {one.path: one for one in before.found if one is not None} if before else {}
        old = [known.get(path) for path, _, _ in chosen]
        return cls._of(names, strangers, chosen, old)

    def again(self) -> "_Look":
        """Look at the same names once more; the very same look when nothing changed."""
        new = self._of(self.names, self.beyond, self.chosen, self.found)
        is_same = not (new.errors or self.errors) and all(map(is_, new.found, self.found))
        return self if is_same else new

    @classmethod
    def _of(
        cls,
        names: list[str],
        beyond: bool,  # noqa: FBT001 - as the field
        chosen: list[tuple[str, "_Pattern", bool | None]],
        old: Sequence[Found | None],
    ) -> "_Look":
        found: list[Found | None] = []
        errors: list[tuple[str, OSError]] = []
        stat_of, is_regular = os.stat, stat.S_ISREG
        for (path, pattern, live), known in zip(chosen, old, strict=True):
            status = None
            try:
                status = stat_of(path)
            except FileNotFoundError:
                pass  # gone between listing and look, or a dangling symlink
            except OSError as error:
                errors.append((path, error))
            if status is None or not is_regular(status.st_mode):
                found.append(None)
            elif known is not None and known.live is bool(live) and known.is_as(status):
                found.append(known)
            else:
                file_id = FileId(status.st_dev, status.st_ino)
                found.append(Found(file_id, path, pattern.source, bool(live), stamp_of(status)))
        return cls(names, beyond, chosen, found, tuple(errors))


def _joined(looks: Iterable[_Look], known: Collection[FileId]) -> Listing:
    """Make one listing: each file once, under the name that counts."""
    draft = _Draft()
    for look in looks:
        for path, error in look.errors:
            draft.failed(path, error)
        for (_, _, live), found in zip(look.chosen, look.found, strict=True):
            if found is not None:
                draft.take(found, is_stranger=live is None)
    return draft.finish(known)


class _Draft:
    """A listing while it is being made."""

    def __init__(self) -> None:
        self._found: dict[FileId, Found] = {}
        self._others: dict[FileId, Found] = {}
        self._doubles: dict[str, str] = {}
        self._errors: dict[str, str] = {}
        self._hidden: set[str] = set()

    def failed(self, path: str, error: OSError) -> None:
        self._errors[path] = error.strerror or str(error)
        if not isinstance(error, FileNotFoundError):
            self._hidden.add(path)

    def take(self, found: Found, *, is_stranger: bool) -> None:
        if is_stranger:
            self._others.setdefault(found.file_id, found)
            return
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

    def finish(self, known: Collection[FileId]) -> Listing:
        others = [found for id_, found in self._others.items() if id_ not in self._found]
        adopted = [found for found in others if found.file_id in known]
        strangers = [found for found in others if found.file_id not in known]
        return Listing(
            _by_age([*self._found.values(), *adopted]),
            _by_age(strangers),
            tuple(sorted(self._doubles.items())),
            tuple(sorted(self._errors.items())),
            frozenset(self._hidden),
        )


def _by_age(found: Iterable[Found]) -> tuple[Found, ...]:
    return tuple(sorted(found, key=lambda file: (file.stamp.modified_ns, file.path)))
