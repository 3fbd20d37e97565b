"""What a bulk reply says, decided without I/O, clock or log.

`judge` answers for the request; when the request was taken, `fates` says for each document what
became of it. The table is that of replies observed on OpenSearch 3.8.0 (`docs/` of the project and
the contract tests show them); unknown types fall back on the status.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Final

import msgspec
from msgspec import Struct

from auditship_agent.body import Item
from auditship_indexer.opensearch.bulk import HttpReply

_OK: Final = 200
_CREATED: Final = 201
_CONFLICT: Final = 409
_TOO_LARGE: Final = 413
_TOO_MANY: Final = 429
_REASON_CHARS: Final = 300
_RETRY_AFTER: Final = "retry-after"


class Fate(Enum):
    """What became of one document, and so what is done with it next."""

    STORED = "stored"
    PRESENT = "already_present"  # stored before: 409
    RETRY = "retry"
    HOLD = "hold"  # of its index: a person is needed
    NO_INDEX = "no_index"  # its day was not made ahead
    REJECTED = "rejected"  # never: the document's own fault
    ALONE = "alone"  # doubtful: sent once more by itself


class Course(Enum):
    """What becomes of a request as a whole."""

    TAKEN = "taken"  # `fates` speak for each document
    RETRY = "retry"
    HOLD = "hold"
    SPLIT = "split"  # some document in it, or its size, is the cause
    TOO_LARGE = "too_large"
    UNKNOWN = "unknown"  # no answer to our request: the same ids again


class ItemFate(Struct, frozen=True):
    """Fate of one document, with the server's error type and its (cut) reason."""

    fate: Fate
    type: str = ""
    reason: str = ""
    alarm: bool = False  # a lasting fault of the cluster: told as an error


class Judgment(Struct, frozen=True):
    """The course of a request; `fates` are in the order sent when it was taken."""

    course: Course
    why: str = ""
    after_s: float | None = None
    fates: tuple[ItemFate, ...] = ()
    alarm: bool = False


class _Error(Struct):
    type: str
    reason: str | None = None


class _Create(Struct, rename={"id": "_id"}):
    id: str
    status: int
    error: _Error | None = None


class _Item(Struct, forbid_unknown_fields=True):
    create: _Create


class _Reply(Struct):
    items: list[_Item]


class _Refusal(Struct):
    error: _Error | str | None = None


_DECODER: Final = msgspec.json.Decoder(_Reply)
_REFUSAL: Final = msgspec.json.Decoder(_Refusal)
_STORED: Final = ItemFate(Fate.STORED)
_PRESENT: Final = ItemFate(Fate.PRESENT)

# type of a 400 that speaks of the request's bytes: one document in it is the cause
_BYTES: Final = {"action_request_validation_exception", "json_parse_exception", "parse_exception"}
_BUSY: Final = {"rejected_execution_exception", "circuit_breaking_exception"}
_FATES: Final[dict[str, Fate]] = {
    "version_conflict_engine_exception": Fate.PRESENT,
    "rejected_execution_exception": Fate.RETRY,
    "circuit_breaking_exception": Fate.RETRY,
    "index_not_found_exception": Fate.NO_INDEX,
    "index_closed_exception": Fate.HOLD,
    "invalid_index_name_exception": Fate.HOLD,
    "security_exception": Fate.HOLD,
    "fail_processor_exception": Fate.HOLD,
    "mapper_parsing_exception": Fate.REJECTED,
    "strict_dynamic_mapping_exception": Fate.REJECTED,
    "parse_exception": Fate.ALONE,
}
# type and mark of a 400 that is not the document's fault
_OPERATOR: Final = (
    ("validation_exception", "this action would add"),  # shard limit
    ("illegal_argument_exception", "pipeline with id"),
    ("illegal_argument_exception", "Limit of total fields"),
)
# marks of blocks that lift by themselves or with the disk: flood stage, read-only index, cluster
_LIFTED_BLOCKS: Final = ("/12/", "/5/", "/6/", "/13/")


def judge(reply: HttpReply, items: Sequence[Item]) -> Judgment:
    """Decide on a reply; `items` are in request order, and `reply` item i must speak of item i."""
    if reply.status == _OK:
        return _taken(reply.body, items)
    kind, reason = _error_of(reply.body)
    why = f"{reply.status} {kind}".strip()
    course = _course(reply.status, kind, reason)
    return Judgment(
        course,
        f"{why}: {reason}" if reason and course is not Course.SPLIT else why,
        after_s=_seconds(reply.headers.get(_RETRY_AFTER, "")),
        alarm=kind == "cluster_block_exception",
    )


def _course(status: int, kind: str, reason: str) -> Course:
    """Decide on a request that was refused as a whole: by type first, then by status."""
    passing = status == _TOO_MANY or status >= 500 or kind in _BUSY  # noqa: PLR2004 - RFC 9110
    rows = (
        (status == _TOO_LARGE, Course.TOO_LARGE),
        (kind == "cluster_block_exception", Course.RETRY),
        (kind in _BYTES, Course.SPLIT),
        (_is_operators(kind, reason) or kind == "fail_processor_exception", Course.HOLD),
        (passing, Course.RETRY),
        (status == 400, Course.SPLIT),  # noqa: PLR2004 - RFC 9110
    )
    return next((course for holds, course in rows if holds), Course.HOLD)


def _taken(body: bytes, items: Sequence[Item]) -> Judgment:
    """Read a 200; any breach of the contract makes the outcome unknown."""
    try:
        reply = _DECODER.decode(body)
    except msgspec.MsgspecError:
        return Judgment(Course.UNKNOWN, "the reply is no bulk reply")
    if len(reply.items) != len(items):
        return Judgment(Course.UNKNOWN, f"{len(reply.items)} items answered of {len(items)}")
    fates = []
    for answer, item in zip(reply.items, items, strict=True):
        create = answer.create
        if create.id != item.id:
            return Judgment(Course.UNKNOWN, "the reply speaks of other documents")
        if create.status == _CREATED and create.error is None:
            fates.append(_STORED)
        elif create.error is None:
            return Judgment(Course.UNKNOWN, f"status {create.status} without an error")
        else:
            fates.append(_fate(create.status, create.error))
    return Judgment(Course.TAKEN, fates=tuple(fates))


def _fate(status: int, error: _Error) -> ItemFate:
    kind, reason = error.type, (error.reason or "")[:_REASON_CHARS]
    if kind == "version_conflict_engine_exception":
        return _PRESENT
    if kind == "cluster_block_exception":
        lifted = any(mark in reason for mark in _LIFTED_BLOCKS) or status >= 500  # noqa: PLR2004
        return ItemFate(Fate.RETRY if lifted else Fate.HOLD, kind, reason, alarm=True)
    if _is_operators(kind, reason):
        return ItemFate(Fate.HOLD, kind, reason)
    fate = _FATES.get(kind)
    if fate is None:
        passing = status == _TOO_MANY or status >= 500  # noqa: PLR2004 - RFC 9110
        fate = Fate.RETRY if passing else Fate.HOLD if status == 403 else Fate.ALONE  # noqa: PLR2004
    return ItemFate(fate, kind, reason)


def _is_operators(kind: str, reason: str) -> bool:
    return any(kind == held and mark in reason for held, mark in _OPERATOR)


def _error_of(body: bytes) -> tuple[str, str]:
    """Return type and reason of a refused request; empty for a body that is not the server's."""
    try:
        error = _REFUSAL.decode(body).error
    except msgspec.MsgspecError:
        return "", ""
    if isinstance(error, _Error):
        return error.type, (error.reason or "")[:_REASON_CHARS]
    return "", (error or "")[:_REASON_CHARS]


def _seconds(text: str) -> float | None:
    """Read `Retry-After` as seconds (RFC 9110, 10.2.3); a date counts as no wish."""
    return float(text) if text.isascii() and text.isdigit() else None
