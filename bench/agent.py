"""The agent under test: the real program, with the settings that an operator would choose."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final

import yaml

from auditship_agent import positions
from auditship_agent.positions import FileStatus, Status

_COMMAND: Final = (sys.executable, "-c", "from auditship_agent.cli import main; main()")
_END_S: Final = 60.0
_READ: Final = frozenset({"live", "drained"})
_DONE: Final = frozenset({"finished", "spare", "expired"})  # nothing of these files is waited for


def _is_done(file: FileStatus) -> bool:
    return file.state in _DONE or (file.state in _READ and file.acked >= file.size)


class AgentDiedError(Exception):
    """The agent ended although nobody ended it."""


class Agent:
    """One agent on one state folder. Lives are counted from 1; started and ended by any thread."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.state = folder / "state"
        self.told = folder / "agent.stderr"
        self.lives = 0
        self._config = folder / "agent.yaml"
        self._config.write_text(
            yaml.safe_dump({**settings, "state": {"dir": str(self.state)}}), encoding="utf-8"
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The process id, or None between two lives."""
        process = self._process
        return process.pid if process else None

    def start(self) -> None:
        """Start `auditship-agent run`."""
        with self._lock, self.told.open("ab") as told:
            self.lives += 1
            self._process = subprocess.Popen(
                [*_COMMAND, "run", "--config", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=told,
                start_new_session=True,
            )

    def kill(self) -> None:
        """SIGKILL. Safe to repeat."""
        self._end(force=True)

    def stop(self) -> None:
        """SIGTERM, after which it must end with 0."""
        code = self._end(force=False)
        if code:
            raise AgentDiedError(f"exit {code} after SIGTERM: {self.last_words()}")

    def _end(self, *, force: bool) -> int | None:
        with self._lock:
            process, self._process = self._process, None
            if process is None:
                return None
            if process.poll() is not None:
                raise AgentDiedError(f"exit {process.returncode}: {self.last_words()}")
            if force:
                process.kill()
            else:
                process.terminate()
            return process.wait(_END_S)

    def once(self, deadline_s: float) -> str:
        """Run `auditship-agent once`; return what it printed.

        Raises:
            AgentDiedError: something was still pending.
        """
        done = subprocess.run(
            [*_COMMAND, "once", "--config", str(self._config), "--deadline", str(deadline_s)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise AgentDiedError(f"once: exit {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def status(self) -> Status | None:
        """Return the status of the life that runs now; None before its first."""
        status = positions.read(self.state)
        return status if status is not None and status.pid == self.pid else None

    def has_shipped(self) -> bool:
        """Whether all that the agent knows of has its outcome."""
        status = self.status()
        return status is not None and all(
            source.pending == 0 and all(_is_done(file) for file in source.files)
            for source in status.sources
        )

    def has_read_rotated(self) -> bool:
        """Whether every rotated file that it knows of has been read, each line with its outcome."""
        status = self.status()
        return status is not None and all(
            _is_done(file)
            for source in status.sources
            for file in source.files
            if file.state != "live"
        )

    def last_words(self) -> str:
        """Return the end of its log."""
        return self.told.read_text(encoding="utf-8", errors="replace")[-2000:]
