"""An event with every field filled, built from the Structs themselves."""

import types
import typing
from collections.abc import Iterator
from typing import Any

from msgspec import Struct, structs

from auditship_indexer.event import Event

_SAMPLES = {
    str: 'é"\\/\n\u2028\x1f\x7f',
    int: 2**53 - 1,
    bool: False,
    list[str]: ["a", "b"],
    dict[str, str]: {"a": "1", "b": "2"},
}


def bare(kind: Any) -> Any:
    """Strip `| None` from a type."""
    if isinstance(kind, types.UnionType):
        return next(one for one in typing.get_args(kind) if one is not type(None))
    return kind


def filled(kind: type[Struct]) -> Any:
    """Return an instance of a Struct type in which every field has a value."""
    values = {}
    for field in structs.fields(kind):
        want = bare(field.type)
        nested = isinstance(want, type) and issubclass(want, Struct)
        values[field.name] = filled(want) if nested else _SAMPLES[want]
    return kind(**values)


def full_event() -> Event:
    """Return an event in which every field of the schema has a value."""
    made: Event = filled(Event)
    return made


def leaves(kind: type[Struct] = Event, path: str = "") -> Iterator[str]:
    """Yield the dotted names of all fields that an event can have."""
    for field in structs.fields(kind):
        want = bare(field.type)
        if isinstance(want, type) and issubclass(want, Struct):
            yield from leaves(want, f"{path}{field.encode_name}.")
        else:
            yield path + field.encode_name
