"""Instructions a line of the way from line to body, counted by callgrind: repeatable, unlike time.

Each step runs in a process of its own under `valgrind`, once over few lines and once over many; the
difference, divided by the lines between, is what a line costs, without start and first look-ups.
The counts depend on Python, the libraries and the processor's kind: only like is compared with
like. `make bench-check` fails when a step costs 5 % more than what is kept; `--keep` renews that.
"""

import gc
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Final

import click
import msgspec
from msgspec import Struct

from auditship_agent.body import Item, Items, Writer, action_of
from auditship_agent.config import load_agent
from auditship_agent.deliver.reply import judge
from auditship_agent.line import Line, Produced
from auditship_agent.pipeline.transform import Transform
from auditship_indexer.opensearch.bulk import HttpReply
from bench.corpus import corpus, country_data
from bench.machine import RESULTS, describe
from bench.peer import Site, configure

FEW: Final = 2_000
MANY: Final = 20_000
TOLERANCE: Final = 1.05
KEPT: Final = RESULTS / "instructions.json"
_COLLECTED: Final = re.compile(r"Collected : (\d+)")
_CREATED: Final = '{"create":{"_id":"%s","status":201}}'


class Kept(Struct, frozen=True):
    """Instructions a line of each step, and with what they were counted."""

    python: str
    machine: str  # the processor's model
    packages: dict[str, str]
    commit: str
    lines: int
    steps: dict[str, int]

    @property
    def grounds(self) -> tuple[object, ...]:
        """What has to be the same for two counts to be compared."""
        return self.python, self.machine, self.packages, self.lines


class _Work:
    """The steps, each over all lines of a log; each begins where the one before it ends."""

    def __init__(self, log: Path, folder: Path) -> None:
        database = folder / "country.mmdb"
        database.write_bytes(country_data())
        config = load_agent(configure(Site(folder, log, 9200, database)))
        self._transform = Transform(config, config.sources[0])
        self._transform.normalizer.warm()
        self.rows = log.read_bytes().split(b"\n")[:-1]
        self._stream = self._transform.stream(sha256(self.rows[0]).digest(), "/var/log/audit.log")

    def nothing(self) -> None:
        """The start alone."""

    def parse(self) -> None:
        """Lines to records."""
        parse = self._transform.preset.parse
        for row in self.rows:
            parse(row)

    def document(self) -> list[Produced]:
        """Lines to documents: line hash, parse, normalize, id, encode."""
        produce = self._stream.produce
        made, offset = [], 0
        for row in self.rows:
            end = offset + len(row) + 1
            made.append(produce(Line(row, offset, end, sha256(row).digest(), len(row))))
            offset = end
        return made

    def body(self) -> None:
        """Lines to a finished body."""
        writer = Writer(gzip=True)
        for made in self.document():
            for one in made.documents:
                writer.add(action_of(one.id, one.index, one.index), one.body)
        writer.finish()

    def reply(self) -> None:
        """The reply to as many documents is read."""
        owner = object()
        items = Items(Item(f"id-{n:032}", "audit", owner, n, n + 1) for n in range(len(self.rows)))
        told = ",".join(_CREATED % name for name in items.ids())
        judge(HttpReply(200, {}, f'{{"errors":false,"items":[{told}]}}'.encode()), items)


STEPS: Final[dict[str, Callable[[_Work], object]]] = {
    "parse": _Work.parse,
    "document": _Work.document,
    "body": _Work.body,
    "reply": _Work.reply,
}


def count(step: str, lines: int) -> int:
    """Return the instructions of a process that takes one step over so many lines.

    Raises:
        subprocess.CalledProcessError: the step failed.
    """
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, "-m",
         "bench.instructions", "step", step, str(corpus(lines))],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = _COLLECTED.search(done.stderr)
    if found is None:
        raise ValueError(f"valgrind counted nothing: {done.stderr[-500:]}")
    return int(found[1])


def measure(
    few: int = FEW, many: int = MANY, counted: Callable[[str, int], int] = count
) -> dict[str, int]:
    """Return instructions a line of each step."""
    runs = [(step, lines) for step in STEPS for lines in (few, many)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # what else runs changes no count
        counts = dict(zip(runs, pool.map(counted, *zip(*runs, strict=True)), strict=True))
    return {step: (counts[step, many] - counts[step, few]) // (many - few) for step in STEPS}


def compare(kept: Kept, now: Kept) -> list[tuple[str, int, int, bool]]:
    """Return step, instructions before and now, and whether the limit holds.

    Raises:
        ValueError: the two were counted on other grounds.
    """
    if kept.grounds != now.grounds:
        raise ValueError(
            f"kept are the counts of CPython {kept.python} on {kept.machine} with {kept.packages}; "
            "count the commit before yours on this machine with --keep, then yours"
        )
    return [
        (step, before, now.steps[step], now.steps[step] <= before * TOLERANCE)
        for step, before in kept.steps.items()
    ]


@click.group()
def main() -> None:
    """Count instructions of the hot path."""


@main.command("step")
@click.argument("name", type=click.Choice(list(STEPS)))
@click.argument("log", type=click.Path(path_type=Path))
def take(name: str, log: Path) -> None:
    """Take one step; this is what runs under valgrind."""
    with tempfile.TemporaryDirectory(prefix="auditship bench ") as folder:
        work = _Work(log, Path(folder))
        gc.collect()
        gc.disable()
        STEPS[name](work)


@main.command()
@click.option("--keep", is_flag=True, help="Renew what later counts are compared with.")
def check(*, keep: bool) -> None:
    """Count, and exit 1 when a step costs over 5 % more than what is kept."""
    if shutil.which("valgrind") is None:
        raise click.ClickException("valgrind is not on the PATH; Debian's package is `valgrind`")
    machine = describe()
    now = Kept(machine.python, machine.cpu, machine.packages, machine.commit, MANY - FEW, measure())
    if keep:
        KEPT.write_bytes(msgspec.json.format(msgspec.json.encode(now), indent=1) + b"\n")
        click.echo(KEPT)
        return
    if not KEPT.exists():
        raise click.ClickException(f"{KEPT} is not there yet: `check --keep` writes it")
    try:
        rows = compare(msgspec.json.decode(KEPT.read_bytes(), type=Kept), now)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    for step, before, after, fine in rows:
        click.echo(f"{step:10} {before:>9,} -> {after:>9,} {after / before - 1:+.1%}"
                   f"{'' if fine else '  over +5 %'}")  # fmt: skip
    sys.exit(0 if all(row[-1] for row in rows) else 1)


if __name__ == "__main__":
    main()
