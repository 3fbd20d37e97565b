"""Errors by what the caller does next; a hint by what the person does next.

A function that meets a foreign exception maps it to one of these at its boundary, with `from`.
Passing or permanent is decided where an error is raised, never where it is caught.
"""


class AuditshipError(Exception):
    """Base of every error that auditship raises on purpose.

    `str(error)` is one line that says what and where; `hint`, when there is one, says what to do.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    def explain(self) -> str:
        """Return the lines that a person is shown on a terminal."""
        told = f"Error: {self}"
        return f"{told}\nHint:  {self.hint}" if self.hint else told


class ConfigError(AuditshipError):
    """A person must change a setting or a command line; the program does not start (exit 2)."""


class StateError(AuditshipError):
    """The state folder cannot be used: locked, damaged, newer or another's (exit 4)."""


class ClusterError(AuditshipError):
    """The cluster gave no usable answer to a question; nothing was changed (exit 2)."""


class NodeError(AuditshipError):
    """The embedded OpenSearch could not be fetched, started or stopped (exit 2)."""


class RetryError(AuditshipError):
    """Not now: repeat the same call later. `after_s` is the server's own wish, if it had one."""

    def __init__(
        self, message: str, *, hint: str | None = None, after_s: float | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.after_s = after_s


class HoldError(AuditshipError):
    """An outage that needs a person (rights, TLS, no index): wait and probe, drop nothing."""


class RejectError(AuditshipError):
    """Never: a repeat of this very call will be refused again."""
