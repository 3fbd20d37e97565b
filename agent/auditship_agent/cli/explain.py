"""`auditship-agent explain`: what each line of a file becomes, without a cluster.

The NDJSON form is a stable interface: one object for each physical line (for each event of a line
that gives several), with the keys of `Told` in this order.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from auditship_agent.cli.choice import PresetType, settings, source_of
from auditship_agent.cli.reading import STDIN, Counted, lines, wrapper_of
from auditship_agent.config import AgentConfig, SourceConfig
from auditship_agent.line import Line, Produced
from auditship_agent.parsing import PRESETS
from auditship_agent.pipeline.transform import Stream, Transform, in_window
from auditship_indexer.errors import ConfigError
from auditship_indexer.event.line import one_line, plain, value_of

EXIT_NOT_COMPLETE: Final = 3
_OUT_OF_RANGE: Final = "timestamp_out_of_range"


class Told(Struct):
    """What one line, or one event of it, becomes. `reason` stands unless it is an event."""

    file: str
    line: int
    offset: int
    outcome: str
    reason: str | None = None
    id: str | None = None
    index: str | None = None
    event: Raw | None = None
    item: int | UnsetType = UNSET


class Explainer:
    """Explains files by one source's settings; `now_ms` applies the time window."""

    def __init__(self, config: AgentConfig, source: SourceConfig, now_ms: int | None) -> None:
        self.transform = Transform(config, source)
        self.dead = 0
        self.wrappers: set[str] = set()
        self._limit = source.line_limit
        self._days = config.retention.days
        self._now_ms = now_ms

    def explain(self, name: str) -> Iterator[tuple[Told, str]]:
        """Yield each line of a file with the parser's detail. Memory is bounded by one line.

        Raises:
            ConfigError: the file cannot be read, or is a damaged archive.
        """
        stream: Stream | None = None
        for one in lines(name, self._limit):
            if one.line is None:
                yield Told(name, one.number, one.offset, "partial"), ""
                continue
            if stream is None:
                path = name if name == STDIN else str(Path(name).absolute())
                stream = self.transform.stream(one.line.sha256, path)
            produced = stream.produce(one.line)
            yield from self._told(name, one, one.line, produced)

    def _told(
        self, name: str, one: Counted, line: Line, produced: Produced
    ) -> Iterator[tuple[Told, str]]:
        if produced.outcome != "event":
            if produced.outcome == "dead_letter":
                self.dead += 1
                if wrapper := wrapper_of(line.raw):
                    self.wrappers.add(wrapper)
            told = Told(name, one.number, one.offset, produced.outcome, produced.reason)
            yield told, produced.detail
            return
        several = len(produced.documents) > 1
        for document in produced.documents:
            told = Told(
                name, one.number, one.offset, "event", None, document.id, document.index,
                Raw(document.body), document.item if several else UNSET,
            )  # fmt: skip
            if self._now_ms is not None and not in_window(
                document.time_ms, self._now_ms, self._days
            ):
                self.dead += 1
                told.outcome, told.reason, told.event = "dead_letter", _OUT_OF_RANGE, None
            yield told, ""


@click.command(short_help="Show what each line of a file becomes.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--preset",
    type=PresetType(),
    help=f"Format of the lines: {', '.join(PRESETS)}, or a preset file.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["pretty", "ndjson"]),
    default="pretty",
    show_default=True,
    help="For people, or one JSON object a line.",
)
@click.option("--server", metavar="ID", help="server.id that enters the ids.")
@click.option("--region", metavar="REGION", help="server.region that enters the index names.")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="Configuration file to take server, region and sources from.",
)
@click.option("--source", "source_name", metavar="NAME", help="Use this source's settings.")
@click.option("--now", is_flag=True, help="Apply the time window of what is indexed.")
@click.option("--strict", is_flag=True, help="Exit 3 if a line is a dead letter.")
@click.pass_context
def explain(
    ctx: click.Context,
    *,
    files: tuple[str, ...],
    preset: str | None,
    form: str,
    server: str | None,
    region: str | None,
    config_path: Path | None,
    source_name: str | None,
    now: bool,
    strict: bool,
) -> None:
    """Show what each line of FILE becomes, without a cluster; `-` is standard input."""
    config = settings(config_path, server, region)
    if config is None:
        raise ConfigError(
            "explain needs server and region, since they enter ids and index names",
            hint="give --server ID --region REGION, or --config FILE",
        )
    now_ms = time.time_ns() // 1_000_000 if now else None
    explainer = Explainer(config, source_of(config, preset, source_name), now_ms)
    for name in files:
        if form == "pretty" and len(files) > 1:
            click.echo(f"{plain(name)}:")
        for told, detail in explainer.explain(name):
            click.echo(msgspec.json.encode(told) if form == "ndjson" else _pretty(told, detail))
    if form == "pretty":
        _epilogue(explainer)
    if strict and explainer.dead:
        ctx.exit(EXIT_NOT_COMPLETE)


def _pretty(told: Told, detail: str) -> str:
    place = f"{told.line} @{told.offset}  "
    if told.event is None:
        if told.outcome == "partial":
            return f"{place}partial  the last line has no LF yet"
        because = f": {detail}" if detail else ""
        return f"{place}{told.outcome}  {told.reason}{because}"
    event = msgspec.json.decode(told.event)
    lines = [f"{place}event  {one_line(event)}", f"{told.id}  {told.index}"]
    if notes := _notes(event):
        lines.append(notes)
    return ("\n" + " " * len(place)).join(lines)


def _notes(event: dict[str, object]) -> str:
    """Return what was odd about an event: flags, fields left out, fields cut."""
    named = (
        ("flags", "audit.flags"),
        ("left out", "audit.dropped_fields"),
        ("cut", "audit.truncated_fields"),
    )
    return "  ".join(
        f"{word}: {', '.join(map(plain, found))}"
        for word, field in named
        if (found := value_of(event, field))
    )


def _epilogue(explainer: Explainer) -> None:
    """Say what concerns the whole: keys that nobody reads, wrappers around the lines."""
    counts = explainer.transform.preset.unknown.counts
    if counts:
        told = ", ".join(f"{plain(name)} ({count})" for name, count in sorted(counts.items()))
        click.echo(f"unknown keys, not stored: {told}")
    for wrapper in sorted(explainer.wrappers):
        click.echo(
            f"some dead letters look as if {wrapper} had wrapped the lines: "
            "let the application write the log file itself, "
            f"or set unwrap: [{wrapper}] for the source"
        )
