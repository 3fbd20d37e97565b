"""Fuzz: every preset, the framing, the archive reader and the reply parser, for some minutes.

Coverage-guided (atheris, libFuzzer). The corpus starts from `examples/logs` and grows from run to
run under `.cache/fuzz`; an input that broke a promise is left there and ends the run with exit 1.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Final

import click
from msgspec import Struct

from bench.fuzz_targets import TARGETS
from bench.machine import Machine, describe, keep, table

CACHE: Final = Path(__file__).parents[1] / ".cache" / "fuzz"
MAX_BYTES: Final = 4096  # of one input
SLOW_S: Final = 10  # one input that takes longer is a defect
MEMORY_MB: Final = 2048
_LAST_WORDS: Final = 40
_STAT: Final = re.compile(r"stat::(\w+):\s+(\d+)")
_WORD: Final = re.compile(rb'"([\x20\x21\x23-\x5b\x5d-\x7e]{2,40})"')


class Fed(Struct, frozen=True):
    """What came of one target."""

    target: str
    seeds: int
    seconds: int
    runs: int
    runs_per_s: int
    new_inputs: int  # that reached code which no input had reached before
    peak_mb: int
    crashed: str = ""  # last words of the process


def corpus_of(name: str) -> Path:
    """Make the corpus of a target, its dictionary beside it; what is there stays."""
    folder = CACHE / "corpus" / name
    folder.mkdir(parents=True, exist_ok=True)
    words = set()
    for seed in TARGETS[name].seeds():
        (folder / sha256(seed).hexdigest()[:24]).write_bytes(seed)
        words |= set(_WORD.findall(seed))
    entries = "".join(f'"{word.decode()}"\n' for word in sorted(words))
    (CACHE / f"{name}.dict").write_text(f"# words of the seeds\n{entries}", encoding="ascii")
    return folder


def feed(name: str, seconds: int) -> Fed:
    """Fuzz one target in a process of its own."""
    corpus = corpus_of(name)
    done = subprocess.run(
        [
            sys.executable, "-m", "bench.fuzz_one", name,
            f"-max_total_time={seconds}", f"-max_len={MAX_BYTES}", f"-timeout={SLOW_S}",
            f"-rss_limit_mb={MEMORY_MB}", "-print_final_stats=1", "-verbosity=0",
            f"-dict={CACHE / f'{name}.dict'}", f"-artifact_prefix={CACHE}/{name}-",
            str(corpus),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )  # fmt: skip
    told = (done.stdout + done.stderr).decode(errors="replace")
    stats = {key: int(value) for key, value in _STAT.findall(told)}
    spoken = [line for line in told.splitlines() if not line.startswith("INFO: Instrumenting")]
    last = "\n".join(spoken[-_LAST_WORDS:]) if done.returncode else ""
    return Fed(
        name,
        len(TARGETS[name].seeds()),
        seconds,
        stats.get("number_of_executed_units", 0),
        stats.get("average_exec_per_sec", 0),
        stats.get("new_units_added", 0),
        stats.get("peak_rss_mb", 0),
        last,
    )


def _rows(fed: list[Fed]) -> Iterator[str]:
    yield "| target | seeds | runs | runs/s | new inputs | peak MB | result |"
    yield "|---|---|---|---|---|---|---|"
    for one in fed:
        result = "**broken**" if one.crashed else "held"
        yield (
            f"| {one.target} | {one.seeds} | {one.runs:,} | {one.runs_per_s:,} "
            f"| {one.new_inputs:,} | {one.peak_mb} | {result} |"
        )


def told(machine: Machine, fed: list[Fed], minutes: float, version: str) -> str:
    """Return the run as Markdown."""
    total = sum(one.runs for one in fed)
    rows = [
        ("command", f"`make fuzz MINUTES={minutes:g}`"),
        ("each target", f"{fed[0].seconds} s, inputs of at most {MAX_BYTES:,} bytes"),
        ("runs", f"{total:,}"),
        ("fuzzer", f"atheris {version}"),
        *((key, value) for key, value in machine.rows() if key != "OpenSearch"),
    ]
    return "\n".join(["# Fuzz\n", table(rows), *_rows(fed)]) + "\n"


def _version() -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "list", "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = {one["name"].lower(): one["version"] for one in json.loads(done.stdout)}
    return str(found["atheris"])


@click.command()
@click.option("--minutes", type=click.FloatRange(min=0.1), default=10.0, show_default=True)
@click.option("--target", "names", multiple=True, type=click.Choice(list(TARGETS)))
@click.option("--keep/--no-keep", "is_kept", default=False, help="Write bench/results.")
@click.option("--note", default="", help="Put into the result.")
def main(*, minutes: float, names: tuple[str, ...], is_kept: bool, note: str) -> None:
    """Fuzz all targets, as many at once as there are cores; exit 1 when a promise was broken."""
    chosen = names or tuple(TARGETS)
    workers = min(os.cpu_count() or 1, len(chosen))
    seconds = max(1, round(minutes * 60 * workers / len(chosen)))
    machine = describe()
    with ThreadPoolExecutor(workers) as pool:
        fed = list(pool.map(lambda name: feed(name, seconds), chosen))
    text = told(machine, fed, minutes, _version()) + (f"\n{note}\n" if note else "")
    click.echo(text)
    if is_kept:
        click.echo(keep("fuzz", machine, fed, text))
    broken = [one for one in fed if one.crashed]
    for one in broken:
        click.echo(f"{one.target}:\n{one.crashed}\n", err=True)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
