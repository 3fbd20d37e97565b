"""The demo's story on real parts: three storage servers, Caddy, three agents, one OpenSearch."""

import os
import re
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from demo import cast, regions
from demo.auditing import Auditing, Cluster
from demo.ledger import Ledger, compare, is_act
from demo.play import play
from demo.processes import Troupe

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TIME = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.MULTILINE)
PREVIEW = """\
Workspace: Brand Campaign 2026
TIME  UPLOAD     john@dosya.dev      render-final.mp4 (12.4 MB)      eu-central-2
TIME  DOWNLOAD   client@acme.com     render-final.mp4                us-east-1
TIME  SHARE      john@dosya.dev      render-final.mp4 → link created  eu-central-2
TIME  ACCESS     anonymous           share link opened               us-west-1
TIME  DELETE     sarah@team.com      old-draft-v2.mp4                eu-central-2
TIME  INVITE     john@dosya.dev      mike@co.com → Editor role       eu-central-2
TIME  UPLOAD     mike@co.com         assets.zip (2.1 MB)             us-east-1
TIME  BLOCKED    guest@gmail.com     share link → domain restricted  us-west-1
"""

pytestmark = pytest.mark.node


@dataclass
class Story:
    """A play that was shipped to its end, and the companion that looks at it."""

    auditing: Auditing
    ledger: Ledger


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, node_address: str) -> Story:
    """Play once for all tests here, ship, and end every process but the node."""
    everything = f"{node_address}/audit-*?expand_wildcards=all"
    urllib.request.urlopen(urllib.request.Request(everything, method="DELETE")).close()  # noqa: S310 - our node
    folder = tmp_path_factory.mktemp("a story")
    troupe = Troupe(folder, {**os.environ, "PYTHONPATH": str(EXAMPLES)})
    product = regions.plan(folder)
    auditing = Auditing(folder, product, troupe)
    settings = {"opensearch": {"hosts": [node_address]}, "regions": list(cast.REGIONS)}
    auditing.config.write_text(yaml.safe_dump(settings), "utf-8")
    cluster = Cluster("", node_address)
    try:
        regions.start(product, troupe)
        auditing.start_agents(cluster)
        ledger = play(product.addresses, requests=120)
        auditing.await_stored(cluster, ledger.expected().total())
        auditing.end_agents()
    finally:
        troupe.end()
    return Story(auditing, ledger)


def test_requests_sent_equal_events_stored(story: Story) -> None:
    """Each request to a storage server gives its event, with who, what and where, exactly once."""
    acts = [event for event in story.auditing.events() if is_act(event)]

    difference = compare(story.ledger, acts)

    assert not difference.missing
    assert not difference.surplus
    assert len(acts) == story.ledger.expected().total()


def test_the_preview_is_what_a_person_sees(story: Story) -> None:
    """The product's eight rows, played over HTTP, print as promised."""
    printed = story.auditing.run("search", "--workspace", cast.BRAND)

    assert TIME.sub("TIME", printed) == PREVIEW


def test_bytes_of_another_region_are_told_apart(story: Story) -> None:
    """A file served by one region and stored in another shows both regions."""
    (row,) = [
        event
        for event in story.auditing.events()
        if event["audit"]["actor"] == "client@acme.com"
        and event["event"]["action"] == "file.download"
        and event.get("workspace", {}).get("id") == cast.BRAND
    ]

    assert row["cloud"]["region"] == "us-east-1"
    assert row["storage"]["region"] == "eu-central-2"


def test_no_secret_of_the_story_is_stored(story: Story) -> None:
    """Passwords of the cast never reach the index."""
    printed = story.auditing.run("search", "--limit", "all", "--format", "ndjson")

    for person in (cast.JOHN, cast.SARAH, cast.MIKE, cast.CLIENT, cast.GUEST):
        assert person.password not in printed
