"""The taxonomy of actions: verb, ECS category and type, and how the act is told in one line.

`event.action` is always the act that was attempted; whether it was allowed is `audit.result`.
`share.*` is never `creation` or `deletion`, so that counting `event.type: creation` counts files.
"""

import re
from typing import Final

from msgspec import Struct

ACTION_FORM: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){1,3}", re.ASCII)
OWN_PREFIXES: Final = ("audit.", "agent.")  # no source may give these
BLOCKED: Final = "BLOCKED"
OTHER: Final = "OTHER"


class Action(Struct, frozen=True):
    """One known action.

    `text` tells the object: parts are joined by an arrow, `{name}` is filled from the event, and
    an unknown part is left out with its arrow or brackets.
    """

    verb: str
    category: tuple[str, ...]
    type: tuple[str, ...]
    text: str


def _file(verb: str, kind: str, text: str) -> Action:
    return Action(verb, ("file",), (kind,), text)


def _share(verb: str, text: str) -> Action:
    return Action(verb, ("file", "iam"), ("change",), text)


def _own(kind: str) -> Action:
    return Action("AUDIT", ("configuration",), (kind,), "{action} {object}")


_NOTED: Final = Action("AUDIT", ("api",), ("access",), "{action} → {rows} rows")
_LIFE: Final = (("create", "creation"), ("update", "change"), ("delete", "deletion"))

ACTIONS: Final[dict[str, Action]] = {
    "file.upload": _file("UPLOAD", "creation", "{file} ({size})"),
    "file.update": _file("UPLOAD", "change", "{file} ({size})"),
    "file.download": _file("DOWNLOAD", "access", "{file}"),
    "file.preview": _file("PREVIEW", "access", "{file}"),
    "file.access": _file("ACCESS", "access", "{file}"),
    "file.list": _file("ACCESS", "access", "{path}"),
    "file.rename": _file("RENAME", "change", "{old_name} → {file}"),
    "file.move": _file("MOVE", "change", "{old_path} → {path}"),
    "file.copy": _file("COPY", "creation", "{old_path} → {path}"),
    "file.delete": _file("DELETE", "deletion", "{file}"),
    "file.purge": _file("PURGE", "deletion", "{file}"),
    "file.restore": _file("RESTORE", "change", "{file} → version {version}"),
    "folder.create": _file("CREATE", "creation", "{path}"),
    "share.create": _share("SHARE", "{file} → link created"),
    "share.update": _share("SHARE", "{file} → link updated"),
    "share.open": Action("ACCESS", ("file", "web"), ("access",), "share link opened"),
    "share.password": Action(
        "ACCESS", ("authentication",), ("start",), "share link → password accepted"
    ),
    "share.download": _file("DOWNLOAD", "access", "{file} via share link"),
    "share.upload": _file("UPLOAD", "creation", "{file} ({size}) via share link"),
    "share.expire": _share("EXPIRE", "share link → expired"),
    "share.revoke": _share("UNSHARE", "{file} → link revoked"),
    "member.invite": Action("INVITE", ("iam",), ("creation", "user"), "{target} → {role} role"),
    "member.join": Action("JOIN", ("iam",), ("change", "group", "user"), "{target} → joined"),
    "member.remove": Action(
        "REMOVE", ("iam",), ("deletion", "group", "user"), "{target} → removed"
    ),
    "member.role_change": Action("ROLE", ("iam",), ("change", "user"), "{target} → {role} role"),
    "permission.update": Action(
        "PERMS", ("iam",), ("change",), "{file_or_workspace} → permissions changed"
    ),
    "apikey.create": Action("KEY", ("iam",), ("admin", "creation"), "API key {key} → created"),
    "apikey.revoke": Action("KEY", ("iam",), ("admin", "deletion"), "API key {key} → revoked"),
    "workspace.create": Action(
        "WORKSPACE", ("configuration",), ("creation",), "{workspace} → created"
    ),
    "workspace.update": Action(
        "WORKSPACE", ("configuration",), ("change",), "{workspace} → changed"
    ),
    "workspace.delete": Action(
        "WORKSPACE", ("configuration",), ("deletion",), "{workspace} → deleted"
    ),
    "auth.login": Action("LOGIN", ("authentication",), ("start",), "logged in"),
    **{f"audit.{act}": _NOTED for act in ("search", "tail", "export", "report", "verify", "login")},
    **{
        f"audit.{thing}.{act}": _own(kind)
        for thing in ("saved_search", "rule", "sink")
        for act, kind in _LIFE
    },
    "audit.sink.pause": _own("change"),
    "audit.silence.create": _own("creation"),
    "audit.silence.delete": _own("deletion"),
    "audit.token.create": _own("creation"),
    "audit.token.revoke": _own("deletion"),
    "audit.hold.create": _own("creation"),
    "audit.hold.release": _own("deletion"),
    "audit.retention.delete": _own("deletion"),
    "audit.setup": _own("change"),
    "audit.deadletter.replay": _own("change"),
    "agent.start": Action("AGENT", ("host",), ("start",), "{action}"),
    "agent.stop": Action("AGENT", ("host",), ("end",), "{action}"),
    "agent.gap": Action("AGENT", ("host",), ("info",), "lost bytes [{gap_from},{gap_to})"),
    "agent.clock_step": Action("AGENT", ("host",), ("change",), "{action}"),
}


def verb(action: str, result: str) -> str:
    """Return the printed verb, at most 9 letters: a pure function of action and result."""
    if result == "denied":
        return BLOCKED
    known = ACTIONS.get(action)
    return known.verb if known else OTHER
