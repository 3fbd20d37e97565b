"""The crash table: each call of the disk, not done, done but unreported or torn; then a restart."""

import contextlib
import itertools
from pathlib import Path
from typing import Final

import pytest

from auditship_agent.durable import RealDisk
from support.bulk import BulkServer
from support.bulk_script import lost_reply
from support.disk import DiedError, Fate, FaultDisk
from support.stepped import Stepped

MOST_CALLS: Final = 60


def _life(site: Stepped, disk: FaultDisk) -> None:
    """Ship two lots of lines, good and bad, with a checkpoint after each."""
    with site.started(disk):
        site.write(good=5, bad=2)
        site.settle()
        site.write(good=5, bad=1)
        site.settle()


def _calls(folder: Path, region: str) -> list[str]:
    """Return the calls of a life that meets no fault."""
    with BulkServer() as server:
        site = Stepped(folder, server, region)
        site.state.mkdir(mode=0o700)
        disk = FaultDisk(site.state)
        _life(site, disk)
        site.check_everything()
        return disk.calls


@pytest.mark.parametrize("fate", list(Fate))
def test_killed_at_any_call(tmp_path: Path, region: str, fate: Fate) -> None:
    """F30: the agent dies at one call of the disk: after the restart each line has one outcome."""
    count = len(_calls(tmp_path / "calm", region))
    assert 10 < count < MOST_CALLS

    for call in range(1, count + 1):
        with BulkServer() as server:
            site = Stepped(tmp_path / str(call), server, region)
            site.state.mkdir(mode=0o700)
            disk = FaultDisk(site.state)
            disk.plan(call, fate)
            with contextlib.suppress(DiedError):
                _life(site, disk)
            if site.lines.count == 0:
                site.write(good=5, bad=2)
            site.check_everything()


def test_every_step_is_in_the_table(tmp_path: Path, region: str) -> None:
    """The life above makes each kind of call, for the checkpoint and for dead letters."""
    calls = set(_calls(tmp_path, region))

    assert calls >= {
        "make_folder dead-letter",
        "append 000001.jsonl",
        "sync_file 000001.jsonl",
        "sync_folder dead-letter",
        "write_synced checkpoint.new",
        "replace checkpoint.1",
        "replace checkpoint",
        "sync_folder state",
    }


def test_power_is_lost_after_any_call(tmp_path: Path, region: str) -> None:
    """F32: whatever was not fsynced may be gone: what a checkpoint says is stored or dead."""
    count = len(_calls(tmp_path / "calm", region))
    for call in range(1, count + 1):
        with BulkServer() as server:
            site = Stepped(tmp_path / str(call), server, region)
            site.state.mkdir(mode=0o700)
            disk = FaultDisk(site.state)
            disk.plan(call, Fate.UNREPORTED)
            with contextlib.suppress(DiedError):
                _life(site, disk)
            for number, left in enumerate(disk.power_losses()):
                after = tmp_path / f"{call}-{number}"
                after.mkdir()
                left.restore(after)
                _check_promises(site, after)


def _check_promises(site: Stepped, state: Path) -> None:
    """Each line in the acknowledged prefix is stored, or a dead letter that is still there."""
    if not (state / "checkpoint").exists() and not (state / "checkpoint.new").exists():
        return  # everything is read again
    for entry in site.snapshot(state).entries:
        text = site.files.log.read_bytes()[: entry.acked]
        assert text.endswith(b"\n") or not text
        good = [line for line in text.splitlines() if b"n" in line and b'"bad"' not in line]
        bad = text.count(b'"bad"')
        assert len(site.stored()) >= len(good)
        letters = [one for one in site.letters(state) if one.offset < entry.acked]
        assert len(letters) == bad


@pytest.mark.parametrize("fate", list(Fate))
def test_killed_twice(tmp_path: Path, region: str, fate: Fate) -> None:
    """F30: the restart dies, too: recovery is the normal path, so the third start mends both."""
    for first, second in itertools.product((3, 9, 14), (1, 2, 4, 7)):
        with BulkServer() as server:
            site = Stepped(tmp_path / f"{first}-{second}", server, region)
            site.state.mkdir(mode=0o700)
            for at in (first, second):
                disk = FaultDisk(site.state)
                disk.plan(at, fate)
                with contextlib.suppress(DiedError):
                    _life(site, disk)
            site.check_everything()


def test_killed_with_a_lost_reply(tmp_path: Path, region: str) -> None:
    """F30, F51: stored, but neither told nor saved: the repeat after the restart meets 409."""
    with BulkServer() as server:
        site = Stepped(tmp_path, server, region)
        server.script(lost_reply())
        site.write(good=20, bad=1)
        with site.started(RealDisk()):
            site.turns(3)
        with site.started() as agent:
            site.settle()
            assert agent.pipeline.tally.of("dosya").present == 20
        site.check_everything()
