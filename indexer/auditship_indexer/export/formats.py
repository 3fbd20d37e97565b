"""The forms of an export: how a document is decoded, ordered and written."""

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from auditship_indexer.event.line import value_of
from auditship_indexer.export import table
from auditship_indexer.search import Hit, Page

Source = TypeVar("Source")
LAST: Final = 2**63 - 1  # an absent `log.offset` comes after all others


class Format(Struct, Generic[Source], frozen=True):
    """One form of file. `write` returns the bytes of one row, its line end included."""

    header: bytes
    decoder: msgspec.json.Decoder[Page[Hit[Source]]]
    offset: Callable[[Source], int]
    write: Callable[[Source], bytes]


_SORTED: Final = msgspec.json.Encoder(order="sorted")


def _record_offset(row: table.Record) -> int:
    return LAST if row.log.offset is None else row.log.offset


def _document_offset(document: dict[str, Any]) -> int:
    offset = value_of(document, "log.offset")
    return offset if isinstance(offset, int) else LAST


def _line(document: dict[str, Any]) -> bytes:
    return _SORTED.encode(document) + b"\n"


CSV: Final = Format(
    header=table.HEADER,
    decoder=msgspec.json.Decoder(Page[Hit[table.Record]]),
    offset=_record_offset,
    write=table.record,
)
NDJSON: Final = Format(
    header=b"",
    decoder=msgspec.json.Decoder(Page[Hit[dict[str, Any]]]),
    offset=_document_offset,
    write=_line,
)
FORMATS: Final[dict[str, Format[Any]]] = {"csv": CSV, "ndjson": NDJSON}
