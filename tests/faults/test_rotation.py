"""Rows F01 to F10 and F19 to F21 of the fault matrix: rotation, on real files.

Each test does something to log files between two looks of the agent, and ends in the oracle.
"""

import os
from pathlib import Path

import pytest

from auditship_agent.config import DeliveryConfig, LimitsConfig
from support.bulk import BulkServer
from support.bulk_script import hold_reply
from support.site import LOG, MakeSite, Site

OVER_S = 301.0  # longer than finish_after_s and gap_after_s


@pytest.mark.parametrize("at", range(4))
def test_rename_and_create_between_any_two_looks(site: Site, at: int) -> None:
    """F01: the old descriptor is drained, the new file is read from 0."""
    acts = [
        site.look,
        lambda: site.write(3),
        site.turn,
        site.settle,
    ]
    site.write(5)
    for number, act in enumerate(acts):
        if number == at:
            site.rename(LOG, f"{LOG}.1")
            site.write(2)
        act()
    site.check_everything()
    assert len(site.events()) == 10
    assert not site.gaps()


@pytest.mark.parametrize(
    "name", [f"{LOG}.1", f"{LOG}-20260414", "old.log", "2026-04-14 audit", "x"]
)
def test_rename_while_down_is_found_by_content(site: Site, name: str) -> None:
    """F02: whatever the new name in the folder, the rest is read from the offset on."""
    site.write(5)
    site.settle()
    site.write(2)
    site.stop()
    site.write(3)
    site.rename(LOG, name)
    site.write(1)
    site.start()
    site.check_everything()
    assert len(site.events()) == 11
    assert not site.gaps()
    assert site.running.pipeline.tally.of("dosya").read == 0, "resumed, not read again"


def test_moved_out_of_all_folders_while_down_is_a_gap(site: Site, tmp_path: Path) -> None:
    """F02: what was known to be there and is in no folder is told as lost, once."""
    site.write(5)
    site.settle()
    (extra,) = site.write(1)
    site.look()
    site.running.pipeline.save()
    size = site.path().stat().st_size
    site.path().rename(tmp_path / "elsewhere")
    site._let_go(LOG)
    site.crash()
    site.check_everything()
    assert site.gap_ranges() == [(size - len(extra) - 1, size, "deleted")]


@pytest.mark.parametrize("way", ["rename", "copytruncate"])
@pytest.mark.parametrize("live", [True, False])
def test_rotated_into_another_folder(
    make_site: MakeSite, tmp_path: Path, way: str, *, live: bool
) -> None:
    """F02, F07: a folder that `rotated` names is searched like the log's own; nothing is lost."""
    folder = tmp_path / "site 0" / "old files"
    site = make_site(source={"rotated": (str(folder / "*"),)})
    folder.mkdir()
    site.write(5)
    site.settle()
    site.write(2)
    if not live:
        site.stop()
    away = "../old files/audit.log.1"
    if way == "rename":
        site.rename(LOG, away)
    else:
        site.copy(LOG, away)
        site.cut()
    site.write(1)
    if not live:
        site.start()
    site.check_everything()
    assert len(site.events()) == 8
    assert not site.gaps()


@pytest.mark.parametrize("names", ["3 2 1", "20260412 20260413 20260414"])
def test_several_rotations_while_down(site: Site, names: str) -> None:
    """F03: all generations are read to their ends, the oldest first."""
    site.write(3)
    site.settle()
    site.write(2)
    site.stop()
    rotated = [f"{LOG}.{name}" for name in names.split()]
    for number, name in enumerate(rotated):
        site.rename(LOG, name)
        os.utime(site.path(name), (1e9 + number, 1e9 + number))
        site.write(2)
    site.start()
    site.look()
    paths = [file.path for file in site.running.pipeline.catalog.files.values()]
    assert [Path(path).name for path in paths] == [*rotated, LOG]
    site.check_everything()
    assert len(site.events()) == 11


def test_rotation_faster_than_reading(make_site: MakeSite, bulk_server: BulkServer) -> None:
    """F04: with 8 descriptors, files that are deleted unread are kept; what cannot be is a gap."""
    site = make_site(
        limits=LimitsConfig(max_open_files=8, turn_bytes=65_536),
        delivery=DeliveryConfig(max_in_flight=1, max_buffer_bytes=2 * 1024 * 1024),
    )
    gate = bulk_server.gate()
    bulk_server.script(hold_reply(gate))
    site.write(60)
    site.look()
    for _ in range(5):
        site.turn()
    for number in range(30):
        site.rename(LOG, f"{LOG}.{number}")
        site.write(2)
        site.look()
        assert site.running.pipeline.catalog.open_files <= 8
    for number in range(30):
        site.delete(f"{LOG}.{number}")
    site.look()
    gate.open()
    site.check_everything()
    gaps = site.gap_ranges()
    assert 0 < len(gaps) <= 30 - 7
    lines = len(site.events()) + 2 * len(gaps)
    assert lines == 60 + 60, "each deleted file was read from its descriptor, or is one gap"


def test_rotation_within_the_limit_loses_nothing(
    make_site: MakeSite, bulk_server: BulkServer
) -> None:
    """F04, F05: while the reader is paused, rotated and deleted files keep their descriptors."""
    site = make_site(limits=LimitsConfig(max_open_files=8))
    gate = bulk_server.gate()
    bulk_server.script(hold_reply(gate), hold_reply(gate))
    site.write(200)
    site.look()
    site.running.pipeline.reading = False  # as a full window does
    for number in range(6):
        site.rename(LOG, f"{LOG}.{number}")
        site.write(3)
        site.look()
        site.delete(f"{LOG}.{number}")
        site.look()
    site.running.pipeline.reading = True
    gate.open()
    site.check_everything()
    assert len(site.events()) == 218
    assert not site.gaps()


def test_idle_file_closed_then_written_and_renamed(make_site: MakeSite) -> None:
    """F06: a file that was closed to make room is opened again by identity, under any name."""
    site = make_site(limits=LimitsConfig(max_open_files=8))
    site.write(3)
    site.settle()
    site.running.pipeline.catalog._shelf.descriptors.close(site.held())
    site.clock.advance(600)
    site.write(2)
    site.rename(LOG, f"{LOG}.1")
    site.write(1)
    site.check_everything()
    assert len(site.events()) == 6
    assert "file.resumed" not in site.names()[: site.names().index("file.rotated")]


@pytest.mark.parametrize("looks", ["", "c", "w", "x", "cw", "cx", "wx", "cwx"])
def test_copytruncate_at_every_interleaving(site: Site, looks: str) -> None:
    """F07: copy, write, cut, append, with the agent looking or not in between: each line once."""
    site.write(4)
    site.settle()
    site.write(1)
    site.copy(LOG, f"{LOG}.1")
    if "c" in looks:
        site.settle()
    if "w" in looks:
        site.look()
    site.cut()
    if "x" in looks:
        site.settle()
    site.write(2)
    site.check_everything()
    assert len(site.events()) == 7
    assert not site.gaps()


def test_copy_that_is_read_before_the_cut_is_noticed(site: Site) -> None:
    """F07: what the copy has is not lost, although the copy was taken for a file of its own."""
    site.write(4)
    site.settle()
    site.write(1)
    site.look()
    site.copy(LOG, f"{LOG}.1")
    site.cut()
    site.look()
    assert site.held(f"{LOG}.1").tailer is not None
    site.check_everything()
    assert len(site.events()) == 5
    assert not site.gaps()


def test_copytruncate_into_an_unlisted_folder_loses_the_rest(site: Site) -> None:
    """F08: what was seen and not read before the cut is one gap with its range."""
    site.write(4)
    site.settle()
    begin, end = site.leave_unread(2)
    site.cut()
    site.write(1)
    site.check_everything()
    assert site.gap_ranges() == [(begin, end, "truncated")]
    assert site.running.pipeline.lost_bytes == 0, "told once, not again after the restart"


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("live", [False, True])
def test_truncated_and_grown_past_the_offset(site: Site, *, header: bool, live: bool) -> None:
    """F09: another content behind the same inode is found out, also behind the same first line."""
    first = site.line() + b"\n"
    site.append(first)
    site.write(3)
    site.settle()
    if not live:
        site.stop()
    site.cut()
    site.append(first if header else site.line() + b"\n")
    site.write(9)
    if not live:
        site.start()
    site.check_everything()
    assert len(site.events()) == (13 if header else 14)


def test_truncated_and_still_shorter(site: Site) -> None:
    """F10: read from 0 at once."""
    site.write(5)
    site.settle()
    site.cut()
    site.write(1)
    site.settle()
    assert len(site.events()) == 6
    site.check_everything()


def test_only_the_unread_end_is_cut_off(site: Site) -> None:
    """F10: a cut behind the offset loses just what was behind it, and reading goes on there."""
    site.write(3)
    site.settle()
    kept, seen = site.leave_unread(2)
    os.truncate(site.path(), kept)
    site.settle()
    site.clock.advance(61)
    site.settle()
    assert site.gap_ranges() == [(kept, seen, "truncated")]


def test_deleted_before_its_end(site: Site) -> None:
    """F19: read through the descriptor."""
    site.write(3)
    site.settle()
    site.write(4)
    site.look()
    site.delete(LOG)
    site.check_everything()
    assert len(site.events()) == 7
    assert not site.gaps()


def test_deleted_before_its_end_and_crashed(site: Site) -> None:
    """F19: after a restart the unread bytes are a gap."""
    site.write(3)
    site.settle()
    begin, end = site.leave_unread(4)
    site.running.pipeline.save()
    site.delete(LOG)
    site.crash()
    site.check_everything()
    assert site.gap_ranges() == [(begin, end, "deleted")]


def test_searched_for_when_it_crashed(site: Site) -> None:
    """F19: what is missing is written down while it is searched for."""
    site.write(3)
    site.settle()
    begin, end = site.leave_unread(4)
    site.running.pipeline.catalog._shelf.descriptors.close(site.held())
    site.delete(LOG)
    site.settle()
    site.crash()
    site.check_everything()
    assert site.gap_ranges() == [(begin, end, "deleted")]


@pytest.mark.parametrize("fault", ["folder", "file"])
@pytest.mark.parametrize("is_open", [True, False])
def test_vanishes_and_returns(site: Site, *, fault: str, is_open: bool) -> None:
    """F20: a file that cannot be seen for some polls keeps its entry and is not read again."""
    site.write(3)
    site.settle()
    if not is_open:
        site.running.pipeline.catalog._shelf.descriptors.close(site.held())
    hidden = site.logs if fault == "folder" else site.path()
    away = hidden.with_name("away")
    hidden.rename(away)
    for _ in range(10):
        site.clock.advance(1)
        site.settle()
    away.rename(hidden)
    site.write(2)
    site.settle()
    assert len(site.events()) == 5
    assert site.running.pipeline.tally.of("dosya").read == 5
    site.check_everything()
    assert not site.gaps()


def test_sources_are_never_touched(site: Site) -> None:
    """F21: whatever happens, the agent deletes and changes nothing in a log folder."""
    site.write(3)
    site.copy(LOG, f"{LOG}.1")
    site.append(b"no json\n")
    os.chmod(site.logs, 0o500)  # noqa: PTH101 - for an ordinary user, any change would fail
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in site.logs.iterdir()}
    site.check_everything(patience_s=OVER_S)
    assert before == {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in site.logs.iterdir()}
    os.chmod(site.logs, 0o700)  # noqa: PTH101 - the same
