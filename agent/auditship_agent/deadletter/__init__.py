"""Lines that could not become events: raw bytes, reason and position, durable before they count.

Append-only JSON lines in files of 16 MiB, written by one agent. A record ends with `sum`, 16 hex
digits of the SHA-256 of the rest, so that a torn tail is cut at start (it was never acknowledged)
and a damaged record is set aside in a file of its own, named and counted. The key (generation,
offset, line hash) keeps a line that is read again after a crash from being recorded twice.

`resolved.jsonl` closes records. It has a lock of its own, so that commands may write it beside a
running agent. A file whose records are all closed goes after 7 days.

Raw lines may hold secrets: the files are readable by the agent's user only.
"""

from auditship_agent.deadletter.record import (
    UNTERMINATED,
    Begun,
    Damage,
    DeadLetter,
    Fate,
    FullError,
    Key,
    Resolution,
    raw_text,
)
from auditship_agent.deadletter.resolved import Resolutions
from auditship_agent.deadletter.spool import FOLDER, DeadLetterFile, records

__all__ = [
    "FOLDER",
    "UNTERMINATED",
    "Begun",
    "Damage",
    "DeadLetter",
    "DeadLetterFile",
    "Fate",
    "FullError",
    "Key",
    "Resolution",
    "Resolutions",
    "raw_text",
    "records",
]
