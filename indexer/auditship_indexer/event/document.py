"""The stored document, as Structs whose plain encoding is the canonical encoding.

Fields are declared in the code-point order of their keys and absent values are left out, so
`msgspec.json.encode` writes sorted keys, no blanks, no nulls: the bytes that proofs hash (a test
compares with `order="sorted"`). Strings escape only what JSON demands; all numbers are integers
within 2^53 - 1 of zero. Lists are sorted, unique and never empty: absent instead.
"""

from typing import Final

import msgspec
from msgspec import Struct, field


class Named(Struct, omit_defaults=True, gc=False):
    """An id with a name: group, organization, workspace, rule."""

    id: str | None = None
    name: str | None = None


class Agent(Struct, omit_defaults=True, gc=False):
    """`agent.*`: the collector."""

    id: str | None = None
    version: str | None = None


class ApiKey(Struct, omit_defaults=True, gc=False):
    """`api_key.*`: the key that acted, and the key that was created or revoked."""

    id: str | None = None
    name: str | None = None
    target: Named | None = None


class Gap(Struct, omit_defaults=True, gc=False):
    """`audit.gap.*`: first lost byte, first byte after the loss."""

    start: int | None = field(default=None, name="from")
    end: int | None = field(default=None, name="to")


class Permissions(Struct, omit_defaults=True, gc=False):
    """`audit.permissions.*`."""

    added: list[str] | None = None
    removed: list[str] | None = None


class Audit(Struct, omit_defaults=True, gc=False):
    """`audit.*`: what ECS has no name for."""

    actor: str | None = None
    actor_type: str | None = None
    claimed_user: str | None = None
    device: str | None = None
    dropped_fields: list[str] | None = None
    flags: list[str] | None = None
    window_from: str | None = field(default=None, name="from")
    gap: Gap | None = None
    object: str | None = None
    original_time: str | None = None
    permissions: Permissions | None = None
    query: str | None = None
    result: str | None = None
    rows: int | None = None
    schema: int | None = None
    source_id: str | None = None
    window_to: str | None = field(default=None, name="to")
    truncated_fields: list[str] | None = None
    verb: str | None = None


class Geo(Struct, omit_defaults=True, gc=False):
    """`client.geo.*`."""

    country_iso_code: str | None = None


class Client(Struct, omit_defaults=True, gc=False):
    """`client.*`."""

    address: str | None = None
    geo: Geo | None = None
    ip: str | None = None
    port: int | None = None


class OnlyId(Struct, omit_defaults=True, gc=False):
    """An id alone: device, trace."""

    id: str | None = None


class OnlyName(Struct, omit_defaults=True, gc=False):
    """A name alone: service, operating system, device model."""

    name: str | None = None


class Region(Struct, omit_defaults=True, gc=False):
    """A region: `cloud.region`, `storage.region`."""

    region: str | None = None


class Version(Struct, omit_defaults=True, gc=False):
    """`ecs.version`."""

    version: str | None = None


class Error(Struct, omit_defaults=True, gc=False):
    """`error.*`."""

    code: str | None = None
    message: str | None = None


class Act(Struct, omit_defaults=True, gc=False):
    """`event.*`, without `event.ingested`, which the cluster stamps and nobody hashes."""

    action: str | None = None
    category: list[str] | None = None
    dataset: str | None = None
    duration: int | None = None
    id: str | None = None
    kind: str | None = None
    outcome: str | None = None
    reason: str | None = None
    start: str | None = None
    type: list[str] | None = None


class Hash(Struct, omit_defaults=True, gc=False):
    """`file.hash.*`."""

    sha256: str | None = None


class Previous(Struct, omit_defaults=True, gc=False):
    """`file.previous.*`: before a rename or move, or the source of a copy."""

    name: str | None = None
    path: str | None = None


class File(Struct, omit_defaults=True, gc=False):
    """`file.*`."""

    directory: str | None = None
    extension: str | None = None
    folder_id: str | None = None
    hash: Hash | None = None
    id: str | None = None
    mime_type: str | None = None
    name: str | None = None
    path: str | None = None
    previous: Previous | None = None
    size: int | None = None
    type: str | None = None
    version: str | None = None


class Bytes(Struct, omit_defaults=True, gc=False):
    """Size of an HTTP body."""

    bytes: int | None = None


class Request(Struct, omit_defaults=True, gc=False):
    """`http.request.*`."""

    body: Bytes | None = None
    id: str | None = None
    method: str | None = None


class Response(Struct, omit_defaults=True, gc=False):
    """`http.response.*`."""

    body: Bytes | None = None
    status_code: int | None = None


class Http(Struct, omit_defaults=True, gc=False):
    """`http.*`."""

    request: Request | None = None
    response: Response | None = None


class LogFile(Struct, omit_defaults=True, gc=False):
    """`log.file.*`."""

    path: str | None = None


class LogPosition(Struct, omit_defaults=True, gc=False):
    """`log.*`: where the line stands; with `offset` the order of events in a generation."""

    file: LogFile | None = None
    generation: str | None = None
    item: int | None = None
    line_sha256: str | None = None
    offset: int | None = None


class Network(Struct, omit_defaults=True, gc=False):
    """`network.*`."""

    protocol: str | None = None


class Share(Struct, omit_defaults=True, gc=False):
    """`share.*`: the link and its policy at that time."""

    allowed_domains: list[str] | None = None
    allowed_ips: list[str] | None = None
    attempt: int | None = None
    expires_at: str | None = None
    id: str | None = None
    max_downloads: int | None = None
    owner: str | None = None
    password_protected: bool | None = None
    scope: str | None = None


class Source(Struct, omit_defaults=True, gc=False):
    """`source.*`: the peer, where it is not the client."""

    ip: str | None = None


class Changes(Struct, omit_defaults=True, gc=False):
    """`user.changes.*`."""

    roles: list[str] | None = None


class Person(Struct, omit_defaults=True, gc=False):
    """`user.effective`: whom the actor acts as."""

    email: str | None = None
    id: str | None = None
    name: str | None = None


class Target(Person, omit_defaults=True, gc=False):
    """`user.target`: the member that the act is about, with the roles before."""

    roles: list[str] | None = None


class User(Struct, omit_defaults=True, gc=False):
    """`user.*`: the authenticated user only, and whom the act is about."""

    changes: Changes | None = None
    effective: Person | None = None
    email: str | None = None
    id: str | None = None
    name: str | None = None
    roles: list[str] | None = None
    target: Target | None = None


class UserAgent(Struct, omit_defaults=True, gc=False):
    """`user_agent.*`: a claim of the client, never used for rights."""

    device: OnlyName | None = None
    name: str | None = None
    original: str | None = None
    os: OnlyName | None = None
    version: str | None = None


class Event(Struct, omit_defaults=True, gc=False):
    """One audit event: one act of one actor."""

    timestamp: str = field(name="@timestamp")
    agent: Agent | None = None
    api_key: ApiKey | None = None
    audit: Audit | None = None
    client: Client | None = None
    cloud: Region | None = None
    device: OnlyId | None = None
    ecs: Version | None = None
    error: Error | None = None
    event: Act | None = None
    file: File | None = None
    group: Named | None = None
    host: Named | None = None
    http: Http | None = None
    labels: dict[str, str] | None = None
    log: LogPosition | None = None
    network: Network | None = None
    organization: Named | None = None
    rule: Named | None = None
    service: OnlyName | None = None
    share: Share | None = None
    source: Source | None = None
    storage: Region | None = None
    trace: OnlyId | None = None
    user: User | None = None
    user_agent: UserAgent | None = None
    workspace: Named | None = None


_ENCODER: Final = msgspec.json.Encoder()


def encode(event: Event) -> bytes:
    """Return the canonical bytes of an event. Its `labels` must be in key order already.

    Raises:
        UnicodeEncodeError: a string holds a lone surrogate; parsers replace those.
    """
    return _ENCODER.encode(event)
