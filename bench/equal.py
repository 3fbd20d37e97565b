"""Are the documents of a contestant those of the agent's own pipeline, in all that its job has?

The oracle is the plain pipeline: a line goes through parser, normalizer and encoder by itself, in
this process. A contestant's documents are matched by their request id; each field must be there
with the same value, but for those that the contestant says it leaves out.
"""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from auditship_agent.config import load_agent
from auditship_agent.line import Line
from auditship_agent.pipeline.transform import Transform

_SHOWN: Final = 5


class UnequalError(Exception):
    """A contestant does another job than it says; the message shows the first differences."""


def flat(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted path and value of each field that is no object."""
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from flat(inner, f"{path}{name}.")
        else:
            yield path + name, inner


def expected(config: Path, log: Path) -> dict[str, dict[str, Any]]:
    """Return the fields of each line's event by its request id, as the plain pipeline makes them.

    Raises:
        ValueError: a line does not become exactly one event.
    """
    settings = load_agent(config)
    rows = log.read_bytes().split(b"\n")[:-1]
    stream = Transform(settings, settings.sources[0]).stream(sha256(rows[0]).digest(), str(log))
    found, offset = {}, 0
    for row in rows:
        end = offset + len(row) + 1
        made = stream.produce(Line(row, offset, end, sha256(row).digest(), len(row)))
        if len(made.documents) != 1:
            raise ValueError(f"{log} @{offset}: {made.reason}: {made.detail}")
        document = dict(flat(msgspec.json.decode(made.documents[0].body)))
        found[document["http.request.id"]] = document
        offset = end
    return found


def compare(
    name: str,
    documents: Iterable[bytes],
    wanted: Mapping[str, Mapping[str, Any]],
    leaves_out: tuple[str, ...],
) -> int:
    """Return how many fields of a document were compared, at most.

    Raises:
        UnequalError: a document is missing, strange, or has another value.
    """
    differences: list[str] = []
    seen: set[str] = set()
    most = 0
    for raw in documents:
        document = dict(flat(msgspec.json.decode(raw)))
        key = document.get("http.request.id", "")
        seen.add(key)
        left, right = (_within(one, leaves_out) for one in (document, wanted.get(key, {})))
        most = max(most, len(right))
        for path in left.keys() | right.keys():
            if left.get(path) != right.get(path):
                told = f"{key} {path}: {left.get(path)!r}, not {right.get(path)!r}"
                differences.append(told)
    differences += [f"{key}: missing" for key in wanted.keys() - seen]
    if differences:
        shown = "\n".join(differences[:_SHOWN])
        raise UnequalError(f"{name}: {len(differences)} differences:\n{shown}")
    return most


def _within(document: Mapping[str, Any], leaves_out: tuple[str, ...]) -> dict[str, Any]:
    roots = tuple(f"{path}." for path in leaves_out)
    return {
        path: value
        for path, value in document.items()
        if path not in leaves_out and not path.startswith(roots)
    }
