"""Generations that have no file at the moment: what was read of them, and what is still missing.

After a restart every generation of the checkpoint is one, until its content is found again. While
running it is one after its file was deleted, truncated or replaced.
"""

from collections.abc import Iterator

from auditship_agent.source.content import FileId
from auditship_agent.source.progress import Mark, Progress


class Orphan:
    """A generation without a file: its content is searched for by first line and anchor.

    `place` is how far it was read, `size_seen` the largest size it was known to have. What lies
    between is lost unless a file with the same content turns up; `begin` moves up as parts of it
    do. `since` is monotonic, `seen_ms` wall time of the last look at its file. An unsought one was
    read to its end, and only waits for its content to come back under another name.
    """

    def __init__(
        self,
        *,
        source: str,
        path: str,
        file_id: FileId,
        first: bytes,
        progress: Progress,
        place: Mark,
        size_seen: int,
        since: float,
        seen_ms: int,
        is_archive: bool,
        is_drained: bool = False,
        sought: bool = True,
    ) -> None:
        self.source = source
        self.path = path
        self.file_id = file_id
        self.first = first
        self.progress = progress
        self.place = place
        self.begin = place.offset
        self.head: tuple[Mark, ...] = ()  # ends of its first lines, while few of them were read
        self.size_seen = size_seen
        self.since = since
        self.seen_ms = seen_ms
        self.is_archive = is_archive
        self.is_drained = is_drained  # its file had been rotated away
        self.sought = sought
        self.is_lost = False  # a gap tells of [begin, size_seen)

    @property
    def has_unread(self) -> bool:
        """Whether bytes are known that nobody read and no gap tells of."""
        return self.size_seen > self.begin and not self.is_lost

    @property
    def is_settled(self) -> bool:
        """Whether all that was read has its outcome."""
        return self.progress.acked >= self.place.offset

    @property
    def size_to_keep(self) -> int:
        """The size for the checkpoint: what a gap or the dead letter has is not missing again."""
        return self.size_seen if self.has_unread else self.place.offset


class Orphans:
    """All orphans of an agent, found by the hash of their first line."""

    def __init__(self) -> None:
        self._by_first: dict[bytes, list[Orphan]] = {}

    def __iter__(self) -> Iterator[Orphan]:
        for orphans in list(self._by_first.values()):
            yield from list(orphans)

    def __len__(self) -> int:
        return sum(map(len, self._by_first.values()))

    def add(self, orphan: Orphan) -> None:
        """Take one in."""
        self._by_first.setdefault(orphan.first, []).append(orphan)

    def remove(self, orphan: Orphan) -> None:
        """Take one out: its content was found, or it is old."""
        left = [one for one in self._by_first[orphan.first] if one is not orphan]
        if left:
            self._by_first[orphan.first] = left
        else:
            del self._by_first[orphan.first]

    def of(self, first: bytes) -> list[Orphan]:
        """Return those with this first line."""
        return self._by_first.get(first, [])
