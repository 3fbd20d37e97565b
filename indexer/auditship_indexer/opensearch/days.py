"""Daily indices, made explicitly: one region, one UTC day of the act.

An index is created with `index.creation_date` = 00:00 UTC of its day, so that retention counts
from the event's day also for days that are filled late; a bulk that creates it by itself would
set "now". Append-only is asked for in the request as well as in the template: it is final, so an
index without it must never come into being under our names.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, Final

from opensearchpy import OpenSearch
from opensearchpy.exceptions import (
    AuthorizationException,
    OpenSearchException,
    RequestError,
)

from auditship_indexer.errors import HoldError, RetryError
from auditship_indexer.event.identity import day_of, day_start_ms, index_of_day
from auditship_indexer.opensearch.failures import addresses, asking, error_of, hosts_of, translate

DAYS_BEFORE: Final = 1
DAYS_AHEAD: Final = 7


def agents_index_of_day(region: str, day: date) -> str:
    """Return the index of one region's position reports of one UTC day."""
    return f"auditship-agents-{index_of_day(region, day).removeprefix('audit-')}"


def days_ahead(now_ms: int, *, before: int = DAYS_BEFORE, ahead: int = DAYS_AHEAD) -> list[date]:
    """Return the days whose indices should exist: yesterday to 7 days ahead, unless told else."""
    today = day_of(now_ms)
    return [today + timedelta(days=n) for n in range(-before, ahead + 1)]


def ensure_day(client: OpenSearch, region: str, day: date) -> bool:
    """Make the index of a region's events of one day. Safe to repeat; True when it was made now.

    Raises:
        HoldError: no right to make it, or the index template is missing (`auditship setup`).
        AuditshipError: no answer, as `translate` says.
    """
    name = index_of_day(region, day)
    check_template(client, name)
    return make_index(client, name, day)


def ensure_agents_day(client: OpenSearch, region: str, day: date) -> bool:
    """Make the index of a region's position reports of one day; as `ensure_day`."""
    name = agents_index_of_day(region, day)
    check_template(client, name)
    return make_index(client, name, day)


def ensure_days(client: OpenSearch, region: str, days: Iterable[date]) -> list[str]:
    """Make a region's indices of events and of reports; return the names of those made now.

    Raises:
        AuditshipError: as `ensure_day`; the days before the failing one exist.
    """
    made = []
    for day in days:
        if ensure_day(client, region, day):
            made.append(index_of_day(region, day))
        if ensure_agents_day(client, region, day):
            made.append(agents_index_of_day(region, day))
    return made


def make_index(client: OpenSearch, name: str, day: date, *, wait: bool = True) -> bool:
    """Create an append-only index that counts its age from 00:00 UTC of `day`.

    Without `wait` it returns as soon as the index exists, before its shard can serve: several
    indices are made in half the time, and `wait_active` waits for all of them.

    Returns:
        True when it was made now, False when it was there (whoever made it).
    """
    body = {
        "settings": {
            "index.append_only.enabled": True,
            "index.creation_date": day_start_ms(day),
        }
    }
    try:
        client.indices.create(
            index=name, body=body, params={"wait_for_active_shards": 1 if wait else 0}
        )
    except RequestError as error:
        if error_of(error)[0] == "resource_already_exists_exception":
            return False
        raise translate(error, f"making index {name}", at=hosts_of(client)) from error
    except AuthorizationException as error:
        raise _may_not_make(error, client, name) from error
    except OpenSearchException as error:
        raise translate(error, f"making index {name}", at=hosts_of(client)) from error
    return True


def wait_active(client: OpenSearch, names: str, *, timeout_s: int = 20) -> None:
    """Wait until the primary shards of the indices can serve; `names` are joined by commas.

    Raises:
        RetryError: some cannot yet: no disk space, or settings that no node fulfills.
        AuditshipError: no answer, as `translate` says.
    """
    path = f"/_cluster/health/{names}?wait_for_status=yellow&timeout={timeout_s}s"
    with asking(client, "waiting for new indices"):
        # 408 is the answer "not yet"; its body is that of a success.
        reply: Any = client.transport.perform_request("GET", path, params={"ignore": 408})
    if reply["timed_out"]:
        raise RetryError(
            f"{addresses(client)}: {reply['unassigned_shards']} shards of new indices cannot "
            f"serve after {timeout_s} s",
            hint="GET _cluster/allocation/explain says why: disk space, or allocation settings",
        )


def _may_not_make(error: AuthorizationException, client: OpenSearch, name: str) -> Exception:
    told = translate(error, f"making index {name}", at=hosts_of(client))
    if isinstance(told, HoldError):
        told.hint = "`auditship setup`, or a running `auditship serve`, makes daily indices"
    return told


def check_template(client: OpenSearch, name: str) -> None:
    """Make sure that an index of this name would get the settings of our template.

    An identity that may not ask is let through: roles are given out with the templates.

    Raises:
        HoldError: the index would not be append-only: `auditship setup` never ran here.
    """
    try:
        with asking(client, "asking for the index template"):
            reply: Any = client.indices.simulate_index_template(name=name)
    except HoldError as error:
        if isinstance(error.__cause__, AuthorizationException):
            return
        raise
    settings = reply.get("template", {}).get("settings", {}).get("index", {})
    if settings.get("append_only", {}).get("enabled") != "true":
        raise HoldError(
            f"{addresses(client)} has no index template of auditship for {name}",
            hint="run `auditship setup` once against this cluster",
        )
