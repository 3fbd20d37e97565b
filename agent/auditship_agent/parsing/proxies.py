"""The client behind proxies: forwarded-for headers count only if the peer is trusted.

Walk from the right, skip trusted addresses, the first other address is the client; an entry that
is no address ends the walk at the last good hop (sources.md section 2, rule 3).
"""

import ipaddress
from collections.abc import Iterable
from typing import Final

from auditship_indexer.errors import ConfigError

_MAX_CACHE: Final = 4_096
_MAX_KEPT: Final = 256  # characters of a header: several addresses
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Proxies:
    """The `trusted_proxies` of a source.

    Raises:
        ConfigError: one is no network in CIDR form.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(_network(text) for text in networks)
        self._known: dict[tuple[str, str], str] = {}

    def client(self, peer: str, forwarded: str | None) -> str:
        """Return the client of a request that came from `peer` with this header. Never raises."""
        if not self._networks or not forwarded:
            return peer
        if len(forwarded) > _MAX_KEPT:  # a client's header must not fill memory
            return self._walk(peer, forwarded)
        key = (peer, forwarded)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MAX_CACHE:
                self._known.clear()
            known = self._known[key] = self._walk(peer, forwarded)
        return known

    def _walk(self, peer: str, forwarded: str) -> str:
        client = peer
        for entry in reversed([one.strip() for one in forwarded.split(",")]):
            if not self._trusts(client):
                break
            if _address(entry) is None:
                break
            client = entry
        return client

    def _trusts(self, text: str) -> bool:
        # unix: means the proxy on this machine; there is no other way to reach that socket
        if text.startswith("unix:"):
            return True
        address = _address(text)
        return address is not None and any(
            address.version == network.version and address in network for network in self._networks
        )


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ConfigError(
            f"trusted_proxies: {text!r} is no network",
            hint="write CIDRs, for example 10.0.0.0/8 or 192.0.2.7/32",
        ) from error


def _address(text: str) -> IpAddress | None:
    """Read an address as proxies write it: with a port, in brackets, with a zone."""
    bare = text
    if text.startswith("["):
        bare = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        bare = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address
