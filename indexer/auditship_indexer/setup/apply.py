"""Do what a plan says, in its order. Each step may be repeated; the next run sees what is left."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from typing import Any, Final
from urllib.parse import quote

from opensearchpy import OpenSearch
from opensearchpy.exceptions import ConflictError

from auditship_indexer.errors import ClusterError, RetryError
from auditship_indexer.opensearch import asking, check_template, make_index, wait_active
from auditship_indexer.setup.plan import Change, Kind
from auditship_indexer.setup.state import ISM
from auditship_indexer.setup.wanted import POLICY

_PATHS: Final = {
    Kind.PIPELINE: "/_ingest/pipeline/",
    Kind.COMPONENT: "/_component_template/",
    Kind.TEMPLATE: "/_index_template/",
}
_AT_ONCE: Final = 4  # as many as the client keeps connections
_NAMES_IN_A_PATH: Final = 30  # the cluster takes 4,096 bytes of request line
# Somebody, or ISM's own sweep, was faster: the wish is fulfilled.
_DONE_ALREADY: Final = ("already has a policy", "not in failed state")


def apply(client: OpenSearch, changes: Sequence[Change]) -> None:
    """Carry out changes in the order of the plan.

    Raises:
        AuditshipError: a step was refused, as `translate` says; those before it are done.
        RetryError: somebody changed the ISM policy in between.
        ClusterError: ISM answered that some index could not be changed.
    """
    for kind, group in groupby(changes, key=lambda change: change.kind):
        _STEPS[kind](client, list(group))


def _put(client: OpenSearch, changes: list[Change]) -> None:
    for change in changes:
        with asking(client, f"writing {change.kind.value} {change.name}"):
            path = _PATHS[change.kind] + quote(change.name)
            client.transport.perform_request("PUT", path, body=change.body)


def _make_indices(client: OpenSearch, changes: list[Change]) -> None:
    """Make indices, once it is certain that they would be protected.

    A template of somebody else with a higher priority would win over ours; append-only is final,
    so nothing is made then.
    """
    days = {change.name: change.index.day for change in changes if change.index is not None}
    families = {name.split("-")[0]: name for name in days}
    for name in families.values():
        check_template(client, name)
    make = partial(make_index, client, wait=False)
    with ThreadPoolExecutor(_AT_ONCE) as pool:  # most of an index's time is waiting
        # The first failure ends it: what no thread has begun is left out.
        list(pool.map(make, days.keys(), days.values()))
    names = list(days)
    for start in range(0, len(names), _NAMES_IN_A_PATH):
        wait_active(client, ",".join(names[start : start + _NAMES_IN_A_PATH]))


def _put_policy(client: OpenSearch, changes: list[Change]) -> None:
    for change in changes:
        version = (
            f"?if_seq_no={change.stored.seq_no}&if_primary_term={change.stored.primary_term}"
            if change.stored
            else ""
        )
        with asking(client, f"writing ISM policy {change.name}"):
            try:
                client.transport.perform_request(
                    "PUT", f"{ISM}/policies/{POLICY}{version}", body={"policy": change.body}
                )
            except ConflictError as error:
                raise RetryError(
                    "the ISM policy was changed by somebody else at the same time",
                    hint="run `auditship setup` again",
                ) from error


def _manage(call: str) -> Callable[[OpenSearch, list[Change]], None]:
    """Return the step for one of ISM's calls; its answer is 200 also where it failed."""

    def step(client: OpenSearch, changes: list[Change]) -> None:
        names = ",".join(change.name for change in changes)
        body = None if call == "retry" else {"policy_id": POLICY}
        with asking(client, f"ISM {call} of {names}"):
            reply: Any = client.transport.perform_request(
                "POST", f"{ISM}/{call}/{names}", body=body
            )
        failed = [
            f"{item['index_name']}: {item['reason']}"
            for item in reply.get("failed_indices", [])
            if not any(mark in item["reason"] for mark in _DONE_ALREADY)
        ]
        if failed:
            raise ClusterError(
                f"ISM {call}: {'; '.join(failed)}", hint="run `auditship setup` again"
            )

    return step


_STEPS: Final[dict[Kind, Callable[[OpenSearch, list[Change]], None]]] = {
    Kind.PIPELINE: _put,
    Kind.COMPONENT: _put,
    Kind.TEMPLATE: _put,
    Kind.INDEX: _make_indices,
    Kind.POLICY: _put_policy,
    Kind.ADD: _manage("add"),
    Kind.RENEW: _manage("change_policy"),
    Kind.RETRY: _manage("retry"),
}
