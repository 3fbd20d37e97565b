"""Rows F12 to F15 of the fault matrix: which file is which, on real files."""

import os
from pathlib import Path

import pytest

from auditship_agent.source.content import FileId
from support.site import LOG, MakeSite, Site


def test_inode_reused_live(site: Site) -> None:
    """F12: the same device and inode with another content is another file."""
    site.write(4)
    site.settle()
    file = site.held()
    site.running.pipeline.catalog._shelf.descriptors.close(file)
    size = site.path().stat().st_size
    data = b"".join(site.line() + b"\n" for _ in range(4))
    site.cut()  # the same inode, as a deletion and a creation may leave it
    site.append(data)
    assert site.path().stat().st_size == size, "the size does not tell either"
    site.check_everything()
    assert len(site.events()) == 8


def test_inode_reused_over_a_restart(site: Site) -> None:
    """F12: content decides; what had the inode before is found under its new name."""
    site.write(4)
    site.stop()
    site.write(1)
    site.rename(LOG, f"{LOG}.1")
    site.copy(f"{LOG}.1", f"{LOG}.2")
    site.delete(f"{LOG}.1")
    site.write(3)
    site.start()
    stat = site.path().stat()
    for orphan in site.running.pipeline.catalog.orphans:
        orphan.file_id = FileId(stat.st_dev, stat.st_ino)
    site.check_everything()
    assert len(site.events()) == 8
    assert not site.gaps()


@pytest.mark.parametrize("shared", [1, 400])
def test_identical_heads(site: Site, shared: int) -> None:
    """F13: files with the same first line, or the same first 100 KiB, are each read whole."""
    head = b"".join(site.line() + b"\n" for _ in range(shared))
    for name in (f"{LOG}.1", f"{LOG}.2", LOG):
        site.append(head, name)
        site.write(2, name)
    site.settle()
    assert len(site.events()) == shared + 6
    site.restart()
    for name in (f"{LOG}.2", LOG):
        site.write(1, name)
    site.check_everything()
    assert len(site.events()) == shared + 8


def test_tiny_files(site: Site) -> None:
    """F14: empty, without LF, one line: tracked, then read."""
    site.append(b"")
    site.settle()
    site.part()
    site.settle()
    assert site.held().state == "new"
    assert not site.events()
    site.restart()
    site.write(0)
    site.check_everything()
    assert len(site.events()) == 1


def test_many_names_of_one_file(make_site: MakeSite) -> None:
    """F15: hard link, symlink and overlapping patterns have one reader; the listing names them."""
    site = make_site()
    site.write(3)
    os.link(site.path(), site.path(f"{LOG}.link"))
    site.path(f"{LOG}.sym").symlink_to(site.path())
    site.path(f"{LOG}.dangling").symlink_to(site.path("nowhere"))
    site.settle()
    assert [Path(name).name for name, _ in site.running.pipeline.catalog.listing.doubles] == [
        f"{LOG}.link",
        f"{LOG}.sym",
    ]
    site.check_everything()
    assert site.held().state == "live"
    assert len(site.events()) == 3


def test_a_shared_first_line_hides_no_loss(site: Site) -> None:
    """F13: a file that was lost before it was read is not found in another with the same start."""
    head = site.line() + b"\n"
    site.append(head)
    site.write(2)
    size = site.path().stat().st_size
    site.look()
    site.append(head, f"{LOG}.1")
    site.write(9, f"{LOG}.1")
    site.running.pipeline.catalog._shelf.descriptors.close(site.held())
    site.delete(LOG)
    site.settle()
    site.pass_time(61)
    assert site.gap_ranges() == [(0, size, "deleted")]
    assert len(site.events()) == 10


def test_copy_that_was_read_and_deleted(site: Site) -> None:
    """F07: a loss is none when the copy was read to its end, though it is gone before long."""
    site.write(3)
    site.look()
    site.rename(LOG, f"{LOG}.1")
    site.copy(f"{LOG}.1", LOG)
    site.cut(f"{LOG}.1")
    site.look()
    site.settle()
    site.settle()
    site.delete(LOG)
    site.restart()
    site.check_everything()
    assert len(site.events()) == 3
    assert not site.gaps()


def test_copies_vanish_with_their_original(site: Site) -> None:
    """Spares that are gone when their original goes are found out about, and let go."""
    site.write(1)
    site.copy(LOG, f"{LOG}.1")
    site.settle()
    site.write(2)
    site.rename(LOG, f"{LOG}.2")
    site.pass_time(301)
    site.running.pipeline.catalog.identify()
    for name in (f"{LOG}.1", f"{LOG}.2"):
        file = site.held(name)
        assert site.running.pipeline.catalog.ensure_open(file)
    site.delete(f"{LOG}.1")
    site.compress(f"{LOG}.2")
    site.check_everything()
    assert not site.gaps()


def test_a_shorter_copy_has_what_it_has(site: Site) -> None:
    """F07: what was added behind the copy and cut off unread is lost; the copy's lines are not."""
    site.write(1)
    site.copy(LOG, f"{LOG}.1")
    begin, end = site.leave_unread(1)
    site.cut()
    site.check_everything()
    assert len(site.events()) == 1
    assert site.gap_ranges() == [(begin, end, "truncated")]
