"""Hosts taken in turn, ejected, probed, and their channels renewed under load."""

from typing import cast

import pytest

from auditship_agent.deliver.hosts import Hosts
from auditship_indexer.errors import ConfigError
from auditship_indexer.opensearch.bulk import BulkChannel


class FakeChannel:
    def __init__(self) -> None:
        self._closed = False

    def close(self) -> None:
        assert not self._closed, "closed twice"
        self._closed = True

    def is_closed(self) -> bool:
        return self._closed


class Site:
    def __init__(self, count: int = 3) -> None:
        self.opened: list[tuple[str, FakeChannel]] = []
        self.secret_is_there = True
        self.hosts = Hosts(tuple("abc"[:count]), self.open)

    def open(self, address: str) -> BulkChannel:
        if not self.secret_is_there:
            raise ConfigError("no password")
        channel = FakeChannel()
        self.opened.append((address, channel))
        return cast("BulkChannel", channel)

    def turn(self, now: float) -> str:
        """Use a host for one request that ends at once."""
        use = self.hosts.choose(now)
        self.hosts.done(use)
        return use.host.address


def test_hosts_take_turns() -> None:
    """Round robin, each channel opened once."""
    site = Site()
    assert "".join(site.turn(0.0) for _ in range(7)) == "abcabca"
    assert [address for address, _ in site.opened] == ["a", "b", "c"]


def test_least_busy_is_next() -> None:
    """A slow host keeps the request that it has; the others get the next ones."""
    site = Site()
    slow = site.hosts.choose(0.0)
    assert "".join(site.turn(0.0) for _ in range(4)) == "bcbc"
    site.hosts.done(slow)
    assert "a" in {site.turn(0.0) for _ in range(3)}


def test_failed_host_is_ejected_and_comes_back() -> None:
    """5 s, doubling to 60 s; a good reply starts over."""
    site = Site(2)
    bad = site.hosts.choose(0.0)
    site.hosts.done(bad)
    now, pauses = 0.0, []
    for _ in range(6):
        site.hosts.failed(bad.host, now, "away", sent_at=now)
        pauses.append(bad.host.ejected_until - now)
        assert {site.turn(now) for _ in range(4)} == {"b"}
        now = bad.host.ejected_until
        assert {site.turn(now) for _ in range(4)} == {"a", "b"}
    assert pauses == [5, 10, 20, 40, 60, 60]
    site.hosts.well(bad.host)
    site.hosts.failed(bad.host, now, "away", sent_at=now)
    assert bad.host.ejected_until - now == 5


def test_requests_of_one_moment_fail_as_one() -> None:
    """What was sent before the ejection does not double it."""
    site = Site()
    use = site.hosts.choose(0.0)
    site.hosts.failed(use.host, 10.0, "away", sent_at=3.0)
    site.hosts.failed(use.host, 10.5, "away", sent_at=4.0)
    assert use.host.ejected_until == 15.0


def test_somebody_is_always_asked() -> None:
    """When all are ejected, the one that comes back first is asked."""
    site = Site()
    for wait in (1.0, 0.0, 2.0):
        use = site.hosts.choose(0.0)
        site.hosts.done(use)
        site.hosts.failed(use.host, wait, "away", sent_at=wait)
    assert not site.hosts.any_well(3.0)
    assert site.turn(3.0) == "b"
    assert site.hosts.any_well(5.0)


def test_three_bad_replies_in_a_row_eject() -> None:
    """Two and a good one do not."""
    site = Site(1)
    host = site.hosts.choose(0.0).host
    bad = [site.hosts.answered_badly(host, 0.0, "away", sent_at=0.0) for _ in range(2)]
    site.hosts.well(host)
    bad += [site.hosts.answered_badly(host, 0.0, "away", sent_at=0.0) for _ in range(3)]
    assert bad == [False, False, False, False, True]
    assert not site.hosts.any_well(0.0)


def test_renewal_breaks_no_request_under_way() -> None:
    """A dropped channel is closed when its last job ends; the next job gets a new one."""
    site = Site(1)
    first, second = site.hosts.choose(0.0), site.hosts.choose(0.0)
    old = site.opened[0][1]
    site.hosts.renew()
    third = site.hosts.choose(0.0)
    assert third.channel is not first.channel
    assert not old.is_closed()
    site.hosts.done(first)
    assert not old.is_closed()
    site.hosts.done(second)
    assert old.is_closed()
    site.hosts.done(third)
    assert not site.opened[1][1].is_closed()
    site.hosts.close()
    assert site.opened[1][1].is_closed()
    site.hosts.close()


def test_secret_that_is_gone() -> None:
    """A channel that cannot be opened raises, and no job is counted."""
    site = Site(1)
    site.secret_is_there = False
    with pytest.raises(ConfigError):
        site.hosts.choose(0.0)
    site.secret_is_there = True
    assert site.hosts.choose(0.0).host.users.total() == 1
