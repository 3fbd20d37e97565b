"""Settings of the connection: what is refused, and where secrets come from."""

from base64 import b64decode
from pathlib import Path

import msgspec
import pytest

from auditship_indexer.errors import ConfigError
from auditship_indexer.opensearch import Connection, client_of_host, connect
from auditship_indexer.opensearch.connection import authorization, node_of

LOCAL = ("http://127.0.0.1:9200",)


def password_file(folder: Path, text: str = "s3cret\n", mode: int = 0o640) -> str:
    path = folder / "a password"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return str(path)


def pair(header: str | None) -> str:
    assert header is not None
    return b64decode(header.removeprefix("Basic ")).decode()


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("127.0.0.1:9200", "not an http"),
        ("ftp://os1", "not an http"),
        ("https://", "not an http"),
        ("https://os1:70000", "port up to 65535"),
        ("https://os1/?x=1", "more than scheme"),
        ("https://admin:pw@os1", "no user name or password in an address"),
        ("http://os1:9200", "unencrypted"),
        ("http://10.0.0.1:9200", "unencrypted"),
    ],
)
def test_addresses_that_would_leak_or_fail_are_refused(host: str, told: str) -> None:
    """A wrong address is told when settings are read; a password in it is never repeated."""
    with pytest.raises(ValueError, match=told) as caught:
        Connection(hosts=(host,))
    assert "pw" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize("host", ["http://localhost:9200", "http://127.1.2.3", "http://[::1]:9200"])
def test_plain_http_is_allowed_on_this_machine(host: str) -> None:
    """Loopback needs no encryption."""
    assert Connection(hosts=(host,)).hosts == (host,)


def test_plain_http_over_a_network_needs_a_word() -> None:
    """`allow_plain` is the operator's signature."""
    assert Connection(hosts=("http://os1:9200",), allow_plain=True).allow_plain


@pytest.mark.parametrize(
    "settings",
    [
        {"hosts": []},
        {"hosts": LOCAL, "client_cert_file": "c.pem"},
        {"hosts": LOCAL, "client_key_file": "k.pem"},
        {"hosts": LOCAL, "password_file": "p"},
        {"hosts": LOCAL, "password": "in the file itself"},
    ],
)
def test_halves_and_secrets_in_the_file_are_refused(settings: dict[str, object]) -> None:
    """Half a pair, no host, a password in the configuration: told as a mistake of the section."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(settings, Connection)


def test_a_host_becomes_the_clients_own_form() -> None:
    """Without a port: 9200 for http, 443 for https; a path stays, IPv6 loses its brackets."""
    assert node_of("https://os1/search/") == {
        "host": "os1",
        "port": 443,
        "use_ssl": True,
        "url_prefix": "search",
    }
    assert node_of("http://[::1]")["host"] == "::1"
    assert node_of("http://[::1]")["port"] == 9200


def test_the_password_comes_from_the_environment_first(tmp_path: Path) -> None:
    """The variable wins over the file; both may hold any text."""
    connection = Connection(hosts=LOCAL, username="a", password_file=password_file(tmp_path))
    assert pair(authorization(connection, {})) == "a:s3cret"
    environ = {"AUDITSHIP_OPENSEARCH_PASSWORD": "ünï:code"}
    assert pair(authorization(connection, environ)) == "a:ünï:code"


def test_the_password_may_be_a_systemd_credential(tmp_path: Path) -> None:
    """`LoadCredential=opensearch-password:…` is enough."""
    path = Path(password_file(tmp_path, mode=0o400)).rename(tmp_path / "opensearch-password")
    environ = {"CREDENTIALS_DIRECTORY": str(path.parent)}
    assert pair(authorization(Connection(hosts=LOCAL, username="a"), environ)) == "a:s3cret"


def test_no_user_means_no_header() -> None:
    """An open cluster gets no credentials, whatever the environment holds."""
    environ = {"AUDITSHIP_OPENSEARCH_PASSWORD": "x"}
    assert authorization(Connection(hosts=LOCAL), environ) is None


@pytest.mark.parametrize("mode", [0o644, 0o602])
def test_a_secret_that_everybody_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """A password file open to all is no secret: the message names the mode and the remedy."""
    connection = Connection(
        hosts=LOCAL, username="a", password_file=password_file(tmp_path, mode=mode)
    )
    with pytest.raises(ConfigError, match=f"{mode:04o}") as caught:
        connect(connection, environ={})
    assert caught.value.hint == f"chmod o-rwx '{tmp_path / 'a password'}'"


def test_missing_and_empty_secrets_are_told(tmp_path: Path) -> None:
    """No password, an absent file, an empty file, an absent CA: each names its setting."""
    with pytest.raises(ConfigError, match="there is no password"):
        connect(Connection(hosts=LOCAL, username="a"), environ={})
    gone = Connection(hosts=LOCAL, username="a", password_file=str(tmp_path / "gone"))
    with pytest.raises(ConfigError, match=r"opensearch\.password_file: .*cannot be read"):
        connect(gone, environ={})
    empty = Connection(hosts=LOCAL, username="a", password_file=password_file(tmp_path, "\n"))
    with pytest.raises(ConfigError, match="is empty"):
        connect(empty, environ={})
    with pytest.raises(ConfigError, match=r"opensearch\.ca_file"):
        connect(Connection(hosts=LOCAL, ca_file=str(tmp_path / "gone")), environ={})


def test_a_key_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    """The key of a client certificate is a secret as well."""
    cert, key = tmp_path / "c.pem", tmp_path / "k.pem"
    cert.touch()
    key.touch()
    key.chmod(0o644)
    connection = Connection(hosts=LOCAL, client_cert_file=str(cert), client_key_file=str(key))
    with pytest.raises(ConfigError, match="client_key_file"):
        connect(connection)


def test_a_client_of_one_host_knows_no_other() -> None:
    """A sender that rotates hosts by itself gets a client for each."""
    connection = Connection(hosts=("http://127.0.0.1:1", "http://127.0.0.1:2"))
    client = client_of_host(connection, "http://127.0.0.1:2")
    assert [c.host for c in client.transport.connection_pool.connections] == ["http://127.0.0.1:2"]
