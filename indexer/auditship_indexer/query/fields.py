"""What can be searched: the fields of the contract, and the derived forms of a file's name."""

from typing import Final

from auditship_indexer.event.fields import FIELDS, Field, Kind

LOWER: Final = "file.name.lower"  # the whole name, folded
_DERIVED: Final = {LOWER: Field(LOWER, Kind.FOLDED, 1024)}
_NOT_SEARCHABLE: Final = frozenset({Kind.STORED, Kind.UNMAPPED})


def searchable(name: str) -> Field:
    """Return the field that a condition names.

    Raises:
        ValueError: there is none of that name, or it is kept without being searchable.
    """
    field = FIELDS.get(name) or _DERIVED.get(name)
    if field is None:
        raise ValueError(f"no field {name!r}")
    if field.kind in _NOT_SEARCHABLE:
        raise ValueError(f"field {name!r} is kept, but not searchable")
    return field
