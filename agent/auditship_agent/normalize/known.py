"""What was made of a value, remembered: made once per distinct value while it is in use."""

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

MAX_KNOWN: Final = 4_096

_NEW: Final[Any] = object()
_K = TypeVar("_K")
_V = TypeVar("_V")


class Known(dict[_K, _V], Generic[_K, _V]):
    """A cache that is asked by `known[key]`; `make` answers for a key that is new.

    It holds at most `limit` answers. Of the older half those stay that are asked for again, so
    that a crowd of new keys does not push out the few that are in use.
    """

    def __init__(self, make: Callable[[_K], _V], limit: int = MAX_KNOWN) -> None:
        super().__init__()
        self._make = make
        self._half = limit // 2
        self._older: dict[_K, _V] = {}

    def __missing__(self, key: _K) -> _V:
        """Return the answer for a key that is not in the younger half, and keep it there."""
        value: _V = self._older.get(key, _NEW)
        if value is _NEW:
            value = self._make(key)
        if len(self) >= self._half:
            self._older = dict(self)
            self.clear()
        self[key] = value
        return value

    @property
    def size(self) -> int:
        """How many answers are held."""
        return len(self) + len(self._older)

    def forget(self) -> None:
        """Make every answer anew."""
        self.clear()
        self._older = {}
