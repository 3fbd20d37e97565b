r"""Names of events: `_id`, generation, index. Pure functions of the line; no stored state enters.

So a retry, a replay, a lost checkpoint, a restored backup and a second agent on a copy all meet
the same `_id` in the same index, where `create` answers 409: exactly once by construction.

    digest = SHA-256("auditship-event-1\0" + sid + SHA-256(first) + offset + SHA-256(line))

`sid` is the server id with a 2-byte length before it, `first` the first line of the file, `offset`
8 bytes, all big-endian. The id has the UUIDv8 layout of RFC 9562: 48 bits of Unix ms, then bits of
the digest; it sorts by time, which keeps the price of indexing flat.
"""

import re
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Final

DAY_MS: Final = 86_400_000
CONTROL_REGION: Final = "control"  # the companion's own events
REGION_FORM: Final = re.compile(r"[a-z0-9_-]{1,64}", re.ASCII)
SERVER_FORM: Final = re.compile(r"[a-z0-9._-]{1,64}", re.ASCII)
INDEX_FORM: Final = re.compile(r"audit-([a-z0-9_-]{1,64})-(\d{4})\.(\d{2})\.(\d{2})", re.ASCII)
_EVENT_TAG: Final = b"auditship-event-1\0"
_GENERATION_TAG: Final = b"auditship-generation-1\0"
_MS_MASK: Final = (1 << 48) - 1
_TAIL_MASK: Final = (1 << 62) - 1
_FRAME: Final = 1 << 128 | 8 << 76 | 2 << 62  # a digit before all others, version, variant


def _sid(server_id: str) -> bytes:
    raw = server_id.encode()
    return len(raw).to_bytes(2, "big") + raw


def generation(server_id: str, first_sha256: bytes) -> str:
    """Return the 32 hex digits that name one content of one file name over its life."""
    return sha256(_GENERATION_TAG + _sid(server_id) + first_sha256).hexdigest()[:32]


class Lineage:
    """The ids of all lines of one file generation; the common prefix is hashed once."""

    def __init__(self, server_id: str, first_sha256: bytes) -> None:
        self._prefix = sha256(_EVENT_TAG + _sid(server_id) + first_sha256)
        self.generation = generation(server_id, first_sha256)

    def digest(self, offset: int, line_sha256: bytes) -> bytes:
        """Return the 32-byte digest of the line that starts at `offset`."""
        state = self._prefix.copy()
        state.update(offset.to_bytes(8, "big") + line_sha256)
        return state.digest()


def sub_item(digest: bytes, item: int) -> bytes:
    """Return the digest of the `item`-th event (from 0) of a line that gives several."""
    return sha256(digest + item.to_bytes(4, "big")).digest() if item else digest


def event_id(epoch_ms: int, digest: bytes) -> str:
    """Return `_id`: 48 bits of time, version 8, 12 bits, variant 10, 62 bits, as UUID text."""
    bits = int.from_bytes(digest[:10], "big")  # 80 bits: 12 and 62 of them are used
    time = (epoch_ms & _MS_MASK) << 80
    digits = hex(_FRAME | time | bits >> 68 << 64 | bits >> 6 & _TAIL_MASK)
    return f"{digits[3:11]}-{digits[11:15]}-{digits[15:19]}-{digits[19:23]}-{digits[23:]}"


def time_of(document_id: str) -> int:
    """Return the event's time (Unix ms) from its `_id`."""
    return int(document_id[:8] + document_id[9:13], 16)


def day_of(epoch_ms: int) -> date:
    """Return the UTC day of a time."""
    return datetime.fromtimestamp(epoch_ms // 1000, UTC).date()


def index_of_day(region: str, day: date) -> str:
    """Return the name of one region's index of one UTC day."""
    return f"audit-{region}-{day:%Y.%m.%d}"


def index_name(region: str, epoch_ms: int) -> str:
    """Return the index of an event: the agent's configured region, the UTC day of the act."""
    return index_of_day(region, day_of(epoch_ms))


def parse_index_name(name: str) -> tuple[str, date] | None:
    """Return region and day of a daily index, or None when `name` is not one."""
    match = INDEX_FORM.fullmatch(name)
    if match is None:
        return None
    try:
        return match[1], date(int(match[2]), int(match[3]), int(match[4]))
    except ValueError:
        return None


def day_start_ms(day: date) -> int:
    """Return 00:00 UTC of a day in Unix ms."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
