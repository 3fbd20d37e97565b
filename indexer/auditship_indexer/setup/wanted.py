"""What the cluster should hold, from `templates/` and a few settings. No I/O but reading files."""

import copy
import json
from datetime import date
from typing import Any, Final

from msgspec import Struct

from auditship_indexer.event.identity import CONTROL_REGION, index_of_day
from auditship_indexer.opensearch import agents_index_of_day
from auditship_indexer.resources import resource
from auditship_indexer.setup.rows import Body

PIPELINE: Final = "auditship-ingested"
COMPONENTS: Final = ("auditship-append-only", "auditship-events", "auditship-reports")
TEMPLATES: Final = ("audit", "auditship-agents")
POLICY: Final = "auditship-retention"
POLICY_PATTERN: Final = "audit-*.*.*"


class DailyIndex(Struct, frozen=True):
    """One index to be made ahead: its name and the UTC day from which its age counts."""

    name: str
    day: date


class Wanted(Struct, frozen=True):
    """Everything that `setup` would have in place; bodies by name."""

    pipelines: dict[str, Body]
    components: dict[str, Body]
    templates: dict[str, Body]
    policy: Body
    indices: tuple[DailyIndex, ...]


def wanted(regions: tuple[str, ...], days: list[date], *, retention_days: int) -> Wanted:
    """Return what should exist for these regions, and for the companion's own (`control`)."""
    return Wanted(
        pipelines={PIPELINE: _read("pipeline", PIPELINE)},
        components={name: _read("component", name) for name in COMPONENTS},
        templates={name: _read("index", name) for name in TEMPLATES},
        policy=policy(retention_days),
        indices=tuple(_indices(regions, days)),
    )


def policy(retention_days: int) -> Body:
    """Return the retention policy: an index goes one day after its last event is old enough.

    Age counts from the start of an index's day, so `retention_days` alone would delete an event
    of 23:59 almost a day early.
    """
    body: Body = copy.deepcopy(_read("ism", POLICY)["policy"])
    age = retention_days + 1
    body["description"] = body["description"].replace("121 d", f"{age} d")
    body["states"][0]["transitions"][0]["conditions"]["min_index_age"] = f"{age}d"
    return body


def _indices(regions: tuple[str, ...], days: list[date]) -> list[DailyIndex]:
    """Events of each region and of `control`; reports of each region (`control` has no agents)."""
    storing = [region for region in dict.fromkeys(regions) if region != CONTROL_REGION]
    events = [
        DailyIndex(index_of_day(region, day), day)
        for region in (*storing, CONTROL_REGION)
        for day in days
    ]
    reports = [
        DailyIndex(agents_index_of_day(region, day), day) for region in storing for day in days
    ]
    return events + reports


def _read(kind: str, name: str) -> Any:
    return json.loads(resource("templates", f"{kind}-{name}.json").read_text(encoding="utf-8"))
