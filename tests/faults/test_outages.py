"""Rows F42, F43, F46 to F50 and F55 to F57 with a whole agent: for a while nothing is taken.

Each test ships, lets the cluster fail for long, mends it, and ends in the oracle: nothing lost,
nothing twice, the checkpoint where it has to be. tests/faults/test_cluster.py and test_delivery.py
look closer at the same rows, without files.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from msgspec.structs import replace

from auditship_agent.config import DeliveryConfig
from auditship_agent.runner.reload import swap
from auditship_indexer.clock import iso_ms
from auditship_indexer.event.identity import DAY_MS
from auditship_indexer.opensearch import Connection
from support.bulk import BulkServer
from support.bulk_body import Refusal
from support.bulk_listener import Tls
from support.bulk_script import (
    CLOSED,
    FLOOD_STAGE,
    NO_PIPELINE,
    NO_SHARD,
    PIPELINE_FAILED,
    QUEUE_FULL,
    SHARD_LIMIT,
    WRITE_BLOCK,
    Behavior,
    bad_gateway,
    breaker,
    error_answer,
    forbidden,
    hold_reply,
    html_ok,
    lost_reply,
    plain,
    read_only,
    refuse_items,
    reset,
    serve,
    short,
    slow,
    too_many_requests,
    unauthorized,
    unavailable,
)
from support.certificates import Authority
from support.clock import START_MS
from support.site import MakeSite, Site

LONG_S: Final = 900.0
HOUR_S: Final = 3_600.0
FIELDS: Final = Refusal(400, "illegal_argument_exception", "Limit of total fields [1000] exceeded")
NEXT_DAY: Final = "2026.04.15"
SLOW: Final = DeliveryConfig(retry_max_s=30)  # as configured by default

# What the cluster says -> what health says of it meanwhile; empty: it is a matter of time alone.
OUTAGES: Final[dict[str, tuple[Behavior, str]]] = {
    "F43 429": (too_many_requests(), ""),
    "F43 Retry-After": (too_many_requests(retry_after_s=120), ""),
    "F43 breaker": (breaker(), ""),
    "F44 429 on each item": (refuse_items(QUEUE_FULL), ""),
    "F46 shard limit": (refuse_items(SHARD_LIMIT), "index"),
    "F46 too many fields": (refuse_items(FIELDS), "index"),
    "F46 pipeline removed": (refuse_items(NO_PIPELINE), "index"),
    "F46 pipeline fails": (refuse_items(PIPELINE_FAILED), "index"),
    "F46 400 of a proxy": (plain(400, b"bad request"), "held"),
    "F48 401": (unauthorized(), "held"),
    "F48 403": (forbidden(), "held"),
    "F49 flood stage": (refuse_items(FLOOD_STAGE), "nothing is stored"),
    "F49 read-only": (read_only(), "nothing is stored"),
    "F50 closed": (refuse_items(CLOSED), "index"),
    "F50 write block": (refuse_items(WRITE_BLOCK), "index"),
    "F51 502": (bad_gateway(), ""),
    "F51 503": (unavailable(), ""),
    "F51 no shard": (refuse_items(NO_SHARD), ""),
    "F51 reset": (reset(), ""),
}


@pytest.fixture
def slow_site(make_site: MakeSite) -> Site:
    """A site that waits between its tries as long as the defaults say."""
    return make_site(delivery=SLOW)


@pytest.mark.parametrize("name", OUTAGES)
def test_refused_for_long(slow_site: Site, name: str) -> None:
    """F43, F44, F46, F48 to F51: 15 minutes of refusals and a kill -9 lose nothing.

    Nothing is acknowledged meanwhile, a bad line behind it becomes no dead letter too many, health
    says why, and all goes on by itself.
    """
    site = slow_site
    refusal, told = OUTAGES[name]
    site.write(20)
    site.settle()
    acked = site.acked()
    site.server.otherwise = refusal
    site.write(20)
    site.append(b"no json\n")
    site.endure(LONG_S, step_s=15)

    assert len(site.events()) == 20
    assert site.acked() == acked
    assert any(told in reason for reason in site.health())
    assert bool(told) or not any("held" in reason for reason in site.health())
    assert len(site.letters()) == 1
    site.crash()
    site.start()
    site.endure(60, step_s=5)
    site.server.otherwise = serve()
    site.check_everything()
    assert len(site.events()) == 40
    assert not site.health()


def test_refused_for_a_day(slow_site: Site) -> None:
    """F42: 24 hours without a cluster, rotated meanwhile: no line is lost, and health says so."""
    site = slow_site
    site.write(10)
    site.settle()
    site.server.pause()
    for number in range(4):
        site.write(30)
        site.endure(6 * HOUR_S, step_s=300)
        site.rename("audit.log", f"audit.log.{4 - number}")
    assert any("the oldest line without outcome is 8" in reason for reason in site.health())
    assert site.names().count("host.ejected") <= 1 + 86_400 / 300
    site.server.resume()
    site.check_everything()
    assert len(site.events()) == 130
    assert not site.gaps()


def test_a_name_that_is_not_known(make_site: MakeSite, bulk_server: BulkServer) -> None:
    """F42: a DNS failure is waited for, too; here a reload with another name ends it."""
    nobody = Connection(hosts=("http://nobody.invalid:9",), allow_plain=True)
    site = make_site(opensearch=nobody, delivery=SLOW)
    site.write(10)
    site.endure(90, step_s=15)
    assert site.acked() == 0
    assert "host.ejected" in site.names()
    site.config = replace(site.config, opensearch=Connection(hosts=(bulk_server.address,)))
    swap(site.running, site.config)
    site.check_everything()
    assert len(site.events()) == 10


# -- F48, F50: rights and indices -------------------------------------------------------------


def test_a_password_that_is_renewed(
    make_site: MakeSite, bulk_server: BulkServer, tmp_path: Path
) -> None:
    """F48: held while the old one is refused; the file's new text ends it."""
    secret = tmp_path / "a password"
    secret.touch(0o600)
    secret.write_text("old\n", encoding="utf-8")
    bulk_server.credentials = ("shipper", "old")
    known = Connection(hosts=(bulk_server.address,), username="shipper", password_file=str(secret))
    site = make_site(opensearch=known, delivery=SLOW)
    site.write(10)
    site.settle()
    bulk_server.credentials = ("shipper", "new")
    site.write(10)
    site.endure(LONG_S, step_s=15)
    assert len(site.events()) == 10
    assert any("401" in reason for reason in site.health())
    secret.write_text("new\n", encoding="utf-8")
    site.check_everything()
    assert len(site.events()) == 20
    assert not site.letters()


@pytest.mark.parametrize("may", [True, False])
def test_a_day_that_was_not_made_ahead(slow_site: Site, *, may: bool) -> None:
    """F50: the agent makes it, with its creation date; where it may not, that day waits alone."""
    site = slow_site
    missing = site.index.replace("2026.04.14", NEXT_DAY)
    path = ("PUT", f"/{missing}")
    if not may:
        no = Refusal(403, "security_exception", "no permissions for [indices:admin/create]")
        site.server.fixed[path] = error_answer(no)
    for _ in range(5):
        site.append(site.line(time=iso_ms(START_MS + DAY_MS // 2)) + b"\n")
        site.append(site.line(time=iso_ms(START_MS + DAY_MS)) + b"\n")
    site.endure(600, step_s=10)
    assert len(site.server.documents[site.index]) == 5
    if not may:
        assert any("auditship setup" in reason for reason in site.health())
        assert len(site.events()) == 5
        del site.server.fixed[path]
        site.server.make_index(missing)
    site.check_everything()
    assert len(site.server.documents[missing]) == 5
    if may:
        made = site.server.cluster.indices[missing].settings
        assert int(made["creation_date"]) == START_MS // DAY_MS * DAY_MS + DAY_MS


# -- F55: three hosts -------------------------------------------------------------------------


@pytest.fixture
def others(bulk_server: BulkServer) -> Iterator[list[BulkServer]]:
    """Two more hosts of the same cluster."""
    with ExitStack() as stack:
        made = [stack.enter_context(BulkServer()) for _ in range(2)]
        for one in made:
            one.cluster = bulk_server.cluster
        yield made


FLAPPING: Final = [serve(), reset(), bad_gateway(), lost_reply(), html_ok(), short()]


@pytest.mark.parametrize("fault", ["dead", "slow", "flapping", "locked"])
def test_one_host_of_three(
    make_site: MakeSite, bulk_server: BulkServer, others: list[BulkServer], fault: str
) -> None:
    """F55: dead, slow, flapping or locked: the others carry all, each line is stored once."""
    ill = others[0]
    hosts = tuple(one.address for one in (bulk_server, *others))
    site = make_site(opensearch=Connection(hosts=hosts))
    gate = ill.gate()
    if fault == "dead":
        ill.pause()
    elif fault == "slow":
        ill.otherwise = hold_reply(gate)
    elif fault == "flapping":
        ill.script(*FLAPPING * 10)
    else:
        ill.otherwise = unauthorized()
    for _ in range(12):
        site.write(20)
        site.endure(2, step_s=0.5) if fault != "slow" else site.turn()
    if fault == "slow":
        site.until(lambda: len(site.events()) >= 200)
        gate.open()
    site.check_everything()
    assert len(site.events()) == 240
    assert not any("held" in reason for reason in site.health())
    if fault == "dead":
        ill.resume()
        site.clock.advance(60)
        site.write(200)
        site.check_everything()
        assert ill.bulks


# -- F56: TLS ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["expired", "wrong name", "new authority", "client"])
def test_certificates_that_are_renewed(tmp_path: Path, fault: str) -> None:
    """F56: held with the reason; the renewed files are read without a restart."""
    ours, other = Authority(tmp_path), Authority(tmp_path, "other CA")
    good = ours.sign(client_ca=ours.certificate)
    bad = {
        "expired": ours.sign(expired=True, client_ca=ours.certificate),
        "wrong name": ours.sign(names="DNS:elsewhere", client_ca=ours.certificate),
        "new authority": other.sign(client_ca=ours.certificate),
        "client": ours.sign(client_ca=other.certificate),
    }[fault]
    ca, client = tmp_path / "ca file", Tls(tmp_path / "client cert", tmp_path / "client key")
    ca.write_bytes(ours.certificate.read_bytes())
    _renew(client, ours.sign())
    with BulkServer(tls=good) as server, ExitStack() as stack:
        files = Connection(
            hosts=(server.address,),
            ca_file=str(ca),
            client_cert_file=str(client.certificate),
            client_key_file=str(client.key),
        )
        site = Site(tmp_path / "site", server, opensearch=files, delivery=SLOW)
        stack.callback(site.close)
        site.write(10)
        site.settle()
        server.renew(bad)
        server.pause()  # a certificate is shown to the next connection
        server.resume()
        site.write(10)
        site.endure(LONG_S, step_s=15)
        assert len(site.events()) == 10
        if fault != "client":  # TLS 1.3 tells of a refused client only after the handshake
            assert any("TLS" in reason for reason in site.health())
        if fault == "new authority":
            ca.write_bytes(other.certificate.read_bytes())
        elif fault == "client":
            _renew(client, other.sign())
        else:
            server.renew(good)
        site.check_everything()
        assert len(site.events()) == 20


def _renew(files: Tls, by: Tls) -> None:
    files.key.touch(0o600)
    files.certificate.write_bytes(by.certificate.read_bytes())
    files.key.write_bytes(by.key.read_bytes())


# -- F57: next to nothing gets in -------------------------------------------------------------


def test_a_document_a_request(make_site: MakeSite, bulk_server: BulkServer) -> None:
    """F57: a fast writer, a server of one document a request: progress, and flat memory."""
    config = DeliveryConfig(retry_max_s=0.05, gzip=False, max_buffer_bytes=2 * 2**20)
    site = make_site(delivery=config)
    bulk_server.otherwise = slow(1)
    most = 0
    site.look()
    for _ in range(30):
        site.write(100)
        site.turn()
        site._step()
        most = max(most, site.running.pipeline.delivery.buffered_bytes)
    assert 10 <= len(site.events()) < 100
    assert 2 * 2**20 <= most < 2 * 2**20 + 100_000
    tailer = site.held().tailer
    assert tailer is not None
    assert tailer.offset < site.path().stat().st_size, "the log is the buffer"
    bulk_server.otherwise = serve()
    site.check_everything()
    assert len(site.events()) == 3_000
