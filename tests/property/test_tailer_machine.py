"""Writer, rotation, reader and crash in any order, against a model of every byte written."""

import shutil
import tempfile
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from support.bulk import BulkServer
from support.bulk_script import (
    QUEUE_FULL,
    Behavior,
    lost_reply,
    refuse_items,
    reset,
    serve,
    short,
    too_many_requests,
    unavailable,
)
from support.site import LOG, Site

OVER_S: Final = 301.0  # longer than finish_after_s and gap_after_s
REPLIES: Final[list[Behavior]] = [
    serve(),
    lost_reply(),
    unavailable(),
    too_many_requests(),
    reset(),
    short(),
    refuse_items(QUEUE_FULL, {0, 2}),
]


class TailerMachine(RuleBasedStateMachine):
    """F01 to F03, F07, F10, F16, F19, F30, F51: one outcome for each line, a gap for each loss.

    Rotated files are called `audit.log.1` and up; the lower the older.
    """

    def __init__(self) -> None:
        super().__init__()
        self.server = BulkServer()
        self.folder = Path(tempfile.mkdtemp())
        self.site = Site(self.folder / "a site", self.server)
        self.count = 0
        self.bad = 0
        self.copied = ""  # a copy whose original is not cut yet

    # -- the application and its logrotate -------------------------------------------------

    @rule(count=st.integers(1, 4))
    def write(self, count: int) -> None:
        self.site.write(count)

    @rule()
    def write_bad(self) -> None:
        self.bad += 1
        self.site.append(b"no json, %d\n" % self.bad)

    @rule()
    def write_part(self) -> None:
        self.site.part()

    def has_log(self) -> bool:
        return self.site.path().exists()

    def rotated(self) -> list[str]:
        return sorted(path.name for path in self.site.logs.glob(f"{LOG}.*"))

    def next_name(self) -> str:
        self.count += 1
        return f"{LOG}.{self.count}"

    @precondition(has_log)
    @rule()
    def rename(self) -> None:
        self.site.rename(LOG, self.next_name())
        self.copied = ""

    @precondition(lambda self: self.has_log() and not self.copied)
    @rule()
    def copy(self) -> None:
        self.copied = self.next_name()
        self.site.copy(LOG, self.copied)

    @precondition(lambda self: self.has_log() and bool(self.copied))
    @rule()
    def cut(self) -> None:
        self.site.cut()
        self.copied = ""

    @precondition(lambda self: any(not name.endswith(".gz") for name in self.rotated()))
    @rule(data=st.data(), keep=st.booleans())
    def compress(self, data: st.DataObject, keep: bool) -> None:  # noqa: FBT001 - a drawn value
        plain = [name for name in self.rotated() if not name.endswith(".gz")]
        name = data.draw(st.sampled_from(plain))
        if f"{name}.gz" not in self.rotated():
            self.site.compress(name, keep=keep)

    @precondition(lambda self: bool(self.rotated()))
    @rule(data=st.data())
    def delete_rotated(self, data: st.DataObject) -> None:
        self.site.delete(data.draw(st.sampled_from(self.rotated())))

    @precondition(has_log)
    @rule()
    def delete_log(self) -> None:
        self.site.delete(LOG)
        self.copied = ""

    # -- the agent -------------------------------------------------------------------------

    @rule()
    def look(self) -> None:
        self.site.look()

    @rule()
    def turn(self) -> None:
        self.site.turn()

    @rule()
    def settle(self) -> None:
        self.site.settle()

    @rule(replies=st.lists(st.sampled_from(REPLIES), min_size=1, max_size=5))
    def trouble(self, replies: list[Behavior]) -> None:
        self.site.server.script(*replies)

    @rule()
    def restart(self) -> None:
        self.site.restart()

    @rule()
    def crash(self) -> None:
        self.site.crash()
        self.site.start()

    @rule(seconds=st.sampled_from([1.0, 11.0, OVER_S]))
    def wait(self, seconds: float) -> None:
        self.site.pass_time(seconds)

    @invariant()
    def nobody_waits_for_a_person(self) -> None:
        assert "source.rewritten" not in self.site.names()

    def teardown(self) -> None:
        try:
            self.site.check_everything(patience_s=OVER_S)
        finally:
            self.site.close()
            self.server.close()
            shutil.rmtree(self.folder)


TestTailer = TailerMachine.TestCase
TestTailer.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # each example is a small epic already
    suppress_health_check=[HealthCheck.too_slow],
)
