"""The words of an error, without what the preset calls secret.

Servers repeat in their messages what they were given: a folder of the disk, a signed address. A
message is kept for its reason, so each secret text in it gives way to the name of its key.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from auditship_agent.parsing.pick import Values, picker

_SHORTEST: Final = 4  # characters: what is shorter stands in any text by chance


def hiding(secrets: tuple[str, ...]) -> Callable[[str, Values], str]:
    """Return what takes the values below `secrets` out of a text."""
    getters = [(f"{{{path}}}", picker([path])) for path in secrets]

    def hide(text: str, values: Values) -> str:
        found = [(leaf, name) for name, get in getters for leaf in _leaves(get(values))]
        for leaf, name in sorted(found, key=lambda one: (-len(one[0]), one)):
            text = text.replace(leaf, name)
        return text

    return hide


def _leaves(value: Any) -> Iterator[str]:
    """Yield the texts of a value that are long enough to be meant."""
    if isinstance(value, str):
        if len(value) >= _SHORTEST:
            yield value
    elif isinstance(value, list | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _leaves(one)
