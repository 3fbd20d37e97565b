"""Bodies for any documents: they parse back, and no text of a log stands in an action line."""

import json
import zlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from auditship_agent.body import Body, complete, cut, documents_of
from auditship_indexer.event.document import Act, Event, encode
from support.bulk_body import parse
from support.shipping import Owner, body_of

INDICES = ["audit-eu-2026.04.14", "audit-eu-2026.04.15", "audit-eu-2026.04.16"]
HOSTILE = st.one_of(
    st.text(),
    st.sampled_from(
        [
            '\n{"create":{"_id":"forged","_index":"audit-other-2026.04.14"}}\n{}\n',
            '"}}\r\n{"delete":{"_id":"x"}}\r\n',
            "\u2028\u2029\u0085\x0b\x0c\x00",
            '{"index":{}}',
        ]
    ),
)


@st.composite
def documents(draw: st.DrawFn) -> list[tuple[str, str, bytes]]:
    """Some documents as the agent makes them, with any text in them."""
    texts = draw(st.lists(HOSTILE, min_size=1, max_size=12))
    return [
        (f"{number:032x}", draw(st.sampled_from(INDICES)), _document(text))
        for number, text in enumerate(texts)
    ]


def _document(text: str) -> bytes:
    return encode(Event(timestamp="2026-04-14T10:32:15.000Z", event=Act(action=text)))


def plain(body: Body) -> bytes:
    return zlib.decompress(body.data, 31) if body.gzipped else body.data


@given(made=documents(), gzip=st.booleans())
def test_body_parses_back(made: list[tuple[str, str, bytes]], *, gzip: bool) -> None:
    """F29: what a server reads is what was put in, whatever a line held."""
    body = body_of(made, Owner(), gzip=gzip)
    actions = parse(plain(body), body.index)
    read = [(action.id, action.index, action.document) for action in actions]
    assert read == made
    assert {action.verb for action in actions} == {"create"}
    assert documents_of(body) == [document for _, _, document in made]


@given(documents())
def test_action_lines_hold_our_own_names_only(made: list[tuple[str, str, bytes]]) -> None:
    """F29: an action line is a function of id and index."""
    lines = plain(body_of(made, Owner(), gzip=True)).split(b"\n")
    assert lines.pop() == b""
    assert len(lines) == 2 * len(made)
    for line, (id_, index, _) in zip(lines[::2], made, strict=True):
        action: dict[str, Any] = json.loads(line)
        assert action in (
            {"create": {"_id": id_}},
            {"create": {"_id": id_, "_index": index}},
        )


@given(documents(), st.data())
def test_parts_send_the_same_bytes(made: list[tuple[str, str, bytes]], data: st.DataObject) -> None:
    """F44, F47: a body cut into any parts, these cut again, sends the same bytes again."""
    body = body_of(made, Owner(), gzip=data.draw(st.booleans()))
    bodies = [body]
    for _ in range(data.draw(st.integers(1, 3))):
        bodies = [part for one in bodies for part in _split(one, data)]
    sent = {}
    for part in bodies:
        for action in parse(plain(part), part.index):
            assert action.id not in sent
            sent[action.id] = (action.index, action.document)
    assert sent == {id_: (index, document) for id_, index, document in made}


def _split(body: Body, data: st.DataObject) -> list[Body]:
    colors = data.draw(
        st.lists(st.integers(0, 2), min_size=len(body.items), max_size=len(body.items))
    )
    chosen = [[at for at, color in enumerate(colors) if color == wanted] for wanted in range(3)]
    return cut(body, [positions for positions in chosen if positions])


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.randoms())
def test_completion_covers_exactly_the_settled_lines(settled: list[bool], random: Any) -> None:
    """F58: what stays open and what its parts complete later are the whole, without overlap."""
    owner = Owner()
    body = body_of(
        [(f"{n:04x}", INDICES[0], b"{}") for n in range(len(settled))], owner, gzip=False
    )
    open_positions = [at for at, done in enumerate(settled) if not done]
    random.shuffle(open_positions)
    complete(body, open_positions)
    assert sorted(owner.completed) == [at for at, done in enumerate(settled) if done]
    for part in cut(body, [[at] for at in open_positions]):
        complete(part)
    assert sorted(owner.completed) == list(range(len(settled)))
