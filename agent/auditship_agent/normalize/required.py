"""Which fields an action of the native log must have (native-log.md section 1).

An event that lacks one is stored all the same, with flag `missing_field`.
"""

from typing import Final

from auditship_agent.line import Record
from auditship_indexer.event.actions import ACTIONS

_PLACED: Final = frozenset({"file.upload", "file.update", "file.download"})
_FILE_SHARES: Final = frozenset({"share.create", "share.download", "share.upload"})
_OBJECTS: Final = {"share": "share.id", "member": "target", "apikey": "target_key"}
_NOBODY: Final = frozenset({"anonymous", "system"})


def lacks_field(record: Record) -> bool:
    """Return whether a field that the record's action requires is absent."""
    action = record.action
    needs_file, family = _NEEDS.get(action) or _needs(action)
    return (
        (record.workspace_id is None and action != "auth.login")
        or (record.client_ip is None and record.actor != "system")
        or (record.reason is None and record.result != "success")
        or (record.user_email is None and record.actor not in _NOBODY and _no_user(record))
        or (needs_file and record.file_name is None and _no_file(record))
        or (record.storage_region is None and action in _PLACED)
        or (family != "file" and _lacks_object(record, action, family))
    )


def missing(record: Record) -> list[str]:
    """Return the keys of the native log that the record's action requires and that are absent.

    A group is named when nothing in it says what the act was about: `file`, `share.id`, `target`.
    """
    action = record.action
    needs_file, family = _NEEDS.get(action) or _needs(action)
    absent = {
        "workspace.id": record.workspace_id is None and action != "auth.login",
        "ip": record.client_ip is None and record.actor != "system",
        "reason": record.reason is None and record.result != "success",
        "user": record.actor not in _NOBODY and _no_user(record),
        "file": needs_file and _no_file(record),
        "storage_region": record.storage_region is None and action in _PLACED,
        _OBJECTS.get(family, "permissions"): _lacks_object(record, action, family),
    }
    return [key for key, is_absent in absent.items() if is_absent]


def _needs(action: str) -> tuple[bool, str]:
    """Return whether an action needs a file, and its family."""
    family = action.partition(".")[0]
    return _needs_file(action, family), family


def _lacks_object(record: Record, action: str, family: str) -> bool:
    if family == "share":
        return record.share_id is None and record.share_token is None
    if family == "member":
        return not (record.target_id or record.target_email or record.target_name)
    if family == "apikey":
        return not (record.target_key_id or record.target_key_name)
    if action == "permission.update":
        return record.permissions_added is None and record.permissions_removed is None
    return False


def _needs_file(action: str, family: str) -> bool:
    return family in {"file", "folder"} or action in _FILE_SHARES


def _no_user(record: Record) -> bool:
    return not (record.user_id or record.user_email or record.user_name)


def _no_file(record: Record) -> bool:
    return not (record.file_id or record.file_name or record.file_path)


_NEEDS: Final = {action: _needs(action) for action in ACTIONS}
