"""Foreign exceptions become ours: the type says what the caller does, the text what happened."""

import socket
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from opensearchpy import exceptions as foreign
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError

from auditship_indexer.errors import (
    AuditshipError,
    ClusterError,
    HoldError,
    RejectError,
    RetryError,
)
from auditship_indexer.opensearch import (
    Connection,
    addresses,
    asking,
    cluster_info,
    connect,
    error_of,
    translate,
)
from support.ism import serving


def reply(status: int, kind: str, reason: str = "") -> foreign.TransportError:
    body = {"error": {"type": kind, "reason": reason, "root_cause": []}, "status": status}
    error = foreign.HTTP_EXCEPTIONS.get(status, foreign.TransportError)(status, kind, body)
    assert isinstance(error, foreign.TransportError)
    return error


@pytest.mark.parametrize(
    ("error", "type_", "told"),
    [
        (reply(403, "security_exception", "no permissions for [x]"), HoldError, "no permissions"),
        (reply(403, "cluster_block_exception", "FORBIDDEN/13"), RetryError, "FORBIDDEN/13"),
        (reply(429, "rejected_execution_exception"), RetryError, "429"),
        (reply(400, "validation_exception", "this action would add [2] shards"), HoldError, "add"),
        (reply(400, "illegal_argument_exception", "pipeline with id [p]"), HoldError, "pipeline"),
        (reply(400, "illegal_argument_exception", "unknown setting"), RejectError, "unknown"),
        (reply(404, "index_not_found_exception", "no such index"), HoldError, "no such index"),
        (reply(409, "version_conflict_engine_exception"), RejectError, "version_conflict"),
        (reply(500, "fail_processor_exception"), HoldError, "fail_processor"),
        (foreign.AuthenticationException(401, "x", "Unauthorized"), HoldError, "password refused"),
        (foreign.TransportError(413, "", ""), RejectError, "413"),
        (foreign.TransportError(302, "", ""), HoldError, "302"),
        (foreign.TransportError(503, "", "<html>"), RetryError, "503"),
        (foreign.ConnectionTimeout("TIMEOUT", "read timed out", None), RetryError, "in time"),
        (foreign.SerializationError("x", None), ClusterError, "not that of OpenSearch"),
    ],
)
def test_the_servers_error_type_decides(
    error: foreign.OpenSearchException, type_: type[AuditshipError], told: str
) -> None:
    """Never the status alone: a 403 can be a full disk, a 400 a full cluster."""
    ours = translate(error, "sending", at=["https://os1:9200"])
    assert type(ours) is type_
    assert str(ours).startswith("sending: https://os1:9200: ")
    assert told in str(ours)


@pytest.mark.parametrize(
    ("cause", "hint"),
    [
        ("certificate verify failed: unable to get local issuer certificate", "ca_file"),
        ("certificate verify failed: self-signed certificate in chain", "ca_file"),
        ("certificate verify failed: certificate has expired", "renew"),
        ("certificate verify failed: Hostname mismatch, not valid for 'os1'", "another host"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", "plain http"),
    ],
)
def test_tls_failures_need_a_person_and_say_what_to_do(cause: str, hint: str) -> None:
    """A wrong CA, name or date is held; the hint names the remedy."""
    ours = translate(foreign.SSLError("N/A", cause, None), "sending", at=["https://os1:9200"])
    assert isinstance(ours, HoldError)
    assert cause in str(ours)
    assert hint in (ours.hint or "")


def test_a_reason_that_may_quote_a_document_is_left_out() -> None:
    """Parse errors quote what was sent; their reason never reaches a log."""
    ours = translate(reply(400, "parse_exception", "secret-name.pdf"), "sending")
    assert "secret" not in str(ours)


def test_a_plain_string_is_a_reason_without_a_type() -> None:
    """An unknown path answers with a string instead of an error object."""
    error = foreign.RequestError(400, "x", {"error": "no handler found for uri [/x]"})
    assert error_of(error) == ("", "no handler found for uri [/x]")


def test_a_refused_connection_names_the_address_and_the_way_out() -> None:
    """Which address, is it running, how to start one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(RetryError, match=f"{address}: connection refused") as caught:
        cluster_info(connect(Connection(hosts=(address,))))
    assert "auditship up" in (caught.value.hint or "")


def test_https_to_a_plain_server_is_a_tls_failure() -> None:
    """The scheme in `hosts` is wrong: held, with a hint, not retried blindly."""
    with serving(_Plain) as address, pytest.raises(HoldError, match="TLS") as caught:
        cluster_info(connect(Connection(hosts=(address.replace("http:", "https:"),))))
    assert "plain http" in (caught.value.hint or "")


class _Plain(BaseHTTPRequestHandler):
    """Answers everything with `body`."""

    content_type = "application/json"
    body: Any = b"{}"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", self.content_type)
        self.send_header("content-length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


class _Html(_Plain):
    content_type = "text/html"
    body = b"<html>nginx</html>"


class _Nameless(_Plain):
    body = b'{"version": {"number": "next"}}'


@pytest.mark.parametrize(
    ("handler", "told"),
    [(_Html, "not that of OpenSearch"), (_Plain, "not as OpenSearch"), (_Nameless, "no number")],
)
def test_another_service_is_not_taken_for_a_cluster(
    handler: type[BaseHTTPRequestHandler], told: str
) -> None:
    """HTML, foreign JSON and a version that is no number: no usable answer."""
    with serving(handler) as address, pytest.raises(ClusterError, match=told):
        cluster_info(connect(Connection(hosts=(address,))))


@pytest.fixture
def nobody() -> Connection:
    """A connection to a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    return Connection(hosts=(f"http://127.0.0.1:{port}",))


def test_asking_keeps_the_original_as_the_cause(nobody: Connection) -> None:
    """Whoever debugs sees both errors."""
    client = connect(nobody)
    with pytest.raises(RetryError) as caught, asking(client, "reading"):
        client.info()
    assert isinstance(caught.value.__cause__, foreign.ConnectionError)


def test_without_an_address_the_exception_tells_it(nobody: Connection) -> None:
    """`translate` alone still says where, from what urllib3 knows."""
    with pytest.raises(foreign.ConnectionError) as caught:
        connect(nobody).info()
    port = nobody.hosts[0].rpartition(":")[2]
    assert f"127.0.0.1:{port}" in str(translate(caught.value, "reading"))


def test_a_host_with_an_ipv6_address_is_named_alone() -> None:
    """Its brackets are in the address that is told, and not in what urllib3 keeps."""
    wire = HTTPConnection("::1", 9200)
    error = foreign.ConnectionError("N/A", "refused", NewConnectionError(wire, "refused"))
    ours = translate(error, "reading", at=["http://[::1]:9200", "http://os2:9200"])
    assert str(ours).startswith("reading: http://[::1]:9200: ")


def test_of_several_hosts_the_one_that_failed_is_named() -> None:
    """A message about one broken host does not accuse the others."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        ports = [taken.getsockname()[1] for taken in (one, two)]
    hosts = tuple(f"http://127.0.0.1:{port}" for port in ports)
    client = connect(Connection(hosts=hosts))
    assert addresses(client) == ", ".join(hosts)
    failed = set()
    for _ in hosts:
        with pytest.raises(RetryError) as caught:
            cluster_info(client)
        failed |= {host for host in hosts if f"{host}: connection refused" in str(caught.value)}
        assert addresses(client) == ", ".join(hosts)
    assert failed == set(hosts)


def test_an_address_is_told_as_it_was_written() -> None:
    """Scheme, brackets and path included."""
    connection = Connection(hosts=("https://[::1]:9200/search",))
    assert addresses(connect(connection)) == "https://[::1]:9200/search"
