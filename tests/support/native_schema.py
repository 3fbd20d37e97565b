"""The published schema of the native log as a validator."""

import json
from typing import Any, Final

from jsonschema import Draft202012Validator

from auditship_indexer.resources import resource

_FILE: Final = resource("templates", "native-log.schema.json")
SCHEMA: Final[dict[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))
VALIDATOR: Final = Draft202012Validator(SCHEMA)


def accepts(raw: bytes) -> bool:
    """Return whether the schema takes a line."""
    line: Any = json.loads(raw)
    return bool(VALIDATOR.is_valid(line))
