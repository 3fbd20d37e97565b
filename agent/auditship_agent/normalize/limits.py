"""Keep every text within its limit in the schema, in bytes of UTF-8.

Names, paths, agents and messages are cut at a code-point boundary; ids become `sha256:` and the
hash of the whole value, so that two ids never merge. Both leave flag `truncated` and the field's
name. Records of the hot path are known to be short and do not come here.
"""

import re
from hashlib import sha256
from operator import attrgetter
from typing import Final

from auditship_agent.line import Record
from auditship_indexer.event.fields import FIELDS, MAX_LABEL_BYTES, MAX_LABELS, MAX_LIST

_LABEL_KEY: Final = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)

_TEXTS: Final = {
    "reason": "event.reason",
    "original_time": "audit.original_time",
    "source_id": "audit.source_id",
    "user_id": "user.id",
    "user_email": "user.email",
    "user_name": "user.name",
    "effective_id": "user.effective.id",
    "effective_email": "user.effective.email",
    "effective_name": "user.effective.name",
    "target_id": "user.target.id",
    "target_email": "user.target.email",
    "target_name": "user.target.name",
    "group_id": "group.id",
    "group_name": "group.name",
    "key_id": "api_key.id",
    "key_name": "api_key.name",
    "target_key_id": "api_key.target.id",
    "target_key_name": "api_key.target.name",
    "claimed_user": "audit.claimed_user",
    "file_id": "file.id",
    "file_name": "file.name",
    "file_path": "file.path",
    "file_mime_type": "file.mime_type",
    "file_version": "file.version",
    "folder_id": "file.folder_id",
    "previous_name": "file.previous.name",
    "previous_path": "file.previous.path",
    "user_agent": "user_agent.original",
    "device_id": "device.id",
    "region": "cloud.region",
    "storage_region": "storage.region",
    "service": "service.name",
    "workspace_id": "workspace.id",
    "workspace_name": "workspace.name",
    "organization_id": "organization.id",
    "organization_name": "organization.name",
    "share_id": "share.id",
    "share_owner": "share.owner",
    "rule_id": "rule.id",
    "rule_name": "rule.name",
    "error_code": "error.code",
    "error_message": "error.message",
    "protocol": "network.protocol",
    "request_id": "http.request.id",
    "trace_id": "trace.id",
    "method": "http.request.method",
}
_LISTS: Final = {
    "user_roles": "user.roles",
    "old_roles": "user.target.roles",
    "new_roles": "user.changes.roles",
    "permissions_added": "audit.permissions.added",
    "permissions_removed": "audit.permissions.removed",
    "share_domains": "share.allowed_domains",
    "share_ips": "share.allowed_ips",
}
_TEXT_LIMITS: Final = [
    (attribute, name, FIELDS[name].limit, FIELDS[name].is_id) for attribute, name in _TEXTS.items()
]
_TEXTS_OF: Final = attrgetter(*_TEXTS)  # one call reads them all


def cut(text: str, limit: int) -> str:
    """Return the longest prefix of whole code points that has at most `limit` bytes."""
    raw = text.encode()
    return text if len(raw) <= limit else raw[:limit].decode(errors="ignore")


def fits(text: str, limit: int) -> bool:
    """Return whether `text` has at most `limit` bytes of UTF-8."""
    return len(text) * 4 <= limit or len(text.encode()) <= limit


def hashed(text: str) -> str:
    """Return what stands for an over-long id."""
    return "sha256:" + sha256(text.encode()).hexdigest()


def shorten(record: Record) -> set[str]:
    """Bring every text and list of a record within its limits; return the fields cut."""
    done: set[str] = set()
    for text, (attribute, name, limit, is_id) in zip(_TEXTS_OF(record), _TEXT_LIMITS, strict=True):
        if text is not None and not fits(text, limit):
            setattr(record, attribute, hashed(text) if is_id else cut(text, limit))
            done.add(name)
    for attribute, name in _LISTS.items():
        items = getattr(record, attribute)
        if items is not None:
            setattr(record, attribute, _short_list(items, name, done))
    if record.labels is not None and (kept := _labels(record.labels)) != record.labels:
        record.labels = kept
        record.flags = (record.flags or set()) | {"labels_cut"}
    return done


def _short_list(items: list[str], name: str, done: set[str]) -> list[str]:
    limit = FIELDS[name].limit
    short = sorted({cut(item, limit) for item in items})
    if len(short) > MAX_LIST or any(not fits(item, limit) for item in items):
        done.add(name)
    return short[:MAX_LIST]


def _labels(labels: dict[str, str]) -> dict[str, str]:
    good = sorted(key for key in labels if _LABEL_KEY.fullmatch(key))
    return {key: cut(labels[key], MAX_LABEL_BYTES) for key in good[:MAX_LABELS]}
