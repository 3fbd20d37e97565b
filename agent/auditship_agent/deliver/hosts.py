"""The hosts of the cluster: taken in turn, set aside when they fail, tried again.

Main thread only. A failing host is ejected for 5 s, doubling to 60 s; when all are, the one that
comes back first is tried, so that there is always somebody to ask.
"""

from collections.abc import Callable
from typing import Final

from auditship_indexer.opensearch.bulk import BulkChannel

FIRST_EJECTION_S: Final = 5.0
LONGEST_EJECTION_S: Final = 60.0
BAD_REPLIES: Final = 3


class Host:
    """One address, its channel, and how it did lately."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.channel: BulkChannel | None = None
        self.ejected_until = 0.0
        self.failures = 0
        self.bad_replies = 0


class Hosts:
    """All hosts of one configuration. `open_channel` may raise ConfigError (a secret is gone)."""

    def __init__(
        self, addresses: tuple[str, ...], open_channel: Callable[[str], BulkChannel]
    ) -> None:
        self._hosts = [Host(address) for address in addresses]
        self._open_channel = open_channel
        self._turn = 0

    def choose(self, now: float) -> Host:
        """Return the next host that is well, else the one whose ejection ends first.

        Raises:
            ConfigError: its channel cannot be opened.
        """
        for _ in self._hosts:
            host = self._hosts[self._turn % len(self._hosts)]
            self._turn += 1
            if host.ejected_until <= now:
                return self._opened(host)
        return self._opened(min(self._hosts, key=lambda one: one.ejected_until))

    def _opened(self, host: Host) -> Host:
        if host.channel is None:
            host.channel = self._open_channel(host.address)
        return host

    def any_well(self, now: float) -> bool:
        """Whether some host is not ejected."""
        return any(host.ejected_until <= now for host in self._hosts)

    def well(self, host: Host) -> bool:
        """Note a good reply; return whether the host had been ejected."""
        back = host.failures > 0
        host.failures = host.bad_replies = 0
        host.ejected_until = 0.0
        return back

    def failed(self, host: Host, now: float) -> None:
        """Eject a host."""
        pause = min(LONGEST_EJECTION_S, FIRST_EJECTION_S * 2.0 ** min(host.failures, 10))
        host.failures += 1
        host.bad_replies = 0
        host.ejected_until = now + pause

    def answered_badly(self, host: Host, now: float) -> bool:
        """Count an unreadable reply; eject after three in a row and return whether that was it."""
        host.bad_replies += 1
        if host.bad_replies < BAD_REPLIES:
            return False
        self.failed(host, now)
        return True

    def renew(self) -> None:
        """Drop all channels, so that credentials and certificates are read again."""
        for host in self._hosts:
            if host.channel is not None:
                host.channel.close()
                host.channel = None

    def count(self) -> int:
        """Return the number of hosts."""
        return len(self._hosts)
