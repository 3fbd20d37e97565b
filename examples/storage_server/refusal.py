"""Why an act did not happen: the one exception between the rules and the audit line."""

from typing import Any


class RefusedError(Exception):
    """The act was attempted and did not happen.

    `result` is `denied` (a rule said no) or `error` (allowed, and failed); `reason` is a word of
    the native log; `fields` are further fields of the audit line (`rule`, `claimed_user`, …).
    """

    def __init__(
        self, status: int, result: str, reason: str, *, hint: str = "", **fields: Any
    ) -> None:
        super().__init__(f"{status} {result} {reason}")
        self.status = status
        self.result = result
        self.reason = reason
        self.hint = hint
        self.fields = fields


def denied(reason: str, *, status: int = 403, hint: str = "", **fields: Any) -> RefusedError:
    """Return the refusal of a rule."""
    return RefusedError(status, "denied", reason, hint=hint, **fields)


def failed(reason: str, *, status: int, hint: str = "", **fields: Any) -> RefusedError:
    """Return the failure of an act that was allowed."""
    return RefusedError(status, "error", reason, hint=hint, **fields)
