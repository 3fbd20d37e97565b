"""Hosts and cluster that fail: F42, F43, F48, F55, F56 of the fault matrix, and the window."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from auditship_agent.config import DeliveryConfig
from auditship_agent.deliver.hosts import Hosts
from auditship_indexer.opensearch import Connection
from support.bulk import BulkServer
from support.bulk_body import Refusal
from support.bulk_listener import Tls
from support.bulk_script import (
    Behavior,
    bad_gateway,
    breaker,
    forbidden,
    hold_reply,
    hold_request,
    html_ok,
    plain,
    read_only,
    redirect,
    refuse,
    reset,
    serve,
    short,
    too_many_requests,
    unauthorized,
    unavailable,
)
from support.certificates import Authority
from support.shipping import INDEX, Shipping


@pytest.fixture
def server(bulk_server: BulkServer) -> BulkServer:
    """A cluster with the index of the day."""
    bulk_server.make_index(INDEX)
    return bulk_server


@pytest.fixture
def three() -> Iterator[list[BulkServer]]:
    """Three hosts of one cluster."""
    with ExitStack() as stack:
        servers = [stack.enter_context(BulkServer()) for _ in range(3)]
        for other in servers[1:]:
            other.cluster = servers[0].cluster
        servers[0].make_index(INDEX)
        yield servers


# -- F42: nobody is there ------------------------------------------------------------------


def test_refused_for_a_day(server: BulkServer) -> None:
    """F42: 24 hours without a cluster; a request a pause, memory as configured, nothing lost."""
    config = DeliveryConfig(max_buffer_bytes=2 * 2**20, retry_max_s=300)
    with Shipping(server.address, config=config) as ship:
        server.pause()
        begin = ship.clock.monotonic()
        ship.write_while_room(2_000, fill=300)
        bodies = ship.delivery.pending
        while ship.clock.monotonic() - begin < 86_400:
            ship.write_while_room(2_000, fill=300)
            ship.step()
        assert 2 * 2**20 <= ship.high_water < 2 * 2**20 + 2_000 * 300
        assert ship.delivery.flow.window == 1
        told = ship.events("host.ejected")
        assert len(told) <= 1 + 86_400 / 60
        assert sum(1 + line.get("left_out", 0) for line in told) >= 86_400 / 300
        assert ship.delivery.pending == bodies, "an outage does not shatter bodies"
        server.resume()
        ship.run()
        ship.check_everything(server.documents)
        assert len(server.bulks) == bodies
        assert ship.events("host.back")


def test_name_that_is_not_known(server: BulkServer) -> None:
    """F42: a DNS failure is an outage, too."""
    connection = Connection(hosts=("http://nobody.invalid:9",), allow_plain=True)
    with Shipping(connection=connection) as ship:
        ship.write(3)
        ship.run_for(120)
        assert not ship.delivery.flow.hold
        assert ship.events("host.ejected")
        assert not server.requests


def test_wait_for_a_reply_is_bounded(server: BulkServer) -> None:
    """F51: a timeout leaves the outcome unknown and halves the body."""
    gate = server.gate()
    server.script(hold_request(gate))
    with Shipping(server.address, config=DeliveryConfig(timeout_s=0.3)) as ship:
        ship.write(6)
        ship.run(lambda: bool(ship.events("host.ejected")))
        gate.open()
        ship.run()
        ship.check_everything(server.documents)
        sizes = sorted(len(server.actions(bulk)) for bulk in server.bulks)
        assert sizes == [3, 3, 6]
        assert ship.metrics.retries.labels("timeout")._value.get() == 1


# -- F43: too much to do -------------------------------------------------------------------


@pytest.mark.parametrize(
    "busy",
    [
        too_many_requests(),
        breaker(),
        unavailable(),
        bad_gateway(),
        plain(503, b"OpenSearch Security not initialized."),
        plain(408, b""),
        plain(500, b""),
        refuse(Refusal(503, "process_cluster_event_timeout_exception", "failed")),
    ],
    ids=["429", "breaker", "no manager", "502", "starting", "408", "500", "event timeout"],
)
def test_request_refused_for_a_while(server: BulkServer, busy: Behavior) -> None:
    """F43: 1, 2, 4 s; then all are stored, with the bytes of the first try."""
    server.script(busy, busy, busy)
    with Shipping(server.address) as ship:
        ship.write(5)
        begin = ship.clock.monotonic()
        ship.run()
        ship.check_everything(server.documents)
        assert ship.clock.monotonic() - begin == 1 + 2 + 4
        assert len({bulk.raw for bulk in server.bulks}) == 1
        assert len(server.bulks) == 4
        assert not ship.delivery.flow.hold


def test_retry_after_is_honored(server: BulkServer) -> None:
    """F43: the server's own wish, also where it is longer than our longest pause."""
    server.script(too_many_requests(retry_after_s=77))
    with Shipping(server.address) as ship:
        ship.write(5)
        begin = ship.clock.monotonic()
        ship.run()
        assert ship.clock.monotonic() - begin == 77


def test_window_follows_the_server(server: BulkServer) -> None:
    """F43: it opens while replies are clean, is halved by a 429, and opens again."""
    config = DeliveryConfig(max_in_flight=4)
    with Shipping(server.address, config=config) as ship:
        widths = []
        for _ in range(3):
            for _ in range(20):
                ship.write(1)
            server.script(*[serve()] * 15, too_many_requests())
            while ship.delivery.pending:
                ship.step()
                widths.append(ship.delivery.flow.window)
        ship.check_everything(server.documents)
        assert max(widths) == 4
        assert widths[-1] > 1
        assert ship.metrics.requests.labels("retry")._value.get() == 3


def test_several_requests_in_flight(server: BulkServer) -> None:
    """As many requests are under way as the window is wide, never more."""
    config = DeliveryConfig(max_in_flight=3)
    with Shipping(server.address, config=config) as ship:
        for _ in range(6):
            ship.write(1)
        ship.run()
        gate = server.gate()
        server.script(*[hold_reply(gate)] * 3)
        for _ in range(5):
            ship.write(1)
        ship.poll()
        gate.wait_for_arrivals(3)
        assert (ship.delivery.in_flight, ship.delivery.next_due()) == (3, None)
        gate.open()
        ship.run()
        ship.check_everything(server.documents)


def test_cluster_that_is_read_only(server: BulkServer) -> None:
    """F49: a block of the whole cluster is retried and told as an error; no hold, no loss."""
    server.otherwise = read_only()
    with Shipping(server.address) as ship:
        ship.write(5)
        ship.run_for(300)
        assert "FORBIDDEN/13" in ship.delivery.alarm
        assert {line["level"] for line in ship.events("bulk.retry")} == {"error"}
        server.otherwise = serve()
        ship.run()
        ship.check_everything(server.documents)
        assert not ship.delivery.alarm


# -- F48: nobody lets us in ----------------------------------------------------------------


@pytest.mark.parametrize(
    "closed_door",
    [
        unauthorized(),
        forbidden(),
        redirect("http://127.0.0.1:1/"),
        plain(404, b"<html>"),
        plain(406, b'{"error":"Content-Type header is not supported"}'),
        plain(400, b"The plain HTTP request was sent to HTTPS port"),
        plain(405, b""),
    ],
    ids=["401", "403", "302", "404", "406", "400 of a proxy", "405"],
)
def test_hold_of_everything(server: BulkServer, closed_door: Behavior) -> None:
    """F48: one probe each 30 s, told as an error, nothing dropped; it ends by itself."""
    server.otherwise = closed_door
    with Shipping(server.address) as ship:
        for _ in range(4):
            ship.write(5)
        ship.run(lambda: bool(ship.delivery.flow.hold))
        before = len(server.bulks)
        ship.run_for(3_000)
        assert 99 <= len(server.bulks) - before <= 101
        assert ship.delivery.flow.window == 1
        assert ship.metrics.held.labels("cluster")._value.get() == 1
        assert server.address in ship.events("bulk.held")[0]["why"]
        assert not ship.dead
        server.otherwise = serve()
        ship.run()
        ship.check_everything(server.documents)
        assert not ship.delivery.flow.hold
        assert ship.metrics.held.labels("cluster")._value.get() == 0
        assert ship.events("bulk.resumed")


def with_password(server: BulkServer, folder: Path, password: str) -> tuple[Connection, Path]:
    file = folder / "a password"
    file.write_text(password + "\n", encoding="utf-8")
    file.chmod(0o600)
    connection = Connection(hosts=(server.address,), username="shipper", password_file=str(file))
    return connection, file


def test_rotated_password_is_picked_up(server: BulkServer, tmp_path: Path) -> None:
    """F48: a hold while the old one is refused; the new file ends it, without a restart."""
    server.credentials = ("shipper", "old")
    connection, file = with_password(server, tmp_path, "old")
    with Shipping(connection=connection) as ship:
        ship.write(5)
        ship.run()
        server.credentials = ("shipper", "new")
        ship.write(5)
        ship.run(lambda: bool(ship.delivery.flow.hold))
        ship.run_for(100)
        file.write_text("new\n", encoding="utf-8")
        ship.run()
        ship.check_everything(server.documents)


def test_password_file_that_is_gone_for_a_while(server: BulkServer, tmp_path: Path) -> None:
    """F48: a secret that cannot be read is a hold with its own words."""
    server.credentials = ("shipper", "old")
    connection, file = with_password(server, tmp_path, "old")
    with Shipping(connection=connection) as ship:
        file.rename(tmp_path / "away")
        ship.write(5)
        ship.poll()
        assert "password_file" in ship.delivery.flow.hold
        ship.run_for(100)
        assert not server.bulks
        (tmp_path / "away").rename(file)
        ship.run()
        ship.check_everything(server.documents)


def test_secret_is_gone_when_a_day_is_to_be_made(bulk_server: BulkServer, tmp_path: Path) -> None:
    """F48, F50: the day is asked for as soon as the secret is back."""
    connection, file = with_password(bulk_server, tmp_path, "old")
    with Shipping(connection=connection) as ship:
        ship.write(5)
        ship.poll()
        bulk_server.wait_for(lambda: len(bulk_server.bulks) == 1)
        file.rename(tmp_path / "away")
        ship.hosts.renew()
        ship.run_for(100)
        assert "password_file" in ship.delivery.flow.hold
        (tmp_path / "away").rename(file)
        ship.run()
        ship.check_everything(bulk_server.documents)


def test_hold_with_several_requests_under_way(server: BulkServer) -> None:
    """A refused and a good reply in any order: nothing is lost, the good one ends the hold."""
    with Shipping(server.address) as ship:
        for _ in range(3):
            ship.write(1)
        ship.run()
        assert ship.delivery.flow.window == 2
        for first, second in ((unauthorized(), serve()), (serve(), unauthorized())):
            gates = [server.gate(), server.gate()]
            server.script(hold_request(gates[0], first), hold_request(gates[1], second))
            ship.write(4)
            ship.write(4)
            ship.poll()
            gates[0].wait_for_arrivals(1)
            gates[1].wait_for_arrivals(1)
            gates[0].open()
            ship.step()
            ship.hosts.renew()  # as a probe does; the other request is still under way
            gates[1].open()
            ship.run()
        ship.check_everything(server.documents)


def test_reload_with_requests_under_way(server: BulkServer) -> None:
    """F60: other hosts and limits from the next request on; what is under way is settled."""
    gate = server.gate()
    server.script(hold_reply(gate))
    with Shipping(server.address) as ship, BulkServer() as other:
        other.cluster = server.cluster
        ship.write(5)
        ship.poll()
        gate.wait_for_arrivals(1)
        old = ship.hosts
        ship.hosts = Hosts((other.address,), ship._channel)
        ship.delivery.reconfigure(DeliveryConfig(max_in_flight=4), ship.hosts)
        for _ in range(12):
            ship.write(5)
        ship.poll()
        gate.open()
        ship.run(lambda: not any(host.users for host in old._hosts))
        ship.run()
        ship.check_everything(server.documents)
        assert counts([server, other]) == [1, 12]
        assert ship.delivery.flow.window == 4
        ship.delivery.reconfigure(DeliveryConfig(max_in_flight=1), ship.hosts)
        assert ship.delivery.flow.window == 1


def test_reload_ends_a_hold(server: BulkServer) -> None:
    """F60: other settings may be what it waited for: they are tried at once."""
    server.script(unauthorized())
    with Shipping(server.address) as ship:
        ship.write(5)
        ship.run(lambda: bool(ship.delivery.flow.hold))
        begin = ship.clock.monotonic()
        ship.hosts = Hosts((server.address,), ship._channel)
        ship.delivery.reconfigure(DeliveryConfig(), ship.hosts)
        ship.run()
        assert ship.clock.monotonic() == begin
        ship.check_everything(server.documents)


def test_stop_with_requests_under_way(server: BulkServer) -> None:
    """F59: replies that come while the agent drains are taken; threads and connections end."""
    gate = server.gate()
    server.script(hold_reply(gate))
    ship = Shipping(server.address)
    ship.write(5)
    ship.poll()
    gate.wait_for_arrivals(1)
    assert not ship.delivery.close(), "a request is under way"
    gate.open()
    assert ship.delivery.close(10.0)
    ship.poll()
    ship.check_everything(server.documents)


def test_bug_of_a_sender_is_not_silent(server: BulkServer) -> None:
    """What no fault explains ends the agent, with its traceback."""
    with Shipping(server.address) as ship:
        use = ship.hosts.choose(0.0)
        ship.senders.send(use, None)  # type: ignore[arg-type]  # the bug
        with pytest.raises(AttributeError):
            ship.run(lambda: False)
        ship.hosts.done(use)


# -- F55: one of three hosts ---------------------------------------------------------------


def counts(servers: list[BulkServer]) -> list[int]:
    return [len(server.bulks) for server in servers]


def test_one_host_dead(three: list[BulkServer]) -> None:
    """F55: ejected and probed, the others carry on without a pause; back when it is well."""
    with Shipping(*(one.address for one in three)) as ship:
        three[1].pause()
        begin = ship.clock.monotonic()
        for _ in range(30):
            ship.write(1)
        ship.run()
        assert ship.clock.monotonic() == begin, "nobody waited"
        assert min(counts([three[0], three[2]])) >= 10
        three[1].resume()
        ship.clock.advance(60)
        for _ in range(9):
            ship.write(1)
        ship.run()
        assert counts(three)[1] >= 2
        ship.check_everything(three[0].documents)
        assert ship.events("host.back")


def test_one_host_slow(three: list[BulkServer]) -> None:
    """F55: it holds the one request that it has, while the others do the work."""
    gate = three[0].gate()
    with Shipping(*(one.address for one in three)) as ship:
        for _ in range(6):
            ship.write(1)
        ship.run()
        before = len(three[0].bulks)
        three[0].otherwise = hold_reply(gate)
        for _ in range(40):
            ship.write(1)
        ship.run(lambda: ship.delivery.pending == 1)
        gate.wait_for_arrivals(1)
        assert len(three[0].bulks) == before + 1
        gate.open()
        ship.run()
        ship.check_everything(three[0].documents)


def test_one_host_flapping(three: list[BulkServer]) -> None:
    """F55: every second request lost, in every way: each line is stored once all the same."""
    three[2].script(*[serve(), reset(), bad_gateway(), serve(), html_ok(), short()] * 20)
    with Shipping(*(one.address for one in three)) as ship:
        for _ in range(60):
            ship.write(3)
            ship.step()
            ship.clock.advance(2)
        ship.run()
        ship.check_everything(three[0].documents)
        assert counts(three)[2] > 6


@pytest.mark.parametrize("closed_door", [unauthorized(), plain(404, b"")], ids=["401", "404"])
def test_one_host_does_not_let_us_in(three: list[BulkServer], closed_door: Behavior) -> None:
    """F55: a person is needed for that one; the others carry on, nothing holds."""
    three[0].otherwise = closed_door
    with Shipping(*(one.address for one in three)) as ship:
        for _ in range(30):
            ship.write(1)
        ship.run()
        ship.check_everything(three[0].documents)
        assert not ship.delivery.flow.hold
        assert {line["level"] for line in ship.events("host.ejected")} == {"error"}


def test_no_host_lets_us_in(three: list[BulkServer]) -> None:
    """F55: when the last one refuses, everything holds; the first that is mended ends it."""
    for one in three:
        one.otherwise = unauthorized()
    with Shipping(*(one.address for one in three)) as ship:
        ship.write(5)
        ship.run(lambda: bool(ship.delivery.flow.hold))
        assert counts(three) == [1, 1, 1]
        three[1].otherwise = serve()
        ship.run()
        ship.check_everything(three[0].documents)


def test_three_bad_replies_eject_a_host(three: list[BulkServer]) -> None:
    """F52, F55: a portal that answers 200 to everything is set aside."""
    three[0].otherwise = html_ok()
    with Shipping(*(one.address for one in three)) as ship:
        for _ in range(30):
            ship.write(1)
        ship.run()
        ship.check_everything(three[0].documents)
        assert len(three[0].bulks) == 3
        assert ship.events("host.ejected")


# -- F56: TLS ------------------------------------------------------------------------------


class Site:
    """A server with TLS whose certificates a test may replace, and its clients' settings."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.other = Authority(folder, "other CA")
        self.folder = folder
        self.server = BulkServer(tls=self.authority.sign())
        self.server.make_index(INDEX)

    def connection(self, client: Tls | None = None) -> Connection:
        ca = self.folder / "ca file.pem"
        ca.write_bytes(self.authority.certificate.read_bytes())
        return Connection(
            hosts=(self.server.address,),
            ca_file=str(ca),
            client_cert_file=str(client.certificate) if client else None,
            client_key_file=str(client.key) if client else None,
        )


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A server with TLS."""
    made = Site(tmp_path)
    with made.server:
        yield made


def cut_connections(server: BulkServer) -> None:
    """End the connections that there are: a certificate is shown to the next one."""
    server.pause()
    server.resume()


@pytest.mark.parametrize("fault", ["expired", "wrong name", "other CA"])
def test_certificate_of_the_server(site: Site, fault: str) -> None:
    """F56: a hold with the reason; the certificate renewed, all are stored."""
    bad = {
        "expired": site.authority.sign(expired=True),
        "wrong name": site.authority.sign(names="DNS:elsewhere"),
        "other CA": site.other.sign(),
    }[fault]
    with Shipping(connection=site.connection()) as ship:
        ship.write(5)
        ship.run()
        site.server.renew(bad)
        cut_connections(site.server)
        ship.write(5)
        ship.run(lambda: bool(ship.delivery.flow.hold))
        assert "TLS" in ship.delivery.flow.hold
        ship.run_for(90)
        site.server.renew(site.authority.sign())
        ship.run()
        ship.check_everything(site.server.documents)
        assert ship.metrics.retries.labels("tls")._value.get() >= 3


def test_new_authority(site: Site) -> None:
    """F56: the CA file is read again, so a new CA needs no restart."""
    connection = site.connection()
    with Shipping(connection=connection) as ship:
        site.server.renew(site.other.sign())
        ship.write(5)
        ship.run(lambda: bool(ship.delivery.flow.hold))
        assert connection.ca_file is not None
        Path(connection.ca_file).write_bytes(site.other.certificate.read_bytes())
        ship.run()
        ship.check_everything(site.server.documents)


def test_renewed_client_certificate(site: Site) -> None:
    """F56: a refused client certificate is a hold; the renewed files are read again."""
    signed = site.authority.sign(client_ca=site.authority.certificate)
    site.server.renew(signed)
    bad, good = site.other.sign(), site.authority.sign()
    certificate, key = site.folder / "client cert.pem", site.folder / "client key.pem"
    certificate.write_bytes(bad.certificate.read_bytes())
    key.touch(0o600)
    key.write_bytes(bad.key.read_bytes())
    with Shipping(connection=site.connection(Tls(certificate, key))) as ship:
        ship.write(5)
        ship.run_for(100)
        assert not site.server.documents[INDEX]
        certificate.write_bytes(good.certificate.read_bytes())
        key.write_bytes(good.key.read_bytes())
        ship.run()
        ship.check_everything(site.server.documents)


@contextmanager
def cutting(port: int) -> Iterator[None]:
    """Listen there, and close each connection after its first bytes."""
    with socket.create_server(("127.0.0.1", port)) as listener:

        def cut() -> None:
            with suppress(OSError):  # the listener was shut down
                while True:
                    connection, _ = listener.accept()
                    connection.recv(100)
                    connection.shutdown(socket.SHUT_RDWR)
                    connection.close()

        thread = threading.Thread(target=cut)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_connection_cut_in_the_handshake(site: Site) -> None:
    """F56: a balancer that has no server behind it is an outage, nobody's hold."""
    with Shipping(connection=site.connection()) as ship:
        site.server.pause()
        port = int(site.server.address.rpartition(":")[2])
        with cutting(port):
            ship.write(5)
            ship.run(lambda: bool(ship.events("host.ejected")), steps=100)
            assert not ship.delivery.flow.hold
        site.server.resume()
        ship.run()
        ship.check_everything(site.server.documents)


def test_cluster_that_never_saw_the_templates(server: BulkServer) -> None:
    """F50: an index that could be changed later is not made; after `auditship setup` all flows."""
    server.cluster.templated = False
    with Shipping(server.address) as ship:
        ship.write(5)
        ship.run_for(100)
        assert "auditship setup" in ship.delivery.held[INDEX]
        assert server.bulks == []
        server.cluster.templated = True
        ship.run()
        ship.check_everything(server.documents)
        assert not ship.delivery.held
