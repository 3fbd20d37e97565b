"""Wake-ups from the file system: which folders changed, so that waiting costs nothing.

Create, move and delete are told always. Modify events only in folders without a *hot* file: a
busy file would send thousands of them, and looking at its descriptor each 20 ms is far cheaper.
Where inotify cannot be had (NFS, SMB, FUSE; watch limit), the caller polls. A rescan now and then
makes good whatever was not told.
"""

import ctypes
import os
import threading
from collections.abc import Callable
from typing import Final

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirModifiedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

from auditship_indexer.log import Log

_NAMES: Final[list[type[FileSystemEvent]]] = [
    FileCreatedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]
_ALL: Final = [*_NAMES, FileModifiedEvent]
# `statfs` types of file systems that do not tell what other machines write (statfs(2))
_REMOTE: Final = {0x6969, 0xFF534D42, 0x517B, 0x65735546, 0xFE534D42}


class Changes:
    """What was told since the last `take`. Filled by the watcher's thread, emptied by main."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._names = False
        self._modified: set[str] = set()
        self._wake = wake

    def names_changed(self) -> None:
        """Something appeared, moved or vanished."""
        with self._lock:
            new, self._names = not self._names, True
        if new:
            self._wake()

    def modified(self, folder: str) -> None:
        """Some file of a folder has other bytes."""
        with self._lock:
            new = folder not in self._modified
            self._modified.add(folder)
        if new:
            self._wake()

    def take(self) -> tuple[bool, set[str]]:
        """Return whether names changed, and the folders with modified files; forget both."""
        with self._lock:
            told = self._names, self._modified
            self._names, self._modified = False, set()
        return told


class _Handler(FileSystemEventHandler):
    def __init__(self, folder: str, changes: Changes) -> None:
        self._folder = folder
        self._changes = changes

    def dispatch(self, event: FileSystemEvent) -> None:
        if isinstance(event, FileModifiedEvent):
            self._changes.modified(self._folder)
        elif not isinstance(event, DirModifiedEvent):
            self._changes.names_changed()


class Watcher:
    """Watches folders by inotify; `polling` folders are those that it cannot watch."""

    def __init__(self, changes: Changes, log: Log, *, method: str) -> None:
        self._changes = changes
        self._log = log
        self._method = method
        self._observer: BaseObserver | None = None
        self._watches: dict[str, tuple[ObservedWatch, bool]] = {}  # folder -> watch, is hot
        self.polling: set[str] = set()

    def follow(self, folders: set[str], hot: set[str]) -> None:
        """Watch exactly these folders; `hot` ones without modify events. Cheap when unchanged."""
        for folder in [known for known in self._watches if known not in folders]:
            self._unwatch(folder)
        self.polling &= folders
        for folder in folders - self.polling:
            known = self._watches.get(folder)
            if known is not None and known[1] == (folder in hot):
                continue
            if known is not None:
                self._unwatch(folder)
            self._watch(folder, is_hot=folder in hot)

    def _watch(self, folder: str, *, is_hot: bool) -> None:
        if self._method == "poll" or (self._method == "auto" and _is_remote(folder)):
            self._poll(folder, "remote file system" if self._method == "auto" else "as configured")
            return
        try:
            if self._observer is None:
                self._observer = Observer()
                self._observer.daemon = True
                self._observer.start()
            watch = self._observer.schedule(
                _Handler(folder, self._changes), folder, event_filter=_NAMES if is_hot else _ALL
            )
        except OSError as error:  # no watches left, or the folder went away
            self._poll(folder, error.strerror or str(error))
            return
        self._watches[folder] = watch, is_hot

    def _unwatch(self, folder: str) -> None:
        watch, _ = self._watches.pop(folder)
        if self._observer is not None:
            try:
                self._observer.unschedule(watch)
            except KeyError:  # the folder was deleted, and its watch with it
                return

    def _poll(self, folder: str, why: str) -> None:
        self.polling.add(folder)
        if self._method != "poll":
            self._log.warning("watch.degraded", folder=folder, why=why)

    def close(self) -> None:
        """Stop watching."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()


class _Statfs(ctypes.Structure):
    _fields_ = [("f_type", ctypes.c_long), ("rest", ctypes.c_byte * 256)]


def _is_remote(folder: str) -> bool:
    """Whether inotify may miss what happens in a folder, by its file system's type."""
    libc = ctypes.CDLL(None, use_errno=True)
    status = _Statfs()
    if libc.statfs(os.fsencode(folder), ctypes.byref(status)) != 0:
        return False
    return (status.f_type & 0xFFFFFFFF) in _REMOTE
