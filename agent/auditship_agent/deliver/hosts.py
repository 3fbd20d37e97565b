"""The hosts of the cluster: taken in turn, set aside when they fail, tried again.

Main thread only. A failing host is ejected for 5 s, doubling to 60 s; when all are, the one that
comes back first is tried, so that there is always somebody to ask. Of the hosts that are well the
least busy is next: a slow one holds one request, not the whole window.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from auditship_indexer.opensearch.bulk import BulkChannel

FIRST_EJECTION_S: Final = 5.0
LONGEST_EJECTION_S: Final = 60.0
BAD_REPLIES: Final = 3


class Host:
    """One address, its channel, and how it did lately."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.channel: BulkChannel | None = None
        self.users: Counter[BulkChannel] = Counter()  # jobs under way, also on a dropped channel
        self.ejected_at = float("-inf")
        self.ejected_until = float("-inf")
        self.failures = 0
        self.bad_replies = 0
        self.why = ""  # it failed last; empty while it is well
        self.away_since = 0.0  # monotonic


class Use(Struct, frozen=True):
    """One job's use of a host, from `Hosts.choose` to `Hosts.done`."""

    host: Host
    channel: BulkChannel


class Hosts:
    """All hosts of one configuration. `open_channel` may raise ConfigError (a secret is gone)."""

    def __init__(
        self, addresses: tuple[str, ...], open_channel: Callable[[str], BulkChannel]
    ) -> None:
        self._hosts = [Host(address) for address in addresses]
        self._open_channel = open_channel

    def choose(self, now: float) -> Use:
        """Return the least busy host that is well, else the one whose ejection ends first.

        Raises:
            ConfigError: its channel cannot be opened.
        """
        well = [host for host in self._hosts if host.ejected_until <= now]
        if well:
            host = min(well, key=lambda one: one.users.total())
        else:
            host = min(self._hosts, key=lambda one: one.ejected_until)
        if host.channel is None:
            host.channel = self._open_channel(host.address)
        self._hosts.remove(host)
        self._hosts.append(host)  # the next turn is somebody else's
        host.users[host.channel] += 1
        return Use(host, host.channel)

    def done(self, use: Use) -> None:
        """A job is over; the last one on a dropped channel closes it."""
        users = use.host.users
        users[use.channel] -= 1
        if not users[use.channel]:
            del users[use.channel]
            if use.channel is not use.host.channel:
                use.channel.close()

    def any_well(self, now: float) -> bool:
        """Whether some host is not ejected."""
        return any(host.ejected_until <= now for host in self._hosts)

    def well(self, host: Host) -> None:
        """Note a good reply: whatever was wrong with the host is over."""
        host.failures = host.bad_replies = 0
        host.why = ""
        host.ejected_until = float("-inf")

    def away(self) -> dict[str, str]:
        """Return the hosts that failed last, with the reason."""
        return {host.address: host.why for host in self._hosts if host.why}

    def all_away_since(self) -> float | None:
        """Return since when no host is there (monotonic); None while one is."""
        if not all(host.why for host in self._hosts):
            return None
        return max(host.away_since for host in self._hosts)

    def failed(self, host: Host, now: float, why: str, *, sent_at: float) -> None:
        """Eject a host; requests that were under way at once fail as one."""
        host.away_since = host.away_since if host.why else now
        host.why = why
        if sent_at < host.ejected_at:
            return
        pause = min(LONGEST_EJECTION_S, FIRST_EJECTION_S * 2.0 ** min(host.failures, 10))
        host.failures += 1
        host.bad_replies = 0
        host.ejected_at = now
        host.ejected_until = now + pause

    def answered_badly(self, host: Host, now: float, why: str, *, sent_at: float) -> bool:
        """Count an unreadable reply; eject after three in a row and return whether that was it."""
        host.bad_replies += 1
        if host.bad_replies < BAD_REPLIES:
            return False
        self.failed(host, now, why, sent_at=sent_at)
        return True

    def renew(self) -> None:
        """Drop all channels, so that credentials and certificates are read again.

        Jobs under way keep theirs to their end.
        """
        for host in self._hosts:
            channel, host.channel = host.channel, None
            if channel is not None and not host.users[channel]:
                channel.close()

    def close(self) -> None:
        """Close the channels; those in use when their last job ends, or with the process."""
        self.renew()
