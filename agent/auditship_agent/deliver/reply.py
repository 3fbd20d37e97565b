"""What a bulk reply says, decided without I/O, clock or log.

`judge` answers for the request; when the request was taken, `fates` says for each document what
became of it. The table is that of replies observed on OpenSearch 3.8.0 (the contract tests show
them); unknown types fall back on the status. A reply that contradicts itself or the request is no
answer: the outcome is unknown and the same ids are sent again.
"""

from enum import Enum
from typing import Final

import msgspec
from msgspec import Struct

from auditship_agent.body import Items
from auditship_indexer.opensearch.bulk import HttpReply

_OK: Final = 200
_CREATED: Final = 201
_SPECIAL: Final = 300  # RFC 9110: from here on, a status is no success
_CONFLICT: Final = 409
_TOO_LARGE: Final = 413
_TOO_MANY: Final = 429
_SERVERS: Final = 500  # RFC 9110: from here on, the server says that it is its own fault
_REASON_CHARS: Final = 300
# what a status says that comes without a reason
_SAYS: Final = {
    401: "user, password or client certificate is not accepted",
    403: "this user may not do that",
}
_RETRY_AFTER: Final = "retry-after"
_LONGEST_WISH_S: Final = 3600.0


class Fate(Enum):
    """What became of one document, and so what is done with it next."""

    STORED = "stored"
    PRESENT = "already_present"  # stored before: 409
    RETRY = "retry"
    HOLD = "hold"  # of its index: a person is needed
    NO_INDEX = "no_index"  # its day was not made ahead
    REJECTED = "rejected"  # never: the document's own fault
    ALONE = "alone"  # doubtful: sent once more by itself

    __hash__ = object.__hash__  # Enum's own runs Python code, for each document


class Course(Enum):
    """What becomes of a request as a whole."""

    TAKEN = "taken"  # `fates` speak for each document
    BUSY = "busy"  # the cluster has too much to do, or blocks writing: later
    RETRY = "retry"  # this host cannot serve
    HOLD = "hold"
    SPLIT = "split"  # some document in it is the cause
    TOO_LARGE = "too_large"
    UNKNOWN = "unknown"  # no answer to our request: the same ids again


class ItemFate(Struct, frozen=True):
    """Fate of one document, with the server's error type and its (cut) reason.

    The reason may quote the document: it goes to the dead letter, never to the log.
    """

    fate: Fate
    type: str = ""
    reason: str = ""


class Judgment(Struct, frozen=True):
    """The course of a request; `fates` are in the order sent when it was taken.

    `type` is one of a fixed set of names, for metrics; `why` is for people.
    """

    course: Course
    type: str = ""
    why: str = ""
    after_s: float | None = None
    fates: tuple[ItemFate, ...] = ()


class _Error(Struct, gc=False):
    type: str
    reason: str | None = None


class _Create(Struct, gc=False, rename={"id": "_id"}):
    id: str
    status: int
    error: _Error | None = None


class _Item(Struct, gc=False, forbid_unknown_fields=True):
    create: _Create


class _Reply(Struct):
    items: list[_Item]
    errors: bool | None = None


class _Refusal(Struct):
    error: _Error | str | None = None


# What the decoder raises: MsgspecError and UnicodeDecodeError are ValueErrors; too deep a nesting.
_UNREADABLE: Final = (ValueError, RecursionError)
_DECODER: Final = msgspec.json.Decoder(_Reply)
_REFUSAL: Final = msgspec.json.Decoder(_Refusal)
_STORED: Final = ItemFate(Fate.STORED)
_PRESENT: Final = ItemFate(Fate.PRESENT)

_CONFLICTED: Final = "version_conflict_engine_exception"
_BLOCKED: Final = "cluster_block_exception"
_BUSY: Final = {"rejected_execution_exception", "circuit_breaking_exception"}
# type of a 400 that speaks of the request's bytes: one document in it is the cause
_BYTES: Final = {"action_request_validation_exception", "json_parse_exception", "parse_exception"}
_FATES: Final[dict[str, Fate]] = {
    "rejected_execution_exception": Fate.RETRY,
    "circuit_breaking_exception": Fate.RETRY,
    "index_not_found_exception": Fate.NO_INDEX,
    "index_closed_exception": Fate.HOLD,
    "invalid_index_name_exception": Fate.HOLD,
    "security_exception": Fate.HOLD,
    "fail_processor_exception": Fate.HOLD,
    "mapper_parsing_exception": Fate.REJECTED,
    "strict_dynamic_mapping_exception": Fate.REJECTED,
}
# type and mark of a 400 that is not the document's fault
_OPERATOR: Final = (
    ("validation_exception", "this action would add"),  # shard limit
    ("illegal_argument_exception", "pipeline with id"),
    ("illegal_argument_exception", "Limit of total fields"),
)
# marks of blocks that lift by themselves or with the disk: flood stage, read-only index, cluster
_LIFTED_BLOCKS: Final = ("/12/", "/5/", "/6/", "/13/")
# statuses of a request that pass: its time was over, too early, too many
_PASSING: Final = {408, 425, _TOO_MANY}
_RIGHTS: Final = {401, 403}
_NAMED: Final = {
    *_FATES,
    *_BYTES,
    _BLOCKED,
    "illegal_argument_exception",
    "process_cluster_event_timeout_exception",
    "cluster_manager_not_discovered_exception",
    "unavailable_shards_exception",
    "validation_exception",
}


def named(kind: str) -> str:
    """Return an error type as one of a fixed set of names, so that a label stays bounded."""
    return kind if kind in _NAMED else "other"


def judge(reply: HttpReply, items: Items) -> Judgment:
    """Decide on a reply; `items` are in request order, and `reply` item i must speak of item i."""
    if reply.status == _OK:
        return _taken(reply.body, items)
    if reply.status < _SPECIAL:
        return Judgment(Course.UNKNOWN, "other", f"status {reply.status} is not that of a bulk")
    kind, reason = _error_of(reply.body)
    course = _course(reply.status, kind, reason)
    why = f"{reply.status} {kind}".strip()
    if not kind:
        reason = reason or _SAYS.get(reply.status, "")
    if reason and course is not Course.SPLIT:  # that one quotes the request
        why = f"{why}: {reason[:_REASON_CHARS]}"
    return Judgment(course, named(kind), why, _seconds(reply.headers.get(_RETRY_AFTER, "")))


def _course(status: int, kind: str, reason: str) -> Course:
    """Decide on a request that was refused as a whole: by type first, then by status.

    A 400 splits only when the server says that the bytes are at fault. Any other may come from a
    proxy, and to blame documents for that would bury them all.
    """
    rows = (
        (status == _TOO_LARGE, Course.TOO_LARGE),
        (kind == _BLOCKED or kind in _BUSY, Course.BUSY),
        (kind in _BYTES, Course.SPLIT),
        (_is_operators(kind, reason) or kind == "fail_processor_exception", Course.HOLD),
        (status == _TOO_MANY, Course.BUSY),
        (status in _PASSING or status >= _SERVERS, Course.RETRY),
    )
    return next((course for holds, course in rows if holds), Course.HOLD)


def _taken(body: bytes, items: Items) -> Judgment:
    """Read a 200; any breach of the contract makes the outcome unknown."""
    try:
        reply = _DECODER.decode(body)
    except _UNREADABLE:
        return _unknown("the reply is no bulk reply")
    if len(reply.items) != len(items):
        return _unknown(f"{len(reply.items)} items answered of {len(items)}")
    fates = []
    for answer, sent in zip(reply.items, items.ids(), strict=True):
        create = answer.create
        if create.id != sent:
            return _unknown("the reply speaks of other documents")
        fate = _STORED if create.error is None else _fate(create.status, create.error)
        if fate is None or (fate is _STORED and create.status != _CREATED):
            return _unknown(f"status {create.status} contradicts its error")
        fates.append(fate)
    failed = any(fate is not _STORED for fate in fates)
    if reply.errors is not None and reply.errors is not failed:
        return _unknown("`errors` contradicts the items")
    return Judgment(Course.TAKEN, fates=tuple(fates))


def _unknown(why: str) -> Judgment:
    return Judgment(Course.UNKNOWN, "other", why)


def _fate(status: int, error: _Error) -> ItemFate | None:
    """Decide on a refused document; None when its error contradicts its status."""
    kind, reason = error.type, error.reason or ""
    if kind == _CONFLICTED:
        return _PRESENT if status == _CONFLICT else None
    if status < _SPECIAL:
        return None
    return ItemFate(_fate_of(status, kind, reason), kind, reason[:_REASON_CHARS])


def _fate_of(status: int, kind: str, reason: str) -> Fate:
    passing = status == _TOO_MANY or status >= _SERVERS
    if kind == _BLOCKED:
        lifted = any(mark in reason for mark in _LIFTED_BLOCKS)
        return Fate.RETRY if lifted or status >= _SERVERS else Fate.HOLD
    if _is_operators(kind, reason):
        return Fate.HOLD
    if kind in _FATES:
        return _FATES[kind]
    if passing:
        return Fate.RETRY
    return Fate.HOLD if status in _RIGHTS else Fate.ALONE


def is_alarm(kind: str) -> bool:
    """Whether a repeat for this error type is an alarm: the disk is full or writing is blocked."""
    return kind == _BLOCKED


def _is_operators(kind: str, reason: str) -> bool:
    return any(kind == held and mark in reason for held, mark in _OPERATOR)


def _error_of(body: bytes) -> tuple[str, str]:
    """Return type and reason of a refused request; empty for a body that is not the server's."""
    try:
        error = _REFUSAL.decode(body).error
    except _UNREADABLE:
        return "", ""
    if isinstance(error, _Error):
        return error.type, error.reason or ""
    return "", error or ""


def _seconds(text: str) -> float | None:
    """Read `Retry-After` as seconds (RFC 9110, 10.2.3); a date counts as no wish.

    A wish of more than an hour is a mistake: the probe after an hour does no harm.
    """
    if not (text.isascii() and text.isdigit()):
        return None
    return min(_LONGEST_WISH_S, float(text))
