"""Who and what the demo has before its first request. Client addresses are documentation ranges."""

import secrets
from dataclasses import dataclass, field

from storage_server.seed import SeedFile, SeedLink, SeedUser, SeedWorkspace

REGIONS = ("eu-central-2", "us-east-1", "us-west-1")
EU, EAST, WEST = REGIONS

FIREFOX = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:137.0) Gecko/20100101 Firefox/137.0"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/135.0.0.0 Safari/537.36"
)


@dataclass(frozen=True)
class Person:
    """Somebody at a client: name and password, address, and what he uses."""

    email: str | None
    ip: str
    agent: str
    password: str = field(default="", repr=False)
    device_id: str | None = None


def _password() -> str:
    return secrets.token_urlsafe(12)


JOHN = Person("john@dosya.dev", "203.0.113.10", FIREFOX, _password())
CLIENT = Person("client@acme.com", "198.51.100.7", CHROME, _password())
SARAH = Person("sarah@team.com", "203.0.113.23", CHROME, _password(), "d_88")
MIKE = Person("mike@co.com", "2001:db8::7", "rclone/v1.75.2", _password())
GUEST = Person("guest@gmail.com", "192.0.2.44", FIREFOX, _password())
LEFT = Person("left@team.com", "203.0.113.77", CHROME, _password())
VISITOR = Person(None, "192.0.2.44", FIREFOX)
STRANGER = Person(None, "192.0.2.99", "curl/8.13.0")
PUBLIC = (
    Person(None, "198.51.100.21", "curl/8.13.0"),
    Person(None, "198.51.100.22", "Wget/1.25.0"),
    Person(None, "2001:db8::c0", "curl/8.5.0"),
    Person(None, "192.0.2.120", CHROME),
)
PEOPLE = (JOHN, CLIENT, SARAH, MIKE, GUEST, LEFT)

ACME_TOKEN = secrets.token_urlsafe(32)
BRAND, FILM, LAB, TINY = "w_brand", "w_film", "w_lab", "w_tiny"


def users() -> list[SeedUser]:
    """Return the accounts; one is disabled."""
    ids = ("u_7", "u_21", "u_9", "u_12", "u_30", "u_31")
    return [
        SeedUser(id_, str(who.email), _name(who), who.password, disabled=who is LEFT)
        for id_, who in zip(ids, PEOPLE, strict=True)
    ]


def _name(who: Person) -> str:
    return str(who.email).partition("@")[0].title()


def workspaces() -> list[SeedWorkspace]:
    """Return the workspaces: the preview's, one for traffic, one with a network, a full one."""
    crew = {JOHN.email: "Owner", SARAH.email: "Editor", CLIENT.email: "Viewer"}
    members = {str(email): role for email, role in crew.items()}
    brand = SeedWorkspace(
        BRAND,
        "Brand Campaign 2026",
        members,
        files=[
            SeedFile("f_30", "/old-draft-v2.mp4", EU, b"draft" * 4000),
            SeedFile("f_31", "/brief.pdf", EU, b"%PDF-1.7 brief" * 100),
        ],
        links=[
            SeedLink(
                "s_a00",
                ACME_TOKEN,
                "f_31",
                str(JOHN.email),
                WEST,
                allowed_domains=["acme.com"],
                rule=("r_3", "acme only"),
            )
        ],
    )
    film = SeedWorkspace(
        FILM,
        "Film Archive",
        {**members, str(MIKE.email): "Editor"},
        files=[SeedFile("d_1", "/inbox")],
        groups={("g_2", "Contractors"): [str(CLIENT.email)]},
    )
    office = ("r_9", "office addresses", ["203.0.113.0/24"])
    plans = SeedFile("f_50", "/plans.dwg", EU, b"plan" * 500)
    lab = SeedWorkspace(
        LAB, "Lab", {**members, str(MIKE.email): "Editor"}, files=[plans], networks=office
    )
    tiny = SeedWorkspace(TINY, "Tiny Plan", members, quota_bytes=10_000)
    return [brand, film, lab, tiny]
