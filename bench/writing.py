"""Writer processes as the run sees them: started, paused, ended, and asked for their count."""

import os
import signal
import subprocess
import sys
from pathlib import Path


class Writer:
    """One process of `bench.writer`."""

    def __init__(self, log: Path, name: str, rate: float) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.writer", str(log), "--name", name, "--rate", str(rate)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def pause(self) -> None:
        """Stop the process; it stands still when this returns, between two writes."""
        self.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def has_open(self, path: Path) -> bool:
        """Whether the process holds a descriptor of the file."""
        there = path.stat()
        for link in Path(f"/proc/{self._process.pid}/fd").iterdir():
            try:
                if os.path.samestat(there, link.stat()):
                    return True
            except FileNotFoundError:  # closed meanwhile
                continue
        return False

    def end(self) -> int:
        """Let it finish its line; return how many it wrote.

        Raises:
            subprocess.CalledProcessError: it did not end well.
        """
        self.signal(signal.SIGTERM)
        told, _ = self._process.communicate()
        if self._process.returncode:
            raise subprocess.CalledProcessError(self._process.returncode, f"writer {self.name}")
        return int(told)

    def kill(self) -> None:
        """End it at once. Safe to repeat."""
        self._process.kill()
        self._process.wait()
