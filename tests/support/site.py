"""A real folder with log files, an agent stepped by hand, and the oracle of the fault matrix.

    site = Site(tmp_path, server)
    site.write(5)
    site.settle()
    site.rename("audit.log", "audit.log.1")
    site.crash()
    site.check_everything()

No test sleeps: time is a `TestClock`, and waiting means waiting for a reply of the scripted
cluster, with a deadline that fails loudly.
"""

import gzip
import io
import itertools
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from auditship_agent.checkpoint import CheckpointFile, Snapshot
from auditship_agent.config import (
    AgentConfig,
    BatchConfig,
    CheckpointConfig,
    DeadLetterConfig,
    DeliveryConfig,
    EnrichConfig,
    HttpConfig,
    LimitsConfig,
    ServerConfig,
    SourceConfig,
    StateConfig,
    WatchConfig,
)
from auditship_agent.deadletter import DeadLetter, records
from auditship_agent.runner.agent import Agent, build
from auditship_agent.runner.loop import Loop
from auditship_agent.runner.report import health_of
from auditship_agent.source.logfile import LogFile
from auditship_agent.source.orphans import Orphan
from auditship_indexer.event.identity import generation
from auditship_indexer.log import Log
from auditship_indexer.opensearch import Connection
from support.bulk import BulkServer
from support.clock import TestClock
from support.disk import FastDisk
from support.log_folder import LOG, LogFolder
from support.oracle import SERVER, Story, Written, generation_of, id_of, time_of

PATIENCE_S: Final = 30.0
_regions: Final = itertools.count(1)


__all__ = ["LOG", "MakeSite", "Site"]

MakeSite = Callable[..., "Site"]


class Site(LogFolder):
    """One storage server's log folder and its agent. `source` overrides the source's settings."""

    def __init__(
        self,
        folder: Path,
        server: BulkServer,
        *,
        source: Mapping[str, Any] | None = None,
        **sections: Any,
    ) -> None:
        self.folder = folder
        super().__init__(folder / "logs of the day")
        self.state = folder / "state"
        self.state.mkdir()
        self.server = server
        self.region = f"site-{next(_regions)}"
        self.index = f"audit-{self.region}-2026.04.14"
        server.make_index(self.index)
        self.clock = TestClock()
        self.disk = FastDisk()
        self.disk.saved = self._note_sizes
        self._sizes: dict[str, int] = {}  # what the agent knew at its last checkpoint
        self.told = io.StringIO()
        settings: dict[str, Any] = {
            "name": "dosya",
            "preset": "native",
            "files": (str(self.logs / LOG),),
            **(source or {}),
        }
        self.config = AgentConfig(
            server=ServerConfig(SERVER, self.region),
            sources=(SourceConfig(**settings),),
            **{**self._sections(), **sections},
        )
        self.agent: Agent | None = None
        self.start()

    def _sections(self) -> dict[str, Any]:
        return {
            "opensearch": Connection(hosts=(self.server.address,)),
            "state": StateConfig(dir=str(self.state)),
            "batch": BatchConfig(max_events=50, max_age_s=0.05),
            "delivery": DeliveryConfig(retry_max_s=0.05, timeout_s=10, gzip=False),
            "checkpoint": CheckpointConfig(interval_s=0.1),
            "dead_letter": DeadLetterConfig(min_free_bytes=0, max_in_a_row=0),
            "enrich": EnrichConfig(user_agent=False),
            "watch": WatchConfig(method="poll"),
            "http": HttpConfig(listen="off"),
            "limits": LimitsConfig(),
        }

    # -- the agent's life ------------------------------------------------------------------

    def start(self) -> None:
        """Start an agent on the state folder."""
        log = Log(clock=self.clock, out=self.told)
        self.agent = build(self.config, log=log, clock=self.clock, disk=self.disk, draw=lambda: 0.5)
        self.loop = Loop(self.agent)

    @property
    def running(self) -> Agent:
        """The agent that runs."""
        assert self.agent is not None
        return self.agent

    def look(self) -> None:
        """Let the agent list the folders and look at all files, without reading lines."""
        self.loop.rescan()

    def turn(self) -> None:
        """Let the agent do one turn of its loop."""
        self.loop.turn()

    def settle(self) -> None:
        """Step the agent until everything it can have has its outcome."""
        until = time.monotonic() + PATIENCE_S
        self.look()
        while not self._step():
            assert time.monotonic() < until, f"it does not settle: {self.told.getvalue()[-3000:]}"

    def leave_unread(self, count: int) -> tuple[int, int]:
        """Write lines that the agent sees and does not read yet; return their range."""
        begin = self.path().stat().st_size
        self.write(count)
        self.look()
        return begin, self.path().stat().st_size

    def _step(self) -> bool:
        agent = self.running
        wait_s = self.loop.turn()
        if self._is_settled():
            return True
        if agent.pipeline.delivery.in_flight:
            agent.wake.wait(0.05)
        else:
            self.clock.advance(min(max(wait_s, 0.01), 0.2))
        return False

    def _is_settled(self) -> bool:
        catalog = self.running.pipeline.catalog
        unread = any(file.dirty for file in catalog.files.values())
        return self.running.pipeline.is_idle and not catalog.is_busy and not unread

    def endure(self, seconds: float, *, step_s: float) -> None:
        """Let time pass whatever is pending; a turn each `step_s`, and one for each reply."""
        agent, until = self.running, self.clock.monotonic() + seconds
        while self.clock.monotonic() < until:
            self.loop.turn()
            if agent.pipeline.delivery.in_flight:
                agent.wake.wait(PATIENCE_S)
            else:
                self.clock.advance(step_s)

    def until(self, holds: Callable[[], object]) -> None:
        """Step the agent until it holds."""
        until = time.monotonic() + PATIENCE_S
        while not holds():
            self._step()
            assert time.monotonic() < until, f"not yet: {self.told.getvalue()[-3000:]}"

    def stop(self) -> None:
        """End the agent as SIGTERM does, once everything has its outcome."""
        self.settle()
        assert self.running.pipeline.save()
        self._end()

    def crash(self) -> None:
        """Drop the agent with all it knows: the state folder is what it last wrote."""
        self._end()
        for story in self.stories:
            if story.kept < len(story.data):
                story.doubtful = True
                story.seen = min(story.seen, self._sizes.get(story.generation or "", 0))

    def _end(self) -> None:
        if self.agent is not None:
            self.agent.close()
            self.agent = None

    def restart(self) -> None:
        """End the agent properly and start another."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Release everything."""
        self._end()

    def pass_time(self, seconds: float) -> None:
        """Let time pass, then let the agent settle; twice, since some things take two looks."""
        for _ in range(2):
            self.clock.advance(seconds)
            if self.agent is not None:
                self.settle()

    # -- what the agent knows --------------------------------------------------------------

    def _seen(self, story: Story) -> int:
        """Return how many bytes of a story the agent knows of."""
        sizes = self._sizes if self.agent is None else self._known_sizes()
        return sizes.get(story.generation or "", 0)

    def _known_sizes(self) -> dict[str, int]:
        """Return the largest size that the agent knows of each generation."""
        catalog = self.running.pipeline.catalog
        known: list[LogFile | Orphan] = [*catalog.files.values(), *catalog.orphans]
        sizes: dict[str, int] = defaultdict(int)
        for one in known:
            if one.first is not None:
                size = one.size if isinstance(one, LogFile) else one.size_seen
                name = generation(SERVER, one.first)
                sizes[name] = max(sizes[name], size)
        return sizes

    def _note_sizes(self) -> None:
        self._sizes = self._known_sizes()

    # -- what is there ---------------------------------------------------------------------

    def snapshot(self) -> Snapshot | None:
        """Return the checkpoint; it must not be damaged."""
        found, damaged = CheckpointFile(self.state, self.disk).load()
        assert not damaged
        return found

    def documents(self) -> dict[str, bytes]:
        """Return all stored documents of the region by id."""
        return {
            id_: body
            for index, documents in self.server.documents.items()
            if index.startswith(f"audit-{self.region}-")
            for id_, body in dict(documents).items()
        }

    def gaps(self) -> list[dict[str, Any]]:
        """Return the stored gap events, decoded."""
        return [e for e in self._decoded().values() if e["event"]["action"] == "agent.gap"]

    def gap_ranges(self) -> list[tuple[int, int, str]]:
        """Return begin, end and reason of the stored gaps, sorted."""
        return sorted(
            (gap["audit"]["gap"]["from"], gap["audit"]["gap"]["to"], gap["event"]["reason"])
            for gap in self.gaps()
        )

    def events(self) -> dict[str, dict[str, Any]]:
        """Return the stored events of lines by id, decoded."""
        return {
            id_: event
            for id_, event in self._decoded().items()
            if not event["event"]["action"].startswith("agent.")
        }

    def _decoded(self) -> dict[str, dict[str, Any]]:
        return {id_: json.loads(body) for id_, body in self.documents().items()}

    def acked(self) -> int:
        """Return up to where the checkpoint says that the log is done."""
        assert self.running.pipeline.save()
        snapshot = self.snapshot()
        assert snapshot is not None
        return max((one.acked for one in snapshot.entries), default=0)

    def health(self) -> list[str]:
        """Return why the agent is not well."""
        return health_of(self.running)

    def letters(self) -> list[DeadLetter]:
        """Return the open dead letters."""
        return list(records(self.state / "dead-letter"))

    def names(self) -> list[str]:
        """Return the event names that the agent told."""
        return [json.loads(line)["event"] for line in self.told.getvalue().splitlines()]

    def held(self, name: str = LOG) -> LogFile:
        """Return what the agent knows of a file under its name."""
        files = self.running.pipeline.catalog.files.values()
        return next(file for file in files if file.path == str(self.path(name)))

    # -- the oracle ------------------------------------------------------------------------

    def check_everything(self, *, ignored: int = 0, patience_s: float = 61.0) -> None:
        """Run the agent to the end, then hold everything against what was written."""
        if self.agent is None:
            self.start()
        self.settle()
        self.pass_time(patience_s)
        self._check_outcomes(ignored)
        self._check_numbers()
        self._check_checkpoint()
        before = self._everything()
        self.restart()
        self.settle()
        assert self._everything() == before, "a second clean run changed something"

    def _everything(self) -> tuple[Any, ...]:
        documents = self.documents()
        lines = {id_: documents[id_] for id_ in self.events()}
        return lines, self.letters(), self.gap_ranges()

    def _check_outcomes(self, ignored: int) -> None:
        stored = set(self.events())
        letters = defaultdict(list)
        for letter in self.letters():
            letters[letter.generation, letter.offset].append(letter)
        left = 0
        gaps = self.gaps()
        expected: set[str] = set()
        for line, stories in self._all_lines().items():
            id_ = id_of(line.first, line.offset, line.raw, time_of(line.raw))
            outcomes = [f"stored {id_}"] if id_ in stored else []
            expected |= {id_} & stored
            outcomes += [
                f"dead {one.reason}"
                for one in letters.get(line.place, ())
                if one.line_sha256 == _sha(line.raw)
            ]
            assert len(outcomes) <= 1, (line, outcomes)
            left += self._check_gap(line, stories, gaps, told=bool(outcomes))
        assert not stored - expected, f"nobody wrote these: {stored - expected}"
        assert left == ignored, f"{left} lines have no outcome"

    def _all_lines(self) -> dict[Written, list[Story]]:
        lines: dict[Written, list[Story]] = defaultdict(list)
        for story in self.stories:
            for line in story.lines():
                lines[line].append(story)
        return lines

    def _check_gap(
        self, line: Written, stories: list[Story], told_gaps: list[Any], *, told: bool
    ) -> int:
        """Hold a line against the gaps; return 1 when it has no outcome at all."""
        name = generation_of(line.first)
        gaps = [
            gap
            for gap in told_gaps
            if gap["log"]["generation"] == name
            and gap["audit"]["gap"]["from"] < line.end
            and gap["audit"]["gap"]["to"] > line.offset
        ]
        doubtful = any(story.doubtful for story in stories)
        assert len(gaps) <= 1 or doubtful, (line, gaps)
        if told:
            assert not gaps or doubtful, f"{line} is stored, and a gap tells of it: {gaps}"
            return 0
        exists = any(line.end <= story.kept for story in stories)
        unseen = all(line.end > story.seen for story in stories)
        assert not exists or not gaps, f"{line} exists, and a gap tells of it"
        return 0 if gaps or (unseen and not exists) else 1

    def _check_numbers(self) -> None:
        pipeline = self.running.pipeline
        for name in pipeline.catalog.sources:
            count = pipeline.tally.of(name)
            assert count.pending == 0, count.told()
        assert pipeline.delivery.pending == 0

    def _check_checkpoint(self) -> None:
        assert self.running.pipeline.save()
        snapshot = self.snapshot()
        assert snapshot is not None
        acked = {(entry.ino, entry.first, entry.acked) for entry in snapshot.entries}
        for file in self.running.pipeline.catalog.files.values():
            if file.tailer is None or file.first is None or file.gone or file.error:
                continue
            data = Path(file.path).read_bytes()
            data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
            end = data.rfind(b"\n") + 1
            assert (file.file_id.inode, file.first.hex(), end) in acked, file.path


def _sha(raw: bytes) -> str:
    return sha256(raw).hexdigest()
