"""From `--config` to a client of the cluster: one way for every command."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from auditship_indexer.clock import SystemClock
from auditship_indexer.config import DEFAULT_PATH, CompanionConfig
from auditship_indexer.errors import ConfigError
from auditship_indexer.opensearch import Connection, connect
from auditship_indexer.settings import load

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

    from auditship_indexer.cli.node import NodeHooks

READ_TIMEOUT_S: Final = 120.0
Command = TypeVar("Command", bound=Callable[..., Any])


def config_option(command: Command) -> Command:
    """Add `--config FILE` to a command, as the parameter `config_path`."""
    return click.option(
        "--config",
        "config_path",
        type=click.Path(path_type=Path),
        envvar="AUDITSHIP_CONFIG",
        help=f"Settings; default AUDITSHIP_CONFIG, else {DEFAULT_PATH} where it exists.",
    )(command)


def load_config(config_path: Path | None, *, default: Path = DEFAULT_PATH) -> CompanionConfig:
    """Return the settings of the file that is named, of the default file, or the defaults.

    Raises:
        ConfigError: a named file is missing, or a setting is wrong.
    """
    if config_path is None and not default.exists():
        return CompanionConfig()
    return load(config_path or default, CompanionConfig)


def open_client(config_path: Path | None) -> tuple["OpenSearch", CompanionConfig]:
    """Return a client of the configured cluster, else of the node that `auditship up` started.

    Raises:
        ConfigError: neither is there, or a setting is wrong.
        StateError: the state folder cannot be read.
    """
    config = load_config(config_path)
    connection = config.opensearch or _embedded(config)
    if connection is None:
        raise ConfigError(
            "no cluster: opensearch.hosts is not set, and no node of `auditship up` is running "
            f"({_state_dir(config)})",
            hint="start one with `auditship up`, or name a file with opensearch.hosts by --config",
        )
    # Each host is tried once; who asks for an answer repeats the command.
    retries = len(connection.hosts) - 1
    return connect(connection, timeout_s=READ_TIMEOUT_S, max_retries=retries), config


def _state_dir(config: CompanionConfig) -> Path:
    from auditship_indexer.node import state_folder  # noqa: PLC0415 - slow, and rarely needed

    return Path(config.state.dir).expanduser() if config.state.dir else state_folder()


def _embedded(config: CompanionConfig) -> Connection | None:
    from auditship_indexer.node import find_running  # noqa: PLC0415 - slow, and rarely needed

    running = find_running(_state_dir(config))
    return None if running is None else Connection(hosts=(running.address,))


def node_hooks() -> "NodeHooks":
    """Return what `up`, `down` and `status` need of settings and of `setup`."""
    from auditship_indexer.cli.node import NodeHooks  # noqa: PLC0415 - needs the extra `node`

    return NodeHooks(
        after_start=_set_up,
        state_dir=lambda path: _state_dir(load_config(path)),
        cluster=_configured_hosts,
    )


def _configured_hosts(config_path: Path | None) -> str | None:
    connection = load_config(config_path).opensearch
    return None if connection is None else ", ".join(connection.hosts)


def _set_up(address: str, config_path: Path | None) -> None:
    """Run `setup` on a cluster that just became usable; repeatable. Tells its summary alone."""
    from auditship_indexer.setup import run_setup  # noqa: PLC0415 - only `up` needs it

    config = load_config(config_path)
    connection = config.opensearch or Connection(hosts=(address,))
    lines: list[str] = []
    with connect(connection) as client:
        run_setup(
            client,
            config.regions,
            retention_days=config.retention.days,
            now_ms=SystemClock().now_ms(),
            echo=lines.append,
        )
    click.echo(f"Setup: {lines[-1]}")
