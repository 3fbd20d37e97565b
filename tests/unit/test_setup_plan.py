"""The plan is a pure function: what is there and what is wanted give the changes, in order."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditship_indexer.errors import ClusterError
from auditship_indexer.event.identity import day_start_ms
from auditship_indexer.setup import Kind, State, Wanted, diff, plan, wanted
from auditship_indexer.setup.rows import body_of, rows_of, same

DAYS = [date(2026, 4, 13), date(2026, 4, 14)]
WANT = wanted(("eu-central-2",), DAYS, retention_days=120)


def as_stored(body: dict[str, Any]) -> dict[str, Any]:
    """What the cluster gives back: settings nested, their scalars as text."""
    template = dict(body.get("template", {}))
    if "settings" in template:
        nested: dict[str, Any] = {}
        for path, value in template["settings"].items():
            *folders, leaf = path.split(".")
            place = nested
            for folder in folders:
                place = place.setdefault(folder, {})
            place[leaf] = value if isinstance(value, list) else str(value).lower()
        template["settings"] = nested
    return {**body, "template": template} if template else dict(body)


def ready(want: Wanted = WANT) -> State:
    """The state after `want` was applied."""
    settings = {
        index.name: {
            "index.append_only.enabled": "true",
            "index.creation_date": str(day_start_ms(index.day)),
        }
        for index in want.indices
    }
    return State(
        pipelines=dict(want.pipelines),
        components={name: as_stored(body) for name, body in want.components.items()},
        templates={name: as_stored(body) for name, body in want.templates.items()},
        indices=settings,
    )


def with_row(state: State, component: str, path: str, value: Any) -> State:
    """The state with one row of one component template set to something else."""
    rows = {**rows_of(state.components[component]), path: value}
    components = {**state.components, component: as_stored(body_of(rows))}
    return State(
        pipelines=state.pipelines,
        components=components,
        templates=state.templates,
        indices=state.indices,
    )


def test_an_empty_cluster_gets_everything_in_a_safe_order() -> None:
    """Pipeline, parts, templates, indices: nothing is named before it exists."""
    planned = plan(State(), WANT)
    kinds = [change.kind for change in planned.changes]
    assert kinds == sorted(kinds, key=list(Kind).index)
    assert [change.name for change in planned.changes if change.kind is Kind.INDEX] == [
        "audit-eu-central-2-2026.04.13",
        "audit-eu-central-2-2026.04.14",
        "audit-control-2026.04.13",
        "audit-control-2026.04.14",
        "auditship-agents-eu-central-2-2026.04.13",
        "auditship-agents-eu-central-2-2026.04.14",
    ]


def test_a_ready_cluster_needs_nothing() -> None:
    """What the cluster gives back in other clothes is recognized as ours."""
    planned = plan(ready(), WANT)
    assert planned.changes == ()
    assert planned.notes == ()


def test_regions_are_named_once_and_control_has_no_agents() -> None:
    """A doubled region, or `control` in the file, changes nothing."""
    doubled = wanted(("a", "control", "a"), DAYS[:1], retention_days=120)
    assert [index.name for index in doubled.indices] == [
        "audit-a-2026.04.13",
        "audit-control-2026.04.13",
        "auditship-agents-a-2026.04.13",
    ]


def test_a_changed_setting_of_ours_is_set_back_and_told() -> None:
    """Only the row that differs is in the diff, old and new."""
    path = "settings.index.codec"
    planned = plan(with_row(ready(), "auditship-append-only", path, "default"), WANT)
    assert list(diff(planned)) == [
        "~ component template auditship-append-only",
        f"-   {path}: default",
        f"+   {path}: best_compression",
    ]


def test_a_foreign_setting_survives_and_is_told() -> None:
    """An operator's own row stays in our template, also when we write it for another reason."""
    path = "settings.index.routing.allocation.require.temp"
    state = with_row(ready(), "auditship-append-only", path, "hot")
    kept = f"component template auditship-append-only: {path} is not ours, kept"
    assert plan(state, WANT).changes == ()
    assert plan(state, WANT).notes == (kept,)

    changed = with_row(state, "auditship-append-only", "settings.index.codec", "default")
    (change,) = plan(changed, WANT).changes
    assert change.body["template"]["settings"][path.removeprefix("settings.")] == "hot"


def test_a_foreign_part_of_our_template_survives() -> None:
    """`composed_of` may name a part of the operator's; it stays behind ours."""
    state = ready()
    state.templates["audit"] = {
        **state.templates["audit"],
        "composed_of": ["auditship-append-only", "site", "auditship-events"],
        "priority": 7,
    }
    planned = plan(state, WANT)
    (change,) = planned.changes
    assert change.body["composed_of"] == ["auditship-append-only", "auditship-events", "site"]
    assert planned.notes == ("index template audit: composed_of site is not ours, kept",)


def test_a_foreign_setting_that_breaks_a_promise_is_removed() -> None:
    """Switching append-only off above our part would win over it: this is taken out."""
    state = ready()
    broken = rows_of(WANT.templates["audit"]) | {"settings.index.append_only.enabled": "false"}
    state.templates["audit"] = as_stored(body_of(broken))
    assert list(diff(plan(state, WANT))) == [
        "~ index template audit",
        "-   settings.index.append_only.enabled: false",
    ]


def test_a_processor_in_our_pipeline_is_removed() -> None:
    """Nobody edits documents between the agent and the index."""
    state = ready()
    (name,) = WANT.pipelines
    extra = [{"remove": {"field": "client.ip"}}, *WANT.pipelines[name]["processors"]]
    state.pipelines[name] = {**WANT.pipelines[name], "processors": extra}
    (change,) = plan(state, WANT).changes
    assert change.body == WANT.pipelines[name]


def test_a_template_of_somebody_else_is_not_taken_over() -> None:
    """Another product's `audit` template stops setup before anything is changed."""
    state = ready()
    state.templates["audit"] = {"index_patterns": ["audit-*"], "priority": 1}
    with pytest.raises(ClusterError, match="index template audit exists and is not of auditship"):
        plan(state, WANT)


def test_a_newer_version_is_not_undone() -> None:
    """An old companion does not write over what a newer one set up."""
    state = ready()
    state.components["auditship-events"] = {**state.components["auditship-events"], "version": 99}
    with pytest.raises(ClusterError, match="has version 99"):
        plan(state, WANT)


def test_an_index_that_was_made_by_others_is_told() -> None:
    """Neither flaw can be repaired: append-only and the date of creation are final."""
    state = ready()
    state.indices["audit-eu-central-2-2026.04.13"] = {"index.creation_date": "1776124800000"}
    planned = plan(state, WANT)
    assert planned.changes == ()
    assert planned.notes == (
        "index audit-eu-central-2-2026.04.13 is not append-only: it was not made by auditship",
        (
            "index audit-eu-central-2-2026.04.13 counts its age from 2026-04-14T00:00:00.000Z, "
            "not from its day"
        ),
    )


def test_days_of_a_region_are_one_line_of_the_diff() -> None:
    """A first run for ten regions stays readable."""
    state = ready()
    state.indices.clear()
    assert list(diff(plan(state, WANT))) == [
        "+ index audit-eu-central-2-2026.04.13 to 2026.04.14 (2 days)",
        "+ index audit-control-2026.04.13 to 2026.04.14 (2 days)",
        "+ index auditship-agents-eu-central-2-2026.04.13 to 2026.04.14 (2 days)",
    ]


def test_the_retention_policy_counts_one_day_more() -> None:
    """Age counts from the start of a day, so its last event would go almost a day early."""
    policy = wanted((), [], retention_days=3650).policy
    assert policy["states"][0]["transitions"][0]["conditions"] == {"min_index_age": "3651d"}
    assert "3651 d after" in policy["description"]
    assert WANT.policy["states"][0]["transitions"][0]["conditions"] == {"min_index_age": "121d"}


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
NAMES = st.text("abc", min_size=1, max_size=3)
BODIES = st.fixed_dictionaries(
    {"version": st.integers()},
    optional={
        "composed_of": st.lists(NAMES, max_size=2),
        "template": st.fixed_dictionaries(
            {},
            optional={
                "settings": st.dictionaries(NAMES.map("index.{}".format), SCALARS, min_size=1),
                "mappings": st.fixed_dictionaries(
                    {"dynamic": st.booleans()},
                    optional={"properties": st.dictionaries(NAMES, st.just({}), min_size=1)},
                ),
                "aliases": st.dictionaries(NAMES, st.just({})),
            },
        ).filter(bool),
    },
)


@given(BODIES)
def test_rows_and_body_are_two_forms_of_one_thing(body: dict[str, Any]) -> None:
    """What is read as rows is written back as the same body."""
    assert body_of(rows_of(body)) == body


@pytest.mark.parametrize(
    ("left", "right", "alike"),
    [
        (True, "true", True),
        (1, "1", True),
        ({"a": [1, False]}, {"a": ["1", "false"]}, True),
        (["a", "b"], ["b", "a"], False),
        ({"a": 1}, {"a": 1, "b": 1}, False),
    ],
)
def test_values_are_compared_as_the_cluster_tells_them(
    left: object,
    right: object,
    alike: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """Numbers and booleans come back as text; order of a list matters."""
    assert same(left, right) is alike
