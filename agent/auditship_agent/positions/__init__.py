"""What the agent tells of itself: `status.json` for people beside it, reports for the cluster."""

from auditship_agent.positions.report import (
    MOST_LETTERS,
    AcknowledgedTo,
    Held,
    Letters,
    Position,
    index_of,
)
from auditship_agent.positions.status import (
    FileStatus,
    SourceStatus,
    Status,
    at_rest,
    read,
    told,
    write,
)

__all__ = [
    "MOST_LETTERS",
    "AcknowledgedTo",
    "FileStatus",
    "Held",
    "Letters",
    "Position",
    "SourceStatus",
    "Status",
    "at_rest",
    "index_of",
    "read",
    "told",
    "write",
]
