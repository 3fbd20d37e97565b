r"""One event as one CSV record, RFC 4180: CRLF, every text field quoted, integers bare.

Columns are fixed, never derived from data. An absent value is an empty field; lists are joined by
`;`. Line feeds inside a name stay: records are counted by a parser, not by lines.

Guard: a text that a spreadsheet would run as a formula gets one more `'` in front. It counts as
one when its first character after any leading `'` is one of `= + - @` (also full-width), TAB, CR,
LF or NUL; so dropping one `'` from such a field gives back the text exactly.
"""

import re
from typing import Any, Final

import msgspec
from msgspec import Struct, field

COLUMNS: Final = (
    "timestamp",
    "user",
    "action",
    "file_name",
    "file_id",
    "size",
    "ip",
    "country",
    "region",
    "storage_region",
    "device",
    "result",
    "workspace",
    "event_id",
)
HEADER: Final = (",".join(f'"{name}"' for name in COLUMNS) + "\r\n").encode()
_FORMULA: Final = re.compile("'*[=+\\-@\uff1d\uff0b\uff0d\uff20\t\r\n\0]")


class Audit(Struct, gc=False, frozen=True):
    """What a record needs of `audit.*`. Values are Any: a foreign document may hold lists."""

    actor: Any = None
    device: Any = None
    result: Any = None


class Geo(Struct, gc=False, frozen=True):
    """What a record needs of `client.geo.*`."""

    country_iso_code: Any = None


class Client(Struct, gc=False, frozen=True):
    """What a record needs of `client.*`."""

    ip: Any = None
    geo: Geo | None = None


class Act(Struct, gc=False, frozen=True):
    """What a record needs of `event.*`."""

    id: Any = None
    action: Any = None


class File(Struct, gc=False, frozen=True):
    """What a record needs of `file.*`."""

    id: Any = None
    name: Any = None
    size: Any = None


class Place(Struct, gc=False, frozen=True):
    """`cloud.*` or `storage.*`."""

    region: Any = None


class Workspace(Struct, gc=False, frozen=True):
    """`workspace.*`."""

    id: Any = None
    name: Any = None


class Position(Struct, gc=False, frozen=True):
    """What the order needs of `log.*`."""

    offset: int | None = None


class Record(Struct, gc=False, frozen=True):
    """A document as far as its CSV record needs it; the rest is not even decoded."""

    timestamp: Any = field(default=None, name="@timestamp")
    audit: Audit = Audit()
    client: Client = Client()
    cloud: Place = Place()
    event: Act = Act()
    file: File = File()
    log: Position = Position()
    storage: Place = Place()
    workspace: Workspace = Workspace()


def guard(text: str) -> str:
    """Return `text` so that no spreadsheet runs it."""
    return f"'{text}" if _FORMULA.match(text) else text


def undo(cell: str) -> str:
    """Return what `guard` was given."""
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell


def record(row: Record) -> bytes:
    """Return one CSV record with its CRLF, in the order of `COLUMNS`.

    `workspace` is the name, else the id, as `user` is the e-mail, else the name, else the id.
    """
    geo = row.client.geo
    cells = (
        row.timestamp,
        row.audit.actor,
        row.event.action,
        row.file.name,
        row.file.id,
        row.file.size,
        row.client.ip,
        geo.country_iso_code if geo else None,
        row.cloud.region,
        row.storage.region,
        row.audit.device,
        row.audit.result,
        row.workspace.name or row.workspace.id,
        row.event.id,
    )
    return (",".join(map(_cell, cells)) + "\r\n").encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if type(value) is str:
        return _quoted(value)
    if type(value) is list:
        return _quoted(";".join(map(_text, value)))
    return _text(value) if isinstance(value, int | float) else _quoted(_text(value))


def _quoted(text: str) -> str:
    if _FORMULA.match(text):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"'


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value, order="sorted").decode()
