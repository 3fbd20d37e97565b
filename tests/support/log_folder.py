"""A log folder whose application and logrotate a test plays; it remembers all that was written.

Every act on a file is recorded as a story of its content, so that the oracle knows each line that
was ever written, and which bytes exist nowhere any more.
"""

import gzip
import itertools
from pathlib import Path
from typing import Any, Final

from auditship_indexer.clock import iso_ms
from support.clock import START_MS
from support.oracle import Story
from support.transforming import native

LOG: Final = "audit.log"


class LogFolder:
    """Files of one application, by name. `_seen` says how many bytes of a story an agent knows."""

    def __init__(self, logs: Path) -> None:
        logs.mkdir(parents=True)
        self.logs = logs
        self.stories: list[Story] = []
        self._held: dict[str, tuple[Story, int]] = {}  # name -> whose first bytes it has
        self._numbers = itertools.count()
        self._partial = b""

    def path(self, name: str = LOG) -> Path:
        """Return the path of a file of the log folder."""
        return self.logs / name

    def line(self, **fields: Any) -> bytes:
        """Return a good line, unlike all others, without LF."""
        name = f"n{next(self._numbers)}"
        file = {"id": name, "name": name}
        return native(**{"time": iso_ms(START_MS), "file": file, **fields})

    def append(self, data: bytes, name: str = LOG) -> None:
        """Append bytes to a file, as its application does."""
        story, _ = self._held.get(name) or (self._story(), 0)
        with self.path(name).open("ab", buffering=0) as log:
            log.write(data)
        story.data += data
        story.kept = len(story.data)
        self._held[name] = (story, len(story.data))

    def _story(self) -> Story:
        self.stories.append(Story())
        return self.stories[-1]

    def write(self, count: int = 1, name: str = LOG) -> list[bytes]:
        """Append complete lines; a line begun by `part` is ended first."""
        lines = [self.line() for _ in range(count)]
        self.append(self._partial + b"".join(line + b"\n" for line in lines), name)
        self._partial = b""
        return lines

    def part(self, name: str = LOG) -> None:
        """Append the first half of a line; the next `write` appends the other half."""
        if not self._partial:
            line = self.line()
            self.append(line[: len(line) // 2], name)
            self._partial = line[len(line) // 2 :] + b"\n"

    def rename(self, name: str, to: str) -> None:
        """Rename a file; what had the new name is gone."""
        self._let_go(to)
        self.path(name).rename(self.path(to))
        self._held[to] = self._held.pop(name)
        self._partial = b"" if name == LOG else self._partial

    def copy(self, name: str, to: str) -> None:
        """Copy a file: the first half of copytruncate."""
        self._let_go(to)
        self.path(to).write_bytes(self.path(name).read_bytes())
        self._held[to] = self._held[name]

    def cut(self, name: str = LOG) -> None:
        """Truncate a file to nothing: the second half of copytruncate."""
        self._let_go(name)
        with self.path(name).open("r+b") as log:
            log.truncate(0)
        self._held[name] = (self._story(), 0)
        self._partial = b""

    def compress(self, name: str, *, keep: bool = False) -> None:
        """Compress a file to NAME.gz, as gzip does; the original goes unless it is kept."""
        data = gzip.compress(self.path(name).read_bytes(), mtime=0)
        self.path(f"{name}.gz").write_bytes(data)
        self._held[f"{name}.gz"] = self._held[name]
        if not keep:
            self.delete(name)

    def delete(self, name: str) -> None:
        """Delete a file."""
        self._let_go(name)
        self.path(name).unlink()
        self._partial = b"" if name == LOG else self._partial

    def _let_go(self, name: str) -> None:
        """A name loses its content; what no other name has of it is destroyed."""
        if name not in self._held:
            return
        story, _ = self._held.pop(name)
        kept = max((size for other, size in self._held.values() if other is story), default=0)
        if kept < story.kept:
            story.seen = self._seen(story)
        story.kept = kept

    def _seen(self, story: Story) -> int:
        raise NotImplementedError
