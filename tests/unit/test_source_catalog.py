"""Files that cannot be read for a while, and descriptors at their limit."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from auditship_agent.config import LimitsConfig
from auditship_agent.source.content import PlainContent, open_content
from auditship_agent.source.logfile import LogFile
from support.bulk import BulkServer
from support.site import LOG, Site


class FaultyContent(PlainContent):
    """A descriptor whose reads fail, as on a server that is away."""

    fault = 0

    def read(self, offset: int, size: int) -> bytes:
        if self.fault:
            raise OSError(self.fault, os.strerror(self.fault))
        return super().read(offset, size)


@pytest.fixture
def site(tmp_path: Path, bulk_server: BulkServer) -> Site:
    return Site(tmp_path, bulk_server, limits=LimitsConfig(max_open_files=8))


def make_faulty(site: Site, fault: int, name: str = LOG) -> None:
    """Let all further reads of the open file fail."""
    file = site.held(name)
    assert isinstance(file.content, PlainContent)
    content = FaultyContent(file.content.descriptor)
    content.fault = fault
    file.open(content)


@pytest.mark.parametrize("fault", [errno.ESTALE, errno.EIO])
def test_a_read_that_fails_is_tried_again(site: Site, fault: int) -> None:
    """F20: the entry stays, nothing is read twice, and the next rescan opens the file anew."""
    site.write(2)
    site.settle()
    site.write(2)
    site.look()
    make_faulty(site, fault)
    for _ in range(3):
        site.turn()
    assert site.held().error
    assert len(site.events()) == 2
    site.settle()
    assert not site.held().error
    assert site.running.pipeline.tally.of("dosya").read == 4
    assert ("file.unreadable" in site.names()) == (fault == errno.EIO)
    site.check_everything()
    site.close()


def test_a_deleted_file_whose_descriptor_goes_stale(site: Site) -> None:
    """F20: what it still had is searched for, then told as lost."""
    site.write(2)
    site.settle()
    begin = site.path().stat().st_size
    site.write(1)
    end = site.path().stat().st_size
    site.look()
    site.delete(LOG)
    site.look()
    file = next(iter(site.running.pipeline.catalog.files.values()))
    assert isinstance(file.content, PlainContent)
    content = FaultyContent(file.content.descriptor)
    content.fault = errno.ESTALE
    file.open(content)
    site.check_everything()
    assert site.gap_ranges() == [(begin, end, "deleted")]
    site.close()


def test_permission_lost_and_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """F34: told once, retried, and read on where it stopped."""
    site.write(1)
    site.settle()
    shelf = site.running.pipeline.catalog._shelf
    shelf.descriptors.close(site.held())
    site.write(1)
    refused = [True]

    def refuse(path: str) -> object:
        if refused[0]:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return open_content(path)

    monkeypatch.setattr("auditship_agent.source.descriptors.open_content", refuse)
    for _ in range(3):
        site.settle()
    assert site.names().count("file.unreadable") == 1
    refused[0] = False
    site.settle()
    assert "file.readable" in site.names()
    assert len(site.events()) == 2
    site.close()


def test_rewritten_in_place_is_an_error(site: Site) -> None:
    """Section 3: a log that is edited is no log: told, and read from 0."""
    site.write(3)
    site.settle()
    data = site.path().read_bytes()
    with site.path().open("r+b") as log:
        log.seek(len(data) - 100)
        log.write(b"X")
    site.settle()
    assert site.names().count("source.rewritten") == 1
    site.close()


def test_replaced_between_first_look_and_first_turn(site: Site) -> None:
    """Ids rest on the first line: it is proved again when it is read."""
    site.write(2)
    site.look()
    site.cut()
    site.write(3)
    site.settle()
    firsts = {event["log"]["generation"] for event in site.events().values()}
    assert firsts == {site.stories[1].generation}
    site.close()


def test_renamed_back_and_forth(site: Site) -> None:
    """A name that comes back is followed; nothing is read twice."""
    site.write(2)
    site.settle()
    site.rename(LOG, f"{LOG}.1")
    site.settle()
    site.rename(f"{LOG}.1", LOG)
    site.write(1)
    site.check_everything()
    assert len(site.events()) == 3
    site.close()


def test_many_files_share_few_descriptors(site: Site) -> None:
    """Files that were read are closed for others, and opened again when they grow."""
    for number in range(40):
        site.write(1, f"{LOG}.{number}")
    site.settle()
    for number in range(40):
        site.write(1, f"{LOG}.{number}")
        site.look()
        assert site.running.pipeline.catalog.open_files <= 8
    site.check_everything()
    assert len(site.events()) == 80
    site.close()


def is_ready(file: LogFile) -> bool:
    return file.tailer is not None


def in_round(site: Site, may_read: Callable[[LogFile], bool]) -> list[str]:
    """Return the names of one round."""
    catalog = site.running.pipeline.catalog
    catalog.start_round(may_read)
    names = []
    while (file := catalog.next_in_round()) is not None:
        names.append(Path(file.path).name)
    return names


def test_archives_come_a_few_at_a_time(site: Site) -> None:
    """Each takes memory while it is read; one that has to wait keeps none of the others waiting."""
    site.stop()
    for number in range(9):
        site.write(2, f"{LOG}.{number}")
        site.compress(f"{LOG}.{number}")
    site.write(1)
    site.start()
    site.look()
    first = in_round(site, is_ready)
    assert (len(first), first[-1]) == (3, LOG)
    others = in_round(site, lambda file: is_ready(file) and Path(file.path).name not in first)
    assert (len(others), set(others) & set(first)) == (2, set())
    site.check_everything()
    assert len(site.events()) == 19
    site.close()


def test_a_round_goes_on_where_it_was_left(site: Site) -> None:
    """Whoever stops in the middle of a round, for want of room, does not start it anew."""
    names = [LOG, f"{LOG}.1", f"{LOG}.2"]
    for name in names:
        site.write(1, name)
    site.look()
    catalog = site.running.pipeline.catalog
    turns = []
    for _ in range(6):
        catalog.start_round(is_ready)
        file = catalog.next_in_round()
        assert file is not None
        turns.append(Path(file.path).name)
    assert sorted(turns[:3]) == names
    assert turns[2] == LOG, "rotated files come first"
    assert turns[3:] == turns[:3]
    site.close()


def test_archives_in_line_do_not_wait_for_news(site: Site) -> None:
    """After a restart most archives hold nothing new: each round of them follows at once."""
    site.write(1)
    for number in range(9):
        site.write(2, f"{LOG}.{number}")
        site.compress(f"{LOG}.{number}")
    site.settle()
    site.restart()
    site.look()
    waits = [site.loop.turn() for _ in range(6)]
    assert waits[:4] == [0.0] * 4
    assert not any(file.dirty for file in site.running.pipeline.catalog.files.values())
    site.check_everything()
    site.close()
