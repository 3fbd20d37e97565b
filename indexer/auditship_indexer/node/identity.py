"""A process by pid and start time, so that a pid that was used again is never mistaken for it."""

import os
import signal
from pathlib import Path

from msgspec import Struct

from auditship_indexer.clock import Clock

_POLL_S = 0.05


class ProcessId(Struct, frozen=True):
    """One process of this machine, for all time."""

    pid: int
    start_ticks: int  # clock ticks from boot to its start
    boot_id: str

    def alive(self) -> bool:
        """Tell whether it still runs; a zombie does not."""
        return identify(self.pid) == self

    def end(self, clock: Clock, *, grace_s: float) -> bool:
        """Ask it to end, then end it. Return whether it ended by itself within `grace_s`.

        A repeat does nothing. Raises PermissionError when it belongs to another user.
        """
        if not self.alive():
            return True
        os.kill(self.pid, signal.SIGTERM)
        deadline = clock.monotonic() + grace_s
        while self.alive():
            if clock.monotonic() >= deadline:
                os.kill(self.pid, signal.SIGKILL)
                self._wait(clock)
                return False
            clock.sleep(_POLL_S)
        return True

    def _wait(self, clock: Clock) -> None:
        while self.alive():
            clock.sleep(_POLL_S)


def identify(pid: int) -> ProcessId | None:
    """Return the running process that has this pid now, or None (proc(5), fields 3 and 22)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # a program's name may hold blanks and parentheses
    if fields[0] in {"Z", "X"}:
        return None
    return ProcessId(pid=pid, start_ticks=int(fields[19]), boot_id=boot_id)
