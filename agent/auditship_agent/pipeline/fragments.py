"""Parts of a canonical document, each made once per distinct value, for `splice` to join.

Each part is made by the functions that make whole events, so there is one rule for every field.
An answer of None means that the value is unusual (it raises a flag, is cut, or an action needs
what nobody could give): a line with it takes the plain way. Parts of groups that are absent are
empty; each part ends with the comma behind its group.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from auditship_agent.line import Record
from auditship_agent.normalize import Normalizer, build
from auditship_agent.normalize.known import Known
from auditship_agent.normalize.required import lacks_field
from auditship_agent.parsing.native import NativePreset, Odd, set_file, set_share
from auditship_agent.parsing.native_shape import File, Named, Native, Share, User
from auditship_indexer.event.actions import ACTIONS
from auditship_indexer.event.document import Region
from auditship_indexer.event.fields import SCHEMA_VERSION

_MAX_PROGRAMS: Final = 1_024  # a user agent may be a kilobyte long
_MAX_CLIENTS: Final = 8_192  # of all things these have the most distinct values
_TIME: Final = "1970-01-01T00:00:00.000Z"

_SOMEONE: Final = User(id="u")
_SOME_KEY: Final = Named(id="k")

Person = tuple[str | None, User | None, Named | None]  # `actor`, `user`, `api_key` of a line
Deed = tuple[str | None, str | None, str | None]  # `action`, `result`, `reason`


_json: Final = msgspec.json.Encoder().encode  # canonical, as `event.document` encodes


def group(name: bytes, value: Any) -> bytes:
    """Return a top-level group of the document with its comma, empty when it is absent."""
    return b"" if value is None else b'"%b":%b,' % (name, _json(value))


class Who(Struct, frozen=True, gc=False):
    """Who acted: `agent` to the actor in `audit`; `user`; `device` where no program says."""

    head: bytes
    user: bytes
    device: bytes
    is_system: bool


class Act(Struct, frozen=True, gc=False):
    """An action with its result: `audit` behind the device, `cloud` to the id of `event`; needs."""

    result: bytes
    verb: bytes
    head: bytes
    tail: bytes
    needs_workspace: bool
    needs_file: bool
    needs_share: bool
    needs_storage: bool


class Fragments:
    """The parts of one source's documents."""

    def __init__(self, preset: NativePreset, normalizer: Normalizer) -> None:
        self._preset = preset
        self._normalizer = normalizer
        agent, cloud, ecs, host = normalizer.constants()
        self._cloud = group(b"cloud", cloud) + group(b"ecs", ecs)
        self._agent = group(b"agent", agent)
        self.host = group(b"host", host).decode()
        self.people: Known[Person, Who | None] = Known(self._who)
        self.acts: Known[Deed, Act | None] = Known(self._act)
        self.clients: Known[str | None, bytes | None] = Known(self._client, _MAX_CLIENTS)
        self.programs: Known[str | None, tuple[bytes, bytes] | None] = Known(
            self._program, _MAX_PROGRAMS
        )
        self.workspaces: Known[Named | None, bytes] = Known(_workspace)
        self.storages: Known[str | None, bytes | None] = Known(self._storage)

    def _judged(self, native: Native) -> Record | None:
        """Return the record of a line with a few fields only, None when it raises a flag."""
        native.v, native.time = 1, _TIME
        verdict = self._preset.judge(native)
        if not isinstance(verdict, list):
            return None
        (record,) = verdict
        return None if record.flags or record.dropped else record

    def _who(self, key: Person) -> Who | None:
        actor, user, api_key = key
        record = self._judged(
            Native(action="auth.login", result="success", actor=actor, user=user, api_key=api_key)
        )
        if record is None:
            return None
        record.client_ip = "-"
        if lacks_field(record):
            return None
        is_key = record.key_id is not None or record.actor == "api_key"
        return Who(
            self._agent
            + group(b"api_key", build.api_key_of(record))
            + b'"audit":{"actor":%b,"actor_type":%b'
            % (_json(build.actor_of(record)), _json(record.actor)),
            group(b"user", build.user_of(record)),
            b',"device":"api"' if is_key else b"",
            record.actor == "system",
        )

    def _act(self, key: Deed) -> Act | None:
        action, result, reason = key
        record = self._judged(
            Native(action=action, result=result, reason=reason, user=_SOMEONE, api_key=_SOME_KEY)
        )
        if record is None or action not in ACTIONS:
            return None
        if record.actor != "api_key" or (record.user_id, record.key_id) != ("u", "k"):
            return None  # the act says that they did not do it
        act, verb = self._normalizer.act(record)
        act.id = ""
        head, _, tail = _json(act).partition(b'"id":""')
        needs = _needs(record)
        return needs and Act(
            b',"result":%b,"schema":%d' % (_json(result), SCHEMA_VERSION),
            b',"verb":%b},' % _json(verb),
            self._cloud + b'"event":%b"id":"' % head,
            b'"%b,' % tail,
            *needs,
        )

    def _client(self, ip: str | None) -> bytes | None:
        if ip is None:
            return b""
        client = self._normalizer.plain_client(ip)
        if client is None:
            flags: set[str] = set()
            client, _ = self._normalizer.new_client(ip, flags)
            if flags:
                return None
        return group(b"client", client)

    def _program(self, user_agent: str | None) -> tuple[bytes, bytes] | None:
        """Return `user_agent`, and the device in `audit`."""
        if user_agent is None:
            return b"", b""
        parsed = self._normalizer.program(user_agent)
        if parsed.truncated:
            return None
        device = b"" if parsed.kind is None else b',"device":%b' % _json(parsed.kind)
        return group(b"user_agent", parsed.fields), device

    def _storage(self, region: str | None) -> bytes | None:
        region = region or self._normalizer.storage_region
        if region is None:
            return b""
        return group(b"storage", Region(region)) if region.isascii() else None


def _workspace(workspace: Named | None) -> bytes:
    """Return `workspace`, the last group: it ends with the document's own brace."""
    if workspace is None or (workspace.id is None and workspace.name is None):
        return b""
    return group(b"workspace", build.named(workspace.id, workspace.name))[:-1] + b"}"


def _needs(record: Record) -> tuple[bool, bool, bool, bool] | None:
    """Return what an action needs: workspace, file, share, storage region; None: still more."""
    record.user_id = record.client_ip = "-"
    record.workspace_id = record.file_id = record.share_id = record.storage_region = "-"
    if lacks_field(record):
        return None
    needs = []
    for field in ("workspace_id", "file_id", "share_id", "storage_region"):
        setattr(record, field, None)
        needs.append(lacks_field(record))
        setattr(record, field, "-")
    workspace, file, share, storage = needs
    return workspace, file, share, storage


def file_of(file: File) -> bytes | None:
    """Return `file` of a line, whatever it holds; None when it is odd, or names no file."""
    record, odd = Record(0, "", ""), Odd()
    set_file(record, file, odd)
    build.name_files(record)
    is_named = record.file_id or record.file_name or record.file_path
    if odd.flags or not is_named or not (file.mime_type or "").isascii():
        return None
    return group(b"file", build.file_of(record))


def share_of(share: Share) -> bytes | None:
    """Return `share` of a line, whatever it holds; None when something is odd about it."""
    record, odd = Record(0, "", ""), Odd()
    set_share(record, share, odd)
    return None if odd.flags else group(b"share", build.share_of(record, record.share_id))
