"""Position reports: how far a server's log is stored, told also when nothing happens."""

import json
from pathlib import Path
from typing import Any

import pytest

from auditship_agent.positions import AcknowledgedTo, index_of
from auditship_agent.runner.loop import Loop
from auditship_indexer.clock import iso_ms
from support.bulk import BulkServer
from support.bulk_script import (
    WRITE_BLOCK,
    Behavior,
    Exchange,
    refuse_items,
    serve,
    too_many_requests,
)
from support.bulk_wire import Answer, Hangup
from support.stepped import Stepped

REGION = "us-west-1"


@pytest.fixture
def site(tmp_path: Path, bulk_server: BulkServer) -> Stepped:
    """An agent on a cluster with today's indices."""
    made = Stepped(tmp_path, bulk_server, REGION)
    bulk_server.make_index(index_of(REGION, made.clock.now_ms()))
    return made


def work(site: Stepped, seconds: float) -> None:
    """Let the agent work as `run` does, for so long by its clock."""
    for _ in range(round(seconds / 0.5)):
        site.turn(0.5)


def speak(site: Stepped) -> None:
    """Let the loop tell of itself, as under `run`."""
    site.loop = Loop(site.agent, tells=True)


def only(index: str, behavior: Behavior) -> Behavior:
    """Let a behavior meet the requests for one index; the others are served."""

    def choose(exchange: Exchange) -> Answer | Hangup:
        return (behavior if f"/{index}/" in exchange.request.path else serve())(exchange)

    return choose


def reports(site: Stepped) -> list[dict[str, Any]]:
    """Return the reports that are stored, oldest first."""
    index = index_of(REGION, site.clock.now_ms())
    found = [json.loads(one) for one in site.server.documents.get(index, {}).values()]
    return sorted(found, key=lambda one: str(one["@timestamp"]))


def test_report_says_what_became_of_the_lines(site: Stepped) -> None:
    """Counts, open dead letters with their place, and a time up to which all is done."""
    site.write(good=5, bad=1)
    began = iso_ms(site.clock.now_ms())
    with site.started():
        speak(site)
        work(site, 25)
        last = reports(site)[-1]
    size = site.files.log.stat().st_size
    assert last["lines"] == {
        "read": 6, "stored": 5, "already_present": 0, "ignored": 0, "dead_letter": 1, "pending": 0,
    }  # fmt: skip
    assert last["agent"]["id"] == last["host"]["id"]
    assert (last["cloud"]["region"], last["files"], last["lag_bytes"]) == (REGION, {"live": 1}, 0)
    assert (last["gaps"], last["lost_bytes"], last["held"]) == (0, 0, [])
    assert last["oldest_unacknowledged_s"] == 0
    (letter,) = last["dead_letters"]["list"]
    assert last["dead_letters"]["open"] == 1
    assert (letter["reason"], 0 < letter["offset"] < size) == ("bad_json", True)
    assert began < last["acknowledged_to"] <= last["@timestamp"]


def test_a_quiet_server_is_complete_up_to_now(site: Stepped) -> None:
    """Without traffic a report comes each 10 s, and its time rises with the looks at the files."""
    site.write(good=1)
    with site.started():
        speak(site)
        work(site, 125)
        told = reports(site)
    assert 10 <= len(told) <= 13
    times = [one["acknowledged_to"] for one in told]
    assert times == sorted(times)
    assert len(set(times)) == len(times)
    assert {one["lines"]["stored"] for one in told} == {1}


def test_nothing_is_claimed_of_lines_that_wait(site: Stepped) -> None:
    """While a line has no outcome, the time stays before the moment at which it was written."""
    site.write(good=1)
    with site.started():
        speak(site)
        work(site, 15)
        site.server.otherwise = only(site.index, too_many_requests())
        written = iso_ms(site.clock.now_ms())
        site.write(good=1)
        work(site, 40)
        waiting = reports(site)[-1]
    assert waiting["lines"]["pending"] == 1
    assert waiting["acknowledged_to"] < written
    assert waiting["oldest_unacknowledged_s"] > 30


def test_a_restart_claims_no_more_than_before(site: Stepped) -> None:
    """Lines of the downtime wait: until they are stored, the time of the last life holds."""
    site.write(good=1)
    with site.started():
        speak(site)
        work(site, 20)
        site.loop.report()
        before = site.agent.acknowledged_to.iso
    site.clock.advance(60)
    site.write(good=3)
    site.clock.advance(60)
    site.server.pause()
    with site.started() as agent:
        speak(site)
        work(site, 30)
        assert agent.acknowledged_to.iso == before
        assert agent.pipeline.oldest_unacknowledged_s() > 120, "since the checkpoint, not the start"
        site.server.resume()
        work(site, 90)
        assert agent.acknowledged_to.iso > before


def test_unreadable_file_stops_the_claim(site: Stepped) -> None:
    """What nobody could look at may hold anything."""
    site.write(good=1)
    with site.started() as agent:
        speak(site)
        work(site, 15)
        (file,) = agent.pipeline.catalog.files.values()
        agent.pipeline.catalog.failed(file, OSError(5, "Input/output error"))
        before = agent.acknowledged_to.iso
        agent.pipeline.catalog.listing = agent.pipeline.catalog.listing  # no rescan in between
        site.loop.report()
        assert agent.acknowledged_to.iso == before
        assert not agent.pipeline.catalog.is_complete
        work(site, 30)
        assert agent.acknowledged_to.iso > before, "it could be read again"


def test_held_index_stands_in_the_report(site: Stepped) -> None:
    """Whoever makes missing days learns from it what is waited for, and why."""
    site.server.otherwise = only(site.index, refuse_items(WRITE_BLOCK))
    site.write(good=1)
    with site.started():
        speak(site)
        work(site, 25)
        (held,) = reports(site)[-1]["held"]
    assert held["index"] == site.index
    assert "cluster_block_exception" in held["reason"]


def test_missing_day_of_reports_is_made(tmp_path: Path) -> None:
    """The companion makes these days ahead; where it did not, the agent does, if it may."""
    with BulkServer(auto_create="-*") as server:
        site = Stepped(tmp_path, server, REGION)
        site.write(good=1)
        with site.started():
            speak(site)
            work(site, 25)
            assert reports(site)
        index = server.cluster.indices[index_of(REGION, site.clock.now_ms())]
        assert index.append_only


def test_reports_that_fail_hold_nothing_up(site: Stepped) -> None:
    """A cluster that refuses reports gets all events; the fault is told once, and its end."""
    index = index_of(REGION, site.clock.now_ms())
    site.server.otherwise = only(index, refuse_items(WRITE_BLOCK))
    site.write(good=3)
    with site.started():
        speak(site)
        work(site, 25)
        assert len(site.server.documents[site.index]) == 3
        assert site.names().count("position.failed") == 1
        site.server.otherwise = serve()
        work(site, 15)
        assert "position.resumed" in site.names()
    site.check_everything()


def test_time_is_that_of_the_last_look_that_found_nothing_waiting() -> None:
    """A look counts when all that was seen before its end has its outcome; it never goes back."""
    to = AcknowledgedTo()
    assert to.iso == ""
    to.looked(1_000, 1.1)
    to.looked(2_000, 2.1)
    to.settled(2.1)
    assert to.iso == iso_ms(1_000)
    to.settled(1.5)
    assert to.iso == iso_ms(1_000)
    to.settled(None)
    assert to.iso == iso_ms(2_000)
    to.looked(1_500, 3.0)
    to.settled(None)
    assert AcknowledgedTo(to.iso).iso == iso_ms(2_000)


def test_clock_that_was_in_the_future() -> None:
    """A time that was claimed by a wrong clock is taken back; looks by it count for nothing."""
    to = AcknowledgedTo(iso_ms(9_000_000))
    to.looked(9_500_000, 1.0)
    to.clock_stepped(5_000)
    to.settled(None)
    assert to.iso == iso_ms(5_000)
