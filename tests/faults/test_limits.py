"""Rows F38, F61, F62 and F64 of the fault matrix: age, descriptors, watches, clocks, many files."""

import errno
import gzip
import io
import os
import resource

import pytest

from auditship_agent.config import LimitsConfig
from auditship_agent.source.watch import Changes, Watcher
from auditship_indexer.clock import iso_ms
from auditship_indexer.log import Log
from support.clock import START_MS
from support.site import LOG, MakeSite, Site

OVER_S = 301.0  # longer than finish_after_s and gap_after_s
DAY_S = 86_400.0


def entries(site: Site) -> int:
    """Return how many entries the checkpoint has."""
    snapshot = site.snapshot()
    assert snapshot is not None
    return len(snapshot.entries)


def test_entries_of_long_gone_files(site: Site) -> None:
    """F38: they leave `keep_days` after they were finished or their gap was stored, not before."""
    for number in range(100):
        site.write(1)
        site.rename(LOG, f"{LOG}.{number}")
    site.settle()
    for number in range(100):
        site.delete(f"{LOG}.{number}")
    site.pass_time(OVER_S)
    site.clock.advance(6 * DAY_S)
    site.settle()
    site.running.pipeline.save()
    assert entries(site) == 100
    site.clock.advance(2 * DAY_S)
    site.settle()
    site.running.pipeline.save()
    assert entries(site) == 0
    assert not site.gaps()


def test_unread_entries_stay_until_their_gap(site: Site) -> None:
    """F38: however old, what was not read is told before it is forgotten."""
    site.write(1)
    site.settle()
    site.write(1)
    site.look()
    site.running.pipeline.save()
    site.delete(LOG)
    site.crash()
    site.clock.advance(30 * DAY_S)
    site.start()
    site.look()
    assert len(site.running.pipeline.catalog.orphans) == 1
    site.settle()
    site.pass_time(OVER_S)
    assert len(site.gaps()) == 1


class NoObserver:
    """An inotify that has no watch left."""

    def __init__(self) -> None:
        raise OSError(errno.EMFILE, "inotify instance limit reached")


def test_no_watches_left(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """F61: folders that inotify cannot watch are polled; one warning a folder."""
    monkeypatch.setattr("auditship_agent.source.watch.Observer", NoObserver)
    told = io.StringIO()
    watcher = Watcher(Changes(lambda: None), Log(out=told), method="inotify")
    for _ in range(3):
        watcher.follow({str(site.logs)}, set())
    assert watcher.polling == {str(site.logs)}
    assert told.getvalue().count("watch.degraded") == 1
    watcher.close()


def test_lost_notifications(site: Site) -> None:
    """F61: an event queue that overflowed costs time: the next rescan finds everything."""
    site.settle()
    site.write(2)
    site.rename(LOG, f"{LOG}.1")
    site.write(1)
    for _ in range(3):
        site.clock.advance(11)
        site.turn()
    site.settle()
    assert len(site.events()) == 3


def test_descriptor_limit_of_the_system(site: Site) -> None:
    """F61: without a free descriptor nothing is read and nothing is lost."""
    site.write(1)
    site.settle()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for number in range(5):
        site.write(1)
        site.rename(LOG, f"{LOG}.{number}")
    used = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, hard))
    try:
        site.look()
        site.turn()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    site.check_everything()
    assert len(site.events()) == 6


@pytest.mark.parametrize("step_s", [-3_600, 10 * 365 * DAY_S, -40 * 365 * DAY_S])
def test_wall_clock_steps(site: Site, step_s: float) -> None:
    """F62: offsets and identity never use the wall clock."""
    site.write(2)
    site.settle()
    site.clock.step_wall(int(step_s * 1000))
    site.write(2)
    site.rename(LOG, f"{LOG}.1")
    site.look()
    site.clock.step_wall(int(-step_s * 1000))
    site.write(1)
    site.check_everything()
    assert len(site.events()) == 5


@pytest.mark.parametrize("stamp", [0, 1, 4_000_000_000])
def test_odd_dates_of_files(site: Site, stamp: int) -> None:
    """F62: a date alone makes no file expired."""
    site.write(2)
    os.utime(site.path(), (stamp, stamp))
    site.check_everything()
    assert len(site.events()) == 2


@pytest.mark.parametrize("packed", [False, True])
def test_expired_files_are_not_read(site: Site, *, packed: bool) -> None:
    """An old date and an old last line: `expired`, until it is written again."""
    old = site.line(time=iso_ms(START_MS - 200 * 86_400_000)) + b"\n"
    name = f"{LOG}.9"
    site.path(name).write_bytes(gzip.compress(old) if packed else old)
    os.utime(site.path(name), (1_500_000_000, 1_500_000_000))
    site.settle()
    assert site.held(name).state == "expired"
    assert not site.letters()
    if not packed:
        site.append(old, name)
        site.write(1, name)
        site.settle()
        assert len(site.events()) == 1


def test_thousands_of_files_and_a_huge_one(make_site: MakeSite) -> None:
    """F64: each small file is done within two rounds of the huge one; descriptors stay limited."""
    site = make_site(limits=LimitsConfig(max_open_files=64, turn_bytes=65_536))
    site.write(1)
    huge = site.path().read_bytes() * 4_000
    site.path().write_bytes(huge)
    small = 2_000
    for number in range(small):
        site.path(f"{LOG}.{number:05}").write_bytes(site.line() + b"\n")
    site.look()
    catalog = site.running.pipeline.catalog
    assert len(catalog.files) == small + 1
    assert catalog.open_files <= 64
    rounds = 0
    while any(f.dirty for f in catalog.files.values() if f.path != str(site.path())):
        site._step()
        rounds += 1
        assert catalog.open_files <= 64
    tailer = site.held().tailer
    assert tailer is not None
    assert tailer.offset < len(huge), "the huge file did not hold the others up"
    site.settle()
    assert site.running.pipeline.tally.of("dosya").pending == 0
