"""Row F60 with a whole agent: other limits, retention and keeping, taken over while it works."""

from msgspec.structs import replace

from auditship_agent.config import (
    DeadLetterConfig,
    LimitsConfig,
    RetentionConfig,
    SourceConfig,
    StateConfig,
)
from auditship_agent.runner.reload import swap
from auditship_indexer.clock import iso_ms
from auditship_indexer.event.identity import DAY_MS
from support.bulk_script import hold_reply
from support.clock import START_MS
from support.site import LOG, MakeSite, Site

DAY_S = 86_400.0
OVER_S = 301.0  # longer than finish_after_s and gap_after_s


def take(site: Site, **sections: object) -> None:
    """Let the running agent, and those to come, have other settings."""
    site.config = replace(site.config, **sections)
    swap(site.running, site.config)


def entries(site: Site) -> int:
    """Return how many entries the checkpoint has."""
    assert site.running.pipeline.save()
    snapshot = site.snapshot()
    assert snapshot is not None
    return len(snapshot.entries)


def test_fewer_descriptors(make_site: MakeSite) -> None:
    """F60: descriptors over the new limit are given back, in mid-request, and no line is lost."""
    site = make_site(limits=LimitsConfig(max_open_files=64))
    gate = site.server.gate()
    site.server.script(hold_reply(gate))
    for number in range(30):
        site.write(2)
        site.rename(LOG, f"{LOG}.{number}")
    site.look()
    site.turn()
    gate.wait_for_arrivals(1)
    catalog = site.running.pipeline.catalog
    assert catalog.open_files == 30
    take(site, limits=LimitsConfig(max_open_files=8, turn_bytes=65_536))
    site.write(2)
    site.look()
    site.turn()
    assert catalog.open_files <= 8
    gate.open()
    site.check_everything()
    assert len(site.events()) == 62
    assert not site.gaps()


def test_longer_and_shorter_retention(site: Site) -> None:
    """F60: a line is judged by the days of now; what is stored or dead stays what it is."""
    outcomes = []
    for days in (120, 10, 120):
        take(site, retention=RetentionConfig(days=days))
        time = iso_ms(START_MS - 60 * DAY_MS)
        index = f"audit-{site.region}-{time[:10].replace('-', '.')}"
        if index not in site.server.cluster.indices:
            site.server.make_index(index)
        site.append(site.line(time=time) + b"\n")
        site.settle()
        outcomes.append((len(site.events()), len(site.letters())))
    assert outcomes == [(1, 0), (1, 1), (2, 1)]
    assert [letter.reason for letter in site.letters()] == ["timestamp_out_of_range"]
    site.check_everything()


def test_entries_are_kept_for_fewer_days(site: Site) -> None:
    """F60, F38: with other `keep_days` old entries leave at the next look, and not before."""
    site.write(2)
    site.rename(LOG, f"{LOG}.1")
    site.settle()
    site.delete(f"{LOG}.1")
    site.pass_time(OVER_S)
    site.clock.advance(3 * DAY_S)
    site.settle()
    assert entries(site) == 1
    take(site, state=StateConfig(dir=str(site.state), keep_days=2))
    site.settle()
    assert entries(site) == 0
    assert not site.gaps()


def test_a_longer_line_is_allowed(make_site: MakeSite) -> None:
    """F60, F24: the limit of now counts for lines that come; the one of before stays dead."""
    site = make_site(source={"max_line_bytes": 4_096})
    long = {"file": {"id": "x", "name": "x" * 5_000}}
    site.append(site.line(**long) + b"\n")
    site.settle()
    (source,) = site.config.sources
    take(site, sources=(replace(source, max_line_bytes=65_536),))
    site.append(site.line(**long) + b"\n")
    site.check_everything()
    assert [letter.reason for letter in site.letters()] == ["line_too_long"]
    assert len(site.events()) == 1


def test_a_source_that_was_held_is_let_go(make_site: MakeSite) -> None:
    """F60: another guard, or the right preset, ends the hold of a source; no line is skipped."""
    site = make_site(dead_letter=DeadLetterConfig(min_free_bytes=0, max_in_a_row=5))
    site.append(b"no json\n" * 9)
    site.write(3)
    for _ in range(9):
        site.turn()
        site.clock.advance(1)
    assert len(site.letters()) == 5
    assert any("dead letters only" in reason for reason in site.health())
    take(site, dead_letter=DeadLetterConfig(min_free_bytes=0, max_in_a_row=0))
    site.check_everything()
    assert (len(site.letters()), len(site.events())) == (9, 3)


def test_a_source_leaves_and_comes_back(site: Site) -> None:
    """F60: what it left unread while it was not configured is read when it is back, once."""
    known = site.config.sources
    site.write(3)
    site.settle()
    other = SourceConfig(name="other", preset="native", files=(str(site.folder / "*.log"),))
    take(site, sources=(other,))
    site.write(3)
    site.settle()
    assert len(site.events()) == 3
    take(site, sources=(*known, other))
    site.check_everything()
    assert len(site.events()) == 6
