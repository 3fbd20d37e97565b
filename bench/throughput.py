"""What it costs to ship a log: this agent and the shippers that people would pick instead.

First every contestant ships a small log, and its documents are compared with those of the agent's
plain pipeline. Then all take turns, the order rotated each round, over the same log to the same
sink, each time from cold. CPU is that of the whole process tree. Only figures of one run compare.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import click

from bench import chart, equal
from bench.corpus import LINES, corpus, country_data
from bench.machine import Machine, describe, keep
from bench.packages import MissingError
from bench.peer import OWN, Contestant, Site, configure, contestants
from bench.throughput_report import Result, Standing, told
from bench.trial import Trial, TrialError, run, sink

_PROOF_LINES: Final = 20_000
_START_LINES: Final = 1_000


class _Race:
    """Contestants, logs and database of one run."""

    def __init__(self, folder: Path, lines: int) -> None:
        self.folder = folder
        self.lines = lines
        self.log = corpus(lines)
        self.start_log = corpus(min(lines, _START_LINES))
        self.proof_log = corpus(min(lines, _PROOF_LINES))
        self.database = folder / "country.mmdb"
        self.database.write_bytes(country_data())

    def prove(self, field: Sequence[Contestant], missing: dict[str, str]) -> dict[str, int]:
        """Return how many fields of each contestant's documents are the oracle's.

        A peer that does not do its job on this machine becomes one of the missing.

        Raises:
            TrialError: the agent does not do its job.
            UnequalError: its documents are not those of its own plain pipeline.
        """
        config = configure(Site(self.folder, self.proof_log, 9200, self.database))
        wanted = equal.expected(config, self.proof_log)
        found: dict[str, int] = {}
        for who in field:
            try:
                found[who.name] = self._equal_fields(who, wanted)
            except (TrialError, equal.UnequalError) as error:
                if who.name.startswith(OWN):
                    raise
                missing[who.name] = " ".join(str(error).split())[:300]
        return found

    def _equal_fields(self, who: Contestant, wanted: dict[str, dict[str, Any]]) -> int:
        kept = self.folder / "documents"
        with sink("--keep", str(kept)) as to:
            run(who, self.proof_log, len(wanted), to, self.database)
        documents = kept.read_bytes().split(b"\n")[:-1]
        count = equal.compare(who.name, documents, wanted, who.leaves_out)
        click.echo(f"{who.name}: {count} fields are equal", err=True)
        return count

    def rounds(
        self, field: Sequence[Contestant], count: int
    ) -> tuple[dict[str, list[Trial]], dict[str, list[Trial]]]:
        """Let all run `count` times, each round begun by another one."""
        trials: dict[str, list[Trial]] = {who.name: [] for who in field}
        starts: dict[str, list[Trial]] = {who.name: [] for who in field}
        few = min(self.lines, _START_LINES)
        with sink() as to:
            for number in range(count):
                turn = number % len(field)
                for who in (*field[turn:], *field[:turn]):
                    starts[who.name].append(run(who, self.start_log, few, to, self.database))
                    trial = run(who, self.log, self.lines, to, self.database)
                    trials[who.name].append(trial)
                    click.echo(
                        f"round {number + 1}  {who.name:20}  {trial.per_event_us:6.2f} µs/event"
                        f"  {trial.wall_s:6.2f} s  {trial.peak_mib:6.1f} MiB",
                        err=True,
                    )
        return trials, starts


def race(folder: Path, lines: int, rounds: int, field: Sequence[Contestant]) -> Result:
    """Prove, then measure; contestants that are not on this machine are named in the result.

    Raises:
        TrialError: the agent does not do its job, or a peer no longer does.
        UnequalError: the agent's documents are wrong.
    """
    versions, missing = {}, {}
    for who in field:
        try:
            versions[who.name] = who.version()
        except MissingError as error:
            missing[who.name] = str(error)
    arena = _Race(folder, lines)
    fields = arena.prove([who for who in field if who.name in versions], missing)
    present = [who for who in field if who.name in fields]
    for name, why in missing.items():
        click.echo(f"{name} does not take part: {why}", err=True)
    trials, starts = arena.rounds(present, rounds)
    standings = tuple(
        Standing(
            who.name,
            versions[who.name],
            who.lacks,
            fields[who.name],
            tuple(trials[who.name]),
            tuple(starts[who.name]),
        )
        for who in present
    )
    return Result(lines, rounds, min(lines, _PROOF_LINES), missing, standings)


def draw(result: Result, base: Path) -> list[Path]:
    """Write the plots beside the result; return their paths."""
    plots = {
        "cpu": ("CPU an event", "microseconds, median; shorter is better", "per_event_us"),
        "memory": ("Peak memory", "MiB resident, median; shorter is better", "peak_mib"),
    }
    made = []
    for name, (title, unit, figure) in plots.items():
        rows = [
            (one.name, median(getattr(trial, figure) for trial in one.trials))
            for one in result.standings
        ]
        path = base.with_name(f"{base.stem}-{name}.svg")
        path.write_text(
            chart.bars(f"{title}: {result.lines:,} events", unit, rows, OWN),
            encoding="utf-8",
        )
        made.append(path)
    return made


def _keep(machine: Machine, result: Result, text: str) -> None:
    path = keep("throughput", machine, result, text)
    for made in (path, *draw(result, path)):
        click.echo(made)


@click.command()
@click.option("--lines", type=click.IntRange(min=1), default=LINES, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--only", multiple=True, help="Names of contestants; all by default.")
@click.option("--keep/--no-keep", "is_kept", default=True, help="Write bench/results.")
@click.option("--note", default="", help="Put into the result.")
def main(*, lines: int, rounds: int, only: tuple[str, ...], is_kept: bool, note: str) -> None:
    """Compare the agent with other shippers."""
    machine = describe()
    field = [who for who in contestants() if not only or who.name in only]
    try:
        with tempfile.TemporaryDirectory(prefix="auditship bench ") as folder:
            result = race(Path(folder), lines, rounds, field)
    except (TrialError, equal.UnequalError) as error:
        click.echo(error, err=True)
        sys.exit(2)
    text = told(machine, result, note)
    click.echo(text)
    if is_kept:
        _keep(machine, result, text)


if __name__ == "__main__":
    main()
