"""The demo's storage server as a writer of the native log, and at the edges of HTTP."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from storage_server.audit import AuditLog, encode
from storage_server.refusal import RefusedError
from storage_server.transfer import byte_range
from storage_server.web import client_of
from support.storage_site import EAST, EU, JOHN, Site, W


def test_what_is_no_act_gives_no_line(site: Site) -> None:
    """Health, OPTIONS, unknown addresses and the fetches between regions leave no line."""
    site.ask(None, "GET", "/health")
    site.ask(None, "OPTIONS", f"{W}/files/draft.mp4", status=204)
    site.ask(None, "GET", "/nowhere", status=404)
    site.ask(None, "GET", "/internal/blobs/b_f_30", status=404)
    site.ask(None, "HEAD", f"{W}/files/draft.mp4", status=501)
    assert not site.lines()


def test_parallel_requests_leave_whole_lines(site: Site) -> None:
    """Threads share one file: as many whole lines as requests, in both regions together."""
    regions = [EU, EAST] * 20

    def upload(number: int) -> int:
        url = site.servers[regions[number]].url + f"{W}/files/p{number}.txt"
        auth = ("sarah@team.com", "pw of Sarah")
        return requests.put(url, data=b"x", auth=auth, timeout=20).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(upload, range(len(regions)))) == {201}
    assert len(site.lines(EU)) == len(site.lines(EAST)) == 20


def test_a_log_that_cannot_be_written_undoes_the_act(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    """No act without its line: the change is rolled back and the reply is an error."""
    site.log().unlink()
    site.log().parent.rename(site.folder / "elsewhere")
    site.ask(JOHN, "DELETE", f"{W}/files/draft.mp4", status=500)
    site.log().parent.mkdir()
    site.ask(JOHN, "GET", f"{W}/files/draft.mp4")
    assert "FileNotFoundError" in capfd.readouterr().err


class TestAuditLog:
    """The writer of lines."""

    def test_rotation_is_followed(self, tmp_path: Path) -> None:
        """After a rename the next line begins a new file; after a removal, too."""
        path = tmp_path / "audit.log"
        log = AuditLog(path)
        log.write({"n": 1})
        path.rename(tmp_path / "audit.log.1")
        log.write({"n": 2})
        path.unlink()
        log.write({"n": 3})
        log.close()
        assert (tmp_path / "audit.log.1").read_bytes() == b'{"n":1}\n'
        assert path.read_bytes() == b'{"n":3}\n'

    def test_mode_lets_the_group_read(self, tmp_path: Path) -> None:
        """The agent reads by group."""
        old = os.umask(0o022)
        try:
            AuditLog(tmp_path / "audit.log").close()
        finally:
            os.umask(old)
        assert stat.S_IMODE((tmp_path / "audit.log").stat().st_mode) == 0o640

    @pytest.mark.parametrize(
        ("fields", "line"),
        [
            ({"a": None, "b": "", "c": [], "d": {"e": None}}, b"{}\n"),
            ({"a": 0, "b": False}, b'{"a":0,"b":false}\n'),
            ({"a": "ä\n\u2028"}, '{"a":"ä\\n\u2028"}\n'.encode()),
        ],
    )
    def test_a_line_is_dense_and_one_line(self, fields: dict[str, Any], line: bytes) -> None:
        """Nothing empty is written, LF is escaped, other text is as the user gave it."""
        assert encode(fields) == line


@pytest.mark.parametrize(
    ("peer", "header", "client"),
    [
        ("127.0.0.1", "203.0.113.10", ("203.0.113.10", "127.0.0.1")),
        ("127.0.0.1", "203.0.113.10, 127.0.0.1", ("203.0.113.10", "127.0.0.1")),
        ("127.0.0.1", "10.9.9.9, 203.0.113.10", ("203.0.113.10", "127.0.0.1")),
        ("127.0.0.1", "203.0.113.10, junk", ("127.0.0.1", None)),
        ("127.0.0.1", "", ("127.0.0.1", None)),
        ("::1", "2001:db8::7", ("2001:db8::7", "::1")),
        ("198.51.100.9", "203.0.113.10", ("198.51.100.9", None)),
    ],
)
def test_client_address(peer: str, header: str, client: tuple[str, str | None]) -> None:
    """Forwarded-for counts from loopback proxies only, walked from the right."""
    assert client_of(peer, header) == client


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", (0, 100)),
        ("bytes=0-9", (0, 10)),
        ("bytes=90-", (90, 10)),
        ("bytes=90-500", (90, 10)),
        ("bytes=-5", (95, 5)),
        ("bytes=-500", (0, 100)),
        ("bytes=0-1,4-5", (0, 100)),
        ("bytes=-", (0, 100)),
        ("lines=1-2", (0, 100)),
    ],
)
def test_byte_range(text: str, found: tuple[int, int]) -> None:
    """One range of RFC 9110 is served; several, or other units, give the whole."""
    assert byte_range(text, 100) == found


@pytest.mark.parametrize("text", ["bytes=100-", "bytes=9-5", "bytes=-0"])
def test_byte_range_beyond_the_end(text: str) -> None:
    """A range without a byte in it is refused."""
    with pytest.raises(RefusedError, match="416"):
        byte_range(text, 100)
