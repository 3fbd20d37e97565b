"""Remember the node that runs on its own, in a small file of the state folder."""

import os
from pathlib import Path

import msgspec
from msgspec import Struct

from auditship_indexer.errors import StateError
from auditship_indexer.node.identity import ProcessId
from auditship_indexer.node.process import Node


class Running(Struct, frozen=True):
    """What `auditship status` needs to know about a node."""

    process: ProcessId
    address: str
    version: str
    data_folder: str


def save_running(state: Path, node: Node) -> Running:
    """Remember a node, in place of an earlier one."""
    running = Running(
        process=node.process,
        address=node.address,
        version=node.version,
        data_folder=str(node.data_folder),
    )
    new = state / "node.json.new"
    new.write_bytes(msgspec.json.format(msgspec.json.encode(running)) + b"\n")
    # COMMIT POINT: a reader sees the old file or the new one, whole.
    os.replace(new, _file(state))  # noqa: PTH105 - says what it does: replace
    return running


def find_running(state: Path) -> Running | None:
    """Return the remembered node if it still runs; a reboot or a reused pid does not deceive it.

    Raises:
        StateError: the file cannot be read.
    """
    path = _file(state)
    try:
        running = msgspec.json.decode(path.read_bytes(), type=Running)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise StateError(
            f"{path}: cannot be read: {error}", hint="remove it if no node is running"
        ) from error
    return running if running.process.alive() else None


def forget_running(state: Path) -> None:
    """Forget the node. Repeatable."""
    _file(state).unlink(missing_ok=True)


def _file(state: Path) -> Path:
    return state / "node.json"
