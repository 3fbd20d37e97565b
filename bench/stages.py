"""Stages: nanoseconds a line of each step on the way from a line to its document.

A step is timed alone, on values as they come in a log: many lines, few distinct users, addresses
and programs. Where a step remembers distinct values, the cost of a new one stands beside it. The
rule (cached per distinct value, or at most 0.3 µs a line) is for the stages that look at a line
once more; decoding, paths, ids and encoding are the work itself. CPU time of the thread, which
other work on the same core still makes longer: compare within one run.
"""

import gc
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from msgspec import Struct

from auditship_agent.config import AgentConfig, EnrichConfig, SourceConfig
from auditship_agent.line import Line, Record
from auditship_agent.normalize import build
from auditship_agent.normalize.addresses import Addresses
from auditship_agent.normalize.agents import Agents
from auditship_agent.normalize.country import Countries
from auditship_agent.normalize.required import lacks_field
from auditship_agent.parsing.native_shape import Native
from auditship_agent.parsing.paths import Templates, resolve
from auditship_agent.parsing.times import Seconds
from auditship_agent.pipeline.transform import Transform
from auditship_agent.pipeline.trial import trial_config
from auditship_indexer.event.document import Event, encode
from auditship_indexer.event.identity import Lineage, event_id
from bench.database import country_database
from bench.machine import Machine, describe, keep, table
from bench.writer import line

LIMIT_NS: Final = 300.0
_LINES: Final = 5000
_NEW: Final = 2000  # distinct values, to time what a new one costs
_ROUNDS: Final = 15
_GROUP: Final = 100
_START_MS: Final = 1_776_162_735_000  # 2026-04-14T10:32:15Z
_NETWORKS: Final = {"203.0.113.0/24": "SG", "198.51.100.0/24": "TR", "2001:db8::/32": "DE"}


class Stage(Struct, frozen=True):
    """One step: ns a line as a log has them, and ns for a value that was never seen."""

    name: str
    ns: float
    new_ns: float | None = None
    is_enriching: bool = False

    @property
    def is_within(self) -> bool:
        """Whether the rule holds."""
        return not self.is_enriching or self.new_ns is not None or self.ns <= LIMIT_NS


def per_call(work: Callable[[Any], object], values: Iterable[Any], rounds: int = _ROUNDS) -> float:
    """Return the ns of one call, less what the loop itself costs.

    Values go in small groups, each several times in a row, and the best time of a group counts: so
    the values are as near to the processor as on their way through the agent, and what other work
    takes for itself meanwhile is mostly left out.
    """
    given = list(values)
    groups = [given[start : start + _GROUP] for start in range(0, len(given), _GROUP)]
    spent = sum(_best(work, group, rounds) - _best(_nothing, group, rounds) for group in groups)
    return max(0.0, spent / len(given))


def _best(work: Callable[[Any], object], group: list[Any], rounds: int) -> int:
    best = sys.maxsize
    for _ in range(rounds):
        began = time.thread_time_ns()
        for value in group:
            work(value)
        best = min(best, time.thread_time_ns() - began)
    return best


def _nothing(_value: Any) -> None:
    """Cost as little as a call can."""


def once_per_call(work: Callable[[Any], object], values: Iterable[Any]) -> float:
    """Return the ns of one call with a value that was never seen: one round, no cache helps."""
    return per_call(work, values, rounds=1)


def used_up_per_call(work: Callable[[Any], object], make: Callable[[], list[Any]]) -> float:
    """Return the ns of one call that uses its value up: each round has new values."""
    return min(per_call(work, make(), rounds=1) for _ in range(_ROUNDS))


class _Log:
    """Lines of the benchmark's writer, and what they become."""

    def __init__(self, config: AgentConfig, source: SourceConfig) -> None:
        self.raw = [
            line("stages", number, _START_MS + number * 37)[:-1] for number in range(_LINES)
        ]
        decoder = msgspec.json.Decoder(Native)
        self.natives = [decoder.decode(raw) for raw in self.raw]
        self.transform = Transform(config, source)
        self.stream = self.transform.stream(sha256(self.raw[0]).digest(), "/var/log/app/audit.log")
        offset = 0
        self.lines = []
        for raw in self.raw:
            end = offset + len(raw) + 1
            self.lines.append(Line(raw, offset, end, sha256(raw).digest(), len(raw)))
            offset = end

    def records(self) -> list[Record]:
        """Parse all lines anew: a record is used up by the normalizer."""
        found = (self.transform.preset.parse(raw) for raw in self.raw)
        return [verdict[0] for verdict in found if isinstance(verdict, list)]

    def events(self) -> list[Event]:
        """Return the events of all lines."""
        return [self.transform.normalizer.event(record) for record in self.records()]


def measure(folder: Path) -> list[Stage]:
    """Time each step, then the whole way."""
    database = folder / "country.mmdb"
    database.write_bytes(country_database(_NETWORKS))
    source = SourceConfig("app", "native", ("/",), storage_region="us-west-1")
    config = msgspec.structs.replace(
        trial_config(source), enrich=EnrichConfig(country_db=str(database))
    )
    log = _Log(config, source)
    gc.collect()
    gc.freeze()  # as the agent does after its start
    return [*_parsing(log), *_enriching(log, database), *_finishing(log)]


def _parsing(log: _Log) -> list[Stage]:
    seconds = Seconds()
    times = [native.time for native in log.natives]
    new_times = [f"2025-{n % 12 + 1:02}-01T{n % 24:02}:{n % 60:02}:{n % 59:02}.000Z"
                 for n in range(_NEW)]  # fmt: skip
    decode = per_call(msgspec.json.Decoder(Native).decode, log.raw)
    parse = per_call(log.transform.preset.parse, log.raw)
    clock = per_call(seconds.canonical_ms, times)
    return [
        Stage("decode: JSON to the Struct of the format", decode),
        Stage("time: text to Unix ms", clock, once_per_call(Seconds().canonical_ms, new_times),
              is_enriching=True),
        Stage("shape: the Struct to a record", max(0.0, parse - decode - clock)),
        *_paths(),
    ]  # fmt: skip


def _paths() -> list[Stage]:
    """Time what the presets of web servers do besides; every path may be a new one."""
    templates = Templates(["/s/{share_token}", "/ws/{workspace}/{path*}"])
    plain = [f"/ws/w_{n % 75}/renders/2026/clip-{n}.mp4" for n in range(_LINES)]
    escaped = [f"/ws/w_{n % 75}/Gr%C3%B6%C3%9Fe/../clip%20{n}.mp4?token=x" for n in range(_LINES)]
    return [
        Stage(
            "path of a request, template (web servers only)",
            per_call(lambda path: templates.place(resolve(path)), plain),
        ),
        Stage(
            "path with escapes, `..`, query (web servers only)",
            per_call(lambda path: templates.place(resolve(path)), escaped),
        ),
    ]


def _enriching(log: _Log, database: Path) -> list[Stage]:
    addresses, agents = Addresses(), Agents(parse=True)
    countries = Countries(str(database))
    clients = [native.ip for native in log.natives]
    programs = [native.user_agent for native in log.natives]
    new_clients = [f"203.0.{n >> 8}.{n & 255}" for n in range(_NEW)]
    new_programs = [f"{programs[0]} build/{n}" for n in range(_NEW)]
    countries.of("203.0.113.1")
    agents.read(str(programs[0]))
    return [
        Stage("address", per_call(addresses.read, clients),
              once_per_call(Addresses().read, new_clients), is_enriching=True),
        Stage("country", per_call(countries.of, clients),
              once_per_call(countries.of, new_clients), is_enriching=True),
        Stage("user agent", per_call(agents.read, programs),
              once_per_call(agents.read, new_programs), is_enriching=True),
        Stage("required fields", per_call(lacks_field, _named(log)), is_enriching=True),
    ]  # fmt: skip


def _named(log: _Log) -> list[Record]:
    records = log.records()
    for record in records:
        build.name_files(record)
    return records


def _finishing(log: _Log) -> list[Stage]:
    lineage = Lineage("fs-usw-1", sha256(log.raw[0]).digest())
    best = used_up_per_call(log.transform.normalizer.event, log.records)
    produce, plainly = log.stream.produce, log.stream.produce_plainly
    return [
        Stage("normalize: a record to an event, all of the above with it", best),
        Stage("line hash", per_call(lambda raw: sha256(raw).digest(), log.raw)),
        Stage(
            "id",
            per_call(
                lambda one: event_id(_START_MS, lineage.digest(one.offset, one.sha256)), log.lines
            ),
        ),
        Stage("encode: canonical JSON", per_call(encode, log.events())),
        Stage("the plain way, a line to its document", per_call(plainly, log.lines)),
        Stage("the usual way, a line to its document", per_call(produce, log.lines)),
    ]


def told(machine: Machine, stages: list[Stage]) -> str:
    """Return the measurement as Markdown."""
    rows = ["| stage | ns a line | ns for a new value | |", "|---|---|---|---|"]
    for stage in stages:
        new = "" if stage.new_ns is None else f"{stage.new_ns:,.0f}"
        rule = ""
        if stage.is_enriching:
            rule = f"at most {LIMIT_NS:g}" if stage.is_within else f"**over {LIMIT_NS:g}**"
            rule = "cached" if stage.new_ns is not None else rule
        rows.append(f"| {stage.name} | {stage.ns:,.0f} | {new} | {rule} |")
    how = [
        ("command", "`make bench-stages`"),
        ("lines", f"{_LINES:,} of the native log, best of {_ROUNDS} rounds, one process"),
        ("machine", dict(machine.rows())["machine"]),
        ("system", dict(machine.rows())["system"]),
        ("packages", dict(machine.rows())["packages"]),
        ("commit", machine.commit),
        ("load before", f"{machine.load_before:.2f}"),
    ]
    return "\n".join(["# Stages\n", table(how), *rows]) + "\n"


@click.command()
@click.option("--keep/--no-keep", "is_kept", default=True, help="Write bench/results.")
@click.option("--note", default="", help="Put into the result.")
def main(*, is_kept: bool, note: str) -> None:
    """Measure the stages; exit 1 when an enriching one costs more than it may."""
    machine = describe()
    with tempfile.TemporaryDirectory(prefix="auditship stages ") as folder:
        stages = measure(Path(folder))
    text = told(machine, stages) + (f"\n{note}\n" if note else "")
    click.echo(text)
    if is_kept:
        click.echo(keep("stages", machine, stages, text))
    sys.exit(0 if all(stage.is_within for stage in stages) else 1)


if __name__ == "__main__":
    main()
