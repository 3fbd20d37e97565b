"""The one body that is being built: what goes in, and when it is closed.

It is closed by the first of three limits: bytes before gzip, documents, age of the oldest line.
"""

from collections.abc import Sequence
from typing import Any

from auditship_agent.body import Body, Items, Owner, Span, Writer, action_of
from auditship_agent.config import BatchConfig
from auditship_agent.line import Document


class _Read:
    """Lines [begin, end) of one owner; `end` moves with each line."""

    __slots__ = ("begin", "end", "owner")

    def __init__(self, owner: Owner, begin: int, end: int) -> None:
        self.owner = owner
        self.begin = begin
        self.end = end


class Batch:
    """The one body that is being built. `opened_at` is monotonic, None while nothing waits."""

    def __init__(self, config: BatchConfig, *, gzip: bool) -> None:
        self._config = config
        self._gzip = gzip
        self.max_bytes = config.max_bytes
        self._clear()

    def limit(self, learned_bytes: int | None) -> None:
        """Close bodies no larger than what the server is known to take (None: as configured)."""
        most = self._config.max_bytes
        self.max_bytes = most if learned_bytes is None else min(most, learned_bytes)

    def _clear(self) -> None:
        self._writer = Writer(gzip=self._gzip)
        self._items = Items()
        self._spans: dict[int, _Read] = {}
        self._index = ""
        self.opened_at: float | None = None

    def add(
        self, owner: Owner, begin: int, end: int, documents: Sequence[Document], now: float
    ) -> None:
        """Take a line with the documents that it gave (none, when it only has to be counted)."""
        span = self._spans.get(id(owner))
        if span is None:
            self._spans[id(owner)] = _Read(owner, begin, end)
            if self.opened_at is None:
                self.opened_at = now
        else:
            span.end = end
        for document in documents:
            index = document.index
            if index != self._index:
                self._index = self._index or index
            action = action_of(document.id, index, self._index)
            self._writer.add(action, document.body)
            self._items.append(document.id, index, owner, begin, end)

    @property
    def is_full(self) -> bool:
        """Whether a limit of size or count is reached."""
        return (
            self._writer.plain_bytes >= self.max_bytes
            or len(self._items) >= self._config.max_events
        )

    def is_due(self, now: float) -> bool:
        """Whether the oldest line has waited long enough."""
        return self.opened_at is not None and now - self.opened_at >= self._config.max_age_s

    def owners(self) -> list[Any]:
        """Return the owners of the lines inside."""
        return [span.owner for span in self._spans.values()]

    def close(self) -> Body | None:
        """Return the finished body and start the next; None when no line is inside."""
        if self.opened_at is None:
            return None
        body = Body(
            index=self._index,
            items=self._items,
            spans=tuple(Span(one.owner, one.begin, one.end) for one in self._spans.values()),
            data=self._writer.finish() if self._items else b"",
            plain_bytes=self._writer.plain_bytes,
            gzipped=self._gzip,
        )
        self._clear()
        return body
