"""The state folder under faults: full or broken disks, damage, other identities, wrong clocks."""

import shutil
from pathlib import Path
from typing import Final

import pytest

from auditship_agent.deadletter import Resolution, Resolutions
from auditship_agent.durable import RealDisk
from auditship_agent.runner.report import health_of, status_of
from auditship_indexer.clock import iso_ms
from auditship_indexer.errors import StateError
from support.agent_process import Lines
from support.bulk import BulkServer
from support.bulk_script import MAPPING, hold_request, refuse_items, serve
from support.clock import TestClock
from support.disk import BROKEN, DENIED, FULL, READ_ONLY, FaultDisk
from support.stepped import Stepped

DAY_MS: Final = 86_400_000


@pytest.fixture
def site(tmp_path: Path, bulk_server: BulkServer, region: str) -> Stepped:
    """An agent with an empty state folder."""
    made = Stepped(tmp_path, bulk_server, region)
    made.state.mkdir(mode=0o700)
    return made


# -- disks that take nothing -------------------------------------------------------------------


@pytest.mark.parametrize("error", [FULL, BROKEN, READ_ONLY, DENIED])
def test_a_disk_that_takes_nothing_heals(site: Stepped, error: int) -> None:
    """F33, F34: nothing is acknowledged that is not durable, and no restart is needed."""
    disk = FaultDisk(site.state)
    with site.started(disk) as agent:
        site.write(good=3)
        site.settle()
        before = site.snapshot()
        disk.failing(error)
        site.write(good=3, bad=1)
        site.turns(20)
        assert site.snapshot() == before
        assert site.letters() == []
        disk.heal()
        site.turns(10)
        site.settle()
        assert health_of(agent) == []
        status_of(agent)
    site.check_everything()


@pytest.mark.parametrize("error", [FULL, BROKEN, READ_ONLY, DENIED])
def test_a_checkpoint_that_cannot_be_written(site: Stepped, error: int) -> None:
    """F33, F34: shipping goes on, health says why; the fault is told once, with its end."""
    disk = FaultDisk(site.state)
    with site.started(disk) as agent:
        disk.failing(error)
        site.write(good=4)
        site.turns(20)
        assert len(site.stored()) == 4
        (reason,) = health_of(agent)
        assert "the checkpoint cannot be written" in reason
        disk.heal()
        site.settle()
        assert health_of(agent) == []
    assert site.names().count("checkpoint.failed") == 1
    assert site.names().count("checkpoint.resumed") == 1
    site.check_everything()


def test_reading_stops_when_much_is_unsaved(
    tmp_path: Path, bulk_server: BulkServer, region: str
) -> None:
    """F33: a crash must not find much acknowledged, deleted and yet unsaved."""
    site = Stepped(
        tmp_path,
        bulk_server,
        region,
        checkpoint={"max_unsaved_bytes": "1MiB"},
        limits={"turn_bytes": "64KiB"},
        batch={"max_events": 500},
    )
    site.state.mkdir(mode=0o700)
    disk = FaultDisk(site.state)
    with site.started(disk) as agent:
        site.write(good=8000)
        disk.failing(FULL)
        site.turns(60)
        (file,) = agent.pipeline.catalog.files.values()
        assert file.tailer is not None
        assert 1_000_000 < file.tailer.offset < 1_300_000 < file.size
        disk.heal()
        site.settle()
    site.check_state()


class SlowDisk(RealDisk):
    """A disk that takes half a second for each file, by the test's clock."""

    def __init__(self, clock: TestClock) -> None:
        self._clock = clock
        self.writes = 0

    def write_synced(self, path: Path, data: bytes) -> None:
        super().write_synced(path, data)
        self._clock.advance(0.5)
        self.writes += 1


def test_checkpoints_take_5_percent_of_the_time(site: Stepped) -> None:
    """F64: where one takes half a second, one is written each ten seconds at most."""
    disk = SlowDisk(site.clock)
    with site.started(disk):
        for _ in range(100):
            site.write(good=1)
            site.turns(2, 0.5)
    assert 8 <= disk.writes <= 11


# -- dead letters ------------------------------------------------------------------------------


def _full(site: Stepped) -> None:
    """Leave no room for another dead letter."""
    site.agent.letters.limit(site.agent.letters.bytes_used + 10, 0)


def test_full_stops_only_the_file_with_the_bad_line(site: Stepped) -> None:
    """F33: a second file is shipped to its end, whatever the order; with room all goes on."""
    other = Lines(site.files.log.with_name("audit.log-old"), now_ms=site.clock.now_ms())
    other.count = 100  # other names than those of the first file
    with site.started() as agent:
        _full(site)
        site.write(good=2, bad=1)
        site.write(good=2)
        other.write(50)
        site.turns(30)
        assert len(site.stored()) == 52
        assert site.letters() == []
        assert "deadletter.full" in site.names()
        assert any("dead_letter.max_bytes is reached" in reason for reason in health_of(agent))
        agent.letters.limit(1 << 24, 0)
        site.settle()
        assert len(site.stored()) == 54
        assert len(site.letters()) == 1
        assert "deadletter.resumed" in site.names()
        assert health_of(agent) == []


def test_a_full_disk_is_red_at_once(site: Stepped) -> None:
    """Few dead letters and no room beside them: that is an alarm, too, with the limit's name."""
    with site.started() as agent:
        agent.letters.limit(1 << 24, 1 << 62)
        site.write(bad=1)
        site.turns(5)
        (reason,) = health_of(agent)
        assert "dead_letter.min_free_bytes" in reason
        (told,) = [line for line in site.events() if line["event"] == "deadletter.full"]
        assert "no line is dropped" in told["hint"]


def test_a_refused_document_without_room_waits_alone(
    site: Stepped, bulk_server: BulkServer
) -> None:
    """F33, F45: its file is not read further, others of its body count, nothing piles up."""
    with site.started() as agent:
        _full(site)
        site.write(good=5)
        bulk_server.script(refuse_items(MAPPING, {2}))
        site.turns(10)
        (file,) = agent.pipeline.catalog.files.values()
        assert file.progress.acked == file.size // 5 * 2
        site.write(good=5)
        site.turns(10)
        assert file.tailer is not None
        assert file.tailer.offset == file.size // 2
        agent.letters.limit(1 << 24, 0)
        site.settle()
        assert agent.pipeline.tally.of("dosya").pending == 0
    (letter,) = site.letters()
    assert letter.reason == "rejected"
    assert len(site.stored()) == 9


def test_nothing_but_dead_letters_holds_the_source(
    tmp_path: Path, bulk_server: BulkServer, region: str
) -> None:
    """A wrong preset fills no disk: the source is held after so many in a row, and it is told."""
    site = Stepped(tmp_path, bulk_server, region, dead_letter={"max_in_a_row": 10})
    with site.started() as agent:
        site.write(bad=30)
        site.turns(20)
        assert len(site.letters()) == 10
        assert any("dosya held" in reason for reason in health_of(agent))
        status_of(agent)
        held = agent.metrics.registry.get_sample_value
        assert held("auditship_agent_held", {"reason": "source"}) == 1
        assert held("auditship_agent_held", {"reason": "clock"}) == 0
    assert "source.held" in site.names()


def test_known_dead_letters_are_no_poison(
    tmp_path: Path, bulk_server: BulkServer, region: str
) -> None:
    """A replay of all lines after a lost checkpoint meets old records: nothing is held for them."""
    site = Stepped(tmp_path, bulk_server, region, dead_letter={"max_in_a_row": 10})
    site.write(bad=9)
    site.write(good=1)
    site.write(bad=9)
    with site.started():
        site.settle()
    for path in site.state.glob("checkpoint*"):
        path.unlink()
    site.check_everything()
    assert "source.held" not in site.names()


# -- damage ------------------------------------------------------------------------------------


def _damage(site: Stepped, *names: str) -> None:
    for name in names:
        (site.state / name).write_bytes(b"\0" * 64)


def test_one_damaged_checkpoint_falls_back(site: Stepped) -> None:
    """F31: the previous one counts, the damaged one is kept aside and told; nothing doubles."""
    site.save_twice()
    _damage(site, "checkpoint")
    site.check_everything()

    (told,) = [e for e in site.events() if e["event"] == "checkpoint.damaged"]
    assert (told["kept"], told["replays"]) == (True, False)
    assert len(list(site.state.glob("checkpoint.damaged-*"))) == 1


def test_two_damaged_checkpoints_replay(site: Stepped) -> None:
    """F31: everything is read again from 0, and meets 409 and known dead letters."""
    site.save_twice()
    _damage(site, "checkpoint", "checkpoint.1")
    with site.started() as agent:
        site.settle()
        count = agent.pipeline.tally.of("dosya")
        assert (count.read, count.stored, count.present) == (7, 0, 6)
    site.check_everything()


def test_two_damaged_checkpoints_stop_when_told_to(site: Stepped) -> None:
    """F31: `checkpoint.on_damage: stop` leaves everything as it is, for a person."""
    site.save_twice()
    _damage(site, "checkpoint", "checkpoint.1")
    site.files.configure(checkpoint={"on_damage": "stop"})

    with pytest.raises(StateError, match="damaged"), site.started():
        pass
    assert (site.state / "checkpoint").read_bytes() == b"\0" * 64


def test_a_first_save_that_was_torn_does_not_stop(site: Stepped) -> None:
    """F31: half a `checkpoint.new` and nothing else promises nothing: no person is needed."""
    (site.state / "checkpoint.new").write_bytes(b"auditship-checkpoint 1 ab")
    site.files.configure(checkpoint={"on_damage": "stop"})
    site.write(good=3)
    site.check_everything()


def test_a_damaged_dead_letter_is_told(site: Stepped) -> None:
    """F39: named, counted and kept; the agent starts and goes on."""
    site.save_twice()
    file = site.state / "dead-letter" / "000001.jsonl"
    file.write_bytes(file.read_bytes().replace(b"bad_json", b"bAd_json"))
    with site.started() as agent:
        site.settle()
        assert agent.letters.damaged == 1

    (told,) = [e for e in site.events() if e["event"] == "deadletter.damaged"]
    assert told["records"] == 1
    assert b"bAd_json" in Path(told["kept"]).read_bytes()


@pytest.mark.parametrize("down", [True, False])
def test_a_deleted_dead_letter_file_is_told(site: Stepped, *, down: bool) -> None:
    """F39: named, counted, and no reason to stop; later bad lines are recorded as before."""
    file = site.state / "dead-letter" / "000001.jsonl"
    with site.started() as agent:
        site.write(good=3, bad=2)
        site.settle()
        if not down:
            file.unlink()
            site.write(good=3, bad=1)
            site.turns(5)
            site.settle()
    if down:
        file.unlink()
        with site.started() as agent:
            site.write(good=3, bad=1)
            site.turns(5)
            site.settle()
    (told,) = [e for e in site.events() if e["event"] == "deadletter.missing"]
    assert (told["level"], told["path"]) == ("error", str(file))
    assert agent.metrics.dead_letter_files_missing._value.get() == 1
    site.bad = 1
    site.check_everything()


def test_state_put_back_from_an_older_copy(site: Stepped, tmp_path: Path) -> None:
    """F63: a restored machine sends again what was stored since: 409, nothing recorded twice."""
    with site.started():
        site.write(good=3, bad=1)
        site.settle()
    shutil.copytree(site.state, tmp_path / "copy")
    with site.started():
        site.write(good=3, bad=1)
        site.settle()
    shutil.rmtree(site.state)
    shutil.copytree(tmp_path / "copy", site.state)
    with site.started() as agent:
        site.settle()
        count = agent.pipeline.tally.of("dosya")
        assert (count.read, count.stored, count.present) == (4, 0, 3)
    site.check_everything()


def test_an_acknowledgement_behind_a_gap_is_not_saved(
    site: Stepped, bulk_server: BulkServer
) -> None:
    """F58: a later body is answered first, then the agent dies: the earlier one is sent again."""
    site.files.configure(batch={"max_events": 5})
    with site.started():
        site.write(good=5)
        site.settle()
    acked = site.snapshot().entries[0].acked
    gate = bulk_server.gate()
    late = hold_request(gate)
    serve_now = serve()
    bulk_server.otherwise = lambda exchange: (
        late if b'"n5"' in (exchange.request.body or b"") else serve_now
    )(exchange)
    with site.started() as agent:
        site.write(good=10)
        agent.pipeline.delivery.flow._window = 2
        site.loop.turn()
        bulk_server.wait_for(lambda: len(site.stored()) == 10)
        while agent.pipeline.delivery.in_flight == 2:
            agent.wake.wait(5.0)
            site.loop.turn()
        assert agent.pipeline.save()
        assert site.snapshot().entries[0].acked == acked
    gate.open()
    site.check_everything()


def test_what_a_person_closes_makes_room_at_once(site: Stepped) -> None:
    """F33: with the dead letter full, discarding closed records lets the waiting line in."""
    with site.started() as agent:
        site.write(good=1, bad=2)
        site.settle()
        site.bad -= 2  # they will be discarded
        agent.letters.limit(agent.letters.bytes_used, 0)
        site.write(bad=1)
        site.write(good=1)
        site.turns(5)
        assert len(site.stored()) == 1
        time = iso_ms(site.clock.now_ms())
        closing = [Resolution(one.seq, "discarded", time, "tests") for one in site.letters()]
        Resolutions(agent.letters.folder).add(closing, RealDisk())
        site.loop.report()
        site.settle()
        assert len(site.stored()) == 2
    (letter,) = site.letters()
    assert letter.seq == 3
    with site.started() as agent:
        assert len(agent.letters.open) == 1


def test_an_absent_cluster_is_named(site: Stepped) -> None:
    """F42: status says which host is away and why, and health is red after ten seconds."""
    site.write(good=1)
    site.server.pause()
    with site.started() as agent:
        site.turns(5)
        (why,) = status_of(agent).hosts_away.values()
        assert "refused" in why.lower()
        assert health_of(agent) == []
        site.turns(60)
        assert any("no host of the cluster is there" in reason for reason in health_of(agent))
        site.server.resume()
        site.settle()
        assert status_of(agent).hosts_away == {}
        assert health_of(agent) == []
