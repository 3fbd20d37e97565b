"""One check's answer, as a value."""

import getpass
import os

from msgspec import Struct


class Finding(Struct, frozen=True):
    """One check: `what` was looked at, whether it is fine, and what to do if not."""

    ok: bool
    what: str
    told: str
    hint: str = ""

    def lines(self) -> str:
        """Return the finding as a person reads it."""
        word = "ok  " if self.ok else "FAIL"
        told = f"{word}  {self.what:14}  {self.told}"
        return f"{told}\n      Hint: {self.hint}" if self.hint else told


def fine(what: str, told: str, hint: str = "") -> Finding:
    """Return a check that is fine; a hint is advice then."""
    return Finding(ok=True, what=what, told=told, hint=hint)


def failed(what: str, told: str, hint: str = "") -> Finding:
    """Return a check that failed."""
    return Finding(ok=False, what=what, told=told, hint=hint)


def user() -> str:
    """Return the name of the user that this process runs as."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
