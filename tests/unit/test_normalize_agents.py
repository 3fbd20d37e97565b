"""User agents as clients send them: kind, name, version, system and device."""

from collections.abc import Sized
from pathlib import Path

import pytest

from auditship_agent.normalize.addresses import Addresses
from auditship_agent.normalize.agents import Agents
from auditship_agent.normalize.country import Countries
from auditship_agent.normalize.tokens import ShareTokens
from bench.database import country_database

_ROWS = [
    line.split("\t")
    for line in (Path(__file__).parents[1] / "data" / "user-agents.tsv")
    .read_text()
    .splitlines()[1:]
]
_MANY = 10_000
_BOUND = 4096  # of any cache


@pytest.fixture(scope="module")
def agents() -> Agents:
    return Agents(parse=True)


@pytest.mark.parametrize(("kind", "name", "version", "system", "device", "text"), _ROWS)
def test_each_user_agent_is_told(  # noqa: PLR0917 - the columns of the table
    agents: Agents, kind: str, name: str, version: str, system: str, device: str, text: str
) -> None:
    """A dash in the table: nothing is known of it."""
    parsed = agents.read(text)
    fields = parsed.fields

    found = (
        parsed.kind,
        fields.name,
        fields.version,
        fields.os and fields.os.name,
        fields.device and fields.device.name,
    )
    assert found == tuple(
        None if cell == "-" else cell for cell in (kind, name, version, system, device)
    )
    assert fields.original == text


def test_the_table_has_every_kind() -> None:
    """Browsers, command lines, SDKs, sync clients, WebDAV, mobiles, bots, and what is none."""
    assert {row[0] for row in _ROWS} == {
        "browser", "cli", "sdk", "sync", "webdav", "mobile", "bot", "-",
    }  # fmt: skip
    assert len(_ROWS) >= 40


@pytest.mark.parametrize(
    "text",
    [
        "\0",
        "\ufffd" * 300,
        "İ" * 40 + " mirall/3.1 (Nextcloud)",
        "mirall/" + "9" * 1000,
        "a/" * 500,
        "((((" * 250,
        "Mozilla/5.0 " * 80,
        "powershell/1" + ".1" * 500,
        "\u202e/1.2",
    ],
)
def test_garbage_is_kept_as_it_is(agents: Agents, text: str) -> None:
    """Whatever a client sends: no error, the text as received, names within their limits."""
    fields = agents.read(text).fields

    assert fields.original == text
    assert all(len((part or "").encode()) <= 128 for part in (fields.name, fields.version))


def test_each_distinct_value_is_parsed_once(agents: Agents) -> None:
    """The second reading gives the very object of the first."""
    assert agents.read("curl/8.5.0") is agents.read("curl/8.5.0")
    addresses = Addresses()
    assert addresses.read("192.0.2.1") is addresses.read("192.0.2.1")


def test_what_is_remembered_is_bounded(tmp_path: Path) -> None:
    """A client that sends ever new values costs no memory without end."""
    database = tmp_path / "db"
    database.write_bytes(country_database({"203.0.113.0/24": "SG"}))
    agents, addresses = Agents(parse=False), Addresses()
    countries, tokens = Countries(str(database)), ShareTokens(b"k" * 32)

    caches: list[Sized] = [agents._known, addresses._known, countries._known, tokens._known]
    for number in range(_MANY):
        agents.read(f"a{number}")
        addresses.read(f"h{number}")
        tokens.share_id(f"t{number}")
        countries.of(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")

        assert all(len(known) <= _BOUND for known in caches)
