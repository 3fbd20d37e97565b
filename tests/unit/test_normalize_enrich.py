"""Country, user agent, device kind and share tokens: enrichment of an event by its own values."""

from pathlib import Path
from typing import Any

import pytest

from auditship_agent.config import EnrichConfig
from auditship_agent.line import Record
from auditship_agent.normalize.agents import Agents, device_of
from auditship_agent.normalize.country import Countries
from auditship_agent.normalize.tokens import read_key
from auditship_indexer.errors import ConfigError
from bench.database import country_database
from support.transforming import as_line, caddy, event, native, stream, transform

FIREFOX = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:137.0) Gecko/20100101 Firefox/137.0"


def test_a_browser_is_named() -> None:
    """Name, version, system and device, as the schema's examples have them."""
    found = event(stream().produce(as_line(native(user_agent=FIREFOX))))

    assert found["user_agent"] == {
        "device": {"name": "Mac"},
        "name": "Firefox",
        "original": FIREFOX,
        "os": {"name": "Mac OS X"},
        "version": "137.0",
    }
    assert found["audit"]["device"] == "browser"


@pytest.mark.parametrize(
    ("agent", "kind"),
    [
        ("curl/8.5.0", "cli"),
        ("Wget/1.21", "cli"),
        ("rclone/v1.75.2", "cli"),
        ("aws-cli/2.15.0 Python/3.11 Linux/6.1 botocore/2.4.5", "cli"),
        ("MinIO (linux; amd64) minio-go/v7.0.66 mc/RELEASE.2024-01-11", "cli"),
        ("Boto3/1.34 md/Botocore#1.34 ua/2.0 os/linux", "sdk"),
        ("aws-sdk-go/1.44.0 (go1.19; linux; amd64)", "sdk"),
        ("MinIO (linux; amd64) minio-go/v7.0.66", "sdk"),
        ("python-requests/2.31.0", "sdk"),
        ("Mozilla/5.0 (Linux) mirall/3.9.0git (Nextcloud, debian-6.1)", "sync"),
        ("Googlebot/2.1 (+http://www.google.com/bot.html)", "bot"),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "bot"),
        ("Microsoft-WebDAV-MiniRedir/10.0.19045", "webdav"),
        ("davfs2/1.6.1 neon/0.32.5", "webdav"),
        ("WebDAVFS/3.0.0 (03008000) Darwin/22.1.0 (x86_64)", "webdav"),
        ("Dosya/4.1 (iPhone; iOS 18.1)", "mobile"),
        ("Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Mobile Safari/537.36",
         "mobile"),
        (FIREFOX, "browser"),
        ("something of its own", None),
    ],
)  # fmt: skip
def test_device_kinds(agent: str, kind: str | None) -> None:
    """The first rule of section 4 that applies, with or without the parser's data."""
    for parse in (True, False):
        assert Agents(parse=parse).read(agent).kind == kind


@pytest.mark.parametrize(
    ("record", "agent", "kind"),
    [
        (Record(0, "a.b", "success", device="mobile", protocol="sftp"), FIREFOX, "mobile"),
        (Record(0, "a.b", "success", protocol="sftp"), FIREFOX, "sftp"),
        (Record(0, "a.b", "success", protocol="ftp"), None, "ftp"),
        (Record(0, "a.b", "success", protocol="http"), FIREFOX, "browser"),
        (Record(0, "a.b", "success", key_id="ak"), "own", "api"),
        (Record(0, "a.b", "success", key_id="ak"), "curl/8", "cli"),
        (Record(0, "a.b", "success", actor="api_key"), None, "api"),
        (Record(0, "a.b", "success"), "own", None),
    ],
)
def test_which_rule_comes_first(record: Record, agent: str | None, kind: str | None) -> None:
    """The source's word, the protocol, the agent, a key; else nothing."""
    parsed = Agents(parse=False).read(agent) if agent else None

    assert device_of(record, parsed) == kind


def test_without_the_parser_the_text_stays() -> None:
    """`enrich.user_agent: false` keeps the text and the device kind."""
    made = stream(enrich=EnrichConfig(user_agent=False))
    found = event(made.produce(as_line(native(user_agent="curl/8.5.0"))))

    assert found["user_agent"] == {"original": "curl/8.5.0"}
    assert found["audit"]["device"] == "cli"


def test_a_hostile_agent_is_cut() -> None:
    """Parsed names have limits as well; what was cut is named."""
    parsed = Agents(parse=True).read("Mozilla/5.0 (Linux; Android 14; " + "P" * 900 + ") Mobile")

    name = parsed.fields.device
    assert name is None or len(str(name.name).encode()) <= 128
    assert set(parsed.truncated) <= {"user_agent.device.name", "user_agent.name"}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A country database that knows 203.0.113.0/24 (SG) and 2001:db8::/32 (TR)."""
    path = tmp_path / "country db.mmdb"
    path.write_bytes(country_database({"203.0.113.0/24": "SG", "2001:db8::/32": "TR"}))
    return path


def _geo(made: Any, ip: str) -> tuple[Any, list[str]]:
    found = event(made.stream(b"", "/x").produce(as_line(native(ip=ip))))
    return found["client"].get("geo"), found["audit"].get("flags", [])


def test_countries(database: Path) -> None:
    """Known networks have a country, private and unknown addresses none."""
    made = transform(enrich=EnrichConfig(country_db=str(database)))

    assert _geo(made, "203.0.113.10") == ({"country_iso_code": "SG"}, [])
    assert _geo(made, "[2001:db8::7]:443") == ({"country_iso_code": "TR"}, [])
    assert _geo(made, "10.0.0.1") == (None, [])
    assert _geo(made, "192.0.2.1") == (None, [])


@pytest.mark.parametrize("content", [None, b"", b"not a database", b"\0" * 5000])
def test_events_flow_without_a_usable_database(tmp_path: Path, content: bytes | None) -> None:
    """Missing, empty, corrupt: the event is stored with a flag."""
    path = tmp_path / "db"
    if content is not None:
        path.write_bytes(content)
    made = transform(enrich=EnrichConfig(country_db=str(path)))

    assert _geo(made, "203.0.113.10") == (None, ["geo_unavailable"])


def test_a_damaged_tree_is_found_at_a_look_up(database: Path) -> None:
    """The metadata is good, the data is not: flagged from then on, until it is replaced."""
    whole = database.read_bytes()
    cut = whole.index(b"\xab\xcd\xefMaxMind.com")
    damaged = database.with_name("damaged")
    damaged.write_bytes(b"\x7f" * cut + whole[cut:])
    made = transform(enrich=EnrichConfig(country_db=str(damaged)))

    assert _geo(made, "203.0.113.10") == (None, ["geo_unavailable"])
    assert _geo(made, "203.0.113.11") == (None, ["geo_unavailable"])


def test_a_replaced_database_is_opened(database: Path, tmp_path: Path) -> None:
    """After `refresh` the new file answers, also for addresses that were asked before."""
    made = transform(enrich=EnrichConfig(country_db=str(database)))
    assert _geo(made, "203.0.113.10")[0] == {"country_iso_code": "SG"}
    new = tmp_path / "new"
    new.write_bytes(country_database({"203.0.113.0/24": "MY"}))

    new.replace(database)
    made.refresh()

    assert _geo(made, "203.0.113.10")[0] == {"country_iso_code": "MY"}
    database.unlink()
    made.refresh()
    assert _geo(made, "203.0.113.10") == (None, ["geo_unavailable"])
    database.write_bytes(country_database({"203.0.113.0/24": "SG"}))
    made.refresh()
    assert _geo(made, "203.0.113.10") == ({"country_iso_code": "SG"}, [])


def test_a_damaged_replacement_is_flagged_until_it_is_mended(database: Path) -> None:
    """Events flow all the while: with a country, marked, with a country."""
    good = database.read_bytes()
    made = transform(enrich=EnrichConfig(country_db=str(database)))
    told: list[tuple[Any, list[str]]] = []
    for content in (good, b"torn" * 1000, good[:-40], good):
        new = database.with_name("new")
        new.write_bytes(content)
        new.replace(database)
        made.refresh()
        told.append(_geo(made, "203.0.113.10"))

    assert told == [
        ({"country_iso_code": "SG"}, []),
        (None, ["geo_unavailable"]),
        (None, ["geo_unavailable"]),
        ({"country_iso_code": "SG"}, []),
    ]


def test_a_database_cut_in_its_place_ends_nothing(database: Path) -> None:
    """A file that is overwritten while it is in use: its copy answers until the next look."""
    made = transform(enrich=EnrichConfig(country_db=str(database)))
    database.write_bytes(b"")

    assert _geo(made, "203.0.113.99") == ({"country_iso_code": "SG"}, [])
    made.refresh()
    assert _geo(made, "203.0.113.99") == (None, ["geo_unavailable"])


def test_a_database_that_may_not_be_read_is_flagged(tmp_path: Path) -> None:
    """A folder in its place, or a file without rights: the event is stored with a flag."""
    made = transform(enrich=EnrichConfig(country_db=str(tmp_path)))

    assert _geo(made, "203.0.113.10") == (None, ["geo_unavailable"])


def test_without_a_setting_nothing_is_flagged() -> None:
    """No database was asked for."""
    countries = Countries(None)
    countries.refresh()

    assert _geo(transform(), "203.0.113.10") == (None, [])


def test_a_token_becomes_a_keyed_hash(tmp_path: Path) -> None:
    """HMAC-SHA-256 with the key file, 32 hex digits; the token itself is nowhere."""
    key = tmp_path / "share key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o600)
    made = stream("caddy", key_file=key, paths=("/s/{share_token}/{path*}",))

    produced = made.produce(as_line(caddy(uri="/s/T0KEN/a.txt")))

    assert event(produced)["share"] == {"id": "h_938120c143625cbb1f1520226e51feac"}
    assert event(produced)["file"]["path"] == "/a.txt"
    assert b"T0KEN" not in produced.documents[0].body


def test_a_key_must_be_long_and_private(tmp_path: Path) -> None:
    """Short, missing, readable by others: the program does not start."""
    key = tmp_path / "key"
    with pytest.raises(ConfigError, match="cannot be read"):
        read_key(str(key))
    key.write_bytes(b"k" * 31)
    key.chmod(0o600)
    with pytest.raises(ConfigError, match="31 bytes"):
        read_key(str(key))
    key.write_bytes(b"k" * 32)
    key.chmod(0o604)
    with pytest.raises(ConfigError, match="others may read it"):
        read_key(str(key))
    key.chmod(0o640)
    assert read_key(str(key)).share_id("a") != read_key(str(key)).share_id("b")


def test_a_second_log_is_marked() -> None:
    """`role: secondary` flags every event of the source."""
    found = event(stream(role="secondary").produce(as_line(native())))

    assert found["audit"]["flags"] == ["secondary"]


@pytest.mark.parametrize(
    ("name", "kind", "extension"),
    [
        ("a.MP4", None, "mp4"),
        ("a.tar.gz", "file", "gz"),
        (".bashrc", None, "bashrc"),
        ("a.", None, None),
        ("a", None, None),
        ("v1.2", "dir", None),
        ("a." + "x" * 33, None, None),
    ],
)
def test_extensions(name: str, kind: str | None, extension: str | None) -> None:
    """After the last dot, lower-cased; folders and long tails have none."""
    found = event(stream().produce(as_line(native(file={"name": name, "type": kind}))))

    assert found["file"].get("extension") == extension


@pytest.mark.parametrize(
    ("path", "directory", "name"),
    [
        ("/a/b/c.txt", "/a/b", "c.txt"),
        ("/c.txt", "/", "c.txt"),
        ("/a/b/", "/a", "b"),
        ("/", "/", None),
    ],
)
def test_a_path_gives_folder_and_name(path: str, directory: str, name: str | None) -> None:
    """The folder has no trailing slash; the root's folder is the root."""
    found = event(stream().produce(as_line(native(file={"path": path}))))["file"]

    assert (found["directory"], found.get("name")) == (directory, name)
