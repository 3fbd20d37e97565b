"""The plumbing that agent and companion share: errors, clocks, log lines, the retry schedule."""

import io
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditship_indexer import errors
from auditship_indexer.clock import SystemClock, iso_ms
from auditship_indexer.log import Log
from auditship_indexer.retry import backoff_s


class StepClock:
    """A clock that moves only when a test says so."""

    def __init__(self) -> None:
        self.wall_ms = 1_776_163_817_000
        self.mono_s = 100.0

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic(self) -> float:
        return self.mono_s

    def sleep(self, seconds: float) -> None:
        self.mono_s += seconds
        self.wall_ms += round(seconds * 1000)


class Told:
    """A log whose lines are read back."""

    def __init__(self, **options: Any) -> None:
        self.out = io.StringIO()
        self.clock = StepClock()
        self.log = Log(clock=self.clock, out=self.out, **options)

    @property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.getvalue().splitlines()]

    @property
    def events(self) -> list[str]:
        return [record["event"] for record in self.records]


# -- errors ------------------------------------------------------------------------------------


def test_an_error_explains_itself() -> None:
    """A person sees what is wrong, and below it what to do, when there is something to do."""
    told = errors.ConfigError("agent.yaml:14: x: unknown setting", hint="did you mean y?")

    assert str(told) == "agent.yaml:14: x: unknown setting"
    assert told.explain() == "Error: agent.yaml:14: x: unknown setting\nHint:  did you mean y?"
    assert errors.StateError("locked").explain() == "Error: locked"


def test_all_errors_share_one_base() -> None:
    """One `except AuditshipError` catches everything that is raised on purpose."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]

    assert len(kinds) > 5
    assert all(issubclass(kind, errors.AuditshipError) for kind in kinds)


def test_a_retry_carries_the_servers_wish() -> None:
    """`after_s` is the server's own wish, None when it had none."""
    assert errors.RetryError("busy", after_s=7.0).after_s == 7.0
    assert errors.RetryError("busy").after_s is None


# -- clock -------------------------------------------------------------------------------------


def test_iso_ms() -> None:
    """A time has exactly 24 characters: milliseconds and Z, also before 1970 and in year 1."""
    assert iso_ms(1_776_162_735_000) == "2026-04-14T10:32:15.000Z"
    assert iso_ms(1_776_162_735_007) == "2026-04-14T10:32:15.007Z"
    assert iso_ms(-1) == "1969-12-31T23:59:59.999Z"
    assert iso_ms(-62_135_596_800_000) == "0001-01-01T00:00:00.000Z"


@pytest.mark.parametrize("epoch_ms", [10**15, -(10**15), 10**30])
def test_iso_ms_refuses_other_years(epoch_ms: int) -> None:
    """A time outside the years 1 to 9999 is refused."""
    with pytest.raises(ValueError, match=r"not a time|year .* out of range"):
        iso_ms(epoch_ms)


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_iso_ms_is_reversible(epoch_ms: int) -> None:
    """The text names the very millisecond, over all years 1 to 9999."""
    text = iso_ms(epoch_ms)
    since = datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)

    assert len(text) == 24
    assert (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000 == epoch_ms


def test_system_clock() -> None:
    """Both clocks of the machine go on, and a wait of nothing returns."""
    clock = SystemClock()
    wall, mono = clock.now_ms(), clock.monotonic()
    clock.sleep(0)

    assert clock.now_ms() >= wall > 1_700_000_000_000
    assert clock.monotonic() >= mono


# -- log ---------------------------------------------------------------------------------------


def test_one_line_one_object() -> None:
    """A log line is one JSON object: time, level, event name, then its fields in their order."""
    told = Told()
    told.log.info("agent.started", version="1.0.0", path="/var/log/a b.log")

    assert told.out.getvalue() == (
        '{"time":"2026-04-14T10:50:17.000Z","level":"info","event":"agent.started",'
        '"version":"1.0.0","path":"/var/log/a b.log"}\n'
    ).replace('":', '": ').replace(',"', ', "')


@given(st.text())
def test_a_value_cannot_break_the_line(text: str) -> None:
    """Whatever a value holds, the line stays one line of ASCII and gives it back."""
    told = Told()
    told.log.warning("odd", value=text)

    assert told.out.getvalue().isascii()
    assert told.out.getvalue().count("\n") == 1
    assert told.records[0]["value"] == text


@pytest.mark.parametrize(
    ("level", "events"),
    [
        ("debug", ["d", "i", "w", "e"]),
        ("info", ["i", "w", "e"]),
        ("warning", ["w", "e"]),
        ("error", ["e"]),
    ],
)
def test_levels(level: str, events: list[str]) -> None:
    """What lies below the level is not told; the level can change while the process runs."""
    told = Told(level="error")
    told.log.set_level(level, 60.0)
    told.log.debug("d")
    told.log.info("i")
    told.log.warning("w")
    told.log.error("e")

    assert told.events == events
    assert [record["level"][0] for record in told.records] == events


def test_a_lasting_fault() -> None:
    """A fault is told at once, then each `repeat_s` with what was left out, then its end."""
    told = Told(repeat_s=60.0)
    for _ in range(121):  # one a second, for two minutes
        told.log.fault("bulk", "bulk.held", reason="401")
        told.clock.sleep(1.0)
    told.log.recovered("bulk", "bulk.resumed")

    assert told.events == ["bulk.held", "bulk.held", "bulk.held", "bulk.resumed"]
    assert [record.get("left_out") for record in told.records] == [None, 59, 59, None]
    assert told.records[-1]["lasted_s"] == 121.0
    assert (told.records[0]["level"], told.records[-1]["level"]) == ("error", "info")


def test_faults_are_told_apart() -> None:
    """Two faults do not hide one another, and one that is over starts anew."""
    told = Told()
    told.log.fault("a", "a.held")
    told.log.fault("b", "b.held", level="warning")
    told.log.recovered("a", "a.resumed")
    told.log.fault("a", "a.held")

    assert told.events == ["a.held", "b.held", "a.resumed", "a.held"]


def test_the_end_of_no_fault_is_not_told() -> None:
    """Nothing is told of a recovery when nothing was wrong."""
    told = Told()
    told.log.recovered("bulk", "bulk.resumed")

    assert told.events == []


def test_threads_share_a_log() -> None:
    """Lines of several threads are whole, and none is lost."""
    told = Told()

    def tell() -> None:
        for number in range(50):
            told.log.info("x", n=number)

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(told.records) == 200


def test_stderr_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a stream of its own, a log writes to stderr."""
    Log().info("agent.started")

    assert '"event": "agent.started"' in capsys.readouterr().err


# -- retry -------------------------------------------------------------------------------------


def waits(random: float, *, wish_s: float | None = None) -> Iterator[float]:
    """Return the first eight waits for one and the same random number."""
    for attempt in range(1, 9):
        yield backoff_s(attempt, first_s=1.0, max_s=30.0, wish_s=wish_s, random=lambda: random)


def test_the_bound_doubles_up_to_its_limit() -> None:
    """Waits grow twofold from `first_s` and stop at `max_s`; jitter takes any part of them."""
    assert list(waits(1.0)) == [1, 2, 4, 8, 16, 30, 30, 30]
    assert list(waits(0.5)) == [0.5, 1, 2, 4, 8, 15, 15, 15]
    assert list(waits(0.0)) == [0.0] * 8


def test_a_wish_is_a_lower_limit() -> None:
    """`Retry-After` is honored also beyond the limit, and does not shorten a longer wait."""
    assert list(waits(1.0, wish_s=5.0)) == [5, 5, 5, 8, 16, 30, 30, 30]
    assert list(waits(0.0, wish_s=120.0)) == [120.0] * 8


@given(
    attempt=st.integers(1, 10**9),
    first_s=st.floats(0.001, 100),
    max_s=st.floats(0.001, 10_000),
    random=st.floats(0, 1, exclude_max=True),
)
def test_any_attempt(attempt: int, first_s: float, max_s: float, random: float) -> None:
    """However many attempts there were, the wait is finite and never over the limit."""
    wait = backoff_s(attempt, first_s=first_s, max_s=max_s, wish_s=None, random=lambda: random)

    assert 0 <= wait <= max_s
