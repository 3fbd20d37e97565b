"""Rows F40, F44, F45, F47, F51 to F54 and F58 with a whole agent: what replies say of documents.

Files in, documents and dead letters out, each test ends in the oracle; without files, and closer:
tests/faults/test_delivery.py.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditship_agent.config import BatchConfig, DeliveryConfig
from support.bulk import BulkServer
from support.bulk_body import Action, Refusal
from support.bulk_script import (
    MAPPING,
    QUEUE_FULL,
    Behavior,
    change_items,
    cut_reply,
    hold_reply,
    huge,
    if_named,
    lost_reply,
    over,
    parse_refused,
    pretty,
    raw_reply,
    refuse_actions,
    refuse_items,
    reset,
    serve,
)
from support.clock import START_MS
from support.oracle import id_of
from support.site import MakeSite, Site

DOUBT: Final = Refusal(400, "illegal_argument_exception", "Document contains an immense term")
SPOILED: Final = Refusal(400, "parse_exception", "Failed to parse content to map")


@contextmanager
def whole_agent(**settings: Any) -> Iterator[Site]:
    """A site of its own, for tests that need many."""
    with tempfile.TemporaryDirectory() as folder, BulkServer() as server:
        site = Site(Path(folder) / "site", server, **settings)
        try:
            yield site
        finally:
            site.close()


def named(text: bytes, refusal: Refusal) -> Behavior:
    """Refuse the documents about files of this name."""

    def judge(_position: int, action: Action) -> Refusal | None:
        return refusal if text in action.document else None

    return refuse_actions(judge)


def about(site: Site, name: str) -> None:
    """Write a line about a file of this name."""
    site.append(site.line(file={"id": name, "name": name}) + b"\n")


# -- F40, F45, F46, F47: documents that never get in ------------------------------------------


@pytest.mark.parametrize("refusal", [MAPPING, DOUBT, SPOILED], ids=lambda one: one.type)
def test_one_of_a_thousand(make_site: MakeSite, refusal: Refusal) -> None:
    """F45: 999 are stored, one is a dead letter with the raw line, its place and the reason."""
    site = make_site(batch=BatchConfig(max_events=1_000, max_age_s=0.05))
    spoils = refusal is SPOILED  # all documents of a request with it are refused, as by a pipeline
    bad = named(b'"culprit"', refusal)
    site.server.otherwise = if_named(b'"culprit"', refuse_items(SPOILED)) if spoils else bad
    site.write(500)
    about(site, "culprit")
    site.write(499)
    site.check_everything()
    assert len(site.events()) == 999
    (letter,) = site.letters()
    assert letter.reason == "rejected"
    assert letter.detail.startswith(refusal.type)
    assert b'"culprit"' in letter.line
    assert site.path().read_bytes()[letter.offset :].startswith(letter.line + b"\n")
    if not spoils:
        assert len(site.server.bulks) <= 3


def test_a_request_refused_for_its_bytes(site: Site) -> None:
    """F45, F46: a 400 on the whole request: halved to the one document that it is about."""
    site.server.otherwise = if_named(b'"culprit"', parse_refused())
    site.write(30)
    about(site, "culprit")
    site.write(30)
    site.append(b"no json\n")
    site.check_everything()
    assert len(site.events()) == 60
    assert sorted(one.reason for one in site.letters()) == ["bad_json", "rejected"]


def test_every_request_refused_for_its_bytes(site: Site) -> None:
    """F46: a proxy that spoils every request buries no document: it is a hold."""
    site.server.otherwise = parse_refused()
    site.write(30)
    site.endure(300, step_s=10)
    assert any("parse_exception" in reason for reason in site.health())
    site.server.otherwise = serve()
    site.check_everything()
    assert len(site.events()) == 30
    assert not site.letters()


@pytest.mark.parametrize("gzip", [True, False])
def test_a_document_over_the_limit(make_site: MakeSite, *, gzip: bool) -> None:
    """F40, F47: bodies are halved to fit; the one document that never fits is `too_large`."""
    config = DeliveryConfig(retry_max_s=0.05, gzip=gzip)
    site = make_site(delivery=config, batch=BatchConfig(max_events=500, max_age_s=0.05))
    site.server.max_content_length = 2_800
    site.write(40)
    site.append(
        site.line(file={"id": "x" * 500, "name": "n" * 1_000}, request_id="r" * 500) + b"\n"
    )
    site.append(b"no json\n")
    site.write(40)
    site.check_everything()
    assert len(site.events()) == 80
    assert sorted(one.reason for one in site.letters()) == ["bad_json", "too_large"]


def test_bodies_grow_again_when_the_limit_was_raised(make_site: MakeSite) -> None:
    """F47: after a 413 bodies are small; once the limit is gone they grow back as configured."""
    site = make_site(batch=BatchConfig(max_bytes=80_000, max_events=1_000, max_age_s=0.05))
    site.server.max_content_length = 70_000
    delivery = site.running.pipeline.delivery
    while delivery.learned_bytes is None:
        site.write(100)
        site.settle()
    assert delivery.learned_bytes == 65_536
    assert max(_sizes_of(site, 300)) < 65_536 + 1_500
    site.server.max_content_length = 2**20
    delivery._bodies._fitted = 98  # the first ninety-eight of a hundred full bodies
    _sizes_of(site, 300)
    assert 65_536 + 1_500 < max(_sizes_of(site, 300)) < 82_000
    site.check_everything()


def _sizes_of(site: Site, lines: int) -> list[int]:
    """Return the sizes of the bodies that so many lines go in."""
    first = len(site.server.bulks)
    site.write(lines)
    site.settle()
    return [len(request.body or b"") for request in site.server.bulks[first:]]


# -- F44: some again --------------------------------------------------------------------------


@settings(max_examples=10)
@given(st.lists(st.sets(st.integers(0, 11)), min_size=1, max_size=4))
def test_any_subset_comes_again(subsets: list[set[int]]) -> None:
    """F44: whichever items are refused how often, the others count, and each is stored once."""
    with whole_agent() as site:
        site.server.script(*(refuse_items(QUEUE_FULL, subset) for subset in subsets))
        site.write(6)
        site.append(b"no json\n")
        site.write(6)
        site.check_everything()
        assert len(site.events()) == 12


# -- F51, F52, F53: replies that are none -----------------------------------------------------


@pytest.mark.parametrize("crash", [False, True])
@pytest.mark.parametrize(
    "lost",
    [lost_reply(), reset(), cut_reply(40, chunked=True)],
    ids=["after", "before", "cut"],
)
def test_the_reply_is_lost(site: Site, lost: Behavior, *, crash: bool) -> None:
    """F51: stored or not, the same ids go again, also after a kill -9: 409, counted as present."""
    site.write(20)
    site.server.script(lost)
    site.until(lambda: site.server.bulks and not site.running.pipeline.delivery.in_flight)
    assert site.acked() == 0
    stored = len(site.events())
    if crash:
        site.crash()
        site.start()
    site.settle()
    count = site.running.pipeline.tally.of("dosya")
    assert (count.present, count.stored) == (stored, 20 - stored)
    site.check_everything()


def _cut(data: st.DataObject) -> Behavior:
    return cut_reply(data.draw(st.integers(0, 700)), chunked=data.draw(st.booleans()))


def _bytes(data: st.DataObject) -> Behavior:
    share, new = data.draw(st.floats(0, 1)), data.draw(st.binary(max_size=3))
    kept = data.draw(st.integers(0, 3))

    def change(body: bytes) -> bytes:
        at = int(share * len(body))
        return body[:at] + new + body[at + kept :]

    return raw_reply(change)


def _items(data: st.DataObject) -> Behavior:
    order = data.draw(st.permutations(range(8)) | st.lists(st.integers(0, 7), max_size=9))
    return change_items(lambda items: [items[at] for at in order if at < len(items)])


def _value(data: st.DataObject) -> Behavior:
    """One value of one item is another; a status alone makes no refusal."""
    at = data.draw(st.integers(0, 7))
    key = data.draw(st.sampled_from(["_id", "status", "error", "more"]))
    value = data.draw(st.none() | st.integers() | st.text(max_size=5) | st.just({"reason": "x"}))

    def change(items: list[Any]) -> list[Any]:
        items[at % len(items)]["create"][key] = value
        return items

    return change_items(change)


def _text(data: st.DataObject) -> Behavior:
    text = data.draw(st.sampled_from([b"", b"<html>", b"{}", b"[]", b"null", b'{"items":[]}']))
    return raw_reply(lambda _body: text)


@settings(max_examples=40)
@given(
    st.data(),
    st.lists(st.sampled_from([_cut, _bytes, _items, _value, _text]), max_size=3, unique=True),
)
def test_replies_are_mutated(
    data: st.DataObject, kinds: list[Callable[[st.DataObject], Behavior]]
) -> None:
    """F52: replies cut, altered, reordered, doubled, some of their items refused: no false one.

    Each kind once: bytes that twice change the type of the same refusal are a server that lies.
    """
    with whole_agent() as site:
        for kind in kinds:
            refused = data.draw(st.sets(st.integers(0, 7)))
            site.server.script(over(refuse_items(QUEUE_FULL, refused), kind(data)))
        site.write(8)
        site.check_everything()
        assert len(site.events()) == 8


def test_a_pretty_printed_reply_is_fine(site: Site) -> None:
    """F52: how a true reply is printed does not matter."""
    site.server.otherwise = pretty()
    site.write(8)
    site.check_everything()
    assert len(site.server.bulks) == 1


def test_a_huge_reply(site: Site) -> None:
    """F53: a reply over 64 MiB is none: unknown, sent again in halves, which meet 409."""
    site.server.script(huge(64 * 2**20 + 1))
    site.write(10)
    site.append(b"no json\n")
    site.settle()
    assert site.running.pipeline.tally.of("dosya").present == 10
    site.check_everything()
    assert [len(site.server.actions(bulk)) for bulk in site.server.bulks] == [10, 5, 5]


# -- F54, F58 ---------------------------------------------------------------------------------


def test_an_id_that_holds_another_content(site: Site) -> None:
    """F54: an agent cannot read: it counts as already present, and nothing is overwritten."""
    raw = site.line()
    foreign = json.dumps({"event": {"action": "forged"}}).encode()
    site.server.documents[site.index][id_of(raw, 0, raw, START_MS)] = foreign  # type: ignore[index]  # the test's own view
    site.append(raw + b"\n")
    site.write(4)
    site.settle()
    count = site.running.pipeline.tally.of("dosya")
    assert (count.stored, count.present) == (4, 1)
    assert foreign in site.documents().values()
    site.check_everything()


@settings(max_examples=10)
@given(st.permutations(range(4)), st.integers(0, 4))
def test_replies_out_of_order_and_a_kill(order: list[int], answered: int) -> None:
    """F58: whatever comes first, the checkpoint holds the contiguous prefix; then kill -9."""
    batch = BatchConfig(max_events=5, max_age_s=0.01)
    with whole_agent(batch=batch, delivery=DeliveryConfig(max_in_flight=4, gzip=False)) as site:
        site.running.pipeline.delivery.flow._window = 4
        gates = [site.server.gate() for _ in order]
        site.server.script(*(hold_reply(gate) for gate in gates))
        ends = [0]
        for at in range(len(order)):
            site.write(5)
            ends.append(site.path().stat().st_size)
            site.look()
            site.turn()
            gates[at].wait_for_arrivals(1)
        for number, at in enumerate(order[:answered], 1):
            gates[at].open()
            while site.running.pipeline.delivery.in_flight > len(order) - number:
                site._step()
            done = set(order[:number])
            assert site.acked() == ends[next(n for n in range(5) if n not in done)]
        site.crash()
        for gate in gates:
            gate.open()
        site.check_everything()
        assert len(site.events()) == 20


def test_a_rejected_line_keeps_its_outcome(site: Site) -> None:
    """F45: read again, by a mapping that takes it now, it stays a dead letter until a replay."""
    site.server.otherwise = named(b'"culprit"', MAPPING)
    site.write(3)
    about(site, "culprit")
    site.write(3)
    site.settle()
    site.stop()
    for name in ("checkpoint", "checkpoint.1"):
        (site.state / name).unlink()
    site.server.otherwise = serve()
    site.start()
    site.check_everything()
    assert len(site.events()) == 6
    (letter,) = site.letters()
    assert letter.reason == "rejected"
