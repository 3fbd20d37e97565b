"""What `make fuzz` feeds: each target holds for its seeds, and sees a broken promise."""

import gzip

import pytest

from auditship_agent.line import Document, Produced
from auditship_agent.parsing import PRESETS
from auditship_agent.pipeline.transform import Stream
from bench.fuzz_targets import TARGETS, check_archive, check_preset
from support.transforming import transform


@pytest.mark.parametrize("name", TARGETS)
def test_each_target_holds_for_its_seeds(name: str) -> None:
    """The examples, spoiled in simple ways, break no promise."""
    check, seeds = TARGETS[name].make(), TARGETS[name].seeds()
    assert seeds
    for seed in seeds:
        for spoiled in (seed, seed[: len(seed) // 2], seed[3:], seed + seed, seed[::-1]):
            check(spoiled)


def test_every_preset_is_fed() -> None:
    """A preset that is added is a target at once."""
    assert set(PRESETS) < TARGETS.keys()
    assert {"framing", "archive", "reply"} < TARGETS.keys()


class _Forging(Stream):
    """A stream that lets a line feed into a document."""

    def __init__(self, stream: Stream) -> None:
        self._good = stream

    def produce(self, line: object) -> Produced:
        del line
        return Produced("event", (Document("id", "index", b'{"a":\n1}', 0, "success"),))


def test_a_broken_promise_is_seen() -> None:
    """The oracle of the presets refuses a document that would end an action line."""
    forging = _Forging(transform().stream(b"", "/x"))

    with pytest.raises(AssertionError):
        check_preset(forging, b"{}")


def test_the_oracle_of_archives_skips_what_is_damaged() -> None:
    """A member whose checksum is wrong is not read, and not expected."""
    packed = bytearray(gzip.compress(b"good", mtime=0) + gzip.compress(b"bad", mtime=0))
    packed[-6] ^= 1

    check_archive(bytes(packed))
