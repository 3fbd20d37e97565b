"""The result of `make bench` for people: who took part, what it cost, which goals hold."""

from collections.abc import Callable, Iterable
from statistics import median
from typing import Final

from msgspec import Struct

from bench.machine import Machine, table
from bench.peer import OWN
from bench.trial import Trial

# events a CPU-second of the agent over those of the peer, in one run
GOALS: Final = {"rsyslog": 3.5, "syslog-ng, geo": 4.0, "fluent-bit": 4.0, "naive Python": 8.0}
GOAL_EVENTS: Final = 110_000  # a core-second, from cold, on 2 cores of this class
GOAL_WALL: Final = 120_000  # events a second, one process
GOAL_MIB: Final = 80.0
_HEAD: Final = (
    (
        "| shipper | µs an event | beyond the start | events a CPU-second | agent is "
        "| events/s wall "
        "| peak MiB | bytes sent an event | fields | leaves out |"
    ),
    "|---|---|---|---|---|---|---|---|---|---|",
)

_EXPLAINED: Final = (
    "The peers' configurations are in `bench/peers`: ours, in each project's usual way, not "
    "tuned by its experts. CPU is user and system time of the whole process tree; *beyond the "
    "start* leaves out what a run over 1,000 lines costs; *agent is*: how many events it ships "
    "for each one of the peer, for the same CPU; *fields*: of the fullest document, equal to "
    "the agent's.\n"
)


class Standing(Struct, frozen=True):
    """A contestant's runs. `starts` are runs over the few lines that cost little but the start."""

    name: str
    version: str
    lacks: tuple[str, ...]
    fields: int  # of its fullest document, compared with the oracle's
    trials: tuple[Trial, ...]
    starts: tuple[Trial, ...]


class Result(Struct, frozen=True):
    """One interleaved run. `missing` says why a contestant did not take part."""

    lines: int
    rounds: int
    proven_lines: int
    missing: dict[str, str]
    standings: tuple[Standing, ...]


def middle(trials: Iterable[Trial], figure: Callable[[Trial], float]) -> float:
    """Return the median of one figure."""
    return median(figure(trial) for trial in trials)


def _cpu(one: Standing) -> float:
    return middle(one.trials, lambda trial: trial.per_event_us)


def _beyond(one: Standing) -> str:
    """Return the microseconds an event that are not the start's."""
    trial, start = one.trials[0], one.starts[0]
    events = trial.events - start.events
    if events <= 0:
        return "-"
    spent = middle(one.trials, lambda t: t.cpu_s) - middle(one.starts, lambda t: t.cpu_s)
    return f"{spent / events * 1e6:.2f}"


def _row(one: Standing, own: float | None) -> str:
    cpu = _cpu(one)
    costs = [trial.per_event_us for trial in one.trials]
    faster = "" if own is None or one.name.startswith(OWN) else f"{cpu / own:.2f} x"
    wall = middle(one.trials, lambda t: t.events / t.wall_s)
    wire = middle(one.trials, lambda t: t.wire_bytes / t.events)
    cells = (
        f"{one.name} {one.version}",
        f"**{cpu:.2f}** ({min(costs):.2f}-{max(costs):.2f})",
        _beyond(one),
        f"{1e6 / cpu:,.0f}",
        faster,
        f"{wall:,.0f}",
        f"{middle(one.trials, lambda t: t.peak_mib):.1f}",
        f"{wire:,.0f}",
        str(one.fields),
        ", ".join(one.lacks) or "nothing",
    )
    return f"| {' | '.join(cells)} |"


def verdicts(result: Result) -> list[tuple[str, str]]:
    """Return each goal and how it stands."""
    by_name = {one.name: one for one in result.standings}
    if OWN not in by_name:
        return []
    own = by_name[OWN]
    cpu = _cpu(own)
    rows = [
        (f"at least {goal:g} x {name}", _judged(_cpu(by_name[name]) / cpu, goal, "x"))
        for name, goal in GOALS.items()
        if name in by_name
    ]
    wall = middle(own.trials, lambda t: t.events / t.wall_s)
    peak = middle(own.trials, lambda t: t.peak_mib)
    kept = "holds" if peak <= GOAL_MIB else "**missed**"
    return [
        *rows,
        (f"at least {GOAL_EVENTS:,} events a CPU-second", _judged(1e6 / cpu, GOAL_EVENTS, "")),
        (f"at least {GOAL_WALL:,} events a second", _judged(wall, GOAL_WALL, "")),
        (f"peak memory at most {GOAL_MIB:g} MiB", f"{peak:.1f}: {kept}"),
    ]


def _judged(value: float, goal: float, unit: str) -> str:
    shown = f"{value:.2f} {unit}" if unit else f"{value:,.0f}"
    return f"{shown}: {'holds' if value >= goal else '**missed**'}"


def told(machine: Machine, result: Result, note: str) -> str:
    """Return the result as Markdown."""
    own = next((_cpu(one) for one in result.standings if one.name == OWN), None)
    how = [
        ("command", f"`make bench LINES={result.lines} ROUNDS={result.rounds}`"),
        ("rounds", f"{result.rounds}, all contestants in each, order rotated; medians (range)"),
        ("log", f"{result.lines:,} lines of the native log, 465 bytes on average, from cold"),
        ("documents", f"of {result.proven_lines:,} lines compared with the plain pipeline's"),
        *((f"{name} does not take part", why) for name, why in result.missing.items()),
        *(row for row in machine.rows() if row[0] != "OpenSearch"),
    ]
    parts = [
        "# Throughput\n",
        table(how),
        "\n".join([*_HEAD, *(_row(one, own) for one in result.standings)]) + "\n",
        _EXPLAINED,
    ]
    if goals := verdicts(result):
        parts.append("\n".join(["| goal | |", "|---|---|", *(f"| {a} | {b} |" for a, b in goals)]))
        parts.append("")
    parts.append(f"{note}\n" if note else "")
    return "\n".join(parts).rstrip() + "\n"
