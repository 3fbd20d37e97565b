"""Make a cluster ready for audit events: read its state, plan, tell, apply.

`run_setup` is safe to repeat: a second run says "nothing to change".
"""

from collections.abc import Callable, Sequence
from datetime import date

from opensearchpy import OpenSearch

from auditship_indexer.opensearch import addresses, days_ahead
from auditship_indexer.setup.apply import apply
from auditship_indexer.setup.diff import diff
from auditship_indexer.setup.plan import Change, Kind, Plan, plan
from auditship_indexer.setup.state import State, read_state
from auditship_indexer.setup.wanted import DailyIndex, Wanted, wanted

__all__ = [
    "Change",
    "DailyIndex",
    "Kind",
    "Plan",
    "State",
    "Wanted",
    "apply",
    "diff",
    "plan",
    "read_state",
    "run_setup",
    "wanted",
]


def run_setup(
    client: OpenSearch,
    regions: Sequence[str],
    *,
    retention_days: int,
    now_ms: int,
    echo: Callable[[str], None],
    dry_run: bool = False,
    days: Sequence[date] | None = None,
) -> bool:
    """Set a cluster up for these regions and `control`; return whether anything had to change.

    Makes templates, the pipeline that stamps arrivals, daily indices (from yesterday to 7 days
    ahead, unless `days` names others), and where the cluster has ISM the retention policy. `echo`
    gets the diff line by line; with `dry_run` that is all that happens.

    Raises:
        ClusterError: not OpenSearch, too old, or set up by others.
        AuditshipError: no answer or no right, as `translate` says.
    """
    chosen = days_ahead(now_ms) if days is None else list(days)
    want = wanted(tuple(regions), chosen, retention_days=retention_days)
    planned = plan(read_state(client, want), want)
    for line in diff(planned):
        echo(line)
    if not planned.changes:
        echo(f"{addresses(client)}: nothing to change")
        return False
    if dry_run:
        echo(f"{addresses(client)}: {_count(planned)} planned, none made (dry run)")
        return True
    apply(client, planned.changes)
    echo(f"{addresses(client)}: {_count(planned)} made")
    return True


def _count(planned: Plan) -> str:
    count = len(planned.changes)
    return "1 change" if count == 1 else f"{count} changes"
