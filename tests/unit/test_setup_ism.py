"""Retention by Index State Management, against replies recorded from a real plugin."""

import copy

import pytest

from auditship_indexer.errors import ClusterError, RejectError, RetryError
from auditship_indexer.setup import Kind, Plan, State, Wanted, apply, diff, plan
from auditship_indexer.setup.state import Managed, Policy, Retention, read_retention
from auditship_indexer.setup.wanted import POLICY, policy
from support.ism import RECORDED, RecordedIsm, recorded_ism

WANT = Wanted(pipelines={}, components={}, templates={}, policy=policy(120), indices=())
POLICY_PATH = f"/_plugins/_ism/policies/{POLICY}"


def stored_policy(name: str) -> Policy:
    """A recorded policy as the cluster tells it, with the wording of today's template."""
    body = copy.deepcopy(RECORDED[name]["body"])
    body["policy"]["description"] = WANT.policy["description"]
    return Policy(body["policy"], body["_seq_no"], body["_primary_term"])


def planned(retention: Retention | None) -> Plan:
    return plan(State(retention=retention), WANT)


def told(retention: Retention) -> list[tuple[Kind, str]]:
    return [(change.kind, change.name) for change in planned(retention).changes]


def test_a_cluster_without_the_plugin_gets_no_policy() -> None:
    """The unknown path answers 400 with a plain string; nothing is tried, nothing is said."""
    with recorded_ism(GET_policies="noism.policy.get") as (client, ism):
        assert read_retention(client) is None
        assert ism.written == []
    assert planned(None) == Plan(changes=())


@pytest.mark.parametrize("absent", ["canon.08.policy.get.no_config_index", "policy.get.deleted"])
def test_a_policy_that_is_absent_is_created(absent: str) -> None:
    """Both shapes of 404 mean the same; indices that are there already are handed to ISM."""
    with recorded_ism(
        GET_policies=absent,
        GET_explain="canon.09.explain.no_config_index_with_indices",
        PUT_policies="canon.10.policy.put.create",
        POST_add="canon.14.add",
    ) as (client, ism):
        apply(client, planned(read_retention(client)).changes)
        assert ism.written == [
            f"PUT {POLICY_PATH}",
            "POST /_plugins/_ism/add/audit-2026.11.20",
        ]
        assert ism.asked[-2][2] == {"policy": WANT.policy}
        assert ism.asked[-1][2] == {"policy_id": POLICY}


def test_no_index_at_all_is_no_error() -> None:
    """Asking about a pattern that matches nothing answers 400; it means: nothing to manage."""
    with recorded_ism(
        GET_policies="canon.08.policy.get.no_config_index",
        GET_explain="canon.06.explain.nothing",
    ) as (client, _):
        assert read_retention(client) == Retention()


def test_what_the_cluster_adds_to_a_policy_is_no_difference() -> None:
    """Its id, times, schema version and nulls are not ours; equal means nothing to change."""
    indices = {"audit-a-2026.11.24": Managed(POLICY, 0)}
    retention = Retention(stored_policy("canon.11.policy.get"), indices)
    assert planned(retention) == Plan(changes=())


def test_a_policy_that_differs_is_replaced_only_if_nobody_else_did() -> None:
    """Compare and put: the version read is the version replaced (0 is a version)."""
    with recorded_ism(
        GET_policies="canon.11.policy.get",
        GET_explain="canon.21.explain.attached",
        PUT_policies="canon.62.policy.put.update",
        POST_change_policy="canon.65.change_policy",
    ) as (client, ism):
        changes = planned(read_retention(client)).changes
        assert {change.kind for change in changes} == {Kind.POLICY, Kind.RENEW}
        apply(client, changes)
        assert ism.written[0] == f"PUT {POLICY_PATH}?if_seq_no=0&if_primary_term=1"
        assert ism.written[1].startswith("POST /_plugins/_ism/change_policy/audit-2026.07.20,")


def test_the_diff_shows_what_changes_in_a_policy() -> None:
    """Shorter retention is seen before it is done."""
    retention = Retention(stored_policy("setup.settled.policy.get"))
    lines = list(diff(planned(retention)))
    assert lines[0] == "~ ISM policy auditship-retention"
    assert [line[:11] for line in lines[1:]] == ["-   states:", "+   states:"]
    assert '"min_index_age": "100d"' in lines[1]
    assert '"min_index_age": "121d"' in lines[2]


@pytest.mark.parametrize(
    ("reply", "seen"),
    [
        ("canon.12.policy.put.again_without_seq", None),
        ("canon.61.policy.put.stale", "canon.11.policy.get"),
    ],
)
def test_somebody_else_at_the_same_time_is_told(reply: str, seen: str | None) -> None:
    """A conflict changes nothing of theirs; the next run decides anew."""
    before = None if seen is None else Policy(RECORDED[seen]["body"]["policy"], 0, 1)
    with recorded_ism(PUT_policies=reply) as (client, _):
        changes = planned(Retention(before)).changes
        with pytest.raises(RetryError, match="by somebody else"):
            apply(client, changes)


def test_a_refused_policy_is_an_error() -> None:
    """Anything else that ISM refuses is told with its own words."""
    with (
        recorded_ism(GET_policies="canon.06.explain.nothing") as (client, _),
        pytest.raises(RejectError, match="no documents to get"),
    ):
        read_retention(client)


def test_an_index_that_isms_own_sweep_took_first_is_fine() -> None:
    """`add` answers 200 and "already has a policy": what we wanted is so."""
    unmanaged = Retention(stored_policy("canon.11.policy.get"), {"audit-2026.11.20": Managed()})
    with recorded_ism(POST_add="canon.15.add.again") as (client, ism):
        apply(client, planned(unmanaged).changes)
        assert ism.written == ["POST /_plugins/_ism/add/audit-2026.11.20"]


def test_a_failure_inside_a_200_is_an_error() -> None:
    """ISM's calls always answer 200; the body says what was refused."""
    behind = Retention(stored_policy("canon.11.policy.get"), {"blk-1": Managed(POLICY, 7)})
    with (
        recorded_ism(POST_change_policy="change_policy.unmanaged") as (client, _),
        pytest.raises(ClusterError, match="blk-1: This index is not being managed"),
    ):
        apply(client, planned(behind).changes)


def test_indices_that_follow_an_older_version_are_renewed() -> None:
    """A new policy reaches managed indices only by `change_policy`."""
    with recorded_ism(
        GET_policies="setup.second.policy.get", GET_explain="setup.second.explain"
    ) as (client, _):
        there = read_retention(client)
    assert there is not None
    retention = Retention(stored_policy("setup.second.policy.get"), there.indices)
    # 2026.11.22 was attached a moment ago and has no version yet: it goes along with the others.
    assert told(retention) == [
        (Kind.RENEW, "audit-2026.08.01"),
        (Kind.RENEW, "audit-2026.11.22"),
        (Kind.RENEW, "audit-2026.11.24"),
    ]


def test_indices_that_ism_has_not_begun_with_are_left_alone() -> None:
    """Right after a first run there is nothing to change, though ISM has not begun yet."""
    retention = Retention(stored_policy("canon.11.policy.get"), {"audit-a": Managed(POLICY)})
    assert planned(retention) == Plan(changes=())


def test_a_whole_second_run_changes_nothing() -> None:
    """Settled state, equal policy: no request but questions."""
    with recorded_ism(
        GET_policies="canon.11.policy.get", GET_explain="canon.64.explain.seq_differs"
    ) as (client, ism):
        there = read_retention(client)
        assert there is not None
        assert told(Retention(stored_policy("canon.11.policy.get"), there.indices)) == []
        assert ism.written == []


def test_an_index_of_another_policy_is_left_alone_and_told() -> None:
    """A region with its own days has its own policy; ours does not take its indices."""
    with recorded_ism(
        GET_policies="canon.11.policy.get", GET_explain="explain.cp-3.other_states"
    ) as (client, _):
        there = read_retention(client)
    assert there is not None
    plan_ = planned(Retention(stored_policy("canon.11.policy.get"), there.indices))
    assert plan_.changes == ()
    assert plan_.notes == (
        "index cp-3 is managed by the ISM policy cpx, left alone",
        "index ro-1 is managed by the ISM policy ro, left alone",
    )


def stopped_index() -> Managed:
    with recorded_ism(GET_policies="canon.11.policy.get", GET_explain="explain.fail.final") as (
        client,
        _,
    ):
        there = read_retention(client)
    assert there is not None
    found = there.indices["fail-1"]
    return Managed(POLICY, 0, found.stopped)


@pytest.mark.parametrize("reply", ["retry.failed", "retry.not_failed"])
def test_a_deletion_that_stopped_is_told_and_retried(reply: str) -> None:
    """The cause is in the diff; ISM begins again, or did so by itself meanwhile."""
    retention = Retention(stored_policy("canon.11.policy.get"), {"fail-1": stopped_index()})
    plan_ = planned(retention)
    assert list(diff(plan_)) == [
        "+ ISM retry of fail-1",
        "+   stopped by: Failed to delete index [index=fail-1]",
    ]
    with recorded_ism(POST_retry=reply) as (client, ism):
        apply(client, plan_.changes)
        assert ism.asked == [("POST", "/_plugins/_ism/retry/fail-1", None)]


def test_the_replay_refuses_what_was_not_recorded() -> None:
    """A call without a chosen reply is a failure of the test, not a silent success."""
    status, _ = RecordedIsm({}).answer("POST", "/_plugins/_ism/add/x", None)
    assert status == 500
