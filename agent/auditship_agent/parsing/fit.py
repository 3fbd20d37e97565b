"""Fit a decoded object into a preset's Struct, leaving out what does not fit.

The typed decoder of the hot path takes a line whole or not at all. A line that it refused comes
here: unknown keys are named, a value of the wrong type costs its own field and nothing else.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct, inspect

from auditship_agent.parsing.decode import Number
from auditship_indexer.event.fields import MAX_INTEGER

_SIGNED_64: Final = 20  # most characters of an integer of 64 bits


class Fitted(Struct, gc=False):
    """`unknown` are dotted source keys, `dropped` the names of schema fields left out."""

    value: Any
    unknown: list[str]
    dropped: set[str]


class Fitter:
    """Fits objects into one Struct type.

    `names` maps a dotted source key to the schema field that it feeds; `open_keys` are objects
    whose unknown keys belong to clients and are neither counted nor told.
    """

    def __init__(
        self, kind: type[Struct], names: dict[str, str], open_keys: frozenset[str] = frozenset()
    ) -> None:
        self._info = inspect.type_info(kind)
        self._names = names
        self._open = open_keys

    def fit(self, value: dict[str, Any]) -> Fitted:
        """Return the Struct, filled as far as possible."""
        fitted = Fitted(None, [], set())
        assert isinstance(self._info, inspect.StructType)  # noqa: S101 - narrows the type
        fitted.value = self._struct(value, self._info, "", fitted)
        return fitted

    def _struct(
        self, value: dict[str, Any], info: inspect.StructType, path: str, fitted: Fitted
    ) -> Any:
        fields = {field.encode_name: field for field in info.fields}
        found: dict[str, Any] = {}
        for key, item in value.items():
            field = fields.get(key)
            if field is None:
                if path.rstrip(".") not in self._open:
                    fitted.unknown.append(path + key)
            elif item is not None:
                fit = self._value(item, _bare(field.type), path + key, fitted)
                if fit is not None:
                    found[field.name] = fit
        return info.cls(**found)

    def _value(self, item: Any, info: inspect.Type, path: str, fitted: Fitted) -> Any:
        if isinstance(info, inspect.StructType) and isinstance(item, dict):
            return self._struct(item, info, path + ".", fitted)
        if isinstance(info, inspect.ListType) and isinstance(item, list):
            kept = [self._value(one, _bare(info.item_type), path, fitted) for one in item]
            return [one for one in kept if one is not None] or None
        if isinstance(info, inspect.DictType) and isinstance(item, dict):
            return self._texts(item, path, fitted)
        if isinstance(info, inspect.RawType):
            return msgspec.Raw(_scalar_text(item))
        fit = _scalar(item, info)
        if fit is _MISFIT:
            self._drop(path, fitted)
            return None
        return fit

    def _texts(self, item: dict[str, Any], path: str, fitted: Fitted) -> dict[str, str] | None:
        kept = {key: one for key, one in item.items() if isinstance(one, str) and one}
        if any(one is not None and not isinstance(one, str) for one in item.values()):
            self._drop(path, fitted)
        return kept or None

    def _drop(self, path: str, fitted: Fitted) -> None:
        fitted.dropped.add(self._names.get(path, path))


_MISFIT: Final = object()


def _bare(info: inspect.Type) -> inspect.Type:
    """Strip `| None`."""
    if isinstance(info, inspect.UnionType):
        return next(one for one in info.types if not isinstance(one, inspect.NoneType))
    return info


def _scalar_text(item: Any) -> bytes:
    """Return a scalar as JSON, a number with all its digits; no preset looks into more."""
    if isinstance(item, Number):
        return item.text.encode()
    return b"[]" if isinstance(item, list | dict) else msgspec.json.encode(item)


def _scalar(item: Any, info: inspect.Type) -> Any:
    if isinstance(info, inspect.StrType):
        return (item or None) if isinstance(item, str) else _MISFIT
    if isinstance(info, inspect.BoolType):
        return item if isinstance(item, bool) else _MISFIT
    if isinstance(info, inspect.IntType):
        return _integer(item, info)
    return _MISFIT


def _whole(item: Number) -> int | Number:
    """Return a number without a fraction as an integer: JSON knows one kind of number only."""
    return int(item) if abs(item) <= MAX_INTEGER and item.is_integer() else item


def _integer(item: Any, info: inspect.IntType) -> Any:
    """Take an integer within its bounds, also as text: `"201"`, and as JSON's `201.0`."""
    if isinstance(item, Number):
        item = _whole(item)
    if isinstance(item, str) and item.isascii() and item.isdigit() and len(item) < _SIGNED_64:
        item = int(item)
    if not isinstance(item, int) or isinstance(item, bool):
        return _MISFIT
    low = item if info.ge is None else info.ge
    high = item if info.le is None else info.le
    return item if low <= item <= high else _MISFIT
