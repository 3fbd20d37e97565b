"""Settings of the companion, `/etc/auditship/auditship.yaml`: one frozen Struct a section.

The sections of other parts are declared beside those parts; here they meet. `--config FILE`, else
AUDITSHIP_CONFIG, else the file under /etc names the file; without any, the defaults below hold.
"""

from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta, Struct

from auditship_indexer.opensearch import Connection

DEFAULT_PATH: Final = Path("/etc/auditship/auditship.yaml")
Region = Annotated[str, Meta(pattern=r"\A[a-z0-9_-]{1,64}\Z")]


class RetentionConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How long events are kept."""

    days: Annotated[int, Meta(ge=1, le=3650)] = 120  # counted from the act, per UTC day


class StateConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the companion keeps what is its own."""

    # AUDITSHIP_STATE_DIR, else /var/lib/auditship (an ordinary user: $XDG_STATE_HOME/auditship)
    dir: str | None = None


class CompanionConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that a person can set for `auditship`."""

    opensearch: Connection | None = None  # None: the node that `auditship up` left running
    regions: tuple[Region, ...] = ()  # whose daily indices are made ahead
    retention: RetentionConfig = RetentionConfig()
    state: StateConfig = StateConfig()
