"""The register of stored fields: name, kind, limit. `templates/` must match it, under test.

Lengths are bytes of UTF-8. An over-long value is cut at a code-point boundary and flagged; an
over-long id becomes `sha256:` and the hash of the whole value, so that two ids never merge.
"""

from enum import Enum
from typing import Final

from msgspec import Struct

SCHEMA_VERSION: Final = 1
ECS_VERSION: Final = "9.4.0"
MAX_INTEGER: Final = 2**53 - 1
MAX_LIST: Final = 64
MAX_LABELS: Final = 32
MAX_LABEL_BYTES: Final = 1024


class Kind(Enum):
    """How a field is mapped, and so how it can be searched."""

    KEYWORD = "keyword"
    FOLDED = "folded"  # keyword with the normalizer `lowercase`
    LONG = "long"
    INTEGER = "integer"
    DATE = "date"
    IP = "ip"
    BOOLEAN = "boolean"
    FLAT = "flat_object"
    STORED = "stored"  # mapped without index and doc values: in `_source` only
    UNMAPPED = "unmapped"  # in `_source` only


class Field(Struct, frozen=True):
    """One field of the stored document. `limit` is bytes of UTF-8, 0 where there is none."""

    name: str
    kind: Kind
    limit: int = 0
    index: bool = True
    doc_values: bool = True
    is_list: bool = False

    @property
    def is_id(self) -> bool:
        """Whether an over-long value is hashed instead of cut."""
        return self.name.endswith((".id", "_id")) or self.name == "file.version"


def _many(kind: Kind, limit: int, names: str, *, is_list: bool = False) -> list[Field]:
    return [Field(name, kind, limit, is_list=is_list) for name in names.split()]


_ALL: Final = [
    *_many(
        Kind.DATE,
        0,
        "@timestamp event.start event.ingested share.expires_at audit.from audit.to",
    ),
    *_many(
        Kind.LONG,
        0,
        "event.duration file.size share.max_downloads http.request.body.bytes "
        "http.response.body.bytes log.offset audit.rows audit.gap.from audit.gap.to",
    ),
    *_many(
        Kind.INTEGER,
        0,
        "audit.schema client.port http.response.status_code log.item share.attempt",
    ),
    *_many(Kind.IP, 0, "client.ip source.ip"),
    *_many(Kind.BOOLEAN, 0, "share.password_protected"),
    *_many(Kind.KEYWORD, 2, "client.geo.country_iso_code"),
    *_many(
        Kind.KEYWORD,
        16,
        "event.kind event.outcome audit.result audit.verb audit.actor_type file.type "
        "audit.device share.scope",
    ),
    *_many(Kind.KEYWORD, 32, "event.category event.type", is_list=True),
    *_many(
        Kind.KEYWORD,
        32,
        "file.extension network.protocol http.request.method agent.version log.generation",
    ),
    *_many(
        Kind.KEYWORD,
        64,
        "event.action event.reason event.dataset cloud.region storage.region file.hash.sha256",
    ),
    *_many(
        Kind.KEYWORD,
        128,
        "file.mime_type user_agent.name user_agent.os.name user_agent.device.name "
        "service.name error.code agent.id",
    ),
    *_many(
        Kind.KEYWORD,
        128,
        "user.roles user.target.roles user.changes.roles audit.permissions.added "
        "audit.permissions.removed audit.flags audit.dropped_fields audit.truncated_fields",
        is_list=True,
    ),
    *_many(
        Kind.KEYWORD,
        512,
        "user.id user.effective.id user.target.id group.id api_key.id api_key.target.id file.id "
        "file.version file.folder_id client.address device.id host.id host.name workspace.id "
        "organization.id share.id rule.id rule.name audit.source_id audit.object",
    ),
    *_many(
        Kind.FOLDED,
        512,
        "audit.actor user.email user.name user.effective.email user.effective.name "
        "user.target.email user.target.name group.name api_key.name api_key.target.name "
        "audit.claimed_user workspace.name organization.name share.owner",
    ),
    *_many(Kind.FOLDED, 512, "share.allowed_domains share.allowed_ips", is_list=True),
    *_many(Kind.KEYWORD, 1024, "file.name file.previous.name user_agent.original error.message"),
    *_many(
        Kind.KEYWORD,
        8192,
        "file.path file.directory file.previous.path log.file.path audit.query",
    ),
    Field("event.id", Kind.KEYWORD, 36, index=False),
    Field("http.request.id", Kind.KEYWORD, 512, doc_values=False),
    Field("trace.id", Kind.KEYWORD, 128, doc_values=False),
    Field("audit.original_time", Kind.STORED, 128),
    Field("labels", Kind.FLAT),
    *_many(Kind.UNMAPPED, 64, "ecs.version user_agent.version log.line_sha256"),
]
FIELDS: Final[dict[str, Field]] = {field.name: field for field in _ALL}

# Words typed without a field name are looked up here (`index.query.default_field` of the
# template, so that OpenSearch Dashboards does the same).
FREE_TEXT: Final = (
    "audit.actor",
    "audit.verb",
    "event.action",
    "event.reason",
    "user.target.email",
    "file.name.lower",
    "file.name.text",
    "file.path",
    "workspace.name",
    "share.id",
)
