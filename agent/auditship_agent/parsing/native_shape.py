"""The shape of version 1 of the native log: typed Structs, and the schema field of each key.

Text limits here are characters that fit the schema's limit however many bytes each takes, so a
line that the typed decoder takes whole needs no second look; `needs_look` names the exceptions.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

from auditship_indexer.event.fields import MAX_INTEGER, MAX_LABELS, MAX_LIST

MAX_PORT: Final = 65_535

# Characters that fit a limit of 4 times as many bytes of UTF-8.
_Word = Annotated[str, Meta(min_length=1, max_length=64)]  # checked by its form or `needs_look`
_Token = Annotated[str, Meta(min_length=1, max_length=128)]  # checked by `needs_look`
_T32 = Annotated[str, Meta(min_length=1, max_length=8)]
_T128 = Annotated[str, Meta(min_length=1, max_length=32)]
_T512 = Annotated[str, Meta(min_length=1, max_length=128)]
_T1024 = Annotated[str, Meta(min_length=1, max_length=256)]  # paths too: they end in a name
_List128 = Annotated[list[_T128], Meta(max_length=MAX_LIST)]
_List512 = Annotated[list[_T512], Meta(max_length=MAX_LIST)]
_Size = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
_Int32 = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class User(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """`user`: who acted, or owns the key."""

    id: _T512 | None = None
    email: _T512 | None = None
    name: _T512 | None = None
    roles: _List128 | None = None


class Named(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """An id with a name."""

    id: _T512 | None = None
    name: _T512 | None = None


class ActingAs(Struct, forbid_unknown_fields=True, gc=False):
    """`acting_as`: the member in whose account the actor works."""

    id: _T512 | None = None
    email: _T512 | None = None
    name: _T512 | None = None


class Target(Struct, forbid_unknown_fields=True, gc=False):
    """`target`: the member that the act is about."""

    id: _T512 | None = None
    email: _T512 | None = None
    name: _T512 | None = None
    old_role: _T128 | None = None
    role: _T128 | None = None


class Permissions(Struct, forbid_unknown_fields=True, gc=False):
    """`permissions`: what was given and taken."""

    added: _List128 | None = None
    removed: _List128 | None = None


class File(Struct, forbid_unknown_fields=True, gc=False):
    """`file`."""

    id: _T512 | None = None
    name: _T1024 | None = None
    path: _T1024 | None = None
    type: _Word | None = None
    size: _Size | None = None
    version: _T512 | None = None
    sha256: _Word | None = None
    mime_type: _Token | None = None
    folder_id: _T512 | None = None
    previous_name: _T1024 | None = None
    previous_path: _T1024 | None = None


class Share(Struct, forbid_unknown_fields=True, gc=False):
    """`share`: the link and its policy."""

    id: _T512 | None = None
    scope: _Word | None = None
    allowed_domains: _List512 | None = None
    allowed_ips: _List512 | None = None
    password_protected: bool | None = None
    expires_at: _Word | None = None
    max_downloads: _Size | None = None
    owner: _T512 | None = None
    attempt: _Int32 | None = None


class Device(Struct, forbid_unknown_fields=True, gc=False):
    """`device`."""

    kind: _Word | None = None
    id: _T512 | None = None


class Error(Struct, forbid_unknown_fields=True, gc=False):
    """`error`: the application's words."""

    code: _T128 | None = None
    message: _T1024 | None = None


_Labels = Annotated[
    dict[
        Annotated[str, Meta(max_length=64, pattern=r"^[a-z0-9_]+\Z")],
        Annotated[str, Meta(min_length=1, max_length=256)],
    ],
    Meta(max_length=MAX_LABELS),
]


class Native(Struct, forbid_unknown_fields=True, gc=False):
    """One line."""

    v: int | None = None
    time: str | None = None
    action: str | None = None
    result: str | None = None
    reason: _Word | None = None
    id: _T512 | None = None
    started: _Word | None = None
    actor: _Word | None = None
    user: User | None = None
    api_key: Named | None = None
    claimed_user: _T512 | None = None
    acting_as: ActingAs | None = None
    target: Target | None = None
    target_key: Named | None = None
    group: Named | None = None
    permissions: Permissions | None = None
    file: File | None = None
    share: Share | None = None
    workspace: Named | None = None
    organization: Named | None = None
    ip: _T512 | None = None
    port: Annotated[int, Meta(ge=1, le=MAX_PORT)] | None = None
    proxy_ip: _T512 | None = None
    user_agent: _T1024 | None = None
    device: Device | None = None
    region: _Word | None = None
    storage_region: _Word | None = None
    service: _T128 | None = None
    protocol: _T32 | None = None
    request_id: _T512 | None = None
    trace_id: _Token | None = None
    method: _T32 | None = None
    status: _Int32 | None = None
    bytes_in: _Size | None = None
    bytes_out: _Size | None = None
    partial: bool | None = None
    rule: Named | None = None
    error: Error | None = None
    labels: _Labels | None = None


# source key -> schema field that it feeds (`audit.dropped_fields` speaks of the schema)
FIELDS: Final = {
    "v": "v",
    "time": "@timestamp",
    "action": "event.action",
    "result": "audit.result",
    "reason": "event.reason",
    "id": "audit.source_id",
    "started": "event.start",
    "actor": "audit.actor_type",
    "claimed_user": "audit.claimed_user",
    "acting_as": "user.effective",
    "acting_as.id": "user.effective.id",
    "acting_as.email": "user.effective.email",
    "acting_as.name": "user.effective.name",
    "target": "user.target",
    "target.id": "user.target.id",
    "target.email": "user.target.email",
    "target.name": "user.target.name",
    "target.old_role": "user.target.roles",
    "target.role": "user.changes.roles",
    "target_key": "api_key.target",
    "target_key.id": "api_key.target.id",
    "target_key.name": "api_key.target.name",
    "permissions": "audit.permissions",
    "permissions.added": "audit.permissions.added",
    "permissions.removed": "audit.permissions.removed",
    "file.sha256": "file.hash.sha256",
    "file.previous_name": "file.previous.name",
    "file.previous_path": "file.previous.path",
    "ip": "client.ip",
    "port": "client.port",
    "proxy_ip": "source.ip",
    "user_agent": "user_agent.original",
    "device": "audit.device",
    "device.kind": "audit.device",
    "region": "cloud.region",
    "storage_region": "storage.region",
    "service": "service.name",
    "protocol": "network.protocol",
    "request_id": "http.request.id",
    "trace_id": "trace.id",
    "method": "http.request.method",
    "status": "http.response.status_code",
    "bytes_in": "http.request.body.bytes",
    "bytes_out": "http.response.body.bytes",
    "partial": "partial",
}


def needs_look(native: Native) -> bool:
    """Return whether a text whose limit the Structs do not hold may be over it."""
    file = native.file
    return not (
        (native.region is None or native.region.isascii())
        and (native.storage_region is None or native.storage_region.isascii())
        and (native.trace_id is None or native.trace_id.isascii())
        and (file is None or file.mime_type is None or file.mime_type.isascii())
    )
