"""Replies to `_bulk`, true and mutated; and lines whose documents are settled in any order.

The one thing that must never happen is a false acknowledgement.
"""

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from auditship_agent.body import Item, Items
from auditship_agent.deliver.lines import Lines
from auditship_agent.deliver.reply import Course, Fate, judge
from auditship_indexer.opensearch.bulk import HttpReply
from support.shipping import Owner

TRUE_ITEMS = {
    Fate.STORED: (201, None),
    Fate.PRESENT: (409, "version_conflict_engine_exception"),
    Fate.RETRY: (429, "rejected_execution_exception"),
    Fate.HOLD: (400, "index_closed_exception"),
    Fate.NO_INDEX: (404, "index_not_found_exception"),
    Fate.REJECTED: (400, "mapper_parsing_exception"),
    Fate.ALONE: (400, "illegal_argument_exception"),
}
ACKNOWLEDGED = {Fate.STORED, Fate.PRESENT}
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 600), st.text(max_size=5), st.just([]), st.just({})
)


def items_of(count: int) -> Items:
    return Items(Item(f"{n:032x}", "audit-x-2026.04.14", Owner(), n, n + 1) for n in range(count))


def true_reply(fates: list[Fate]) -> dict[str, Any]:
    items = []
    for item, fate in zip(items_of(len(fates)), fates, strict=True):
        status, kind = TRUE_ITEMS[fate]
        create: dict[str, Any] = {"_id": item.id, "status": status}
        if kind:
            create["error"] = {"type": kind, "reason": "told"}
        items.append({"create": create})
    return {"errors": any(fate is not Fate.STORED for fate in fates), "items": items}


fates_lists = st.lists(st.sampled_from(list(TRUE_ITEMS)), min_size=1, max_size=12)


def judged(body: bytes, count: int) -> list[Fate] | None:
    judgment = judge(HttpReply(200, {}, body), items_of(count))
    if judgment.course is not Course.TAKEN:
        assert judgment.course is Course.UNKNOWN
        return None
    return [one.fate for one in judgment.fates]


@given(fates_lists, st.sampled_from([None, 2]))
def test_true_reply_gives_the_true_fates(fates: list[Fate], indent: int | None) -> None:
    """However it is printed."""
    assert judged(json.dumps(true_reply(fates), indent=indent).encode(), len(fates)) == fates


@given(fates_lists, st.data())
def test_list_of_items_that_is_not_ours(fates: list[Fate], data: st.DataObject) -> None:
    """Items dropped, doubled, swapped or of another request leave everything unknown."""
    reply = true_reply(fates)
    items = reply["items"]
    at = data.draw(st.integers(0, len(items) - 1))
    match data.draw(st.sampled_from(["drop", "double", "swap", "rename", "verb"])):
        case "drop":
            del items[at]
        case "double":
            items.insert(at, copy.deepcopy(items[at]))
        case "swap":
            items[at], items[0] = items[0], items[at]
            if at == 0:
                items.append(items[0])
        case "rename":
            items[at]["create"]["_id"] = data.draw(st.text(max_size=40))
        case _:
            items[at] = {data.draw(st.sampled_from(["index", "update"])): items[at]["create"]}
    assert judged(json.dumps(reply).encode(), len(fates)) is None


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to each value inside."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, one in inner:
        found.append((*at, key))
        if isinstance(one, dict | list):
            found += paths(one, (*at, key))
    return found


@given(fates_lists, st.data())
def test_one_value_changed_acknowledges_nothing_falsely(
    fates: list[Fate], data: st.DataObject
) -> None:
    """F52: one value of a true reply lost or replaced: true fates for the others, or unknown."""
    reply = true_reply(fates)
    *way, last = data.draw(st.sampled_from(paths(reply)))
    inside: Any = reply
    for key in way:
        inside = inside[key]
    if isinstance(inside, dict) and data.draw(st.booleans()):
        del inside[last]
    else:
        inside[last] = data.draw(VALUES)
    found = judged(json.dumps(reply).encode(), len(fates))
    if found is None:
        return
    for fate, true in zip(found, fates, strict=True):
        assert fate not in ACKNOWLEDGED or true in ACKNOWLEDGED


@given(fates_lists, st.data())
def test_bytes_changed_acknowledge_nothing_falsely(fates: list[Fate], data: st.DataObject) -> None:
    """F52: a reply cut anywhere is unknown; one wrong byte never makes an acknowledgement."""
    body = json.dumps(true_reply(fates)).encode()
    at = data.draw(st.integers(0, len(body) - 1))
    assert judged(body[:at], len(fates)) is None
    changed = body[:at] + data.draw(st.binary(min_size=1, max_size=1)) + body[at + 1 :]
    for fate, true in zip(judged(changed, len(fates)) or [], fates, strict=False):
        assert fate not in ACKNOWLEDGED or true in ACKNOWLEDGED


@given(st.integers(100, 599), st.binary(max_size=200))
def test_any_bytes_are_judged(status: int, body: bytes) -> None:
    """Nothing that a server or a proxy sends is an error of ours, or an acknowledgement."""
    judgment = judge(HttpReply(status, {}, body), items_of(2))
    assert judgment.course is not Course.TAKEN


# -- lines of several documents, settled apart ---------------------------------------------

DONE = [Fate.STORED, Fate.PRESENT, Fate.REJECTED]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.data())
def test_every_line_has_one_outcome(widths: list[int], data: st.DataObject) -> None:
    """F52: any order of replies, subset of failures, cuts: one outcome a line, at its end."""
    owner, lines = Owner(), Lines()
    items = Items(
        Item(f"{line}-{n}", "x", owner, line, line + 1)
        for line, width in enumerate(widths)
        for n in range(width)
    )
    final = {item.id: data.draw(st.sampled_from(DONE)) for item in items}
    bodies, open_items = [items], set(final)
    counted = {Fate.STORED: 0, Fate.PRESENT: 0, Fate.REJECTED: 0}
    while bodies:
        body = bodies.pop(data.draw(st.integers(0, len(bodies) - 1)))
        if len(body) > 1 and data.draw(st.booleans()):
            middle = data.draw(st.integers(1, len(body) - 1))
            lines.part(body, middle)
            bodies += [body[:middle], body[middle:]]
            continue
        groups = [data.draw(st.integers(0, 2)) for _ in body]  # 0: settled now
        fates = [final[i.id] if not g else Fate.RETRY for i, g in zip(body, groups, strict=True)]
        again = [[at for at, g in enumerate(groups) if g == wanted] for wanted in (1, 2)]
        again = [positions for positions in again if positions]
        outcome = lines.settle(body, fates, again)
        bodies += [Items(body[at] for at in positions) for positions in again]
        open_items -= {item.id for item, g in zip(body, groups, strict=True) if not g}
        still_open = {body[at].begin for at in outcome.still_open}
        assert still_open == {
            item.begin
            for item in body
            if any(other.id in open_items for other in items if other.begin == item.begin)
        }
        counted[Fate.STORED] += outcome.stored.total()
        counted[Fate.PRESENT] += outcome.present.total()
        counted[Fate.REJECTED] += len(outcome.dead)
    assert counted == _expected(widths, final)
    assert not lines


def _expected(widths: list[int], final: dict[str, Fate]) -> dict[Fate, int]:
    expected = dict.fromkeys((Fate.STORED, Fate.PRESENT, Fate.REJECTED), 0)
    for line, width in enumerate(widths):
        fates = {final[f"{line}-{n}"] for n in range(width)}
        worst = next(one for one in (Fate.REJECTED, Fate.STORED, Fate.PRESENT) if one in fates)
        expected[worst] += 1
    return expected
