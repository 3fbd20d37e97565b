"""The options that select events, the same on every command that reads."""

from collections.abc import Callable
from typing import Any, TypeVar

import click
from msgspec import Struct

from auditship_indexer.clock import SystemClock
from auditship_indexer.query import Shortcuts, Tree, Window, both, parse_window
from auditship_indexer.query.windows import FORMS
from auditship_indexer.search import Snapshot, resolve_workspaces

Command = TypeVar("Command", bound=Callable[..., Any])
_SHORTCUTS = (
    ("--workspace", "Workspace: its id, else its name."),
    ("--user", "Who acted: e-mail, name, id, or the id of an API key."),
    ("--action", "What was tried: upload, BLOCKED, file.delete, share.*"),
    ("--file", "File: its name or id; with a / its path, ending in / the subtree."),
    ("--result", "success, denied or error."),
)


class Selection(Struct, frozen=True):
    """What was asked, apart from the workspace's name, which only the cluster can resolve."""

    shortcuts: Shortcuts
    workspaces: tuple[str, ...]
    window: Window

    def tree(self, snapshot: Snapshot) -> Tree:
        """Return the whole condition.

        Raises:
            ConfigError: a value is unusable, or a workspace's name is not unique.
            AuditshipError: no answer.
        """
        asked = self.shortcuts.tree()
        window = self.window.tree()
        return both((window, resolve_workspaces(snapshot, self.workspaces, window), asked))


def selection_options(command: Command) -> Command:
    """Add the shortcuts and the window to a command, as keyword parameters."""
    for names, told in (
        (("--to", "--until", "end"), "End of the window, exclusive."),
        (("--from", "--since", "start"), f"Start of the window, inclusive: {FORMS}."),
    ):
        command = click.option(*names, metavar="TIME", help=told)(command)
    for name, told in reversed(_SHORTCUTS):
        command = click.option(name, multiple=True, metavar="X", help=told)(command)
    return command


def select(
    *,
    workspace: tuple[str, ...],
    user: tuple[str, ...],
    action: tuple[str, ...],
    file: tuple[str, ...],
    result: tuple[str, ...],
    start: str | None,
    end: str | None,
) -> Selection:
    """Return the selection of the options, and warn of values that no event can have.

    Raises:
        ConfigError: a time is wrong, or a value is unusable.
    """
    shortcuts = Shortcuts(user=user, action=action, file=file, result=result)
    shortcuts.tree()  # tells what is unusable before the cluster is asked
    for warning in shortcuts.warnings():
        click.echo(f"Warning: {warning}", err=True)
    return Selection(shortcuts, workspace, parse_window(start, end, SystemClock().now_ms()))
