"""`make bench-stages` measures what it says, and tells which rule holds."""

from pathlib import Path

import pytest

from bench import stages
from bench.machine import describe
from bench.stages import Stage, measure, per_call, told


def test_every_stage_of_the_way_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decode, shape, time, path, address, country, agent, id, encode, on real objects."""
    for name in ("_LINES", "_NEW", "_ROUNDS"):
        monkeypatch.setattr(stages, name, 20)

    found = [stage.name for stage in measure(tmp_path)]

    wanted = ("decode", "shape", "time", "path", "address", "country", "user agent", "id", "encode")
    for word in wanted:
        assert any(name.startswith(word) for name in found), word


def test_a_call_is_made_for_each_value_in_each_round() -> None:
    """Best of some rounds; a new value is met once only."""
    seen: list[int] = []

    assert per_call(seen.append, range(10), rounds=3) >= 0
    assert len(seen) == 30


@pytest.mark.parametrize(
    ("stage", "rule", "holds"),
    [
        (Stage("a", 299.0, is_enriching=True), "at most 300", True),
        (Stage("a", 301.0, is_enriching=True), "**over 300**", False),
        (Stage("a", 9000.0, 9.0, is_enriching=True), "cached", True),
        (Stage("a", 9000.0), "|  |  |", True),
    ],
)
def test_the_rule_is_told(stage: Stage, rule: str, *, holds: bool) -> None:
    """Cached per distinct value, or at most 0.3 µs a line; the work itself has no rule."""
    assert rule in told(describe(), [stage])
    assert stage.is_within is holds
