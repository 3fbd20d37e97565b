"""The command line of the agent with a disk that kills the process at a named step.

    AUDITSHIP_TEST_STOP_AT="after replace checkpoint" python doomed_agent.py run --config FILE

`before` or `after`, then the call of the disk and the name of its file. SIGKILL: nothing is
cleaned up, nothing is told. Without the variable nothing happens; the product knows none of this.
"""

import os
import signal
from pathlib import Path

from auditship_agent.cli import main
from auditship_agent.durable import RealDisk
from auditship_agent.runner import agent as wiring

STOP_AT = "AUDITSHIP_TEST_STOP_AT"


class DoomedDisk(RealDisk):
    """The real disk up to one step."""

    def __init__(self) -> None:
        self._when, _, self._step = os.environ.get(STOP_AT, "").partition(" ")

    def _reached(self, when: str, step: str, path: Path) -> None:
        if (when, f"{step} {path.name}") == (self._when, self._step):
            os.kill(os.getpid(), signal.SIGKILL)

    def make_folder(self, path: Path) -> None:
        self._reached("before", "make_folder", path)
        super().make_folder(path)
        self._reached("after", "make_folder", path)

    def write_synced(self, path: Path, data: bytes) -> None:
        self._reached("before", "write_synced", path)
        if (self._when, self._step) == ("torn", f"write_synced {path.name}"):
            path.write_bytes(data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        super().write_synced(path, data)
        self._reached("after", "write_synced", path)

    def replace(self, source: Path, target: Path) -> None:
        self._reached("before", "replace", target)
        super().replace(source, target)
        self._reached("after", "replace", target)

    def sync_folder(self, folder: Path) -> None:
        self._reached("before", "sync_folder", folder)
        super().sync_folder(folder)
        self._reached("after", "sync_folder", folder)

    def append(self, path: Path, data: bytes) -> None:
        self._reached("before", "append", path)
        if (self._when, self._step) == ("torn", f"append {path.name}"):
            super().append(path, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        super().append(path, data)
        self._reached("after", "append", path)

    def sync_file(self, path: Path) -> None:
        self._reached("before", "sync_file", path)
        super().sync_file(path)
        self._reached("after", "sync_file", path)


if __name__ == "__main__":
    # What `build` uses when nobody gives it a disk.
    wiring.RealDisk = DoomedDisk  # type: ignore[attr-defined]  # imported there, not exported
    main()
