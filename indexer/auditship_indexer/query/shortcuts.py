r"""The options that select events by a word: `--workspace --user --action --file --result`.

A repeated option means or, different options mean and. `*` stands for any run of characters, `\*`
for a star itself. Values go into the tree as they are: there is no query text to break out of.
"""

import difflib
import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from auditship_indexer.errors import ConfigError
from auditship_indexer.event.actions import ACTIONS, BLOCKED, OTHER
from auditship_indexer.event.results import RESULTS
from auditship_indexer.query.fields import LOWER
from auditship_indexer.query.tree import Equals, Tree, Wildcard, both, either

if TYPE_CHECKING:
    from collections.abc import Callable

USER_FIELDS: Final = ("audit.actor", "user.email", "user.name", "user.id", "api_key.id")
_MAX_STARS: Final = 16  # above either limit the cluster's automaton may refuse a pattern
_MAX_PATTERN: Final = 256  # characters
_STAR: Final = re.compile(r"(\\*)\*")


class Shortcuts(Struct, frozen=True):
    """What was asked by options. The workspace is resolved against the cluster: `search`."""

    user: tuple[str, ...] = ()
    action: tuple[str, ...] = ()
    file: tuple[str, ...] = ()
    result: tuple[str, ...] = ()

    def tree(self) -> Tree:
        """Return the conditions of all options.

        Raises:
            ConfigError: a value is empty or a pattern too long.
        """
        options: tuple[tuple[str, tuple[str, ...], Callable[[str, str], Tree]], ...] = (
            ("--user", self.user, _user),
            ("--action", self.action, _action),
            ("--file", self.file, _file),
            ("--result", self.result, _result),
        )
        return both(
            either(build(option, value) for value in values)
            for option, values, build in options
            if values
        )

    def warnings(self) -> list[str]:
        """Return one line for each value that no event of the contract can have."""
        return [
            *filter(None, map(_odd_action, self.action)),
            *filter(None, map(_odd_result, self.result)),
        ]


def matches(option: str, field: str, text: str) -> Tree:
    r"""Return the condition that `field` is `text`, where `*` is any run and `\*` a star.

    Raises:
        ConfigError: the text is empty, or a pattern that the cluster could refuse.
    """
    parts = _split(text)
    if text == "":
        raise ConfigError(f"{option}: the value is empty", hint=f"leave {option} out instead")
    if len(parts) == 1:
        return Equals(field, parts[0])
    is_prefix = len(parts) == 2 and not parts[1]  # noqa: PLR2004 - one star, at the end
    if not is_prefix and (len(parts) - 1 > _MAX_STARS or len(text) > _MAX_PATTERN):
        raise ConfigError(
            f"{option}: the pattern has {len(parts) - 1} stars and {len(text)} characters",
            hint=f"at most {_MAX_STARS} stars and {_MAX_PATTERN} characters",
        )
    return Wildcard(field, parts)


def has_star(text: str) -> bool:
    """Tell whether a value is a pattern."""
    return len(_split(text)) > 1


def workspace_id(text: str) -> Tree:
    """Return the condition on the workspace's id."""
    return matches("--workspace", "workspace.id", text)


def workspace_name(text: str) -> Tree:
    """Return the condition on the workspace's name."""
    return matches("--workspace", "workspace.name", text)


def _split(text: str) -> tuple[str, ...]:
    r"""Cut at each star that no backslash protects; only before a star is `\` special."""
    parts, start = [""], 0
    for match in _STAR.finditer(text):
        slashes = len(match[1])
        parts[-1] += text[start : match.start()] + "\\" * (slashes // 2)
        start = match.end()
        if slashes % 2:
            parts[-1] += "*"
        elif len(parts) == 1 or parts[-1]:  # two stars in a row are one
            parts.append("")
    parts[-1] += text[start:]
    return tuple(parts)


def _user(option: str, text: str) -> Tree:
    return either(matches(option, field, text) for field in USER_FIELDS)


def _action(option: str, text: str) -> Tree:
    return either(
        (
            matches(option, "audit.verb", text.upper()),
            matches(option, "event.action", text.lower()),
        )
    )


def _file(option: str, text: str) -> Tree:
    if "/" not in text:
        return either((matches(option, LOWER, text), matches(option, "file.id", text)))
    return matches(option, "file.path", f"{text}*" if text.endswith("/") else text)


def _result(option: str, text: str) -> Tree:
    return matches(option, "audit.result", text.lower())


def _odd_action(text: str) -> str | None:
    verbs = {action.verb for action in ACTIONS.values()} | {BLOCKED, OTHER}
    if has_star(text) or text.upper() in verbs or text.lower() in ACTIONS:
        return None
    known = [*ACTIONS, *(verb.lower() for verb in verbs)]
    near = difflib.get_close_matches(text.lower(), known, n=1)
    advice = f"; did you mean {near[0]}?" if near else ""
    return f"--action {text}: not among the known actions and verbs{advice}"


def _odd_result(text: str) -> str | None:
    if has_star(text) or text.lower() in RESULTS:
        return None
    return f"--result {text}: a result is one of {', '.join(RESULTS)}"
