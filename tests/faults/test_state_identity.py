"""Whose state it is, and when: other identities, newer formats, wrong clocks, files long gone."""

import json
import os
from pathlib import Path
from typing import Final

import pytest
from msgspec.structs import replace

from auditship_agent.checkpoint import CheckpointFile, encode
from auditship_agent.durable import RealDisk
from auditship_agent.runner import StateFolder
from auditship_agent.runner.report import health_of, status_of
from auditship_indexer.errors import StateError
from support.bulk import BulkServer
from support.stepped import Stepped

DAY_MS: Final = 86_400_000


@pytest.fixture
def site(tmp_path: Path, bulk_server: BulkServer, region: str) -> Stepped:
    """An agent with an empty state folder."""
    made = Stepped(tmp_path, bulk_server, region)
    made.state.mkdir(mode=0o700)
    return made


# -- identity ----------------------------------------------------------------------------------


def _as(site: Stepped, region: str) -> None:
    site.files.configure(server={"region": region})
    site.server.make_index(site.lines.index(region))


def test_another_region_stops_the_start(site: Stepped, region: str) -> None:
    """F36: every id or index would change: only a person may say that this is meant."""
    site.save_twice()
    _as(site, f"{region}-b")
    with pytest.raises(StateError, match=f"in {region}, the configuration says"), site.started():
        pass


def test_an_accepted_change_lasts(site: Stepped, region: str) -> None:
    """F36: all is read again under the new identity, and later starts need no option any more."""
    site.save_twice()
    _as(site, f"{region}-b")
    with site.started(accept_identity_change=True) as agent:
        site.settle()
        assert agent.pipeline.tally.of("dosya").stored == 6
    for _ in range(2):
        with site.started() as agent:
            site.turns(5)
            assert agent.pipeline.tally.of("dosya").read == 0
    assert len(site.server.documents[site.lines.index(f"{region}-b")]) == 6


def test_own_events_outlive_a_change_of_identity(site: Stepped, region: str) -> None:
    """A loss that was written down is told, under the identity that it was met with."""
    with site.started() as agent:
        site.write(good=1)
        site.settle()
        agent.pipeline.tell("agent.clock_step")
        agent.pipeline.save()
    _as(site, f"{region}-b")
    with site.started(accept_identity_change=True):
        site.settle()

    old = site.server.documents[site.lines.index(region)]
    assert [json.loads(v)["event"]["action"] for v in old.values()].count("agent.clock_step") == 1


def test_a_renamed_source_sends_nothing_again(site: Stepped) -> None:
    """F36: entries are keyed by content: another name or pattern finds its places again."""
    site.save_twice()
    source = {"name": "renamed", "preset": "native", "files": [f"{site.files.log.parent}/*.log"]}
    site.files.configure(sources=[source])
    with site.started() as agent:
        site.turns(5)
        assert agent.pipeline.tally.of("renamed").read == 0
    site.check_everything()


def test_a_newer_checkpoint_is_not_touched(site: Stepped) -> None:
    """F37: after a downgrade the agent refuses to start, and leaves every file as it is."""
    site.save_twice()
    body = (site.state / "checkpoint").read_bytes()
    newer = replace(site.snapshot(), format=2)
    data = encode(newer).replace(b"checkpoint 1 ", b"checkpoint 2 ", 1)
    assert data != body
    (site.state / "checkpoint").write_bytes(data)
    with pytest.raises(StateError, match="format 2"), site.started():
        pass
    assert (site.state / "checkpoint").read_bytes() == data


def test_the_lock_is_seen_without_being_taken(tmp_path: Path) -> None:
    """F35: `status` asks whether an agent works here; the agent's start does not suffer from it."""
    folder = StateFolder(tmp_path / "state")
    assert not folder.is_locked()
    with folder:
        assert StateFolder(folder.path).is_locked()
        with (
            pytest.raises(
                StateError, match=f"is in use by the agent with process id {os.getpid()}"
            ),
            StateFolder(folder.path),
        ):
            pass
    assert not folder.is_locked()


# -- clocks ------------------------------------------------------------------------------------


def test_a_clock_far_behind_the_checkpoint_holds(site: Stepped) -> None:
    """F62: no line is judged while the clock is wrong: no dead letter; then all goes on."""
    with site.started():
        site.write(good=2)
        site.settle()
    site.clock.step_wall(-3 * DAY_MS)
    with site.started() as agent:
        site.write(good=2)
        site.turns(10)
        assert len(site.stored()) == 2
        assert any("the clock says" in reason for reason in health_of(agent))
        assert "clock" in status_of(agent).held
        site.clock.step_wall(3 * DAY_MS)
        site.settle()
        assert health_of(agent) == []
    assert "clock.held" in site.names()
    assert "clock.resumed" in site.names()
    site.check_everything()


@pytest.mark.parametrize("step_ms", [-3_600_000, 3_600_000])
def test_a_small_step_is_told_and_harmless(site: Stepped, step_ms: int) -> None:
    """F62: an hour forward or back is one log line; offsets and waits do not use the wall clock."""
    with site.started():
        site.write(good=2, bad=1)
        site.settle()
        site.clock.step_wall(step_ms)
        site.write(good=2, bad=1)
        site.settle()
    (told,) = [e for e in site.events() if e["event"] == "clock.step"]
    assert told["step_ms"] == step_ms
    site.check_everything()


def test_a_step_into_the_future_and_back_holds_nothing(site: Stepped) -> None:
    """F62: the checkpoint's time runs as the monotonic clock: a glitch is soon forgotten."""
    with site.started():
        site.write(good=2)
        site.settle()
        site.clock.step_wall(3650 * DAY_MS)
        site.turns(5)
        site.clock.step_wall(-3650 * DAY_MS)
        site.write(good=2)
        site.settle()
    assert "clock.held" not in site.names()
    site.check_everything()


def test_entries_of_gone_files_leave_after_some_days(site: Stepped) -> None:
    """F38: not before `state.keep_days`, and only when all of them has its outcome."""
    site.save_twice()
    site.files.log.unlink()
    with site.started():
        site.turns(20, 60.0)
        site.agent.pipeline.save()
    assert len(site.snapshot().entries) == 1
    site.clock.advance(8 * 86_400)
    with site.started():
        site.turns(5, 60.0)
        site.agent.pipeline.save()
    assert site.snapshot().entries == ()


def test_ten_thousand_entries_are_saved_and_found(site: Stepped) -> None:
    """F38, F64: a big checkpoint is one file like any other, and loads whole."""
    site.save_twice()
    one = site.snapshot()
    many = tuple(
        replace(one.entries[0], first=f"{n:064x}", generation=f"{n:032x}", ino=n, path=f"/l/{n}")
        for n in range(10_000)
    )
    big = replace(one, entries=one.entries + many, sequence=one.sequence + 1)
    CheckpointFile(site.state, RealDisk()).save(big)

    with site.started():
        site.turns(3)
        site.agent.pipeline.save()
    assert len(site.snapshot().entries) == 10_001


def test_a_clock_far_from_the_clusters_holds(site: Stepped) -> None:
    """F62: a proxy in front of the cluster tells its time: half a day apart, nothing is judged."""
    site.server.date = "Tue, 14 Apr 2026 10:32:15 GMT"
    with site.started() as agent:
        site.write(good=1)
        site.settle()
        assert abs(agent.pipeline.delivery.clock_apart_ms or DAY_MS) < 10_000
        site.clock.step_wall(DAY_MS)
        site.write(good=2, bad=1)
        site.turns(5)
        assert len(site.stored()) == 1
        assert any("the cluster's says 2026-04-14" in reason for reason in health_of(agent))
        site.clock.step_wall(-DAY_MS)
        site.settle()
    site.server.date = "yesterday, about noon"
    site.check_everything()
