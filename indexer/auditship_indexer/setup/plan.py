"""Decide what has to change. Pure: state and wish in, changes out, in the order of their doing.

Rows that are ours are set as `templates/` says; rows that somebody else added to our templates are
kept and told, except where they would break what auditship promises (append-only, the arrival
stamp). What cannot be changed any more (an index that came into being without us) is told.

Order: the pipeline before the settings that name it, parts before the templates made of them,
templates before indices, the policy before the indices that it manages. So a crash between two
steps leaves nothing that refuses events or stores them unprotected.
"""

from enum import Enum
from typing import Any, Final

from msgspec import Struct

from auditship_indexer.clock import iso_ms
from auditship_indexer.errors import ClusterError
from auditship_indexer.event.identity import day_start_ms
from auditship_indexer.setup.rows import Body, Rows, body_of, differs, rows_of, same
from auditship_indexer.setup.state import Managed, Policy, Retention, State
from auditship_indexer.setup.wanted import POLICY, DailyIndex, Wanted

_OURS_ALONE: Final = (
    "settings.index.append_only.enabled",
    "settings.index.final_pipeline",
    "mappings.dynamic",
)
# What the cluster adds to a policy by itself.
_POLICY_NOISE: Final = ("policy_id", "last_updated_time", "schema_version", "user")


class Kind(Enum):
    """What a change is about; the value is how it is told."""

    PIPELINE = "pipeline"
    COMPONENT = "component template"
    TEMPLATE = "index template"
    INDEX = "index"
    POLICY = "ISM policy"
    ADD = "ISM management of"  # hand an index to ISM
    RENEW = "ISM policy version of"  # a managed index follows an older policy
    RETRY = "ISM retry of"  # a managed index whose deletion stopped


class Change(Struct, frozen=True):
    """One step. `before` is None for what does not exist yet; rows are for telling and sending."""

    kind: Kind
    name: str
    after: Rows
    before: Rows | None = None
    index: DailyIndex | None = None
    stored: Policy | None = None  # the version that a new policy replaces

    @property
    def body(self) -> Body:
        """Return the body to send."""
        return body_of(self.after)


class Plan(Struct, frozen=True):
    """Changes in the order of their doing, and what a person should know besides."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()


def plan(state: State, want: Wanted) -> Plan:
    """Return what turns `state` into `want`; no changes when nothing is missing.

    Raises:
        ClusterError: a template of our name is not ours, or a newer auditship wrote it.
    """
    notes: list[str] = []
    changes = [
        *_bodies(Kind.PIPELINE, state.pipelines, want.pipelines, notes),
        *_bodies(Kind.COMPONENT, state.components, want.components, notes),
        *_bodies(Kind.TEMPLATE, state.templates, want.templates, notes),
        *_indices(state, want, notes),
    ]
    if state.retention is not None:
        changes += _retention(state.retention, want.policy, notes)
    return Plan(tuple(changes), tuple(notes))


def _bodies(
    kind: Kind, there: dict[str, Body], wanted: dict[str, Body], notes: list[str]
) -> list[Change]:
    changes = []
    for name, body in wanted.items():
        found = there.get(name)
        if found is None:
            changes.append(Change(kind, name, rows_of(body)))
            continue
        _refuse_foreign(kind, name, found, body)
        before, after = rows_of(found), rows_of(body)
        if kind is not Kind.PIPELINE:  # a pipeline has an order; nobody else's step belongs in it
            after = _with_foreign(f"{kind.value} {name}", before, after, notes)
        if differs(before, after):
            changes.append(Change(kind, name, after, before))
    return changes


def _refuse_foreign(kind: Kind, name: str, found: Body, ours: Body) -> None:
    """Neither take over what another product owns, nor undo what a newer version wrote."""
    owner = (found.get("_meta") or {}).get("managed_by")
    if kind is not Kind.PIPELINE and owner != "auditship":
        raise ClusterError(
            f"{kind.value} {name} exists and is not of auditship",
            hint="rename or delete it, or use another cluster",
        )
    if int(found.get("version") or 0) > ours["version"]:
        raise ClusterError(
            f"{kind.value} {name} has version {found['version']}, "
            f"this auditship writes {ours['version']}",
            hint="a newer auditship set this cluster up: use that one",
        )


def _with_foreign(told: str, before: Rows, ours: Rows, notes: list[str]) -> Rows:
    """Add the rows of others that we found, unless they would break a promise."""
    merged = dict(ours)
    for path, value in before.items():
        if path not in ours and path not in _OURS_ALONE:
            merged[path] = value
            notes.append(f"{told}: {path} is not ours, kept")
    added = [
        name for name in before.get("composed_of", []) if name not in ours.get("composed_of", [])
    ]
    if added:
        merged["composed_of"] = [*ours["composed_of"], *added]
        notes.append(f"{told}: composed_of {', '.join(added)} is not ours, kept")
    return merged


def _indices(state: State, want: Wanted, notes: list[str]) -> list[Change]:
    changes = []
    for index in want.indices:
        found = state.indices.get(index.name)
        if found is None:
            start = iso_ms(day_start_ms(index.day))
            changes.append(Change(Kind.INDEX, index.name, {"age counts from": start}, index=index))
        else:
            notes += _flaws(index, found)
    return changes


def _flaws(index: DailyIndex, settings: dict[str, Any]) -> list[str]:
    """Name what is wrong with an index that is there; none of it can be changed any more."""
    flaws = []
    if settings.get("index.append_only.enabled") != "true":
        flaws.append(f"index {index.name} is not append-only: it was not made by auditship")
    made = int(settings.get("index.creation_date", 0))
    if made != day_start_ms(index.day):
        flaws.append(f"index {index.name} counts its age from {iso_ms(made)}, not from its day")
    return flaws


def _retention(there: Retention, policy: Body, notes: list[str]) -> list[Change]:
    """Compare and put the policy, then hand indices to it.

    An index that ISM has not begun with (no version yet) is renewed only together with others:
    it may still take the policy of the moment in which it was attached.
    """
    changes = []
    if there.policy is None:
        changes.append(Change(Kind.POLICY, POLICY, dict(policy)))
    else:
        before = _quiet(there.policy.body)
        if not same(before, _quiet(policy)):
            changes.append(Change(Kind.POLICY, POLICY, dict(policy), before, stored=there.policy))
    ours = {name: found for name, found in there.indices.items() if found.policy == POLICY}
    changes += [
        Change(Kind.ADD, name, {"policy_id": POLICY})
        for name, found in sorted(there.indices.items())
        if found.policy is None
    ]
    changes += _renewals(ours, there.policy, renewed=bool(changes) and there.policy is not None)
    for name, found in sorted(there.indices.items()):
        if found.policy not in {None, POLICY}:
            notes.append(f"index {name} is managed by the ISM policy {found.policy}, left alone")
        elif found.stopped is not None:
            changes.append(Change(Kind.RETRY, name, {"stopped by": found.stopped}))
    return changes


def _renewals(ours: dict[str, Managed], stored: Policy | None, *, renewed: bool) -> list[Change]:
    if stored is None:
        return []
    behind = {name for name, found in ours.items() if found.seq_no not in {None, stored.seq_no}}
    if renewed:
        behind = set(ours)
    elif behind:
        behind |= {name for name, found in ours.items() if found.seq_no is None}
    return [Change(Kind.RENEW, name, {"policy_id": POLICY}) for name in sorted(behind)]


def _quiet(value: Any) -> Any:
    """Drop what the cluster adds to a policy, and nulls; our `last_updated_time: 0` stays."""
    if isinstance(value, dict):
        kept = {key: below for key, below in value.items() if below is not None}
        if "states" in kept:
            kept = {key: below for key, below in kept.items() if key not in _POLICY_NOISE}
        return {key: _quiet(below) for key, below in kept.items()}
    if isinstance(value, list):
        return [_quiet(below) for below in value]
    return value
