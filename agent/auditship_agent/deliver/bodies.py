"""The bodies that are not settled: what a verdict on documents does to them.

Documents that come again are cut out into a body of their own, with the same bytes, so that one
late line pins no memory. A document is rejected only on evidence: the server's type says so, or
its index took others after it was refused alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from auditship_agent.body import Body, Item, Items, cut, documents_of, size_of
from auditship_agent.deliver.flow import Flow
from auditship_agent.deliver.indices import Indices
from auditship_agent.deliver.lines import Lines
from auditship_agent.deliver.reply import Course, Fate, ItemFate, Judgment
from auditship_agent.deliver.waiting import Queue, Waiting
from auditship_indexer.log import Log

_MIN_BODY_BYTES: Final = 65_536
_GROW_AFTER: Final = 100  # so many bodies near the learned size were taken: it may grow
_LOST_IN_A_ROW: Final = 3  # so often without a true reply, a body may be too much: halved
DONE: Final = frozenset({Fate.STORED, Fate.PRESENT})
SETTLED: Final = DONE | {Fate.REJECTED}


class Refused(Struct, frozen=True):
    """A document that will never be stored: its bytes, and the server's type and reason.

    `ends_line` is True for the one document by which its line becomes a dead letter.
    """

    item: Item
    document: bytes
    type: str
    reason: str
    ends_line: bool = True


class Settled(Struct, frozen=True):
    """What a reply settled. Lines of the items at `still_open` have documents on their way.

    All other lines have their outcome once every `refused` document is durable in the dead letter.
    """

    body: Body
    still_open: tuple[int, ...] = ()
    refused: tuple[Refused, ...] = ()
    stored: Mapping[str, int] = {}  # source -> lines that were stored
    present: Mapping[str, int] = {}  # source -> lines that were there already


class _Again(Struct):
    """Documents of a request that go on as a body of their own."""

    positions: Sequence[int]
    due: float
    attempt: int = 0
    doubtful_since: float | None = None


class Bodies:
    """All bodies that are not settled, those under way included. Main thread only."""

    def __init__(self, indices: Indices, flow: Flow, log: Log) -> None:
        self.indices = indices
        self.ready = Queue(indices)
        self.bytes = 0
        self.learned_bytes: int | None = None  # largest plain body that the server may take
        self._fitted = 0  # bodies near that size that were taken since it last moved
        self._flow = flow
        self._log = log
        self._lines = Lines()

    def add(self, body: Body) -> None:
        """Take over a finished body."""
        self.bytes += size_of(body)
        self.ready.append(Waiting(body))

    def put_back(self, waiting: Waiting) -> None:
        """A body comes again, before those that were not sent yet."""
        self.bytes += size_of(waiting.body)
        self.ready.put_back(waiting)

    def came_back(self, waiting: Waiting) -> None:
        """A reply for a body is there: it counts no more, unless it is put back."""
        self.bytes -= size_of(waiting.body)
        self.indices.answered(waiting.body.index)

    def send_again(self, waiting: Waiting, *, halve: bool = False) -> Settled | None:
        """The outcome is unknown: the same ids again, in halves when it may be the size."""
        waiting.lost += 1
        if halve or waiting.lost >= _LOST_IN_A_ROW:
            return self._halve(waiting)
        self.put_back(waiting)
        return None

    def _halve(self, waiting: Waiting) -> Settled | None:
        """Put a body back in two halves; a single document stays whole.

        Halves hold the lines of their documents alone, so the lines without one are settled here.
        """
        items = waiting.body.items
        if len(items) == 1:
            self.put_back(waiting)
            return None
        middle = _middle(items)
        self._lines.part(items, middle)
        for half in reversed(cut(waiting.body, (range(middle), range(middle, len(items))))):
            again = Waiting(half, waiting.due, doubtful_since=waiting.doubtful_since)
            self.put_back(again)
        lines = msgspec.structs.replace(waiting.body, data=b"")  # the halves have the bytes
        return Settled(lines, tuple(range(len(items))))

    # -- requests that were refused for what is in them -----------------------------------

    def too_much(self, waiting: Waiting, judgment: Judgment, now: float) -> Settled | None:
        """Halve until the document is found that the request was refused for."""
        self._log.fault("split", "bulk.split", level="warning", why=judgment.why)
        is_large = judgment.course is Course.TOO_LARGE
        if is_large:
            self._learn(waiting.body)
        elif waiting.doubtful_since is None:
            waiting.doubtful_since = now
        if len(waiting.body.items) > 1:
            return self._halve(waiting)
        return self._one_too_much(waiting, judgment, now, kind="too_large" if is_large else "")

    def _learn(self, body: Body) -> None:
        learned = max(_MIN_BODY_BYTES, body.plain_bytes // 2)
        self.learned_bytes = min(learned, self.learned_bytes or learned)
        self._fitted = 0

    def _unlearn(self, body: Body) -> None:
        """Let bodies grow again, by an eighth at a time: the limit may have been raised.

        A step too far costs one refused request of a hundred. Bodies that were not near the learned
        size prove nothing; so it stops growing beyond what bodies are closed at anyway.
        """
        if self.learned_bytes is None or body.plain_bytes < self.learned_bytes * 3 // 4:
            return
        self._fitted += 1
        if self._fitted >= _GROW_AFTER:
            self._fitted = 0
            self.learned_bytes += self.learned_bytes // 8

    def _one_too_much(
        self, waiting: Waiting, judgment: Judgment, now: float, *, kind: str
    ) -> Settled | None:
        body = waiting.body
        if not kind and not self._is_own_fault(waiting):
            self.put_back(waiting)
            self.indices.hold(body.index, judgment.why, now)
            return None
        self._log.error("bulk.rejected", index=body.index, why=judgment.why)
        told = ItemFate(Fate.REJECTED, kind or judgment.type, judgment.why)
        return self._settled(body, [told], [told.fate], [])

    def _is_own_fault(self, waiting: Waiting) -> bool:
        """Whether its index took others since this document was first refused."""
        return self.indices.has_accepted_since(waiting.body.index, waiting.doubtful_since)

    # -- requests that were taken ---------------------------------------------------------

    def taken(self, waiting: Waiting, told: Sequence[ItemFate], now: float) -> Settled:
        """Sort the documents of a request by what became of each."""
        body = waiting.body
        self._unlearn(body)
        items = body.items
        fates = [one.fate for one in told]
        for index in items.indices(map(DONE.__contains__, fates)):
            self.indices.accepted(index, now)
        if len(fates) == 1:
            fates = [self._decided(waiting, fates[0])]
        groups: dict[tuple[Fate, str], list[int]] = {}
        for at in [at for at, fate in enumerate(fates) if fate not in SETTLED]:
            groups.setdefault((fates[at], items[at].index), []).append(at)
        again: list[_Again] = []
        for (fate, index), positions in groups.items():
            again += self._planned(waiting, fate, positions, now)
            self._note(fate, index, told[positions[0]], now)
        for part, plan in zip(cut(body, [one.positions for one in again]), again, strict=True):
            self.put_back(Waiting(part, plan.due, plan.attempt, 0, plan.doubtful_since))
        return self._settled(body, told, fates, [one.positions for one in again])

    def _decided(self, waiting: Waiting, fate: Fate) -> Fate:
        """Judge a document that was sent alone, maybe since it was doubtful before."""
        if fate is not Fate.ALONE or waiting.doubtful_since is None:
            return fate
        return Fate.REJECTED if self._is_own_fault(waiting) else Fate.HOLD

    def _planned(
        self, waiting: Waiting, fate: Fate, positions: list[int], now: float
    ) -> list[_Again]:
        """Return how documents of one index and one fate come again."""
        doubtful_since = waiting.doubtful_since
        is_all = len(positions) == len(waiting.body.items)
        if fate is Fate.RETRY:
            attempt = waiting.attempt + 1 if is_all else 1
            due = now + self._flow.retry_s(attempt)
            parts = _halves(positions, is_all=is_all, of=len(waiting.body.items))
            return [_Again(part, due, attempt, doubtful_since) for part in parts]
        if fate is not Fate.ALONE:
            return [_Again(positions, now, 0, doubtful_since)]
        since = now if doubtful_since is None else doubtful_since
        half = len(positions) // 2 if is_all else 0  # of all refused, one may be the cause
        parts = [positions[:half], positions[half:]] if half else [[at] for at in positions]
        return [_Again(part, now, 0, since) for part in parts]

    def _note(self, fate: Fate, index: str, told: ItemFate, now: float) -> None:
        """Let an index wait that takes nothing."""
        if fate is Fate.NO_INDEX:
            self.indices.is_missing(index, now)
        elif fate is Fate.HOLD:
            # The reason of a doubtful document may quote it: only the type is told.
            is_doubtful = told.fate is Fate.ALONE
            why = told.type if is_doubtful else f"{told.type}: {told.reason}"
            self.indices.hold(index, why, now)

    def _settled(
        self,
        body: Body,
        told: Sequence[ItemFate],
        fates: Sequence[Fate],
        again: Sequence[Sequence[int]],
    ) -> Settled:
        outcome = self._lines.settle(body.items, fates, again)
        rejected: list[int] = []
        if Fate.REJECTED in fates:
            rejected = [at for at, fate in enumerate(fates) if fate is Fate.REJECTED]
        return Settled(
            body,
            outcome.still_open,
            tuple(_refusals(body, rejected, told, outcome.dead)),
            stored=outcome.stored,
            present=outcome.present,
        )


def _halves(positions: list[int], *, is_all: bool, of: int) -> list[list[int]]:
    """Return the documents that come again: in halves when the server took only a few.

    So what is sent in vain shrinks until a server that takes one document a second gets just that.
    """
    half = len(positions) // 2
    if is_all or not half or len(positions) * 2 <= of:
        return [positions]
    return [positions[:half], positions[half:]]


def _middle(items: Items) -> int:
    """Return a middle that does not part the documents of one line, if there is one."""
    half = len(items) // 2
    lines = list(items.lines())
    bounds = [at for at in range(1, len(lines)) if lines[at - 1] != lines[at]]
    return min(bounds, key=lambda bound: abs(bound - half)) if bounds else half


def _refusals(
    body: Body, rejected: Sequence[int], told: Sequence[ItemFate], ending: Iterable[int]
) -> Iterable[Refused]:
    if not rejected:
        return
    documents = documents_of(body)
    for at in rejected:
        kind, reason = told[at].type, told[at].reason
        yield Refused(body.items[at], documents[at], kind, reason, at in set(ending))
