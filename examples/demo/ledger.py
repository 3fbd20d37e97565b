"""What was asked, and which events it must have given: the demo's oracle."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Expected:
    """One event that must be stored, exactly once."""

    action: str
    region: str
    actor: str = "anonymous"
    result: str = "success"
    reason: str | None = None
    workspace: str | None = None
    file: str | None = None
    target: str | None = None
    dataset: str = "native"

    def __str__(self) -> str:
        outcome = self.result if self.reason is None else f"{self.result} ({self.reason})"
        subject = self.file or self.target or "-"
        place = f"{self.region} {self.workspace or '-'} {self.dataset}"
        return f"{self.action} {outcome}  {self.actor}  {subject}  {place}"


@dataclass(frozen=True)
class Sent:
    """One request that was answered as it should be; without an event, `note` says why."""

    what: str
    status: int
    expected: tuple[Expected, ...]
    note: str = ""
    by_system: bool = False  # no request led to it


@dataclass
class Ledger:
    """All requests in their order, and the acts of the system that they led to."""

    sent: list[Sent] = field(default_factory=list)

    def expected(self) -> Counter[Expected]:
        """Return how often each event must be stored."""
        return Counter(event for sent in self.sent for event in sent.expected)

    @property
    def silent(self) -> int:
        """Return the number of requests that are no act and give no event."""
        return sum(not sent.expected for sent in self.sent)


@dataclass(frozen=True)
class Difference:
    """What the ledger and the index do not agree on; empty when they do."""

    missing: tuple[str, ...]
    surplus: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.missing or self.surplus)


def compare(ledger: Ledger, events: Iterable[Mapping[str, Any]]) -> Difference:
    """Hold stored documents against the ledger, each counted.

    The programs' own events (`agent.*`, `audit.*`) are left out.
    """
    stored = Counter(expected_of(event) for event in events if is_act(event))
    wanted = ledger.expected()
    return Difference(_told(wanted - stored), _told(stored - wanted))


def is_act(event: Mapping[str, Any]) -> bool:
    """Tell whether an event is an act of the product's users, not of auditship itself."""
    return str(_at(event, "event.action")).split(".")[0] not in {"agent", "audit"}


def expected_of(event: Mapping[str, Any]) -> Expected:
    """Return the part of a stored document that the ledger speaks of."""
    return Expected(
        action=str(_at(event, "event.action")),
        region=str(_at(event, "cloud.region")),
        actor=str(_at(event, "audit.actor")),
        result=str(_at(event, "audit.result")),
        reason=_at(event, "event.reason"),
        workspace=_at(event, "workspace.id"),
        file=_at(event, "file.name"),
        target=_at(event, "user.target.email"),
        dataset=str(_at(event, "event.dataset")),
    )


def _at(event: Mapping[str, Any], dotted: str) -> Any:
    value: Any = event
    for key in dotted.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _told(events: Counter[Expected]) -> tuple[str, ...]:
    return tuple(sorted(f"{count} x {event}" for event, count in events.items()))
