"""`make bench-check` counts what a line costs and compares like with like."""

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from bench import corpus
from bench.instructions import STEPS, Kept, compare, main, measure

_KEPT = Kept(
    "3.11.7", "AMD EPYC", {"msgspec": "0.20"}, "abc", 18_000, {"parse": 1000, "body": 2000}
)


@pytest.mark.parametrize("step", STEPS)
def test_each_step_runs(step: str, tmp_path: Path) -> None:
    """What valgrind would count works without it."""
    log = corpus.corpus(50, tmp_path)

    assert CliRunner().invoke(main, ["step", step, str(log)]).exit_code == 0


def test_a_line_costs_the_difference_of_two_runs() -> None:
    """The start and what only the first lines cost is not counted."""
    found = measure(10, 30, lambda _step, lines: 1_000_000 + lines * 500)

    assert found == dict.fromkeys(STEPS, 500)


@pytest.mark.parametrize(("now", "holds"), [(1050, True), (1051, False)])
def test_five_percent_more_is_too_much(now: int, *, holds: bool) -> None:
    """Each step has its own limit."""
    after = msgspec.structs.replace(_KEPT, commit="def", steps={"parse": now, "body": 1500})

    assert compare(_KEPT, after) == [("parse", 1000, now, holds), ("body", 2000, 1500, True)]


def test_only_like_is_compared_with_like() -> None:
    """Another library changes the counts without a change of ours."""
    after = msgspec.structs.replace(_KEPT, packages={"msgspec": "0.21"})

    with pytest.raises(ValueError, match="--keep"):
        compare(_KEPT, after)
