"""A client of the storage product that notes in a ledger what each request must leave behind."""

import base64
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from demo.cast import Person
from demo.ledger import Expected, Ledger, Sent

TIMEOUT_S = 20.0


class PlayError(Exception):
    """The product did not answer, or with another status than the script expects."""


class Player:
    """Sends requests through the proxies of the regions; one connection pool a region."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = addresses
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy and no netrc of the machine's user
        self.ledger = Ledger()

    def close(self) -> None:
        """End the connections."""
        self._session.close()

    def act(
        self,
        who: Person,
        method: str,
        path: str,
        *expected: Expected,
        status: int = 200,
        **how: Any,
    ) -> requests.Response:
        """Send one request to the region of its event and note it.

        `how` goes to requests; `headers` are added to those of the person, and `key` replaces
        name and password.

        Raises:
            PlayError: the reply has another status.
        """
        return self.send(who, expected[0].region, method, path, *expected, status=status, **how)

    def send(
        self,
        who: Person,
        region: str,
        method: str,
        path: str,
        *expected: Expected,
        status: int = 200,
        note: str = "",
        key: str | None = None,
        **how: Any,
    ) -> requests.Response:
        """Send one request that may give no event; `note` says why it gives none."""
        headers = {**_headers(who), **how.pop("headers", {})}
        if key is not None:
            headers["X-Api-Key"] = key
        elif who.email is not None:
            how.setdefault("auth", (who.email, who.password))
        how |= {"headers": headers, "timeout": TIMEOUT_S, "allow_redirects": False}
        try:
            reply = self._session.request(method, self._addresses[region] + quote(path), **how)
        except requests.RequestException as error:
            raise PlayError(f"{method} {path} in {region}: {error}") from error
        if reply.status_code != status:
            asked = f"{method} {expected[0].action if expected else path} in {region}"
            raise PlayError(f"{asked}: {reply.status_code}, not {status}: {reply.text[:200]}")
        what = f"{method} {expected[0].action}" if expected else f"{method} {path}"
        self.ledger.sent.append(Sent(what, status, expected, note))
        return reply

    def expect_last(self, expected: Expected) -> None:
        """Note the event of the request just sent, where only its reply tells the names."""
        last = self.ledger.sent.pop()
        self.ledger.sent.append(Sent(f"{last.what} {expected.action}", last.status, (expected,)))

    def break_off(self, who: Person, path: str, expected: Expected, *, size: int) -> None:
        """Announce an upload of `size` bytes, send half of it and go away."""
        address = urlsplit(self._addresses[expected.region])
        name = base64.b64encode(f"{who.email}:{who.password}".encode()).decode()
        lines = [f"PUT {path} HTTP/1.1", "Host: demo", f"Content-Length: {size}"]
        headers = {**_headers(who), "Authorization": f"Basic {name}"}
        lines += [f"{header}: {value}" for header, value in headers.items()]
        place = (address.hostname or "", address.port or 80)
        with socket.create_connection(place, timeout=TIMEOUT_S) as wire:
            wire.sendall("\r\n".join([*lines, "", ""]).encode() + bytes(size // 2))
        self.ledger.sent.append(Sent(f"PUT {expected.action}, broken off", 0, (expected,)))

    def happened(self, what: str, expected: Expected) -> None:
        """Note an event that the system gives by itself."""
        self.ledger.sent.append(Sent(what, 0, (expected,), by_system=True))


def _headers(who: Person) -> dict[str, str]:
    headers = {"X-Forwarded-For": who.ip, "User-Agent": who.agent}
    if who.device_id:
        headers |= {"X-Device-Kind": "browser", "X-Device-Id": who.device_id}
    return headers


def files(workspace: str, path: str = "") -> str:
    """Return the address of a file."""
    return f"/v1/workspaces/{workspace}/files{path}"


def does(workspace: str, verb: str) -> str:
    """Return the address of an act in a workspace, such as `links` or `move`."""
    return f"/v1/workspaces/{workspace}/{verb}"
