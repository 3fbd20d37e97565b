"""What flows through the agent: a line, the record parsed from it, and what became of it.

Every complete line has exactly one outcome: `event` (one or several documents), `ignored` (well
understood and no act) or `dead_letter` (raw bytes and reason, replayable with the same id). The
outcome is a pure function of the line and its source's settings.
"""

from typing import Literal

from msgspec import Struct

Outcome = Literal["event", "ignored", "dead_letter"]


class Record(Struct, gc=False):
    """One act as a preset understood it, before enrichment; every text is as received.

    `time_ms` is Unix ms with digits below ms cut; `original_time` the source's text where that
    lost something. `flags` and `dropped` name what was odd and what was left out.
    """

    time_ms: int
    action: str
    result: str
    reason: str | None = None
    original_time: str | None = None
    start_ms: int | None = None
    duration_ns: int | None = None
    actor: str | None = None  # given actor type, else derived
    source_id: str | None = None
    user_id: str | None = None
    user_email: str | None = None
    user_name: str | None = None
    user_roles: list[str] | None = None
    effective_id: str | None = None
    effective_email: str | None = None
    effective_name: str | None = None
    target_id: str | None = None
    target_email: str | None = None
    target_name: str | None = None
    old_roles: list[str] | None = None
    new_roles: list[str] | None = None
    group_id: str | None = None
    group_name: str | None = None
    key_id: str | None = None
    key_name: str | None = None
    target_key_id: str | None = None
    target_key_name: str | None = None
    claimed_user: str | None = None
    permissions_added: list[str] | None = None
    permissions_removed: list[str] | None = None
    file_id: str | None = None
    file_name: str | None = None
    file_path: str | None = None
    file_type: str | None = None
    file_size: int | None = None
    file_mime_type: str | None = None
    file_sha256: str | None = None
    file_version: str | None = None
    folder_id: str | None = None
    previous_name: str | None = None
    previous_path: str | None = None
    client_ip: str | None = None  # text as received; normalized later
    client_port: int | None = None
    proxy_ip: str | None = None
    user_agent: str | None = None
    device: str | None = None
    device_id: str | None = None
    region: str | None = None
    storage_region: str | None = None
    service: str | None = None
    workspace_id: str | None = None
    workspace_name: str | None = None
    organization_id: str | None = None
    organization_name: str | None = None
    share_id: str | None = None
    share_token: str | None = None  # a secret: leaves only as a keyed hash
    share_scope: str | None = None
    share_domains: list[str] | None = None
    share_ips: list[str] | None = None
    share_protected: bool | None = None
    share_expires_ms: int | None = None
    share_max_downloads: int | None = None
    share_owner: str | None = None
    share_attempt: int | None = None
    rule_id: str | None = None
    rule_name: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    protocol: str | None = None
    request_id: str | None = None
    trace_id: str | None = None
    method: str | None = None
    status: int | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    labels: dict[str, str] | None = None
    flags: set[str] | None = None
    dropped: set[str] | None = None
    is_short: bool = False  # every text is known to be within its limit in the schema


class Ignored(Struct, frozen=True, gc=False):
    """The line is well understood and no act."""

    reason: str


class Dead(Struct, frozen=True, gc=False):
    """The line cannot become an event; `detail` is the parser's position, never line content."""

    reason: str
    detail: str = ""


Verdict = list[Record] | Ignored | Dead


class Document(Struct, frozen=True, gc=False):
    """One finished event: canonical bytes, with the name and the place it is stored under."""

    id: str
    index: str
    body: bytes
    time_ms: int
    result: str
    item: int = 0


class Produced(Struct, frozen=True, gc=False):
    """What one line became. `documents` is not empty exactly when the outcome is `event`."""

    outcome: Outcome
    documents: tuple[Document, ...] = ()
    reason: str = ""
    detail: str = ""


class Line(Struct, frozen=True, gc=False):
    """One complete line: raw bytes without LF, and the offset of its first byte.

    `end` is the offset behind its LF; `nul_run` counts the NUL bytes before it, which belong to no
    line. A line over the limit comes with `raw` cut to its head, `length` and `sha256` of the
    whole.
    """

    raw: bytes
    offset: int
    end: int
    sha256: bytes
    length: int
    whole: bool = True
    nul_run: int = 0

    @property
    def begin(self) -> int:
        """First byte that this line accounts for: its NUL run, else its own first byte."""
        return self.offset - self.nul_run
