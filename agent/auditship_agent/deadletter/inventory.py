"""`files.json`: which files of records there are, so that one that vanished is noticed.

A file is listed after its name is durable, and struck out before it is deleted. So a crash leaves
a file that is not listed, which is no fault, and never a listed file that the agent deleted itself.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from auditship_agent.deadletter.record import opened, sealed
from auditship_agent.durable import Disk

_NAME: Final = "files.json"


class _Listed(Struct, frozen=True):
    files: tuple[int, ...]


class Inventory:
    """The list in one folder of dead letters."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._path = folder / _NAME
        self._disk = disk
        self._numbers: set[int] | None = None

    def read(self) -> set[int]:
        """Return the listed numbers; none where there is no list, or a damaged one.

        Raises:
            OSError: it is there and cannot be read.
        """
        try:
            body = opened(self._path.read_bytes().removesuffix(b"\n"))
            found = msgspec.json.decode(body, type=_Listed).files if body is not None else ()
        except (FileNotFoundError, msgspec.MsgspecError):
            found = ()
        self._numbers = set(found)
        return set(found)

    def write(self, numbers: Iterable[int]) -> None:
        """Replace the list, durably, if it is another. Raises OSError; repeat it then."""
        wanted = set(numbers)
        if wanted == self._numbers:
            return
        new = self._path.with_suffix(".new")
        self._disk.write_synced(new, sealed(_Listed(tuple(sorted(wanted)))))
        self._disk.replace(new, self._path)
        self._disk.sync_folder(self._path.parent)
        self._numbers = wanted
