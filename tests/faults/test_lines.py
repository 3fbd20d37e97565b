"""Rows F11 and F22 to F28 of the fault matrix: what is a line, and what becomes of it."""

import os
import tracemalloc

import pytest

from auditship_agent.config import LimitsConfig
from support.bulk_script import serve, unavailable
from support.site import LOG, MakeSite, Site

OVER_S = 301.0  # longer than finish_after_s and gap_after_s
DAY_S = 86_400.0


def test_partial_last_line_waits(site: Site) -> None:
    """F22: however long it takes, a live file's last line waits for its LF."""
    site.write(2)
    site.part()
    site.pass_time(3_000)
    assert len(site.events()) == 2
    assert not site.letters()
    site.write(1)
    site.check_everything(patience_s=OVER_S)
    assert len(site.events()) == 4


def test_partial_last_line_of_a_finished_file(site: Site) -> None:
    """F22: a rotated file that stays quiet has no more to come: `unterminated`, once."""
    site.write(2)
    site.part()
    site.rename(LOG, f"{LOG}.1")
    site.pass_time(200)
    assert not site.letters()
    site.pass_time(OVER_S)
    (letter,) = site.letters()
    assert letter.reason == "unterminated"
    assert letter.line == bytes(site.stories[0].data).split(b"\n")[-1]
    assert site.held(f"{LOG}.1").state == "finished"
    site.check_everything(patience_s=OVER_S)
    assert site.letters() == [letter]
    site.delete(f"{LOG}.1")
    site.check_everything(patience_s=OVER_S)
    assert not site.gaps(), "the dead letter has what is gone"


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("in_two_parts", [False, True])
def test_finished_file_grows_after_all(site: Site, *, restart: bool, in_two_parts: bool) -> None:
    """F22: the line is read again from its start, and its dead letter is closed."""
    site.write(2)
    line = site.line()
    site.append(line[:30])
    site.rename(LOG, f"{LOG}.1")
    site.pass_time(OVER_S)
    assert [letter.line for letter in site.letters()] == [line[:30]]
    if restart:
        site.restart()
    if in_two_parts:
        site.append(line[30:60], f"{LOG}.1")
        site.pass_time(OVER_S)
        assert [letter.line for letter in site.letters()] == [line[:60]]
    site.append(line[60 if in_two_parts else 30 :] + b"\n", f"{LOG}.1")
    site.check_everything()
    assert len(site.events()) == 3
    assert not site.letters()


def test_finished_file_grows_its_end_of_a_bad_line(site: Site) -> None:
    """F22: the same bytes with their LF are another line than without: it has its own record."""
    site.write(1)
    site.append(b"no json")
    site.rename(LOG, f"{LOG}.1")
    site.pass_time(OVER_S)
    site.append(b"\n", f"{LOG}.1")
    site.check_everything()
    assert [letter.reason for letter in site.letters()] == ["bad_json"]


def test_stop_with_a_partial_line(site: Site) -> None:
    """F23: the offset stays at the line's start."""
    site.write(2)
    site.part()
    site.stop()
    site.write(0)
    site.start()
    site.check_everything()
    assert len(site.events()) == 3


@pytest.mark.parametrize("at_start", [False, True])
def test_lines_over_the_limit(make_site: MakeSite, *, at_start: bool) -> None:
    """F24: 2 MiB: dead letter with head, length and hash; the next line is fine."""
    site = make_site(source={"max_line_bytes": 4096}, limits=LimitsConfig(turn_bytes=65_536))
    if not at_start:
        site.write(1)
    site.append(b"x" * 2_097_152 + b"\n")
    site.write(1)
    site.check_everything()
    (letter,) = site.letters()
    assert (letter.reason, letter.line_bytes) == ("line_too_long", 2_097_152)
    assert letter.line == b"x" * 65_536
    assert "source.rewritten" not in site.names()


def test_a_gigabyte_without_an_end(site: Site) -> None:
    """F24: memory stays flat while a line of 256 MiB is skimmed (a 1 GB one costs time alone)."""
    site.write(1)
    with site.path().open("ab") as log:
        for _ in range(256):
            log.write(b"x" * 1_048_576)
    tracemalloc.start()
    while site.loop.turn() == 0.0 or site.held().dirty:
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 1_048_576
    assert site.held().tailer is not None


@pytest.mark.parametrize("aligned", [False, True])
def test_sparse_hole_is_skipped(site: Site, *, aligned: bool) -> None:
    """F11: 1 GiB of hole before a line is not read; it is one gap, and the line is stored."""
    site.write(40)
    if aligned:  # the hole starts with the line
        site.append(b"x" * (4095 - site.path().stat().st_size % 4096) + b"\n")
    site.settle()
    begin = site.path().stat().st_size
    end = begin + 2**30
    os.truncate(site.path(), end)
    line = site.line()
    with site.path().open("r+b") as log:
        log.seek(end)
        log.write(line + b"\n")
    site.settle()
    with site.path().open("ab") as grown:
        grown.write(line + b"\n")
    site.settle()
    assert "source.rewritten" not in site.names(), "the hole counts as what it reads as"
    assert len(site.events()) == 42
    assert site.gap_ranges() == [(begin, end, "nul_run")]
    stored = [event["log"] for event in site.events().values()]
    assert end in {log["offset"] for log in stored}
    assert site.running.pipeline.lost_bytes == 2**30


@pytest.mark.parametrize("size", [1, 2, 100, 70_000])
@pytest.mark.parametrize("head", [False, True])
def test_nul_run_before_a_line(site: Site, *, size: int, head: bool) -> None:
    """F11: the run belongs to no line; told once, with its range, also after a crash."""
    if not head:
        site.write(1)
        site.settle()
    begin = site.path().stat().st_size if not head else 0
    site.append(bytes(size))
    site.write(2)
    site.turn()
    site.crash()
    site.check_everything()
    assert site.gap_ranges() == [(begin, begin + size, "nul_run")]
    assert len(site.events()) == (2 if head else 3)


def test_nul_run_is_told_once_over_a_crash(site: Site) -> None:
    """F11: it is written down with the line behind it, neither before nor twice."""
    site.server.otherwise = unavailable()
    site.append(bytes(100))
    site.write(1)
    for _ in range(5):
        site._step()
    assert site.running.pipeline.tally.of("dosya").read == 1
    assert site.running.pipeline.save()
    site.crash()
    site.server.otherwise = serve()
    site.check_everything()
    assert site.gap_ranges() == [(0, 100, "nul_run")]


def test_nul_run_at_the_end_of_a_finished_file(site: Site) -> None:
    """F11: what a power loss left behind the last line is a gap, no dead letter."""
    site.write(1)
    begin = site.path().stat().st_size
    site.append(bytes(300))
    site.rename(LOG, f"{LOG}.1")
    site.check_everything(patience_s=OVER_S)
    assert site.gap_ranges() == [(begin, begin + 300, "nul_run")]
    assert not site.letters()


def test_writer_without_append_after_copytruncate(site: Site) -> None:
    """F11: it goes on writing at its old offset, behind a run of NUL."""
    site.write(3)
    site.settle()
    size = site.path().stat().st_size
    site.copy(LOG, f"{LOG}.1")
    site.cut()
    site.append(bytes(size))
    site.write(2)
    site.check_everything()
    assert len(site.events()) == 5
    assert site.gap_ranges() == [(0, size, "nul_run")]


@pytest.mark.parametrize("at", [65_535, 65_536, 65_537])
def test_line_end_at_a_read_boundary(site: Site, at: int) -> None:
    """F25: CR LF and multi-byte characters across the border of two reads."""
    start = 0
    while (missing := at - start) > 600:
        site.append(site.line() + b"\n")
        start = site.path().stat().st_size
    line = site.line(request_id="x" * (missing - 300))
    pad = missing - 1 - len(line)
    line = site.line(request_id="x" * (missing - 300 + pad))
    site.append(line[: missing - 1] + b"\n" if len(line) < missing else line + b"\r\n")
    site.append(site.line(file={"id": "é", "name": "日本語.txt"}) + b"\r\n")
    site.write(1)
    site.settle()
    assert site.held().progress.acked == site.path().stat().st_size


def test_encodings(site: Site) -> None:
    """F26: what clients choose is repaired; UTF-16 is a dead letter; BOM and CR are skipped."""
    site.append(b"\xef\xbb\xbf" + site.line() + b"\r\n")
    site.append(
        site.line(file={"id": "i", "name": "NAME"}).replace(b"NAME", b"\xff\xfe\xc3") + b"\n"
    )
    site.append(site.line(file={"id": "i", "name": "NAME"}).replace(b"NAME", b"\\ud800") + b"\n")
    site.append("wide\n".encode("utf-16-le")[:-1])
    site.settle()
    assert len(site.events()) == 3
    assert [letter.reason for letter in site.letters()] == ["bad_encoding"]


def test_bad_json_of_every_kind(site: Site) -> None:
    """F27: each has its reason, and the lines around them are stored."""
    bad = {
        b"{": "bad_json",
        b"[]": "not_object",
        b"null": "not_object",
        b'{"v":NaN}': "bad_json",
        b"[" * 100_000: "too_deep",
        site.line() + b"x": "trailing_data",
    }
    for line in bad:
        site.write(1)
        site.append(line + b"\n")
    site.check_everything()
    assert [letter.reason for letter in site.letters()] == list(bad.values())
    assert len(site.events()) == len(bad)


def test_two_equal_lines(site: Site) -> None:
    """F28: they are two acts, and two documents."""
    line = site.line() + b"\n"
    site.append(line * 2)
    site.check_everything()
    assert len(site.events()) == 2


def test_hostile_values(site: Site) -> None:
    """F29: text that looks like an action line, an index or a second document stays one value."""
    names = [
        '"}\n{"create":{"_id":"mine","_index":"audit-control-2026.04.14"}}\n{"x":"',
        '{"delete":{"_id":"x"}}',
        "..%2f_bulk",
        "audit-*",
        "\u2028\u0085\r\n\u0000\x1b[2J",
        '\\"\\n',
    ]
    for name in names:
        site.append(site.line(file={"id": "i", "name": name}) + b"\n")
    site.check_everything()
    assert len(site.events()) == len(names)
    stored = {event["file"]["name"] for event in site.events().values()}
    assert set(names[:4]) <= stored
    assert set(site.server.cluster.indices) == {site.index}
