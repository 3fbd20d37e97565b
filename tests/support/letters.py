"""Dead letters made by hand, and the files that hold them."""

from hashlib import sha256
from pathlib import Path
from typing import Final

from auditship_agent.deadletter import (
    DeadLetter,
    DeadLetterFile,
    Resolution,
    raw_text,
    records,
)
from auditship_agent.durable import Disk, RealDisk
from auditship_indexer.clock import iso_ms

NOW_MS: Final = 1_776_163_817_000
ROOM: Final = 16 * 1024 * 1024


def letter(number: int, line: bytes = b'{"torn": ') -> DeadLetter:
    """Return a record whose number is also its place in the file."""
    return DeadLetter(
        seq=number,
        time=iso_ms(NOW_MS),
        reason="bad_json",
        detail="expected , or } at byte 9",
        source="dosya",
        preset="native",
        path="/var/log/dosya/audit.log",
        generation="912f467adb08c3f5a11b875e4b428c0b",
        first="51aa" * 16,
        offset=number,
        line_bytes=len(line),
        line_sha256=sha256(line).hexdigest(),
        raw=raw_text(line),
    )


def opened(folder: Path, disk: Disk | None = None, *, max_bytes: int = ROOM) -> DeadLetterFile:
    """Return the dead letters of a folder as a starting agent has them."""
    letters = DeadLetterFile(folder, disk or RealDisk(), max_bytes=max_bytes)
    letters.recover()
    return letters


def added(letters: DeadLetterFile, count: int) -> None:
    """Add some records, durably."""
    for _ in range(count):
        letters.add(letter(letters.next_seq()))
    letters.sync()


def seqs(folder: Path, *, only_open: bool = True) -> list[int]:
    """Return the numbers of the records as a reader finds them."""
    return [record.seq for record in records(folder, only_open=only_open)]


def closing(*numbers: int, at_ms: int = NOW_MS) -> list[Resolution]:
    """Return what closes these records."""
    return [Resolution(seq=number, fate="replayed", time=iso_ms(at_ms)) for number in numbers]
