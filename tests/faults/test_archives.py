"""Rows F16 to F18 of the fault matrix: compressed files, on real archives."""

import gzip
from hashlib import sha256

import msgspec
import pytest

from auditship_agent.checkpoint import CheckpointFile
from auditship_agent.config import LimitsConfig
from auditship_agent.durable import RealDisk
from support.site import LOG, MakeSite, Site

OVER_S = 301.0  # longer than finish_after_s and gap_after_s


@pytest.mark.parametrize("read", ["nothing", "half", "everything"])
@pytest.mark.parametrize("when", ["live", "down", "beside"])
def test_compressed(site: Site, read: str, when: str) -> None:
    """F16: the archive is the same generation, taken up at the uncompressed offset."""
    if read != "nothing":
        site.write(4)
        site.settle()
    if read != "everything":
        site.write(3)
    if when == "down":
        site.stop()
    site.rename(LOG, f"{LOG}.1")
    if when == "live":
        site.look()
    site.compress(f"{LOG}.1", keep=when == "beside")
    site.write(1)
    if when == "down":
        site.start()
    site.check_everything()
    assert not site.gaps()
    assert len(site.events()) == len({line for story in site.stories for line in story.lines()})


def test_archive_with_a_line_that_has_no_end(site: Site) -> None:
    """F16: compressed in mid-line: the line's first half is a dead letter, once."""
    site.write(2)
    site.part()
    site.stop()
    site.rename(LOG, f"{LOG}.1")
    site.compress(f"{LOG}.1")
    site.start()
    site.check_everything(patience_s=OVER_S)
    (letter,) = site.letters()
    assert letter.reason == "unterminated"


def test_archive_that_is_still_being_written(site: Site) -> None:
    """F16: nothing of a growing archive is believed before it is whole, and nothing is lost."""
    site.write(500)
    site.stop()
    data = gzip.compress(site.path().read_bytes())
    site.path(f"{LOG}.1.gz").write_bytes(b"")
    site._held[f"{LOG}.1.gz"] = site._held[LOG]
    site.delete(LOG)
    site.state.joinpath("checkpoint").unlink()
    site.start()
    for end in (0, 1, 2, 700, len(data) // 2, len(data) - 1):
        site.path(f"{LOG}.1.gz").write_bytes(data[:end])
        site.clock.advance(15)
        site.settle()
    site.path(f"{LOG}.1.gz").write_bytes(data)
    site.check_everything()
    assert len(site.events()) == 500
    assert not site.gaps()
    assert not site.letters()


def test_all_members_of_an_archive_are_read(site: Site) -> None:
    """F17: members one behind the other are one content, lines across their borders included."""
    site.write(6)
    data = site.path().read_bytes()
    cut = len(data) // 2
    packed = gzip.compress(data[:cut]) + gzip.compress(data[cut:]) + bytes(512)
    site.path(f"{LOG}.1.gz").write_bytes(packed)
    site._held[f"{LOG}.1.gz"] = site._held[LOG]
    site.delete(LOG)
    site.check_everything()
    assert len(site.events()) == 6


def test_damaged_archive_of_a_known_generation(site: Site) -> None:
    """F17: what only a damaged member held is a gap of the generation, with its range."""
    site.write(4)
    site.settle()
    begin, end = site.leave_unread(300)
    site.running.pipeline.save()
    site.crash()
    packed = bytearray(gzip.compress(site.path().read_bytes(), mtime=0))
    packed[len(packed) // 2] ^= 4
    site.path(f"{LOG}.1.gz").write_bytes(packed)
    site.delete(LOG)
    site.check_everything()
    assert site.gap_ranges() == [(begin, end, "corrupt_archive")]
    assert len(site.events()) == 4


def test_damaged_archive_that_nobody_knows(site: Site) -> None:
    """F17: the gap goes from the last good line as far as the rest decompresses, unproven."""
    good, bad = (b"".join(site.line() + b"\n" for _ in range(3)) for _ in range(2))
    packed = gzip.compress(good) + gzip.compress(bad)[:-9]
    site.append(good, f"{LOG}.1.gz")
    site.path(f"{LOG}.1.gz").write_bytes(packed)
    site.settle()
    site.pass_time(61)
    assert site.gap_ranges() == [(len(good), len(good + bad), "corrupt_archive")]
    assert site.running.pipeline.lost_bytes == len(bad)
    assert len(site.events()) == 3
    site.restart()
    site.pass_time(61)
    assert len(site.gaps()) == 1, "told once, whatever is restarted"


def test_damaged_archive_without_a_good_line(site: Site) -> None:
    """F17: nothing of it is read, one gap tells so, also after a restart; mended, it is read."""
    data = b"".join(site.line() + b"\n" for _ in range(3))
    packed = gzip.compress(data)
    site.append(data, f"{LOG}.1.gz")
    site.path(f"{LOG}.1.gz").write_bytes(packed[:-9])
    site.settle()
    site.pass_time(61)
    assert site.gap_ranges() == [(0, len(data), "corrupt_archive")]
    site.restart()
    site.pass_time(61)
    assert len(site.gaps()) == 1
    assert not site.events()
    for story in site.stories:
        story.doubtful = True  # the gap that was told stays, though the bytes turn up
    site.path(f"{LOG}.1.gz").write_bytes(packed)
    site.check_everything()
    assert len(site.events()) == 3


def test_crash_in_the_middle_of_an_archive(make_site: MakeSite) -> None:
    """F18: the next agent goes on at the uncompressed offset."""
    site = make_site(limits=LimitsConfig(turn_bytes=65_536))
    site.write(2_000)
    site.path(f"{LOG}.1.gz").write_bytes(gzip.compress(site.path().read_bytes()))
    site._held[f"{LOG}.1.gz"] = site._held[LOG]
    site.delete(LOG)
    site.look()
    while not site.held(f"{LOG}.1.gz").progress.saved.offset:
        site._step()
    site.running.pipeline.save()
    read = site.running.pipeline.tally.of("dosya").read
    assert read < 2_000
    site.crash()
    site.start()
    site.settle()
    assert site.running.pipeline.tally.of("dosya").read < 2_000, "resumed"
    site.check_everything()


def test_foreign_compressors_are_named(site: Site) -> None:
    """Other archives are not read; status says so, and nothing of them becomes a line."""
    site.path(f"{LOG}.1.zst").write_bytes(b"\x28\xb5\x2f\xfd" + b"\n{}\n" * 9)
    site.write(1)
    site.settle()
    assert site.held(f"{LOG}.1.zst").state == "unreadable"
    assert "zstd" in site.held(f"{LOG}.1.zst").error
    site.pass_time(OVER_S)
    site.look()
    file = site.held(f"{LOG}.1.zst")
    assert (file.state, file.lag) == ("unreadable", 0)
    assert site.running.pipeline.catalog.is_complete
    assert len(site.events()) == 1
    assert not site.letters()


def test_archive_that_was_read_beside_its_original(site: Site) -> None:
    """F16: two entries of one generation, of which one went: nothing is missing, so no gap."""
    site.write(6)
    site.settle()
    site.stop()
    site.rename(LOG, f"{LOG}.1")
    site.compress(f"{LOG}.1")
    archive = site.path(f"{LOG}.1.gz").stat()
    before = site.snapshot()
    assert before is not None
    (entry,) = before.entries
    begun = msgspec.structs.replace(
        entry,
        acked=0,
        anchor=sha256(b"").hexdigest(),
        codec="gzip",
        dev=archive.st_dev,
        ino=archive.st_ino,
        path=str(site.path(f"{LOG}.1.gz")),
        state="drained",
    )
    both = msgspec.structs.replace(before, entries=(entry, begun), sequence=before.sequence + 1)
    CheckpointFile(site.state, RealDisk()).save(both)
    site.write(1)
    site.start()
    site.check_everything(patience_s=OVER_S)
    assert not site.gaps()
