"""The command `auditship-agent`.

Exit codes: 0 done, 1 a bug, 2 bad command line or configuration, 3 not complete, 4 state folder.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import click

from auditship_agent import __version__
from auditship_agent.cli.choice import PresetType, sampled
from auditship_agent.cli.deadletter import deadletter
from auditship_agent.cli.explain import explain
from auditship_agent.cli.presets import presets
from auditship_indexer.errors import AuditshipError, StateError

EXIT_CONFIG = 2
EXIT_NOT_COMPLETE = 3
EXIT_STATE = 4

_config = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration file (default: AUDITSHIP_AGENT_CONFIG, /etc/auditship/agent.yaml).",
)


class _ReaderLeftError(Exception):
    """Whoever read our output closed it, as `head` does."""


class _Commands(click.Group):
    """The commands; click would end a broken pipe with 1, which means a bug here."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError as error:
            raise _ReaderLeftError from error
        return code


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="auditship-agent %(version)s")
def cli() -> None:
    """Ship the audit log of a storage server: every line has exactly one outcome."""


@cli.command()
@_config
@click.option(
    "--accept-identity-change", is_flag=True, help="Go on although server.id or region changed."
)
def run(config_path: Path | None, *, accept_identity_change: bool) -> None:
    """Follow the logs until SIGTERM."""
    from auditship_agent.cli import work  # noqa: PLC0415 - loads the client library, which is slow

    work.follow(config_path, accept_identity_change=accept_identity_change)


@cli.command()
@_config
@click.option(
    "--deadline", type=click.FloatRange(min=0.1), metavar="SECONDS", help="Give up after so long."
)
def once(config_path: Path | None, deadline: float | None) -> None:
    """Read all files to the sizes they have now, ship, stop."""
    from auditship_agent.cli import work  # noqa: PLC0415 - as above

    sys.exit(0 if work.read_once(config_path, deadline) else EXIT_NOT_COMPLETE)


@cli.command(short_help="Verify all that can be known before the start.")
@_config
@click.option("--local", is_flag=True, help="Leave the cluster out.")
@click.option(
    "--sample",
    "samples",
    multiple=True,
    metavar="FILE",
    help="Only tell how well this log keeps its format; may be repeated, `-` is standard input.",
)
@click.option(
    "--preset",
    type=PresetType(),
    help="Format of the sample (default: that of the configuration's source).",
)
@click.option("--source", "source_name", metavar="NAME", help="The sample is of this source.")
def check(
    config_path: Path | None,
    *,
    local: bool,
    samples: tuple[str, ...],
    preset: str | None,
    source_name: str | None,
) -> None:
    """Verify configuration, paths, permissions, cluster and template; ship nothing.

    With --sample: which actions a log covers, what its lines lack, which of them are no events.
    """
    from auditship_agent.cli import work  # noqa: PLC0415 - as above

    if samples:
        config, source = sampled(config_path, preset, source_name)
        sys.exit(0 if work.tell_sample(config, source, samples) else EXIT_NOT_COMPLETE)
    if preset is not None or source_name is not None:
        raise click.UsageError("--preset and --source belong to --sample")
    sys.exit(0 if work.verify(config_path, local=local) else EXIT_NOT_COMPLETE)


@cli.command()
@_config
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def status(config_path: Path | None, *, as_json: bool) -> None:
    """Tell how far the agent is, running or not."""
    from auditship_agent.cli import work  # noqa: PLC0415 - as above

    sys.exit(0 if work.tell_status(config_path, as_json=as_json) else EXIT_NOT_COMPLETE)


cli.add_command(explain)
cli.add_command(presets)
cli.add_command(deadletter)


def main() -> None:
    """Run the command line; errors that a person can mend come without a traceback."""
    try:
        cli(standalone_mode=False)
    except _ReaderLeftError:
        # Nothing more can be said on this stream; Python would try once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_CONFIG)
    except click.Abort:
        sys.exit(130)
    except StateError as error:
        click.echo(error.explain(), err=True)
        sys.exit(EXIT_STATE)
    except AuditshipError as error:
        click.echo(error.explain(), err=True)
        sys.exit(EXIT_CONFIG)
