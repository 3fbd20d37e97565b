"""Preset `native`: the log that a storage application writes for us, one JSON object a line.

Fields and rules: native-log.md. The typed decoder takes a good line whole; all else goes
through `decode` and `fit`, which cost a bad value its own field and nothing more.
"""

import re
from typing import Final

import msgspec

from auditship_agent.config import SourceConfig
from auditship_agent.line import Dead, Record, Verdict
from auditship_agent.parsing.decode import Decoded, decode, repeats, spells_letters
from auditship_agent.parsing.fit import Fitter
from auditship_agent.parsing.native_shape import (
    FIELDS,
    File,
    Native,
    Share,
    Target,
    needs_look,
)
from auditship_agent.parsing.preset import Unknown
from auditship_agent.parsing.times import Seconds, Time, rfc3339
from auditship_indexer.event.actions import ACTION_FORM, ACTIONS, OWN_PREFIXES
from auditship_indexer.event.fields import MAX_INTEGER

NAME: Final = "native"
VERSION: Final = 1
RESULTS: Final = frozenset({"success", "denied", "error"})
ACTORS: Final = frozenset({"user", "api_key", "service", "system", "anonymous"})
DEVICES: Final = frozenset({
    "browser", "cli", "sdk", "api", "sync", "mobile", "webdav", "sftp", "ftp", "bot",
})  # fmt: skip
SCOPES: Final = frozenset({"anyone", "domain", "people"})
FILE_TYPES: Final = frozenset({"file", "dir"})
REASON_FORM: Final = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_NONE: Final = frozenset({"-", "--"})  # how some writers spell "nobody"

_DECIDING: Final = frozenset({"time", "action", "result"})


class NativePreset:
    """Reads version 1 of the native log."""

    name = NAME

    def __init__(self, source: SourceConfig) -> None:
        del source  # the native log has no settings: the application says everything
        self.unknown = Unknown()
        self._decoder = msgspec.json.Decoder(Native)
        self._fitter = Fitter(Native, FIELDS)
        self.seconds = Seconds()

    def parse(self, raw: bytes) -> Verdict:
        """Return the one act of a line, or why it is none. Never raises."""
        native = self.take(raw)
        return self.parse_odd(raw) if native is None else self.judge(native)

    def take(self, raw: bytes) -> Native | None:
        """Return a line that the typed decoder takes whole, None for `parse_odd`. Never raises."""
        try:
            native = self._decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        # Too deep it cannot be: each level has its Struct.
        return None if _may_repeat(raw) else native

    def judge(self, native: Native) -> Verdict:
        """Return the act of a line that `take` took, or why it is none."""
        return self._verdict(native, None, None)

    def parse_odd(self, raw: bytes) -> Verdict:
        """Return the act of any other line as far as it can be read, or why it is none."""
        decoded = decode(raw)
        if not isinstance(decoded, Decoded):
            return decoded
        if repeats(decoded.value, _DECIDING):
            return Dead("duplicate_key", "time, action or result stands twice")
        fitted = self._fitter.fit(decoded.value)
        self.unknown.add(fitted.unknown)
        if dead := _undecided(decoded.value):
            return dead
        return self._verdict(fitted.value, decoded.flags, fitted.dropped)

    def _verdict(self, native: Native, flags: set[str] | None, dropped: set[str] | None) -> Verdict:
        """Judge a line. `flags` is None exactly for a line that the typed decoder took whole."""
        dead = _refusal(native)
        if dead is not None:
            return dead
        assert native.time is not None  # noqa: S101 - _refusal saw to it
        time_ms = self.seconds.canonical_ms(native.time)
        time: Time | None = None
        if time_ms is None:
            time = rfc3339(native.time)
            if time is None:
                return Dead("bad_time", "time is not RFC 3339 with a zone")
            time_ms = time.ms
        odd = Odd(flags, dropped)
        record = _record(native, time_ms, odd)
        record.is_short = flags is None and not needs_look(native)
        if time is not None:
            _note_time(record, native.time, time, odd)
        if native.started is not None:
            _set_start(record, native.started, time or Time(time_ms * 1_000_000), odd)
        if native.partial:
            odd.flag("partial")
        record.flags, record.dropped = odd.flags, odd.dropped
        return [record]


def _may_repeat(raw: bytes) -> bool:
    """Return whether a deciding key could stand twice: `decode.may_repeat`, without its loop."""
    return (
        raw.find(b'"time"') != raw.rfind(b'"time"')
        or raw.find(b'"action"') != raw.rfind(b'"action"')
        or raw.find(b'"result"') != raw.rfind(b'"result"')
        or (b"\\" in raw and spells_letters(raw))
    )


class Odd:
    """What was odd about a line; the sets are made only when something is."""

    __slots__ = ("dropped", "flags")

    def __init__(self, flags: set[str] | None = None, dropped: set[str] | None = None) -> None:
        self.flags = flags or None
        self.dropped = dropped or None
        if dropped:
            self.flag("bad_field")

    def flag(self, name: str) -> None:
        """Note a flag."""
        if self.flags is None:
            self.flags = set()
        self.flags.add(name)

    def keep(self, text: str, allowed: frozenset[str], field: str) -> str | None:
        """Return `text` if it is one of `allowed`, else drop the field."""
        if text in allowed:
            return text
        self.drop(field)
        return None

    def drop(self, field: str) -> None:
        """Note that a field of the schema was left out."""
        self.flag("bad_field")
        if self.dropped is None:
            self.dropped = set()
        self.dropped.add(field)


def _undecided(value: dict[str, object]) -> Dead | None:
    """Refuse a deciding field of the wrong type; null is the same as absent."""
    version = value.get("v")
    if version is not None and (isinstance(version, bool | str) or version != VERSION):
        return Dead("unknown_version", "v is not the integer 1")
    time = value.get("time")
    if time is not None and not (isinstance(time, str) and time):
        return Dead("bad_time", "time is not a text")
    for key, reason in (("action", "bad_action"), ("result", "bad_result")):
        found = value.get(key)
        if found is not None and not isinstance(found, str):
            return Dead("bad_field", f"{key} is not a text")
        if found == "":
            return Dead(reason, f"{key} is empty")
    return None


def _refusal(native: Native) -> Dead | None:
    version = native.v
    if version is not None and version != VERSION:
        return Dead("unknown_version", "v is not 1")
    if native.time is None or native.action is None or native.result is None:
        missing = [key for key in ("time", "action", "result") if getattr(native, key) is None]
        return Dead("missing_field", ", ".join(missing))
    if version is None:
        return Dead("unknown_version", "v is missing")
    if native.result not in RESULTS:
        return Dead("bad_result", "result is neither success, denied nor error")
    return _bad_action(native.action)


def _bad_action(action: str) -> Dead | None:
    if (action not in ACTIONS and not ACTION_FORM.fullmatch(action)) or len(action) > 64:  # noqa: PLR2004 - limit of event.action
        return Dead("bad_action", "action is no dotted lower-case name")
    if action.startswith(OWN_PREFIXES):
        return Dead("bad_action", "audit.* and agent.* are auditship's own")
    return None


def _note_time(record: Record, text: str, time: Time, odd: Odd) -> None:
    if not time.is_exact:
        record.original_time = text
    for flag in time.flags:
        odd.flag(flag)


def _set_start(record: Record, text: str, end: Time, odd: Odd) -> None:
    start = rfc3339(text)
    if start is None or start.ns > end.ns or end.ns - start.ns > MAX_INTEGER:
        odd.drop("event.start")
        return
    record.start_ms = start.ms
    record.duration_ns = end.ns - start.ns


def _record(native: Native, time_ms: int, odd: Odd) -> Record:
    """Copy what a line says; groups that it lacks cost one look each."""
    assert native.action and native.result  # noqa: S101, PT018 - checked by _refusal
    record = Record(time_ms, native.action, native.result)
    _set_plain(record, native)
    _set_reason(record, native.reason, odd)
    _set_actor(record, native, odd)
    if native.file is not None:
        set_file(record, native.file, odd)
    if native.workspace is not None:
        record.workspace_id = native.workspace.id
        record.workspace_name = native.workspace.name
    if native.share is not None:
        set_share(record, native.share, odd)
    if native.target is not None:
        _set_target(record, native.target)
    _set_rest(record, native, odd)
    return record


def _set_plain(record: Record, native: Native) -> None:
    """Copy values that need no thought (assigning is quicker than 20 keywords)."""
    record.source_id = native.id
    record.claimed_user = native.claimed_user
    record.client_ip = native.ip
    record.client_port = native.port
    record.proxy_ip = native.proxy_ip
    record.user_agent = native.user_agent
    record.region = native.region
    record.storage_region = native.storage_region
    record.service = native.service
    record.protocol = native.protocol
    record.request_id = native.request_id
    record.trace_id = native.trace_id
    record.method = native.method
    record.status = native.status
    record.bytes_in = native.bytes_in
    record.bytes_out = native.bytes_out
    record.labels = native.labels


def _set_reason(record: Record, reason: str | None, odd: Odd) -> None:
    if reason is None:
        return
    if record.result == "success" or not REASON_FORM.fullmatch(reason):
        odd.drop("event.reason")
    else:
        record.reason = reason


def _set_actor(record: Record, native: Native, odd: Odd) -> None:
    user = native.user
    if user is not None:
        record.user_id = _someone(user.id)
        record.user_email = _someone(user.email)
        record.user_name = _someone(user.name)
        record.user_roles = user.roles
    if native.api_key is not None:
        record.key_id = native.api_key.id
        record.key_name = native.api_key.name
    actor = native.actor
    if actor is None:
        record.actor = "api_key" if native.api_key else "user" if user else "anonymous"
    elif actor in ACTORS:
        record.actor = actor
    else:
        odd.drop("audit.actor_type")
        record.actor = "api_key" if native.api_key else "user" if user else "unknown"
    if record.result == "denied" and _is_refused(native):
        _claim(record)


def _is_refused(native: Native) -> bool:
    """Return whether nobody was authenticated: a refused login, or a request with status 401."""
    login = native.action == "auth.login" and native.reason == "bad_credentials"
    return login or native.status == 401  # noqa: PLR2004 - Unauthorized


def _claim(record: Record) -> None:
    """Whoever was named is claimed, and not the actor (sources.md section 2, rule 2)."""
    named = record.user_email or record.user_name or record.user_id or record.key_id
    record.claimed_user = record.claimed_user or named
    record.user_id = record.user_email = record.user_name = record.user_roles = None
    record.key_id = record.key_name = None
    record.actor = "anonymous"


def _someone(name: str | None) -> str | None:
    return None if name in _NONE else name


def set_file(record: Record, file: File, odd: Odd) -> None:
    """Copy `file`, without what is none."""
    record.file_id = file.id
    record.file_name = file.name
    record.file_path = file.path
    record.file_size = file.size
    record.file_version = file.version
    record.file_mime_type = file.mime_type
    record.folder_id = file.folder_id
    record.previous_name = file.previous_name
    record.previous_path = file.previous_path
    if file.path is not None and file.path[0] != "/":
        odd.drop("file.path")
        record.file_path = None
        record.file_name = file.name or file.path.rstrip("/").rpartition("/")[2] or None
    if file.previous_path is not None and file.previous_path[0] != "/":
        odd.drop("file.previous.path")
        record.previous_path = None
    if file.type is not None:
        record.file_type = odd.keep(file.type, FILE_TYPES, "file.type")
    if file.sha256 is not None:
        if _SHA256.fullmatch(file.sha256):
            record.file_sha256 = file.sha256.lower()
        else:
            odd.drop("file.hash.sha256")


def set_share(record: Record, share: Share, odd: Odd) -> None:
    """Copy `share`, without what is none."""
    record.share_id = share.id
    record.share_domains = share.allowed_domains
    record.share_ips = share.allowed_ips
    record.share_protected = share.password_protected
    record.share_max_downloads = share.max_downloads
    record.share_owner = share.owner
    if share.scope is not None:
        record.share_scope = odd.keep(share.scope, SCOPES, "share.scope")
    record.share_attempt = share.attempt or None
    if share.attempt == 0:
        odd.drop("share.attempt")
    if share.expires_at is not None:
        time = rfc3339(share.expires_at)
        record.share_expires_ms = time.ms if time else None
        if time is None:
            odd.drop("share.expires_at")


def _set_target(record: Record, target: Target) -> None:
    record.target_id = target.id
    record.target_email = target.email
    record.target_name = target.name
    record.old_roles = [target.old_role] if target.old_role else None
    record.new_roles = [target.role] if target.role else None


def _set_rest(record: Record, native: Native, odd: Odd) -> None:
    if native.device is not None:
        record.device_id = native.device.id
        kind = native.device.kind
        if kind is not None:
            record.device = odd.keep(kind, DEVICES, "audit.device")
    if native.rule is not None:
        record.rule_id, record.rule_name = native.rule.id, native.rule.name
    if native.error is not None:
        record.error_code, record.error_message = native.error.code, native.error.message
    if native.acting_as is not None:
        record.effective_id = native.acting_as.id
        record.effective_email = native.acting_as.email
        record.effective_name = native.acting_as.name
    if native.target_key is not None:
        record.target_key_id = native.target_key.id
        record.target_key_name = native.target_key.name
    if native.group is not None:
        record.group_id, record.group_name = native.group.id, native.group.name
    if native.permissions is not None:
        record.permissions_added = native.permissions.added
        record.permissions_removed = native.permissions.removed
    if native.organization is not None:
        record.organization_id = native.organization.id
        record.organization_name = native.organization.name
