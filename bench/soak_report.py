"""The result of a soak: what is kept of it, and how it reads."""

from typing import Any

from msgspec import Struct

from bench.machine import Machine, table
from bench.memory import LIMIT_MIB, SLOPE_LIMIT, Sample, Trend
from bench.oracle import Verdict


class Result(Struct, frozen=True):
    """One soak."""

    seconds: float
    seed: int
    verdict: Verdict
    rotations: dict[str, int]
    agent_killed: int
    agent_stopped: int
    node_killed: int
    node_away_s: float
    caught_up_s: float
    dead_letters: int
    gaps: list[dict[str, Any]]
    second_run: list[str]
    agent_log_mib: float
    memory: Trend
    samples: list[Sample]

    @property
    def is_clean(self) -> bool:
        """Whether everything was as promised. Nothing is lost here, so a gap is a false alarm."""
        wrong = self.dead_letters or self.gaps
        return self.verdict.is_clean and not wrong and self.memory.is_flat


def told(machine: Machine, result: Result, note: str) -> str:
    """Return the result as Markdown."""
    verdict, memory = result.verdict, result.memory
    rows = [
        ("verdict", "as promised" if result.is_clean else "**NOT AS PROMISED**"),
        ("length", f"{result.seconds:g} s, seed {result.seed}"),
        ("lines written", f"{verdict.written:,} (found in the files: {verdict.in_files:,})"),
        ("stored", f"{verdict.stored:,}"),
        ("**lost**", f"**{verdict.lost:,}**"),
        ("**stored twice**", f"**{verdict.twice:,}**"),
        ("stored under an unexpected id", f"{verdict.strange:,}"),
        ("dead letters", f"{result.dead_letters:,}"),
        ("gaps told, with nothing lost", f"{len(result.gaps):,}"),
        *((f"rotations: {way}", f"{count:,}") for way, count in result.rotations.items()),
        (
            "agent ended",
            f"SIGKILL {result.agent_killed} times, SIGTERM {result.agent_stopped} times (exit 0)",
        ),
        (
            "node ended",
            f"SIGKILL {result.node_killed} times, away for {result.node_away_s:g} s in all",
        ),
        ("all stored after the last line", f"{result.caught_up_s:g} s"),
        ("a second run", "; ".join(result.second_run)),
        ("agent's memory, highest", _highest(memory)),
        ("agent's memory over time", _over_time(memory)),
        *machine.rows(),
    ]
    parts = ["# Soak\n", table(rows)]
    if note:
        parts.append(f"{note}\n")
    if verdict.examples:
        parts.append("Examples: " + ", ".join(verdict.examples) + "\n")
    return "\n".join(parts)


def _highest(memory: Trend) -> str:
    anonymous = f"{memory.highest_anonymous:.1f} MiB of it anonymous"
    return f"{memory.highest:.1f} MiB resident, {anonymous} (limit {LIMIT_MIB:g})"


def _over_time(memory: Trend) -> str:
    life = f"second half of a life of {memory.longest_life_s:g} s"
    if memory.slope is None:
        return f"{life}: too short to tell"
    span = f"{memory.from_mib:.1f} to {memory.to_mib:.1f} MiB"
    return f"{life}: {span}, {memory.slope:+.2f} MiB a minute (limit {SLOPE_LIMIT:g})"
