"""One request as its client tells it: what it asked, what came back, and when it asked."""

import time
from collections.abc import Iterable

from msgspec import Struct, field


class Seen(Struct):
    """A request and its reply. What a client could not see is None."""

    method: str
    target: str
    agent: str
    status: int | None = None
    request_id: str | None = None
    received: int | None = None  # bytes of the reply's body
    port: int | None = None  # of the client
    headers: dict[str, str] = field(default_factory=dict)  # of the reply, names in lower case
    begun_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)


def by_id(seen: Iterable[Seen]) -> dict[str, Seen]:
    """Return requests by the id that the server gave them; those without one are left out."""
    return {one.request_id: one for one in seen if one.request_id}
