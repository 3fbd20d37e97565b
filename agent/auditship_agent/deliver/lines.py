"""What became of lines, when a line may have given several documents.

A line has one outcome, told when the last of its documents has its own: dead letter if one was
rejected, else stored if one was stored now, else already present. While its documents are in
several bodies, what is known of it so far is kept here.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress, groupby
from typing import Final

from msgspec import Struct

from auditship_agent.body import Item, Items
from auditship_agent.deliver.reply import Fate

_Line = tuple[int, int]  # id of the owner, which the items of an open line keep alive; begin
_RANKS: Final = {Fate.PRESENT: 1, Fate.STORED: 2, Fate.REJECTED: 3}
_DEAD: Final = _RANKS[Fate.REJECTED]
_STORED: Final = _RANKS[Fate.STORED]
_PRESENT: Final = _RANKS[Fate.PRESENT]


class Outcome(Struct, frozen=True):
    """What one reply settled, in lines. Positions are those of the request's items."""

    stored: Counter[str]  # source -> lines
    present: Counter[str]
    dead: frozenset[int]  # positions of rejected documents that make their line a dead letter
    still_open: tuple[int, ...]  # one position of each line with documents on their way


class _Apart(Struct):
    """A line with documents in `bodies` bodies, and the highest rank of those settled."""

    bodies: int = 1
    rank: int = 0


class Lines:
    """The lines whose documents are not settled together. Main thread only."""

    def __init__(self) -> None:
        self._apart: dict[_Line, _Apart] = {}

    def __len__(self) -> int:
        """Return the number of lines remembered."""
        return len(self._apart)

    def part(self, items: Items, middle: int) -> None:
        """Note that a body is halved before item `middle`; nothing of it is settled."""
        line = _line(items[middle])
        if _line(items[middle - 1]) == line:
            self._apart.setdefault(line, _Apart()).bodies += 1

    def settle(
        self, items: Items, fates: Sequence[Fate], again: Sequence[Sequence[int]]
    ) -> Outcome:
        """Sort the lines of a request; `again` are the items of each body that goes on."""
        if not again and not self._apart and Fate.REJECTED not in fates:
            return _all_done(items, fates)
        on_way = Counter(line for some in again for line in {_line(items[at]) for at in some})
        counts: dict[int, Counter[str]] = {_PRESENT: Counter(), _STORED: Counter()}
        dead, still_open = set(), []
        for line, positions in _lines(items):
            rank = max(_RANKS.get(fates[at], 0) for at in positions)
            if line in on_way or line in self._apart:
                known = self._joined(line, on_way[line], rank)
            else:
                known = _Apart(0, 0)
            if rank == _DEAD > known.rank:
                dead.add(next(at for at in positions if fates[at] is Fate.REJECTED))
            rank = max(rank, known.rank)
            if known.bodies:
                still_open.append(positions[0])
            elif rank < _DEAD:
                counts[rank][items[positions[0]].owner.source] += 1
        return Outcome(counts[_STORED], counts[_PRESENT], frozenset(dead), tuple(still_open))

    def _joined(self, line: _Line, bodies: int, rank: int) -> _Apart:
        """Update what is known of a line; return the bodies left and the rank known before."""
        apart = self._apart.pop(line, None) or _Apart()
        before, left = apart.rank, apart.bodies - 1 + bodies
        now = max(before, rank)
        if left > 1 or (left and now):
            self._apart[line] = _Apart(left, now)
        return _Apart(left, before)


def _all_done(items: Items, fates: Sequence[Fate]) -> Outcome:
    """Sort lines that are all stored, as nearly always: without an `Item` for each."""
    stored = set(compress(items.lines(), [fate is Fate.STORED for fate in fates]))
    present = set(items.lines()) - stored if Fate.PRESENT in fates else set()
    return Outcome(_by_source(items, stored), _by_source(items, present), frozenset(), ())


def _by_source(items: Items, lines: Iterable[tuple[int, int]]) -> Counter[str]:
    """Return how many of the lines each source has."""
    by_owner = Counter(owner for owner, _ in lines)
    by_source: Counter[str] = Counter()
    for owner, count in by_owner.items():
        by_source[items.source(owner)] += count
    return by_source


def _line(item: Item) -> _Line:
    return id(item.owner), item.begin


def _lines(items: Items) -> Iterator[tuple[_Line, list[int]]]:
    """Yield each line with the positions of its documents, which stand side by side."""
    for line, positions in groupby(range(len(items)), key=lambda at: _line(items[at])):
        yield line, list(positions)
