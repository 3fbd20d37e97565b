"""What replies do to documents: F40, F43-F47, F49-F53, F57, F58 of the fault matrix."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditship_agent.config import DeliveryConfig
from support.bulk import BulkServer
from support.bulk_body import Action, Refusal
from support.bulk_script import (
    CLOSED,
    FLOOD_STAGE,
    FORBIDDEN,
    MAPPING,
    NO_PIPELINE,
    NO_SHARD,
    PIPELINE_FAILED,
    QUEUE_FULL,
    SHARD_LIMIT,
    WRITE_BLOCK,
    Behavior,
    Exchange,
    any_of,
    change_items,
    cut_reply,
    doubled,
    error_answer,
    hold_reply,
    html_ok,
    huge,
    if_named,
    lost_reply,
    not_json,
    parse_refused,
    pretty,
    refuse_actions,
    refuse_items,
    reordered,
    reset,
    serve,
    short,
    slow,
    wrong_ids,
)
from support.bulk_wire import Answer, Hangup
from support.shipping import INDEX, Shipping

DOUBT = Refusal(400, "illegal_argument_exception", "Document contains an immense term: secret")
NEXT = "audit-us-west-1-2026.04.15"


@pytest.fixture
def server(bulk_server: BulkServer) -> BulkServer:
    """A cluster with the index of the day."""
    bulk_server.make_index(INDEX)
    return bulk_server


def sent(server: BulkServer) -> list[list[str | None]]:
    """The ids of each request, in the order of arrival."""
    return [[action.id for action in server.actions(bulk)] for bulk in server.bulks]


def test_clean_run(server: BulkServer) -> None:
    """Bodies of any size are stored once, one request each, and the window opens."""
    with Shipping(server.address) as ship:
        for _ in range(6):
            ship.write(500)
        ship.run()
        ship.check_everything(server.documents)
        assert (len(server.bulks), ship.stored, ship.delivery.flow.window) == (6, 3000, 2)
        assert ship.metrics.requests.labels("ok")._value.get() == 6
        assert not ship.told.getvalue()


# -- F51: the reply is lost after the write ------------------------------------------------


@pytest.mark.parametrize(
    "lost",
    [
        lost_reply(),
        cut_reply(0),
        cut_reply(40),
        cut_reply(40, chunked=True),
        html_ok(),
        not_json(),
        short(),
        reordered(),
        doubled(),
        wrong_ids(),
        change_items(lambda _items: []),
    ],
    ids=[
        "lost",
        "cut-0",
        "cut-40",
        "cut-chunked",
        "html",
        "no-json",
        "short",
        "reordered",
        "doubled",
        "wrong-ids",
        "none",
    ],
)
def test_unknown_outcome_is_sent_again(server: BulkServer, lost: Behavior) -> None:
    """F51, F52: what is no answer acknowledges nothing; the same bytes go again and meet 409."""
    server.script(lost)
    with Shipping(server.address) as ship:
        ship.write(50)
        ship.run(lambda: len(server.bulks) == 1 and not ship.delivery.in_flight)
        assert ship.acked == 0
        ship.run()
        ship.check_everything(server.documents)
        first, second = server.bulks
        assert first.raw == second.raw
        assert ship.present + ship.stored == 50
        assert ship.metrics.requests.labels("unknown")._value.get() == 1


def test_reply_lost_after_the_write_counts_as_already_present(server: BulkServer) -> None:
    """F51: all 50 were stored by the first request; the second one says so."""
    server.script(lost_reply(), serve())
    with Shipping(server.address) as ship:
        ship.write(50)
        ship.run()
        ship.check_everything(server.documents)
        assert (ship.stored, ship.present) == (0, 50)


def test_reply_lost_before_the_write(server: BulkServer) -> None:
    """F51: a reset before anything was stored."""
    server.script(reset(), serve())
    with Shipping(server.address) as ship:
        ship.write(50)
        ship.run()
        ship.check_everything(server.documents)
        assert (ship.stored, ship.present) == (50, 0)


def test_pretty_printed_reply_is_an_answer(server: BulkServer) -> None:
    """F52: how a reply is printed does not matter."""
    server.script(pretty())
    with Shipping(server.address) as ship:
        ship.write(5)
        ship.run()
        ship.check_everything(server.documents)
        assert len(server.bulks) == 1


def test_huge_reply(server: BulkServer) -> None:
    """F53: over 64 MiB a reply is no answer; the body goes again in halves."""
    server.script(huge(64 * 2**20 + 1))
    with Shipping(server.address) as ship:
        ship.write(10)
        ship.run()
        ship.check_everything(server.documents)
        assert [len(ids) for ids in sent(server)] == [10, 5, 5]
        assert ship.events("bulk.reply_invalid")


def test_body_that_never_gets_an_answer_is_halved(server: BulkServer) -> None:
    """F51: a proxy that drops what is too big for it, without a word, is met by smaller bodies."""

    def drop_big(exchange: Exchange) -> Answer | Hangup:
        is_big = len(server.actions(exchange.request)) > 2
        return (reset() if is_big else serve())(exchange)

    server.otherwise = drop_big
    with Shipping(server.address, config=DeliveryConfig(max_in_flight=1)) as ship:
        ship.write(8)
        ship.run()
        ship.check_everything(server.documents)
        sizes = [len(ids) for ids in sent(server)]
        assert sizes == [8, 8, 8, 4, 4, 4, 2, 2, 4, 4, 4, 2, 2]


def test_random_replies(server: BulkServer) -> None:
    """F52: whatever mixture of faults comes, each line has one outcome in the end."""
    server.otherwise = any_of(
        serve(),
        lost_reply(),
        short(),
        wrong_ids(),
        slow(3),
        reset(),
        refuse_items(FLOOD_STAGE, {1}),
        cut_reply(100, chunked=True),
        html_ok(),
        seed=4,
    )
    with Shipping(server.address) as ship:
        for _ in range(10):
            ship.write(40, documents=2, index=[INDEX, NEXT])
        ship.run()
        ship.check_everything(server.documents)


# -- F43, F44, F49, F57: not now -----------------------------------------------------------


@pytest.mark.parametrize("refusal", [QUEUE_FULL, NO_SHARD, FLOOD_STAGE])
def test_some_items_come_again(server: BulkServer, refusal: Refusal) -> None:
    """F44: only those again, with the same bytes; the others are acknowledged meanwhile."""
    server.script(refuse_items(refusal, {0, 3, 7}))
    with Shipping(server.address) as ship:
        ids = ship.write(10)
        ship.run(lambda: bool(ship.owner.completed))
        assert sorted(ship.owner.completed) == [1, 2, 4, 5, 6, 8, 9]
        assert ship.acked == 0
        ship.run()
        ship.check_everything(server.documents)
        first, second = (server.actions(bulk) for bulk in server.bulks)
        assert [action.id for action in second] == [ids[0], ids[3], ids[7]]
        assert second == (first[0], first[3], first[7])
        assert (ship.stored, ship.present) == (10, 0)


@settings(max_examples=40)
@given(st.lists(st.sets(st.integers(0, 11)), max_size=4))
def test_any_subset_comes_again(subsets: list[set[int]]) -> None:
    """F44: whatever is refused how often, each line is stored once and counted once."""
    with BulkServer() as server, Shipping(server.address) as ship:
        server.make_index(INDEX)
        server.script(*(refuse_items(QUEUE_FULL, subset) for subset in subsets))
        ship.write(12)
        ship.run()
        ship.check_everything(server.documents)
        assert ship.stored == 12


def test_one_late_line_pins_no_memory(server: BulkServer) -> None:
    """F44: what comes again is cut out into a body of its own."""
    server.script(refuse_items(QUEUE_FULL, {0}))
    with Shipping(server.address) as ship:
        ship.write(1_000, fill=500)
        before = ship.delivery.buffered_bytes
        ship.run(lambda: bool(ship.owner.completed))
        assert ship.delivery.buffered_bytes < before / 100
        ship.run()


def test_pause_grows_while_nothing_gets_in(server: BulkServer) -> None:
    """F43: all items refused is a refusal of the request: 1, 2, 4 ... s, one at a time."""
    server.script(*[refuse_items(QUEUE_FULL)] * 4)
    with Shipping(server.address) as ship:
        ship.write(3)
        ship.write(3)
        begin = ship.clock.monotonic()
        ship.run()
        ship.check_everything(server.documents)
        assert ship.clock.monotonic() - begin == 1 + 2 + 4 + 8
        assert len(server.bulks) == 6
        assert server.bulks[0].raw != server.bulks[-1].raw


def test_server_of_one_document_a_request(server: BulkServer) -> None:
    """F57: a server that takes next to nothing gets smaller bodies, and all of them in the end."""
    server.otherwise = slow(1)
    with Shipping(server.address, random=0.01) as ship:
        ship.write(200)
        ship.run()
        ship.check_everything(server.documents)
        sizes = [len(ids) for ids in sent(server)]
        assert sum(sizes) < 200 * 20, "most of what is sent in vain is not sent again and again"


def test_memory_is_bounded_while_the_cluster_is_slow(server: BulkServer) -> None:
    """F57: a writer that is never slow fills what the configuration says, and no more."""
    config = DeliveryConfig(max_buffer_bytes=2 * 2**20)
    server.otherwise = slow(40)
    with Shipping(server.address, config=config, random=0.01) as ship:
        for _ in range(12):
            ship.write_while_room(300, fill=200)
            ship.step()
        body = ship.high_water - 2 * 2**20
        assert 0 <= body < 300 * 260
        server.otherwise = serve()
        ship.run()
        ship.check_everything(server.documents)


def test_flood_stage_is_an_alarm_until_it_is_lifted(server: BulkServer) -> None:
    """F49: retried for as long as it takes; health is red meanwhile."""
    server.cluster.faults[INDEX] = FLOOD_STAGE
    with Shipping(server.address) as ship:
        ship.write(5)
        ship.run_for(3600)
        assert "cluster_block_exception" in ship.delivery.alarm
        (told,) = ship.events("bulk.retry")[:1]
        assert told["level"] == "error"
        assert len(ship.events("bulk.retry")) <= 61
        del server.cluster.faults[INDEX]
        ship.run()
        ship.check_everything(server.documents)
        assert not ship.delivery.alarm
        assert ship.events("bulk.resumed")


# -- F45, F46, F50: rejected, or held ------------------------------------------------------


def test_mapping_error_on_one_of_a_thousand(server: BulkServer) -> None:
    """F45: 999 are stored; one is dead, with the server's reason and its bytes."""
    server.script(refuse_items(MAPPING, {500}))
    with Shipping(server.address) as ship:
        ids = ship.write(1_000)
        ship.run()
        ship.check_everything(server.documents)
        assert ship.dead == {ids[500]: (MAPPING.type, MAPPING.reason)}
        assert (ship.stored, ship.dead_lines, len(server.bulks)) == (999, 1, 1)


@pytest.mark.parametrize(
    "refusal", [SHARD_LIMIT, NO_PIPELINE, PIPELINE_FAILED, WRITE_BLOCK, CLOSED, FORBIDDEN]
)
def test_hold_of_an_index(server: BulkServer, refusal: Refusal) -> None:
    """F46, F50: its documents wait for a person, asked for once each 30 s; others flow."""
    server.make_index(NEXT)
    server.cluster.faults[INDEX] = refusal
    with Shipping(server.address) as ship:
        for _ in range(5):
            ship.write(4, index=INDEX)
            ship.write(4, index=NEXT)
        ship.write(4, documents=2, index=[NEXT, INDEX])
        ship.run(lambda: len(ship.owner.completed) == 20 and not ship.delivery.in_flight)
        before = len(server.bulks)
        ship.run_for(3_000)
        assert 99 <= len(server.bulks) - before <= 101, "one probe each 30 s, not one a body"
        assert list(ship.delivery.held) == [INDEX]
        assert refusal.type in ship.delivery.held[INDEX]
        assert not ship.dead
        assert not ship.delivery.flow.hold
        assert ship.metrics.held.labels("index")._value.get() == 1
        del server.cluster.faults[INDEX]
        ship.run()
        ship.check_everything(server.documents)
        assert not ship.delivery.held
        assert ship.metrics.held.labels("index")._value.get() == 0
        assert ship.events("index.resumed")


def test_missing_day_is_made_with_its_creation_date(bulk_server: BulkServer) -> None:
    """F50: where the agent may, it makes the index of the day, append-only; nothing waits."""
    with Shipping(bulk_server.address) as ship:
        ship.write(10)
        ship.write(10)
        begin = ship.clock.monotonic()
        ship.run()
        ship.check_everything(bulk_server.documents)
        assert ship.clock.monotonic() == begin
        made = bulk_server.cluster.indices[INDEX]
        assert made.append_only
        assert int(made.settings["creation_date"]) == 1_776_124_800_000
        assert len(ship.events("index.made")) == 1


def test_missing_day_that_the_agent_may_not_make(bulk_server: BulkServer) -> None:
    """F50: a hold of that index which names the command; it ends when the day appears."""
    no = Refusal(403, "security_exception", "no permissions for [indices:admin/create]")
    bulk_server.fixed["PUT", f"/{INDEX}"] = error_answer(no)
    bulk_server.make_index(NEXT)
    with Shipping(bulk_server.address) as ship:
        ship.write(10)
        ship.write(10, index=NEXT)
        ship.run(lambda: bool(ship.delivery.held) and len(ship.owner.completed) == 10)
        assert "auditship setup" in ship.delivery.held[INDEX]
        ship.run_for(200)
        bulk_server.make_index(INDEX)
        ship.run()
        ship.check_everything(bulk_server.documents)
        assert not ship.delivery.held


def test_missing_day_while_the_cluster_cannot_make_it(bulk_server: BulkServer) -> None:
    """F50: asked for again with the next probe; no person is called."""
    later = Refusal(503, "process_cluster_event_timeout_exception", "failed to process")
    bulk_server.fixed["PUT", f"/{INDEX}"] = error_answer(later)
    with Shipping(bulk_server.address) as ship:
        ship.write(10)
        ship.run(lambda: bool(ship.events("index.later")))
        assert not ship.delivery.held
        del bulk_server.fixed["PUT", f"/{INDEX}"]
        ship.run()
        ship.check_everything(bulk_server.documents)


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"\xff", b"<html>", b"[" * 100_000])
@pytest.mark.parametrize("status", [200, 400, 503])
def test_garbage_when_a_day_is_made(bulk_server: BulkServer, status: int, body: bytes) -> None:
    """An answer that is not OpenSearch's harms nothing: the day is asked for again."""
    path = ("PUT", f"/{INDEX}")
    kind = ("content-type", "application/json")
    bulk_server.fixed[path] = Answer(status, body, (kind, ("warning", '299 x "odd"')))
    with Shipping(bulk_server.address) as ship:
        ship.write(1)
        ship.run(lambda: bool(ship.events("index.later") or ship.events("index.held")))
        del bulk_server.fixed[path]
        ship.run()
        ship.check_everything(bulk_server.documents)


def test_name_that_is_no_day(bulk_server: BulkServer) -> None:
    """An index that is not of a day is nobody's to make: it waits for a person."""
    name = "audit-odd"
    with Shipping(bulk_server.address) as ship:
        ship.write(1, index=name)
        ship.run(lambda: bool(ship.delivery.held))
        assert "not the index of a day" in ship.delivery.held[name]
        bulk_server.make_index(name)
        ship.run()
        ship.check_everything(bulk_server.documents)


# -- the alone rule ------------------------------------------------------------------------


def refuse_bad(refusal: Refusal) -> Behavior:
    """Refuse the documents that hold the word."""

    def judge(_position: int, action: Action) -> Refusal | None:
        return refusal if b"bad" in action.document else None

    return refuse_actions(judge)


def if_bad(behavior: Behavior) -> Behavior:
    """Behave so when a document of the request holds the word."""
    return if_named(b'"bad"', behavior)


def test_doubtful_document_is_sent_once_more_alone(server: BulkServer) -> None:
    """F45: refused again while its index takes others: rejected; the log has no reason."""
    server.otherwise = refuse_bad(DOUBT)
    with Shipping(server.address) as ship:
        ship.write(5)
        (bad,) = ship.write(bad={0})
        ship.write(5)
        ship.run()
        ship.check_everything(server.documents)
        assert ship.dead == {bad: (DOUBT.type, DOUBT.reason)}
        assert "secret" not in ship.told.getvalue()


def test_doubtful_document_among_others(server: BulkServer) -> None:
    """The others of its own request are the proof that the index takes documents."""
    server.otherwise = refuse_items(DOUBT, {2})
    server.script(refuse_items(DOUBT, {2}), refuse_items(DOUBT))
    with Shipping(server.address) as ship:
        ids = ship.write(5)
        ship.run()
        ship.check_everything(server.documents)
        assert list(ship.dead) == [ids[2]]
        assert sent(server) == [ids, [ids[2]]]
        assert not ship.events("index.held")


def test_doubtful_document_in_an_index_that_takes_nothing(server: BulkServer) -> None:
    """F46: nothing gets in: a hold, not a rejection. It ends by itself, and all are stored."""
    server.cluster.faults[INDEX] = DOUBT
    with Shipping(server.address) as ship:
        ship.write(64)
        ship.write(64)
        ship.run_for(600)
        assert list(ship.delivery.held) == [INDEX]
        assert "secret" not in ship.told.getvalue()
        assert not ship.dead
        assert len(server.bulks) < 40
        del server.cluster.faults[INDEX]
        ship.run()
        ship.check_everything(server.documents)
        assert not ship.dead


def test_held_index_is_asked_by_a_document_beyond_doubt(server: BulkServer) -> None:
    """One bad document alone holds its index only until others come, which then flow."""
    server.otherwise = refuse_bad(DOUBT)
    with Shipping(server.address) as ship:
        (bad,) = ship.write(bad={0})
        ship.run(lambda: bool(ship.delivery.held))
        ship.write(5)
        ship.run()
        ship.check_everything(server.documents)
        assert list(ship.dead) == [bad]


def test_one_document_that_spoils_its_whole_index(server: BulkServer) -> None:
    """F45: with a final pipeline one malformed document refuses all: it is found by halving."""
    server.otherwise = if_bad(
        refuse_items(Refusal(400, "parse_exception", "Failed to parse content to map"))
    )
    with Shipping(server.address) as ship:
        ids = ship.write(300, bad={123})
        ship.run()
        ship.check_everything(server.documents)
        assert list(ship.dead) == [ids[123]]
        assert len(server.bulks) < 30


@pytest.mark.parametrize("others", [0, 40])
def test_request_refused_for_its_bytes(server: BulkServer, others: int) -> None:
    """F46: 400 on the request: halved to the one document; rejected once others got in."""
    server.otherwise = if_bad(parse_refused())
    with Shipping(server.address) as ship:
        ids = ship.write(others + 1, bad={others // 2})
        if not others:
            ship.run_for(300)
            assert list(ship.delivery.held) == [INDEX], "no proof yet that it is the document"
            ship.write(3)
        ship.run()
        ship.check_everything(server.documents)
        assert list(ship.dead) == [ids[others // 2]]
        assert ship.events("bulk.rejected")


def test_every_request_refused_for_its_bytes(server: BulkServer) -> None:
    """F46: a proxy that spoils every body buries no document: a hold."""
    server.otherwise = parse_refused()
    with Shipping(server.address) as ship:
        ship.write(100)
        ship.run_for(300)
        assert not ship.dead
        assert list(ship.delivery.held) == [INDEX]
        server.otherwise = serve()
        ship.run()
        ship.check_everything(server.documents)
        assert not ship.dead


# -- F40, F47: too large -------------------------------------------------------------------


def test_body_over_the_limit_is_halved(bulk_server: BulkServer) -> None:
    """F47: the size is learned for bodies to come; the limit counts after decompression."""
    bulk_server.make_index(INDEX)
    bulk_server.max_content_length = 150_000
    with Shipping(bulk_server.address) as ship:
        ship.write(1_000, fill=500)
        ship.write(1_000, fill=500)
        learned = []
        while ship.delivery.pending:
            ship.step()
            learned.append(ship.delivery.learned_bytes or 2**30)
        ship.check_everything(bulk_server.documents)
        assert learned == sorted(learned, reverse=True), "it does not grow in between"
        assert 65_536 <= learned[-1] <= 150_000
        assert not ship.dead


def test_learned_size_grows_again(bulk_server: BulkServer) -> None:
    """F47: while full bodies are taken it grows by small steps, until it is too much once more."""
    bulk_server.make_index(INDEX)
    bulk_server.max_content_length = 150_000
    with Shipping(bulk_server.address) as ship:
        ship.write(1_000, fill=500)
        ship.run()
        learned = ship.delivery.learned_bytes or 0

        def fill(bodies: int, share: float) -> None:
            for _ in range(bodies):
                ship.write(int((ship.delivery.learned_bytes or 0) * share / 600), fill=480)
                ship.run()

        ship.delivery._bodies._fitted = 97  # of a hundred full bodies
        fill(2, 1)
        fill(5, 0.5)
        assert ship.delivery.learned_bytes == learned, "small bodies prove nothing"
        fill(1, 1)
        assert ship.delivery.learned_bytes == learned * 9 // 8
        bulk_server.max_content_length = learned
        fill(1, 1)
        assert (ship.delivery.learned_bytes or 0) < learned
        ship.check_everything(bulk_server.documents)


def test_size_is_not_learned_below_the_smallest_batch(bulk_server: BulkServer) -> None:
    """F47: a limit below what may be configured is met by halving alone."""
    bulk_server.make_index(INDEX)
    bulk_server.max_content_length = 5_000
    with Shipping(bulk_server.address) as ship:
        ship.write(100, fill=500)
        ship.run()
        ship.check_everything(bulk_server.documents)
        assert ship.delivery.learned_bytes == 65_536


def test_document_over_the_limit(bulk_server: BulkServer) -> None:
    """F40: found by halving, sent alone, refused alone: `too_large`; all others are stored."""
    bulk_server.make_index(INDEX)
    bulk_server.max_content_length = 100_000
    with Shipping(bulk_server.address) as ship:
        ship.write(23, fill=[500] * 20 + [0, 200_000, 0])
        ship.run()
        ship.check_everything(bulk_server.documents)
        assert [kind for kind, _ in ship.dead.values()] == ["too_large"]


def test_line_of_several_documents_is_halved_inside(bulk_server: BulkServer) -> None:
    """F40, F47: its documents go apart; the line is told once, when the last one is settled."""
    bulk_server.make_index(INDEX)
    bulk_server.max_content_length = 3_000
    with Shipping(bulk_server.address) as ship:
        ship.write(1, documents=8, fill=900)
        while ship.delivery.pending:
            ship.step()
            assert not ship.owner.completed or len(bulk_server.documents[INDEX]) == 8
        ship.check_everything(bulk_server.documents)
        assert (ship.stored, len(ship.delivery._bodies._lines)) == (1, 0)


def test_line_with_one_rejected_document_is_dead_once(server: BulkServer) -> None:
    """Some documents stored, some late, two rejected: one line, one dead letter."""
    server.script(refuse_items(MAPPING, {1, 3}), refuse_items(QUEUE_FULL))
    with Shipping(server.address) as ship:
        ship.write(1, documents=5)
        ship.write(1, documents=5)
        ship.run()
        ship.check_everything(server.documents)
        assert (ship.stored, ship.dead_lines, len(ship.dead)) == (1, 1, 2)


def test_line_over_two_days_waits_for_both(server: BulkServer) -> None:
    """One of its documents is of an index that is held: the line is open until it is stored."""
    server.cluster.faults[NEXT] = CLOSED
    server.make_index(NEXT)
    with Shipping(server.address) as ship:
        ship.write(3, documents=2, index=[INDEX, NEXT])
        ship.run_for(100)
        assert len(server.documents[INDEX]) == 3
        assert (ship.owner.completed, ship.stored) == ([], 0)
        del server.cluster.faults[NEXT]
        ship.run()
        ship.check_everything(server.documents)
        assert ship.stored == 3


# -- F58: order ----------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_replies_in_any_order(server: BulkServer, order: tuple[int, ...]) -> None:
    """F58: each reply settles its own lines; the prefix moves over contiguous ones only."""
    config = DeliveryConfig(max_in_flight=3)
    with Shipping(server.address, config=config) as ship:
        for _ in range(6):
            ship.write(1)
        ship.run()
        assert ship.delivery.flow.window == 3
        gates = [server.gate() for _ in range(3)]
        server.script(*(hold_reply(gate) for gate in gates))
        for at in range(3):
            ship.write(10)
            ship.poll()
            gates[at].wait_for_arrivals(1)
        done: set[int] = set()
        for at in order:
            gates[at].open()
            _wait_for_one(ship)
            done.add(at)
            contiguous = next(n for n in range(4) if n not in done)
            assert ship.acked == 6 + 10 * contiguous
        ship.check_everything(server.documents)


def _wait_for_one(ship: Shipping) -> None:
    before = len(ship.owner.completed)
    ship.run(lambda: len(ship.owner.completed) > before)


def test_retry_labels_are_bounded(server: BulkServer) -> None:
    """Whatever types a server makes up, the metric has few labels."""
    server.script(*(refuse_items(Refusal(503, f"made-up-{n}", "x")) for n in range(50)))
    with Shipping(server.address) as ship:
        ship.write(1)
        ship.run()
        labels = {
            sample.labels["type"]
            for one in ship.metrics.retries.collect()
            for sample in one.samples
        }
        assert labels == {"other"}
