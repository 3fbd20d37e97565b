"""How to reach the cluster: the settings `opensearch.*` of both programs, and their secrets.

The Struct holds names of files, never a secret. Secrets are read when a client is built, so that
a renewed password or certificate is met by building the client again.
"""

import ipaddress
import os
import stat
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from auditship_indexer.errors import ConfigError

PASSWORD_VARIABLE: Final = "AUDITSHIP_OPENSEARCH_PASSWORD"  # noqa: S105 - a name, not a secret
PASSWORD_CREDENTIAL: Final = "opensearch-password"  # noqa: S105 - a file name, not a secret
_PORTS: Final = {"http": 9200, "https": 443}


class Connection(Struct, frozen=True, forbid_unknown_fields=True):
    """Addresses and identity for one cluster (`opensearch.*` of either configuration file).

    The password stands in `password_file`, in the variable `AUDITSHIP_OPENSEARCH_PASSWORD` (which
    wins) or in the systemd credential `opensearch-password`; never here.

    Raises:
        ValueError: an address is no http(s) address, plain http leaves this machine without
            `allow_plain`, or one half of a pair is missing.
    """

    hosts: tuple[str, ...]
    username: str | None = None
    password_file: str | None = None
    client_cert_file: str | None = None
    client_key_file: str | None = None
    ca_file: str | None = None
    allow_plain: bool = False

    def __post_init__(self) -> None:
        if not self.hosts:
            raise ValueError("hosts: at least one address is needed, as http://127.0.0.1:9200")
        for host in self.hosts:
            self._check_address(host)
        if (self.client_cert_file is None) != (self.client_key_file is None):
            raise ValueError("client_cert_file and client_key_file: both or none")
        if self.password_file is not None and self.username is None:
            raise ValueError("password_file is set without username")

    def _check_address(self, host: str) -> None:
        address = _split(host)
        if address.scheme == "http" and not (self.allow_plain or _is_loopback(address.hostname)):
            raise ValueError(
                f"hosts: {host} would send the log unencrypted over the network: "
                "use https, or set allow_plain: true"
            )


def _split(host: str) -> SplitResult:
    """Take an address apart. Never quotes one that holds a password."""
    try:
        address = urlsplit(host)
        port = address.port
    except ValueError as error:
        raise ValueError("hosts: not an http(s) address with a port up to 65535") from error
    if address.username is not None or address.password is not None:
        raise ValueError(
            "hosts: no user name or password in an address; use username, password_file"
        )
    if address.scheme not in _PORTS or not address.hostname or port == 0:
        raise ValueError(f"hosts: {host!r} is not an http(s) address, as https://os1:9200")
    if address.query or address.fragment:
        raise ValueError(f"hosts: {host!r} has more than scheme, host, port and path")
    return address


def _is_loopback(name: str | None) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name or "").is_loopback
    except ValueError:
        return False


def node_of(host: str) -> dict[str, Any]:
    """Return one address in the client's own form. Without a port: 9200 for http, 443 for https."""
    address = _split(host)
    return {
        "host": address.hostname,
        "port": address.port or _PORTS[address.scheme],
        "use_ssl": address.scheme == "https",
        "url_prefix": address.path.strip("/"),
    }


def authorization(connection: Connection, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the value of the `Authorization` header (RFC 7617, UTF-8), or None without a user.

    Raises:
        ConfigError: a user without a password, or a password file that is missing or open to all.
    """
    if connection.username is None:
        return None
    password = environ.get(PASSWORD_VARIABLE) or _password(connection, environ)
    pair = f"{connection.username}:{password}".encode()
    return f"Basic {b64encode(pair).decode('ascii')}"


def _password(connection: Connection, environ: Mapping[str, str]) -> str:
    if connection.password_file is not None:
        return _secret("opensearch.password_file", Path(connection.password_file))
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if folder and (path := Path(folder, PASSWORD_CREDENTIAL)).exists():
        return _secret("the systemd credential", path)
    raise ConfigError(
        f"opensearch.username is {connection.username}, but there is no password",
        hint=f"set opensearch.password_file, or {PASSWORD_VARIABLE} in the environment",
    )


def _secret(setting: str, path: Path) -> str:
    check_private(setting, path)
    try:
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(setting, path, error) from error
    if not text:
        raise ConfigError(f"{setting}: {path} is empty")
    return text


def check_private(setting: str, path: Path) -> None:
    """Refuse a secret that other users of the machine can read or replace.

    Raises:
        ConfigError: the file is missing, or its mode gives rights to others.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise _unreadable(setting, path, error) from error
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise ConfigError(
            f"{setting}: {path} can be read or written by every user of this machine "
            f"(mode {stat.S_IMODE(mode):04o})",
            hint=f"chmod o-rwx '{path}'",
        )


def check_readable(setting: str, path: Path) -> None:
    """Refuse a file that this process cannot open, before TLS says so in its own words.

    Raises:
        ConfigError: the file is missing or unreadable.
    """
    try:
        path.open("rb").close()
    except OSError as error:
        raise _unreadable(setting, path, error) from error


def _unreadable(setting: str, path: Path, error: Exception) -> ConfigError:
    cause = error.strerror if isinstance(error, OSError) else "not UTF-8"
    return ConfigError(f"{setting}: {path} cannot be read: {cause}")
