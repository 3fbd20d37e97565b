"""A log that is written while it is shipped: how late events arrive, and what following costs.

Each contestant follows a log of its own at a steady rate. After some seconds of warming up, the
sink forgets what came; from then on it notes the time from write to arrival of each event, by the
clock that the writer put into the line, and the kernel says what the contestant used.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles
from typing import Final

import click
from msgspec import Struct

from bench import chart
from bench.corpus import country_data
from bench.machine import Machine, cpu_s, describe, keep, memory_of, table
from bench.packages import MissingError
from bench.peer import OWN, Auditship, Contestant, Rsyslog, Site, Start, SyslogNg
from bench.trial import Sink, TrialError, end, sink

RATES: Final = (1_000, 20_000)
_HEAD: Final = (
    (
        "| shipper | written/s | arrived/s | p50 ms | p99 ms | slowest ms | CPU of a core "
        "| bulks/s | peak MiB | |"
    ),
    "|---|---|---|---|---|---|---|---|---|---|",
)
_EXPLAINED: Final = (
    "Delays are from the write to the arrival at a sink on the same machine. The peers' "
    "configurations are in `bench/peers`: ours, not tuned by their experts.\n"
)
P99_LIMIT_MS: Final = 300.0
_FEWEST: Final = 2  # delays, of which percentiles can be taken
_START_S: Final = 60.0
_LOOK_S: Final = 0.1
SHARE_LIMIT: Final = 0.20  # of a core, at the highest rate


class Pace(Struct, frozen=True):
    """Lines a second, and seconds: measured, and before that."""

    rate: int
    seconds: float
    warm_s: float = 5.0


class Live(Struct, frozen=True):
    """One contestant at one rate. Delays in ms; `curve` holds the 1st to the 99th percentile."""

    name: str
    version: str
    rate: int
    seconds: float
    events: int
    bulks_per_s: float
    share: float  # of one core
    peak_mib: float
    curve: tuple[float, ...]
    slowest_ms: float
    writer_is_late: bool

    @property
    def p50_ms(self) -> float:
        """The median delay."""
        return self.curve[49]

    @property
    def p99_ms(self) -> float:
        """The delay that 99 % do not exceed."""
        return self.curve[98]


def measure(who: Contestant, pace: Pace, to: Sink) -> Live:
    """Let a contestant follow a log that grows; return what was seen after the warming up.

    Raises:
        TrialError: it ended, or too little arrived.
        MissingError: it is not on this machine.
    """
    version = who.version()
    folder = Path(tempfile.mkdtemp(prefix="auditship live "))
    try:
        log, database = folder / "live.log", folder / "country.mmdb"
        database.write_bytes(country_data())
        log.touch()
        seen = _followed(who.start(Site(folder, log, to.port, database)), log, pace, to)
    except TrialError as error:
        words = (folder / "told").read_text(encoding="utf-8", errors="replace")[-1500:]
        raise TrialError(f"{who.name}: {error}: {words}") from error
    finally:
        shutil.rmtree(folder)
    return _live(who.name, version, pace, seen)


class _Seen(Struct, frozen=True):
    delays: list[int]  # µs
    requests: int
    elapsed_s: float
    cpu_s: float
    peak_mib: float
    writer_is_late: bool


def _live(name: str, version: str, pace: Pace, seen: _Seen) -> Live:
    return Live(
        name,
        version,
        pace.rate,
        round(seen.elapsed_s, 2),
        len(seen.delays),
        round(seen.requests / seen.elapsed_s, 1),
        round(seen.cpu_s / seen.elapsed_s, 4),
        seen.peak_mib,
        tuple(round(one / 1000, 2) for one in quantiles(seen.delays, n=100)),
        round(max(seen.delays) / 1000, 1),
        seen.writer_is_late,
    )


def _followed(start: Start, log: Path, pace: Pace, to: Sink) -> _Seen:
    to.ask("/_reset")
    with log.with_name("told").open("wb") as output:
        process = subprocess.Popen(
            start.command, env=start.environment, stdin=subprocess.DEVNULL, stdout=output,
            stderr=output, cwd=log.parent,
        )  # fmt: skip
    writer = _writer(log, pace)
    try:
        _await_first(to)
        time.sleep(pace.warm_s)
        to.ask("/_reset")
        before, began = _cpu(process), time.monotonic()
        time.sleep(pace.seconds)
        used, elapsed_s = _cpu(process) - before, time.monotonic() - began
        requests, delays = to.ask("/_counters")["requests"], to.ask("/_stamps")
        memory = memory_of(process.pid)
        writer.terminate()
        late = writer.wait() != 0
    finally:
        writer.kill()
        writer.wait()
        end(process)
    if len(delays) < _FEWEST:
        raise TrialError(f"{len(delays)} events in {elapsed_s:.1f} s")
    return _Seen(delays, requests, elapsed_s, used, memory.peak if memory else 0.0, late)


def _await_first(to: Sink) -> None:
    until = time.monotonic() + _START_S
    while not to.ask("/_counters")["documents"]:
        if time.monotonic() > until:
            raise TrialError(f"nothing arrived within {_START_S:g} s")
        time.sleep(_LOOK_S)


def _writer(log: Path, pace: Pace) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "bench.live_writer", str(log), "--rate", str(pace.rate)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _cpu(process: "subprocess.Popen[bytes]") -> float:
    if process.poll() is not None:
        raise TrialError(f"ended with {process.returncode}")
    return sum(cpu_s(process.pid).values())  # of threads; none of them ends while it follows


def _row(one: Live) -> str:
    cells = (
        f"{one.name} {one.version}", f"{one.rate:,}", f"{one.events / one.seconds:,.0f}",
        f"{one.p50_ms:.0f}", f"{one.p99_ms:.0f}",
        f"{one.slowest_ms:.0f}", f"{one.share:.1%}", f"{one.bulks_per_s:g}", f"{one.peak_mib:.1f}",
        "the writer fell behind" if one.writer_is_late else "",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def verdicts(found: list[Live]) -> list[tuple[str, bool]]:
    """Return what is asked of the agent, and whether it holds."""
    own = [one for one in found if one.name == OWN]
    judged = [
        (f"p99 at {one.rate:,}/s at most {P99_LIMIT_MS:g} ms", one.p99_ms <= P99_LIMIT_MS)
        for one in own
    ]
    return judged + [
        (f"at {one.rate:,}/s at most {SHARE_LIMIT:.0%} of a core", one.share <= SHARE_LIMIT)
        for one in own
        if one.rate == max(RATES)
    ]


def told(machine: Machine, found: list[Live], missing: dict[str, str], note: str) -> str:
    """Return the measurement as Markdown."""
    how = [
        ("command", "`make bench-live`"),
        ("measured for", f"{found[0].seconds:g} s each, after some seconds of warming up"),
        ("linger", "200 ms for the agent and syslog-ng; rsyslog sends what it has"),
        *((f"{name} does not take part", why) for name, why in missing.items()),
        *(row for row in machine.rows() if row[0] != "OpenSearch"),
    ]
    goals = [f"| {goal} | {'holds' if fine else '**missed**'} |" for goal, fine in verdicts(found)]
    return "\n".join(
        [
            "# Live tail\n", table(how), *_HEAD, *map(_row, found), "",
            _EXPLAINED,
            "| goal | |", "|---|---|", *goals, *(("", note) if note else ()),
        ]
    ).rstrip() + "\n"  # fmt: skip


def draw(found: list[Live], base: Path) -> list[Path]:
    """Write a plot of the delays for each rate; return their paths."""
    made = []
    for rate in sorted({one.rate for one in found}):
        curves = [(one.name, one.curve) for one in found if one.rate == rate]
        path = base.with_name(f"{base.stem}-{rate}.svg")
        title = f"Write to arrival at {rate:,} lines a second"
        path.write_text(chart.percentiles(title, "ms by percentile", curves, OWN), encoding="utf-8")
        made.append(path)
    return made


@click.command()
@click.option("--seconds", type=float, default=30.0, show_default=True)
@click.option("--only", multiple=True, help="Names of contestants; all by default.")
@click.option("--keep/--no-keep", "is_kept", default=True, help="Write bench/results.")
@click.option("--note", default="", help="Put into the result.")
def main(*, seconds: float, only: tuple[str, ...], is_kept: bool, note: str) -> None:
    """Measure delay and costs of following a log; exit 1 when the agent misses a goal."""
    machine = describe()
    field: list[Contestant] = [Auditship(command="run"), Rsyslog(), SyslogNg(geo=True)]
    found: list[Live] = []
    missing: dict[str, str] = {}
    with sink("--live") as to:
        for rate in RATES:
            for who in field:
                if only and who.name not in only:
                    continue
                try:
                    found.append(measure(who, Pace(rate, seconds), to))
                    click.echo(_row(found[-1]), err=True)
                except MissingError as error:
                    missing[who.name] = str(error)
    text = told(machine, found, missing, note)
    click.echo(text)
    if is_kept:
        path = keep("live", machine, found, text)
        for made in (path, *draw(found, path)):
            click.echo(made)
    sys.exit(0 if all(fine for _, fine in verdicts(found)) else 1)


if __name__ == "__main__":
    main()
