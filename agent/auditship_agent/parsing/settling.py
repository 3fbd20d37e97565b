"""The last look at a record of a field map: who acted, where the path lies, what a move was."""

import re
from typing import Final

from auditship_agent.config import SourceConfig
from auditship_agent.line import Record
from auditship_agent.parsing.paths import Templates, resolved

_REASON: Final = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_PARTIAL: Final = 206
_UNAUTHORIZED: Final = 401


class Settling:
    """The rules of sources.md section 2 that hold for every field map."""

    def __init__(self, source: SourceConfig, templates: Templates, *, has_user: bool) -> None:
        self._templates = templates if source.paths else None
        self._is_verified = source.user_verified
        self._nobody = "anonymous" if has_user else "unknown"

    def settle(self, record: Record, flags: set[str], dropped: set[str], *, is_http: bool) -> None:
        """Set actor, place and reason. Nothing at a refused login is ever an actor."""
        for name in ("user_id", "user_email", "user_name"):
            if getattr(record, name) in {"-", "--"}:
                setattr(record, name, None)
        refused = record.reason == "bad_credentials" or record.status == _UNAUTHORIZED
        if refused or not self._is_verified:
            self._claim(record, refused=refused)
        elif not is_http:
            record.actor = record.actor or self._actor(record)
        elif (
            record.actor in {"anonymous", "unknown"}
            and (kind := self._actor(record)) != self._nobody
        ):
            record.actor = kind
        if record.reason is not None and (
            record.result == "success" or not _REASON.fullmatch(record.reason)
        ):
            dropped.add("event.reason")
            record.reason = None
        if is_http:
            return
        if record.status == _PARTIAL:
            flags.add("partial")
        if self._templates is not None and record.file_path:
            self._place(record, self._templates)
        _tell_move(record)

    def _actor(self, record: Record) -> str:
        if record.key_id or record.key_name:
            return "api_key"
        if record.user_id or record.user_email or record.user_name:
            return "user"
        return self._nobody

    def _claim(self, record: Record, *, refused: bool) -> None:
        """What stood for a user was not checked: it is a claim."""
        claimed = record.user_email or record.user_name or record.user_id or record.key_id
        record.claimed_user = record.claimed_user or claimed
        record.user_id = record.user_email = record.user_name = record.user_roles = None
        record.key_id = record.key_name = None
        if refused:
            record.actor = "anonymous"
        elif claimed:
            record.actor = "unknown"
        else:
            record.actor = record.actor or self._nobody

    def _place(self, record: Record, templates: Templates) -> None:
        """Let the source's `paths` say which workspace a path lies in."""
        place = templates.place(resolved(record.file_path or ""))
        placed = place.templated and (record.workspace_id is None or bool(place.share_token))
        if record.previous_path:
            asked = resolved(record.previous_path)
            old = templates.place(asked)
            if placed and old.templated and old.lies_with(place):
                record.previous_path = old.path
            elif old.share_token is not None:
                record.previous_path = templates.whole(asked)
        if placed:
            record.workspace_id = record.workspace_id or place.workspace
            record.share_token, record.file_path = place.share_token, place.path


def _tell_move(record: Record) -> None:
    """`file.rename` stays in its folder, `file.move` does not, whatever the log calls it."""
    old, new = record.previous_path, record.file_path
    if record.action in {"file.rename", "file.move"} and old and new:
        same = old.rpartition("/")[0] == new.rpartition("/")[0]
        record.action = "file.rename" if same else "file.move"
