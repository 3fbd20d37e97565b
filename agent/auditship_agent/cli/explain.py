"""`auditship-agent explain`: what each line of a file becomes, without a cluster.

The NDJSON form is a stable interface: one object for each physical line (for each event of a line
that gives several), with the keys of `Told` in this order.
"""

import contextlib
import gzip
import os
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import click
import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from auditship_agent.config import (
    PATH_VARIABLE,
    AgentConfig,
    ServerConfig,
    SourceConfig,
    find,
    load_agent,
)
from auditship_agent.line import Line, Produced
from auditship_agent.parsing import PRESETS, is_file
from auditship_agent.pipeline.transform import Stream, Transform, in_window
from auditship_agent.source.framing import Framer
from auditship_indexer.errors import ConfigError
from auditship_indexer.event.identity import CONTROL_REGION, REGION_FORM, SERVER_FORM
from auditship_indexer.event.line import one_line, plain, value_of
from auditship_indexer.opensearch import Connection

EXIT_NOT_COMPLETE: Final = 3
_PIECE: Final = 65_536
_STDIN: Final = "-"
_GZIP_MAGIC: Final = b"\x1f\x8b"
_NOWHERE: Final = Connection(hosts=("http://127.0.0.1:9200",))  # explain never connects
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


class _Counted(Struct):
    """One line with its number, or a last line without LF (`line` is None)."""

    number: int
    offset: int
    line: Line | None


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
        for one in _lines(name, self._limit):
            if one.line is None:
                yield Told(name, one.number, one.offset, "partial"), ""
                continue
            if stream is None:
                path = name if name == _STDIN else str(Path(name).absolute())
                stream = self.transform.stream(one.line.sha256, path)
            produced = stream.produce(one.line)
            yield from self._told(name, one, one.line, produced)

    def _told(
        self, name: str, one: _Counted, line: Line, produced: Produced
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


def _lines(name: str, limit: int) -> Iterator[_Counted]:
    framer = Framer(0, limit)
    number = 0
    for piece in _pieces(name):
        for line in framer.feed(piece):
            number += 1
            yield _Counted(number, line.offset, line)
    if framer.searched > framer.offset:
        yield _Counted(number + 1, framer.offset, None)


def _pieces(name: str) -> Iterator[bytes]:
    """Yield the content of a file, of a gzip archive the uncompressed one."""
    done = 0
    try:
        with _opened(name) as file:
            while piece := file.read(_PIECE):
                done += len(piece)
                yield piece
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ConfigError(
            f"{name}: the archive is damaged after {done} uncompressed bytes"
        ) from error
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror}") from error


@contextlib.contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    """Open a file or standard input; gzip is recognized by its magic bytes."""
    with contextlib.ExitStack() as stack:
        raw: BinaryIO = (
            sys.stdin.buffer if name == _STDIN else stack.enter_context(Path(name).open("rb"))
        )
        head = raw.read(len(_GZIP_MAGIC))
        whole = cast("BinaryIO", _Rejoined(head, raw))
        if head == _GZIP_MAGIC:
            yield cast("BinaryIO", stack.enter_context(gzip.GzipFile(fileobj=whole)))
        else:
            yield whole


class _Rejoined:
    """A stream whose first bytes were looked at; a pipe cannot step back."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; empty at the end."""
        head, self._head = self._head[:size], self._head[size:]
        return head or self._rest.read(size)


def wrapper_of(raw: bytes) -> str | None:
    """Return which wrapper a line that is no event looks like, None when it looks like none."""
    head = raw[:4096].lstrip()
    if head.startswith(b"{") and b'"log"' in head and b'"stream"' in head:
        return "docker"
    brace = head.find(b"{")
    if brace <= 0:
        return None
    before = head[:brace]
    for name, signs in (
        ("cri", (b" stdout ", b" stderr ")),
        ("cee", (b"@cee:",)),
        ("compose", (b" | ",)),
        ("fluent", (b"\t",)),
    ):
        if any(sign in before for sign in signs):
            return name
    return "syslog" if before.startswith(b"<") or before.rstrip().endswith(b":") else None


def _settings(
    config_path: Path | None, server: str | None, region: str | None
) -> AgentConfig | None:
    """Return the configuration with the options' server and region; None: neither was given."""
    config: AgentConfig | None = None
    if config_path is not None or (
        (server is None or region is None)
        and (os.environ.get(PATH_VARIABLE) or find(None).exists())
    ):
        config = load_agent(find(config_path))
    if config is None and (server is None or region is None):
        return None
    known = config.server if config else ServerConfig("", "")
    server_id, region_name = server or known.id, region or known.region
    if not SERVER_FORM.fullmatch(server_id):
        raise ConfigError(f"--server: {server_id!r} does not match [a-z0-9._-]{{1,64}}")
    if not REGION_FORM.fullmatch(region_name) or region_name == CONTROL_REGION:
        raise ConfigError(
            f"--region: {region_name!r} does not match [a-z0-9_-]{{1,64}}, or is {CONTROL_REGION!r}"
        )
    chosen = ServerConfig(server_id, region_name)
    if config is not None:
        return msgspec.structs.replace(config, server=chosen)
    return AgentConfig(server=chosen, sources=(), opensearch=_NOWHERE)


def _source(config: AgentConfig, preset: str | None, name: str | None) -> SourceConfig:
    if name is None:
        if preset is None:
            raise click.UsageError("give --preset, or --source with a configuration")
        return SourceConfig(name="explain", preset=preset, files=("/",))
    for source in config.sources:
        if source.name == name:
            if preset is not None and preset != source.preset:
                raise click.UsageError(f"source {name!r} has preset {source.preset!r}")
            return source
    known = ", ".join(source.name for source in config.sources) or "none"
    raise ConfigError(f"--source: {name!r} is not in the configuration (it has: {known})")


class _PresetType(click.Choice[str]):
    """A built-in preset, or the path of a preset file."""

    def __init__(self) -> None:
        super().__init__(PRESETS)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name, or the absolute path."""
        if isinstance(value, str) and is_file(value):
            return str(Path(value).absolute())
        return super().convert(value, param, ctx)


@click.command(short_help="Show what each line of a file becomes.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--preset",
    type=_PresetType(),
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
    config = _settings(config_path, server, region)
    if config is None:
        raise ConfigError(
            "explain needs server and region, since they enter ids and index names",
            hint="give --server ID --region REGION, or --config FILE",
        )
    now_ms = time.time_ns() // 1_000_000 if now else None
    explainer = Explainer(config, _source(config, preset, source_name), now_ms)
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
            "let the application write the log file itself"
        )
