"""The window, the pause and the hold, as numbers."""

import pytest

from auditship_agent.config import DeliveryConfig
from auditship_agent.deliver.flow import Flow


def flow(max_in_flight: int = 4, **more: float) -> Flow:
    config = DeliveryConfig(max_in_flight=max_in_flight, **more)  # type: ignore[arg-type]  # seconds
    return Flow(config, lambda: 1.0)


def test_window_grows_by_one_a_full_round() -> None:
    """It widens after as many clean replies as it is wide, only while it was full, to its limit."""
    it = flow(max_in_flight=3)
    widths = [it.window]
    for _ in range(8):
        it.clean(was_full=True)
        widths.append(it.window)
    assert widths == [1, 2, 2, 3, 3, 3, 3, 3, 3]
    idle = flow()
    for _ in range(9):
        idle.clean(was_full=False)
    assert idle.window == 1


def test_window_is_halved_once_a_second() -> None:
    """Several failures of one moment count once."""
    it = flow(max_in_flight=8)
    for _ in range(40):
        it.clean(was_full=True)
    assert it.window == 8
    it.halve(10.0)
    it.halve(10.9)
    assert it.window == 4
    it.halve(11.0)
    it.halve(12.0)
    it.halve(13.0)
    assert it.window == 1


def test_pause_doubles_to_its_limit_and_ends_with_a_good_reply() -> None:
    """1 s, 2 s, 4 s ... 30 s; one request at a time meanwhile."""
    it = flow(retry_max_s=30)
    it.clean(was_full=True)
    pauses = []
    for _ in range(7):
        it.pause(100.0)
        pauses.append(it.gate - 100.0)
        assert it.window == 1
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    it.clean(was_full=False)
    assert it.gate == float("-inf")
    assert it.window == 2


def test_wish_of_a_server_outlasts_a_good_reply_of_another() -> None:
    """`Retry-After` is honored even where it is longer than the limit of our own pauses."""
    it = flow(retry_max_s=30)
    it.pause(100.0, 90.0)
    assert it.gate == 190.0
    it.clean(was_full=False)
    assert it.gate == 190.0


@pytest.mark.parametrize("draw", [0.0, 0.5])
def test_jitter_is_full(draw: float) -> None:
    """The wait is drawn evenly from 0 to its bound."""
    assert Flow(DeliveryConfig(), lambda: draw).retry_s(3) == 4 * draw


def test_hold_probes_and_ends() -> None:
    """While a person is needed one request each `hold_probe_s` asks; a good one ends it."""
    it = flow(hold_probe_s=30)
    it.clean(was_full=True)
    it.stop_for("no rights", 50.0)
    assert (it.hold, it.gate, it.window) == ("no rights", 80.0, 1)
    it.clean(was_full=False)
    assert (it.hold, it.gate, it.window) == ("", float("-inf"), 2)
