"""What must have become of written lines, computed from the design and not by the product's code.

event-schema.md section 6: an id is 48 bits of time and a SHA-256 prefix over server, first line,
offset and line, in UUIDv8 layout; a generation is a hash of server and first line.
"""

import re
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

SERVER = "fs-usw-1"
_TIME = re.compile(rb'"time": ?"([^"]+)"')


def _server() -> bytes:
    return len(SERVER).to_bytes(2, "big") + SERVER.encode()


def generation_of(first: bytes) -> str:
    """Return the generation of a file that starts with this line (without LF)."""
    text = b"auditship-generation-1\0" + _server() + sha256(first).digest()
    return sha256(text).hexdigest()[:32]


def id_of(first: bytes, offset: int, line: bytes, time_ms: int) -> str:
    """Return the `_id` of the event in a line (without LF)."""
    text = b"auditship-event-1\0" + _server() + sha256(first).digest()
    digest = sha256(text + offset.to_bytes(8, "big") + sha256(line).digest()).digest()
    bits = int.from_bytes(digest, "big") >> (256 - 74)
    number = (time_ms << 80) | (8 << 76) | ((bits >> 62) << 64) | (2 << 62) | (bits & (1 << 62) - 1)
    return str(uuid.UUID(int=number))


def time_of(line: bytes) -> int:
    """Return the time that a native line says, in milliseconds; 0 if it says none."""
    found = _TIME.search(line)
    return int(datetime.fromisoformat(found[1].decode()).timestamp() * 1000) if found else 0


@dataclass(frozen=True)
class Written:
    """One complete line that somebody wrote; `offset` is that of its first byte."""

    first: bytes
    offset: int
    raw: bytes

    @property
    def end(self) -> int:
        return self.offset + len(self.raw) + 1

    @property
    def place(self) -> tuple[str, int]:
        """Generation and offset: what a dead letter and a gap speak of."""
        return generation_of(self.first), self.offset


@dataclass(eq=False)
class Story:
    """Everything that was ever written into one content, before it was cut off or replaced."""

    data: bytearray = field(default_factory=bytearray)
    kept: int = 0  # so many bytes still stand in some file
    doubtful: bool = False  # an agent crashed after its end: a gap may tell of stored bytes
    seen: int = 0  # when bytes were destroyed, an agent knew of this many

    def lines(self) -> list[Written]:
        """Return the complete lines; NUL runs before a line belong to none."""
        found: list[Written] = []
        first: bytes | None = None
        offset = 0
        for raw in bytes(self.data).split(b"\n")[:-1]:
            line = raw.lstrip(b"\0")
            first = line if first is None else first
            found.append(Written(first, offset + len(raw) - len(line), line))
            offset += len(raw) + 1
        return found

    @property
    def generation(self) -> str | None:
        lines = self.lines()
        return generation_of(lines[0].first) if lines else None
