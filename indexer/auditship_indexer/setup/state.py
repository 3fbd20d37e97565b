"""What the cluster holds now, read once before anything is decided. Changes nothing."""

from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct
from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, RequestError

from auditship_indexer.errors import ClusterError
from auditship_indexer.opensearch import addresses, asking, cluster_info, error_of
from auditship_indexer.setup.rows import Body
from auditship_indexer.setup.wanted import POLICY, POLICY_PATTERN, Wanted

OLDEST: Final = (2, 19)  # the first version with `index.append_only.enabled`
ISM: Final = "/_plugins/_ism"


class Managed(Struct, frozen=True):
    """What ISM says of one index. `policy` is None when it does not manage it."""

    policy: str | None = None
    seq_no: int | None = None
    stopped: str | None = None  # the reason, when it failed or was disabled


class Policy(Struct, frozen=True):
    """The stored retention policy and its version, for compare-and-put."""

    body: Body
    seq_no: int
    primary_term: int


class Retention(Struct, frozen=True):
    """Index State Management, when the cluster has it."""

    policy: Policy | None = None
    indices: dict[str, Managed] = {}


class State(Struct, frozen=True):
    """The cluster as it is: bodies by name (absent ones left out), flat settings by index."""

    pipelines: dict[str, Body] = {}
    components: dict[str, Body] = {}
    templates: dict[str, Body] = {}
    indices: dict[str, dict[str, Any]] = {}
    retention: Retention | None = None


def read_state(client: OpenSearch, want: Wanted) -> State:
    """Read what `want` speaks of.

    Raises:
        ClusterError: not OpenSearch, or too old to protect what is stored.
        AuditshipError: no answer, or no right to ask, as `translate` says.
    """
    check_version(client)
    return State(
        pipelines=_pipelines(client, want),
        components=_named(client, want.components, "component_template"),
        templates=_named(client, want.templates, "index_template"),
        indices=_indices(client),
        retention=read_retention(client),
    )


def check_version(client: OpenSearch) -> None:
    """Refuse a cluster on which stored events could be overwritten.

    Raises:
        ClusterError: it is not OpenSearch, or older than 2.19.
    """
    info = cluster_info(client)
    told = f"{addresses(client)} is {info.distribution} {info.number}"
    if info.distribution != "opensearch":
        raise ClusterError(f"{told}: auditship needs OpenSearch", hint="see opensearch.hosts")
    if info.version[:2] < OLDEST:
        raise ClusterError(
            f"{told}: too old, it has no append-only indices",
            hint="upgrade the cluster to OpenSearch 2.19 or newer "
            "(3.x is recommended); `auditship up` starts a 3.8.0 on this machine",
        )


def get(client: OpenSearch, path: str, doing: str) -> Any:
    """GET a path; None when the cluster says 404.

    Raises:
        AuditshipError: as `translate` says.
    """
    with asking(client, doing):
        try:
            return client.transport.perform_request("GET", path)
        except NotFoundError:
            return None


def _named(client: OpenSearch, wanted: dict[str, Body], kind: str) -> dict[str, Body]:
    """Component and index templates answer alike: a list of `{name, <kind>}`."""
    found: dict[str, Body] = {}
    for name in wanted:
        reply = get(client, f"/_{kind}/{quote(name)}", f"reading {kind} {name}")
        for item in (reply or {}).get(f"{kind}s", []):
            found[item["name"]] = item[kind]
    return found


def _pipelines(client: OpenSearch, want: Wanted) -> dict[str, Body]:
    found: dict[str, Body] = {}
    for name in want.pipelines:
        reply = get(client, f"/_ingest/pipeline/{quote(name)}", f"reading pipeline {name}")
        found.update(reply or {})
    return found


def _indices(client: OpenSearch) -> dict[str, dict[str, Any]]:
    reply = get(
        client,
        "/audit-*,auditship-agents-*/_settings?flat_settings=true&expand_wildcards=all",
        "reading daily indices",
    )
    return {name: found["settings"] for name, found in (reply or {}).items()}


def read_retention(client: OpenSearch) -> Retention | None:
    """Return what ISM holds, or None on a cluster without it.

    Without the plugin the path itself is unknown: 400 with a plain string instead of an error
    object. A policy that is absent gives 404, in two shapes.
    """
    with asking(client, "reading the ISM policy"):
        try:
            found = client.transport.perform_request("GET", f"{ISM}/policies/{POLICY}")
        except NotFoundError:
            return Retention(indices=_managed(client))
        except RequestError as error:
            if not _no_such_path(error):
                raise
            return None
    stored = Policy(found["policy"], found["_seq_no"], found["_primary_term"])
    return Retention(policy=stored, indices=_managed(client))


def _no_such_path(error: RequestError) -> bool:
    kind, reason = error_of(error)
    return not kind and reason.startswith("no handler found")


def _managed(client: OpenSearch) -> dict[str, Managed]:
    """Ask ISM about every daily index. A pattern that matches nothing is a 400."""
    with asking(client, "asking ISM about daily indices"):
        try:
            reply = client.transport.perform_request("GET", f"{ISM}/explain/{POLICY_PATTERN}")
        except RequestError as error:
            if error_of(error)[0] == "action_request_validation_exception":
                return {}
            raise
    return {name: _explained(found) for name, found in reply.items() if isinstance(found, dict)}


def _explained(found: dict[str, Any]) -> Managed:
    """Read one index of an explain reply; its keys come and go with the stage ISM is in."""
    failed = any((found.get(key) or {}).get("failed") for key in ("action", "retry_info"))
    stopped = failed or found.get("enabled") is False
    info = found.get("info") or {}
    return Managed(
        policy=found.get("policy_id")
        or found.get("index.plugins.index_state_management.policy_id"),
        seq_no=found.get("policy_seq_no"),
        stopped=str(info.get("message") or "disabled") if stopped else None,
    )
