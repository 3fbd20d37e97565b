"""Bulk bodies: NDJSON, gzip level 1, streamed while they are built; and how to cut one apart.

A body is for one index; a document of another day names its own in the action line. All values in
action lines are our own hex, digits and configured names: no text from a log ever stands there.
The compressed body stays in memory until every item has its outcome, so a re-send has the same
bytes; a partial retry is cut out of it.
"""

import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress
from typing import Any, Final, Protocol, overload

from msgspec import Struct

_LEVEL: Final = 1
_GZIP_WBITS: Final = 31
_ITEM_BYTES: Final = 60  # of the columns of `Items`: an id of 36, and its numbers
_JOIN_BYTES: Final = 65_536  # joins over bigger pieces leave the processor's cache


class Owner(Protocol):
    """Who is told that lines have their outcome: a file's progress, or the agent's own events."""

    source: str

    def complete(self, begin: int, end: int) -> None:
        """Every line in [begin, end) has its outcome."""


class Item(Struct, frozen=True, gc=False):
    """One document of a body, and the line that it came from: [begin, end) of its owner."""

    id: str
    index: str
    owner: Any  # an Owner; a Protocol cannot be a Struct's field type
    begin: int
    end: int


class Span(Struct, frozen=True, gc=False):
    """Lines [begin, end) of one owner that have their outcome when the body is settled."""

    owner: Any
    begin: int
    end: int


class Items(Sequence[Item]):
    """The documents of a body, in columns: an `Item` for each would take four times the memory.

    An `Item` is made anew each time it is looked at: compare items by value.
    """

    __slots__ = ("_at", "_begins", "_ends", "_id_ends", "_ids", "_indices", "_names", "_owners")

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._ids = bytearray()
        self._id_ends = array("I")
        self._begins = array("Q")
        self._ends = array("Q")
        self._owners = array("I")  # positions in `_names`
        self._indices = array("I")
        self._names: list[Any] = []  # the owners and indices that occur, each once
        self._at: dict[object, int] = {}  # their positions
        for item in items:
            self.append(item.id, item.index, item.owner, item.begin, item.end)

    def append(self, document_id: str, index: str, owner: Owner, begin: int, end: int) -> None:
        """Add a document; its id is of our own making, and ASCII."""
        self._ids += document_id.encode("ascii")
        self._id_ends.append(len(self._ids))
        self._begins.append(begin)
        self._ends.append(end)
        at = self._at
        self._owners.append(at[owner] if owner in at else self._place(owner))
        self._indices.append(at[index] if index in at else self._place(index))

    def _place(self, name: object) -> int:
        at = self._at[name] = len(self._names)
        self._names.append(name)
        return at

    def ids(self) -> Iterator[str]:
        """Yield the ids alone: that is all that a reply is compared with."""
        ids, begin = self._ids.decode("ascii"), 0
        for end in self._id_ends:
            yield ids[begin:end]
            begin = end

    def lines(self) -> Iterator[tuple[int, int]]:
        """Yield the line of each document: the number of its owner here, and its begin."""
        return zip(self._owners, self._begins, strict=True)

    def source(self, owner: int) -> str:
        """Return the source of an owner by its number here."""
        source: str = self._names[owner].source
        return source

    def indices(self, chosen: Iterable[bool] | None = None) -> set[str]:
        """Return the indices of all documents, or of those with a true value in `chosen`."""
        places = self._indices if chosen is None else compress(self._indices, chosen)
        return {self._names[at] for at in set(places)}

    def __len__(self) -> int:
        return len(self._id_ends)

    @overload
    def __getitem__(self, at: int) -> Item: ...
    @overload
    def __getitem__(self, at: slice) -> "Items": ...
    def __getitem__(self, at: int | slice) -> "Item | Items":
        if isinstance(at, slice):
            return Items(self[one] for one in range(*at.indices(len(self))))
        at = range(len(self))[at]
        names = self._names
        id_begin = self._id_ends[at - 1] if at else 0
        return Item(
            self._ids[id_begin : self._id_ends[at]].decode("ascii"),
            names[self._indices[at]],
            names[self._owners[at]],
            self._begins[at],
            self._ends[at],
        )


class Body(Struct, frozen=True):
    """A finished bulk body. `data` is what is sent; `plain_bytes` its size before gzip."""

    index: str
    items: Items
    spans: tuple[Span, ...]
    data: bytes
    plain_bytes: int
    gzipped: bool


def _compression() -> Callable[[], Any]:
    """Return the maker of gzip streams: of isal, else zlib-ng, else zlib."""
    try:
        from isal import isal_zlib  # noqa: PLC0415 - not on every platform
    except ImportError:
        pass
    else:
        return lambda: isal_zlib.compressobj(_LEVEL, wbits=_GZIP_WBITS)
    try:
        from zlib_ng import zlib_ng  # noqa: PLC0415 - not on every platform
    except ImportError:
        return lambda: zlib.compressobj(_LEVEL, wbits=_GZIP_WBITS)
    return lambda: zlib_ng.compressobj(_LEVEL, wbits=_GZIP_WBITS)


_compressobj: Final = _compression()


def action_of(document_id: str, index: str, default: str) -> bytes:
    """Return the action line of a document; its index stands in it when it is not the body's."""
    if index == default:
        return b'{"create":{"_id":"%s"}}\n' % document_id.encode()
    return b'{"create":{"_id":"%s","_index":"%s"}}\n' % (document_id.encode(), index.encode())


class Writer:
    """The bytes of a body while it is being built."""

    def __init__(self, *, gzip: bool) -> None:
        self._gzip: Any = _compressobj() if gzip else None
        self._parts: list[bytes] = []
        self._waiting = 0
        self._out: list[bytes] = []
        self.plain_bytes = 0

    def add(self, action: bytes, document: bytes) -> None:
        """Append one document."""
        self._parts += (action, document, b"\n")
        size = len(action) + len(document) + 1
        self.plain_bytes += size
        self._waiting += size
        if self._waiting >= _JOIN_BYTES:
            self._flush()

    def _flush(self) -> None:
        joined = b"".join(self._parts)
        self._out.append(self._gzip.compress(joined) if self._gzip else joined)
        self._parts.clear()
        self._waiting = 0

    def finish(self) -> bytes:
        """Return the bytes to send."""
        self._flush()
        if self._gzip:
            self._out.append(self._gzip.flush())
        return b"".join(self._out)


def documents_of(body: Body) -> list[bytes]:
    """Return the documents of a body, in the order of its items."""
    if not body.items:
        return []
    plain = zlib.decompress(body.data, _GZIP_WBITS) if body.gzipped else body.data
    return plain.split(b"\n")[1::2]


def cut(body: Body, chosen: Sequence[Iterable[int]]) -> list[Body]:
    """Return a body for each choice of items (positions in `body.items`), byte for byte the same.

    No choice may be empty. The spans of each body are the lines of its items alone.
    """
    documents = documents_of(body) if chosen else []
    return [_part(body, documents, sorted(positions)) for positions in chosen]


def _part(body: Body, documents: Sequence[bytes], positions: Sequence[int]) -> Body:
    items = Items(body.items[position] for position in positions)
    index = items[0].index
    writer = Writer(gzip=body.gzipped)
    for item, position in zip(items, positions, strict=True):
        writer.add(action_of(item.id, item.index, index), documents[position])
    lines = {(id(item.owner), item.begin): Span(item.owner, item.begin, item.end) for item in items}
    return Body(
        index=index,
        items=items,
        spans=tuple(lines.values()),
        data=writer.finish(),
        plain_bytes=writer.plain_bytes,
        gzipped=body.gzipped,
    )


def complete(body: Body, but: Iterable[int] = ()) -> None:
    """Tell the owners that the body's lines have their outcome, all but those of some items.

    `but` are positions in `body.items`; one of a line is enough.
    """
    open_lines: dict[int, list[tuple[int, int]]] = {}
    for position in but:
        item = body.items[position]
        open_lines.setdefault(id(item.owner), []).append((item.begin, item.end))
    for span in body.spans:
        begin = span.begin
        for line_begin, line_end in sorted(set(open_lines.get(id(span.owner), ()))):
            if span.begin <= line_begin < span.end:
                span.owner.complete(begin, line_begin)
                begin = line_end
        span.owner.complete(begin, span.end)


def size_of(body: Body) -> int:
    """Return the bytes that a waiting body takes in memory, roughly."""
    return len(body.data) + len(body.items) * _ITEM_BYTES
