"""What a mapping refuses: dates and addresses that are none, and documents that are not JSON."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from support.bulk_body import Refusal

DEFAULT: Final = {"@timestamp": "date", "client.ip": "ip", "source.ip": "ip"}
_DATE: Final = re.compile(r"\d{4}(-\d\d(-\d\d(T.*)?)?)?", re.ASCII | re.DOTALL)
_NO_OBJECT: Final = "Compressor detection can only be called on some xcontent bytes"


def field_types(properties: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return the `date` and `ip` fields of a mapping by their dotted names."""
    types: dict[str, str] = {}
    for name, field in properties.items():
        if field.get("type") in {"date", "ip"}:
            types[prefix + name] = field["type"]
        types |= field_types(field.get("properties", {}), f"{prefix}{name}.")
    return types


def malformed(document: bytes, *, piped: bool) -> Refusal | None:
    """Say no to a document that is not a JSON object; `piped`: as an ingest pipeline says it."""
    if not document.strip() and not piped:
        return Refusal(400, "mapper_parsing_exception", "failed to parse, document is empty")
    try:
        value = msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        cause = {"type": "json_parse_exception", "reason": str(error)}
        if piped:
            return Refusal(400, "parse_exception", "Failed to parse content to map", cause)
        return Refusal(400, "mapper_parsing_exception", "failed to parse", cause)
    if isinstance(value, dict):
        return None
    if piped:
        return Refusal(400, "not_x_content_exception", _NO_OBJECT)
    cause = {"type": "not_x_content_exception", "reason": _NO_OBJECT}
    return Refusal(400, "mapper_parsing_exception", "failed to parse", cause)


def unmapped(document: bytes, id_: str, types: Mapping[str, str]) -> Refusal | None:
    """Say no to a document with a value that its field's type cannot hold."""
    value = msgspec.json.decode(document)
    for name, kind in types.items():
        for found in _values(value, name.split(".")):
            cause = _date_fault(found) if kind == "date" else _ip_fault(found)
            if cause is not None:
                reason = (
                    f"failed to parse field [{name}] of type [{kind}] in document "
                    f"with id '{id_}'. Preview of field's value: '{found}'"
                )
                return Refusal(400, "mapper_parsing_exception", reason, cause)
    return None


def _values(value: Any, names: list[str]) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _values(item, names)
    elif not names:
        if value is not None:
            yield value
    elif isinstance(value, dict):
        for length in range(1, len(names) + 1):  # `a.b` may stand as one key or as two
            if (key := ".".join(names[:length])) in value:
                yield from _values(value[key], names[length:])


def _date_fault(value: Any) -> dict[str, Any] | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return None
    text = str(value)
    if text.lstrip("-").isdecimal() or (_DATE.fullmatch(text) and _is_date(text)):
        return None
    form = "strict_date_optional_time||epoch_millis"
    return {
        "type": "illegal_argument_exception",
        "reason": f"failed to parse date field [{text}] with format [{form}]",
        "caused_by": {
            "type": "date_time_parse_exception",
            "reason": "Failed to parse with all enclosed parsers",
        },
    }


def _is_date(text: str) -> bool:
    padded = text + "-01-01"[len(text) - 4 :] if len(text) < 10 else text
    try:
        datetime.fromisoformat(padded)
    except ValueError:
        return False
    return True


def _ip_fault(value: Any) -> dict[str, Any] | None:
    try:
        ipaddress.ip_address(str(value))
    except ValueError:
        reason = f"'{value}' is not an IP string literal."
        return {"type": "illegal_argument_exception", "reason": reason}
    return None
