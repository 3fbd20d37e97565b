"""One agent inside the test's process: its clock and its disk are the test's, nothing sleeps.

site = Stepped(tmp_path, bulk_server, region)
with site.started(disk):              # a crash inside is a crash of the agent
    site.settle()                     # until every line has its outcome
site.check_everything()               # another clean start, and the oracle
"""

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from auditship_agent.checkpoint import CheckpointFile, Snapshot
from auditship_agent.config import load_agent
from auditship_agent.deadletter import DeadLetter, records
from auditship_agent.durable import Disk, RealDisk
from auditship_agent.runner import Agent, StateFolder, build
from auditship_agent.runner.loop import Loop
from auditship_indexer.log import Log
from support.agent_process import AgentProcess, Lines, stored_names
from support.bulk import BulkServer
from support.clock import TestClock

_REPLY_S = 10.0
_END_S = 0.5


class Stepped:
    """A folder with a log, a state folder and a configuration; `agent` while it is started."""

    def __init__(self, folder: Path, server: BulkServer, region: str, **sections: Any) -> None:
        self.files = AgentProcess(folder, server.address, region)
        self.files.configure(watch={"method": "poll", "poll_s": 0.2}, **sections)
        self.server = server
        self.clock = TestClock()
        self.lines = Lines(self.files.log, now_ms=self.clock.now_ms())
        self.index = self.lines.index(region)
        self.bad = 0
        self.out = io.StringIO()
        if self.index not in server.cluster.indices:
            server.make_index(self.index)

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.files.state

    def write(self, good: int = 0, bad: int = 0) -> None:
        """Append lines to the log."""
        self.lines.write(good)
        self.lines.write_bad(bad)
        self.bad += bad

    @contextlib.contextmanager
    def started(
        self, disk: Disk | None = None, *, accept_identity_change: bool = False
    ) -> Iterator[Agent]:
        """Start an agent; at the end it is gone, without another word to the disk."""
        config = load_agent(self.files.config)
        log = Log(clock=self.clock, out=self.out, repeat_s=config.log.repeat_s)
        with StateFolder(self.state):
            self.agent = build(
                config,
                log=log,
                accept_identity_change=accept_identity_change,
                clock=self.clock,
                disk=disk,
                draw=lambda: 0.5,
            )
            self.loop = Loop(self.agent)
            try:
                yield self.agent
            finally:
                self.agent.close()
                if self.agent.senders.join(_END_S):
                    self.agent.wake.close()  # else a sender that waits for its reply still needs it

    def turn(self, seconds: float = 0.0) -> None:
        """Let the loop turn once, take the replies that come, and let time pass."""
        self.loop.turn()
        if self.agent.pipeline.delivery.in_flight:
            self.agent.wake.wait(_REPLY_S)
        self.clock.advance(seconds)

    def turns(self, count: int, seconds: float = 0.3) -> None:
        """Let the loop turn some times, with time in between."""
        for _ in range(count):
            self.turn(seconds)

    def settle(self) -> None:
        """Let the loop turn until every complete line has its outcome, in the checkpoint too."""
        for _ in range(2000):
            self.turn(0.05)
            files = self.agent.pipeline.catalog.files.values()
            done = all(f.progress.checkpointed == f.size for f in files) and bool(files)
            if done and self.agent.pipeline.is_idle:
                return
        raise AssertionError(self.out.getvalue()[-3000:])

    def save_twice(self) -> None:
        """Ship 6 good lines and a bad one, and leave two generations of the checkpoint."""
        with self.started():
            self.write(good=3, bad=1)
            self.settle()
            self.write(good=3)
            self.settle()

    # -- what is seen ----------------------------------------------------------------------

    def snapshot(self, folder: Path | None = None) -> Snapshot:
        """Return what a start would find."""
        found, damaged = CheckpointFile(folder or self.state, RealDisk()).load()
        assert found is not None
        assert damaged == []
        return found

    def letters(self, folder: Path | None = None) -> list[DeadLetter]:
        """Return the open dead letters."""
        return list(records((folder or self.state) / "dead-letter"))

    def stored(self) -> dict[str, bytes]:
        """Return the stored documents of source lines and of the agent, by id."""
        return {k: v for docs in self.server.documents.values() for k, v in docs.items()}

    def events(self) -> list[dict[str, Any]]:
        """Return the log lines so far."""
        return [json.loads(line) for line in self.out.getvalue().splitlines()]

    def names(self) -> list[str]:
        """Return the event names of the log lines."""
        return [line["event"] for line in self.events()]

    def check_state(self) -> None:
        """Every good line is stored once, every bad one is a dead letter once, all is saved."""
        assert stored_names(self.stored()) == self.lines.names()
        assert len(self.letters()) == self.bad
        size = self.files.log.stat().st_size
        assert [(entry.acked, entry.size) for entry in self.snapshot().entries] == [(size, size)]

    def check_everything(self) -> None:
        """Start once more, cleanly: then all is well, and another start changes nothing."""
        with self.started() as agent:
            self.settle()
            for count in agent.pipeline.tally.sources.values():
                assert count.pending == 0
        self.check_state()
        before = self.stored(), self.letters()
        with self.started():
            self.turns(10)
            self.settle()
        assert (self.stored(), self.letters()) == before
