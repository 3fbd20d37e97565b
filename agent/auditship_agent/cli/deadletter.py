"""`auditship-agent deadletter`: look at lines that could not become events, and settle them.

Every command works beside a running agent. Raw lines may hold secrets: `show` hides the fields
that the preset calls secret unless `--raw` is given.
"""

import getpass
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
import msgspec
from msgspec import Struct

from auditship_agent.config import AgentConfig, find, load_agent
from auditship_agent.deadletter import FOLDER, DeadLetter, Resolution, Resolutions, records
from auditship_agent.durable import RealDisk
from auditship_agent.parsing import form_of
from auditship_agent.parsing.caddy import SECRETS as CADDY_SECRETS
from auditship_indexer.clock import SystemClock, iso_ms
from auditship_indexer.errors import ConfigError
from auditship_indexer.event.line import cells, plain
from auditship_indexer.log import Log

EXIT_NOT_COMPLETE: Final = 3
HIDDEN: Final = "***"
_HEADS: Final = ("SEQ", "TIME", "REASON", "SOURCE", "POSITION", "BYTES", "DETAIL")
_DEADLINE_S: Final = 60.0
_PRIVATE: Final = 0o600
_BESIDE: Final = {"caddy": CADDY_SECRETS}  # what a preset's own reader leaves out, too


class Filter(Struct, frozen=True):
    """Which records a command speaks of; no value: any."""

    reason: str | None
    source: str | None
    since: str | None

    def takes(self, record: DeadLetter) -> bool:
        """Whether the record is one of them. Times compare as text: all have one form."""
        return (
            self.reason in {None, record.reason}
            and self.source in {None, record.source}
            and (self.since is None or record.time >= self.since)
        )


class _Since(click.ParamType[str]):
    """A time in UTC, of which the end may be left out: `2026-04-14`, `2026-04-14T10:32`."""

    name = "TIME"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time such as 2026-04-14 or 2026-04-14T10:32Z", param, ctx)
        moment = moment.replace(tzinfo=moment.tzinfo or UTC)
        return iso_ms(int(moment.timestamp() * 1000))


_Command = Callable[..., Any]
_config: Callable[[_Command], _Command] = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration file (default: AUDITSHIP_AGENT_CONFIG, /etc/auditship/agent.yaml).",
)


def _filters(command: _Command) -> _Command:
    """Add the options that choose records."""
    for option in (
        click.option("--since", type=_Since(), help="Recorded at TIME (UTC) or later."),
        click.option("--source", help="Of this source."),
        click.option("--reason", help="With this reason, for example bad_json."),
    ):
        command = option(command)
    return _config(command)


def _opened(config_path: Path | None) -> tuple[AgentConfig, Path]:
    config = load_agent(find(config_path))
    return config, Path(config.state.dir) / FOLDER


def _chosen(folder: Path, wanted: Filter, *, only_open: bool = True) -> Iterator[DeadLetter]:
    try:
        found = records(folder, only_open=only_open)
        yield from (record for record in found if wanted.takes(record))
    except PermissionError as error:
        raise ConfigError(
            f"{error.filename}: {error.strerror}",
            hint="dead letters hold raw lines: use root or the agent's user",
        ) from error


@click.group("deadletter")
def deadletter() -> None:
    """Look at lines that could not become events, and settle them."""


@deadletter.command("list")
@_filters
def list_(config_path: Path | None, **wanted: str | None) -> None:
    """List the open records, oldest first."""
    _, folder = _opened(config_path)
    rows = [_row(record) for record in _chosen(folder, Filter(**wanted))]
    widths = [max(cells(row[at]) for row in [_HEADS, *rows]) for at in range(len(_HEADS))]
    if not rows:
        click.echo("no open dead letters", err=True)
    for row in [_HEADS, *rows] if rows else []:
        padded = (
            text + " " * (width - cells(text)) for text, width in zip(row, widths, strict=True)
        )
        click.echo("  ".join(padded).rstrip())


def _row(record: DeadLetter) -> tuple[str, ...]:
    return (
        str(record.seq),
        record.time[:19].replace("T", " "),
        record.reason,
        plain(record.source),
        f"{record.generation[:8]}@{record.offset}",
        str(record.line_bytes),
        plain(record.detail),
    )


@deadletter.command()
@_config
@click.argument("seq", type=int)
@click.option("--raw", is_flag=True, help="Write the raw bytes alone, secrets included.")
def show(config_path: Path | None, seq: int, *, raw: bool) -> None:
    """Show one record, open or closed, with its line."""
    config, folder = _opened(config_path)
    every = _chosen(folder, Filter(None, None, None), only_open=False)
    found = next((one for one in every if one.seq == seq), None)
    if found is None:
        raise ConfigError(f"there is no dead letter {seq}", hint="auditship-agent deadletter list")
    if raw:
        sys.stdout.buffer.write(found.line or found.document.encode())
        return
    for name in found.__struct_fields__:
        value = getattr(found, name)
        if name not in {"raw", "document", "v"} and value not in {None, ()}:
            click.echo(f"{name:12} {plain(str(value))}")
    if found.document:
        click.echo(f"{'document':12} {plain(found.document)}")
    else:
        click.echo(f"{'line':12} {plain(_masked(found, config))}")


def _masked(record: DeadLetter, config: AgentConfig) -> str:
    """Return the line as text, without the values that its preset calls secret."""
    source = next((one for one in config.sources if one.name == record.source), None)
    hidden = f"{HIDDEN} ({record.line_bytes} bytes; --raw shows them)"
    if source is None:
        return hidden  # nobody knows what its secrets are
    form = form_of(source.preset)
    secrets = (*form.secrets, *_BESIDE.get(source.preset, ()))
    if not secrets:
        return record.line.decode(errors="backslashreplace")
    if source.unwrap or form.format != "json":
        return hidden  # they have no place that a path of keys could name
    try:
        value = msgspec.json.decode(record.line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return hidden
    for path in secrets:
        _mask(value, path)
    return msgspec.json.encode(value).decode()


def _mask(value: Any, path: str) -> None:
    """Hide what stands at a path of keys; `a.b query` hides the query of an address."""
    place, _, part = path.partition(" ")
    *above, last = place.split(".")
    for key in above:
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, dict) or last not in value:
        return
    if part == "query":
        text = str(value[last])
        value[last] = text.partition("?")[0] + (f"?{HIDDEN}" if "?" in text else "")
    else:
        value[last] = HIDDEN


@deadletter.command()
@_filters
@click.option("--dry-run", is_flag=True, help="Only tell what would become of each record.")
@click.option(
    "--deadline",
    type=click.FloatRange(min=0.1),
    default=_DEADLINE_S,
    show_default=True,
    help="Give up after SECONDS.",
)
def replay(
    config_path: Path | None, *, dry_run: bool, deadline: float, **wanted: str | None
) -> None:
    """Parse records again with today's configuration, and ship what has become good."""
    from auditship_agent.runner.replay import Judge, Outcome, Replay  # noqa: PLC0415 - slow to load

    config, folder = _opened(config_path)
    clock = SystemClock()
    chosen = _chosen(folder, Filter(**wanted))
    if dry_run:
        judge, outcome = Judge(config, clock), Outcome()
        for record in chosen:
            produced = judge(record)
            outcome.still[produced.reason] += produced.outcome == "dead_letter"
            outcome.ignored += produced.outcome == "ignored"
            outcome.stored += produced.outcome == "event"
        outcome.still = +outcome.still
        click.echo(
            outcome.sentence()
            .replace(" stored", " would be sent")
            .replace(", 0 already present", "")
        )
        sys.exit(EXIT_NOT_COMPLETE if outcome.still else 0)
    log = Log(level="warning", repeat_s=config.log.repeat_s)
    resolutions, disk = Resolutions(folder), RealDisk()
    work = Replay(config, lambda closed: resolutions.add(closed, disk), clock=clock, log=log)
    try:
        outcome = work.run(chosen, user=_user(), deadline_s=deadline)
    finally:
        work.close()
    click.echo(outcome.sentence())
    if not outcome.told:
        click.echo("the event of this replay could not be stored", err=True)
    sys.exit(0 if outcome.told and not outcome.still else EXIT_NOT_COMPLETE)


def _user() -> str:
    """Return who replays: behind sudo, the person."""
    sudo = os.environ.get("SUDO_USER")
    try:
        return sudo or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


@deadletter.command()
@_filters
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="File to write, - for standard output.",
)
def export(config_path: Path | None, output: Path, **wanted: str | None) -> None:
    """Write open records as JSON lines, raw bytes (base64) and secrets included."""
    _, folder = _opened(config_path)
    chosen = _chosen(folder, Filter(**wanted))
    if str(output) == "-":
        _write(chosen, sys.stdout.buffer)
        return
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    except OSError as error:
        raise ConfigError(f"{output}: {error.strerror}", hint="name a new file") from error
    try:
        with os.fdopen(descriptor, "wb") as out:
            count = _write(chosen, out)
    except BaseException:  # half an export is none, whatever ended it
        output.unlink()
        raise
    click.echo(f"{count:,} records in {output}")


def _write(chosen: Iterator[DeadLetter], out: BinaryIO) -> int:
    count = 0
    for record in chosen:
        out.write(msgspec.json.encode(record) + b"\n")
        count += 1
    return count


@deadletter.command()
@_config
@click.argument("seqs", metavar="[SEQ]...", nargs=-1, type=int)
@click.option("--reason", "why", required=True, help="Why they may be discarded; it is kept.")
@click.option("--was", help="With this reason, for example bad_json.")
@click.option("--source", help="Of this source.")
@click.option("--since", type=_Since(), help="Recorded at TIME (UTC) or later.")
@click.option("--all", "every", is_flag=True, help="All open records.")
def discard(
    config_path: Path | None, seqs: tuple[int, ...], why: str, *, every: bool, **wanted: str | None
) -> None:
    """Close records for good: no event will ever come of them."""
    if not why.strip():
        raise ConfigError("--reason is empty", hint="say why these lines may be given up")
    if not (seqs or every or any(wanted.values())):
        raise ConfigError("nothing is chosen", hint="name numbers, a filter, or --all")
    _, folder = _opened(config_path)
    limits = Filter(wanted["was"], wanted["source"], wanted["since"])
    chosen = [one for one in _chosen(folder, limits) if not seqs or one.seq in seqs]
    if missing := set(seqs) - {one.seq for one in chosen}:
        raise ConfigError(f"not open: {', '.join(map(str, sorted(missing)))}")
    time = iso_ms(SystemClock().now_ms())
    if chosen:
        closed = [Resolution(one.seq, "discarded", time, why) for one in chosen]
        Resolutions(folder).add(closed, RealDisk())
    click.echo(f"{len(chosen):,} discarded")
