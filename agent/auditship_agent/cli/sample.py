"""`auditship-agent check --sample`: what a log covers, and what it lacks, for people.

Everything that a log, a file name or a preset chose is printed neutralized.
"""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from auditship_agent.check.conformance import (
    FAMILIES,
    GIVEN,
    OTHER,
    Place,
    Sample,
)
from auditship_agent.cli.reading import lines, wrapper_of
from auditship_agent.config import AgentConfig, SourceConfig
from auditship_indexer.event.line import plain

_MAX_KEYS: Final = 20
_WIDTH: Final = 100
_RESULTS: Final = ("success", "denied", "error")
_NUMBERS: Final = frozenset({"EVENTS", "SUCCESS", "DENIED", "ERROR", "LINES"})


def take(
    config: AgentConfig, source: SourceConfig, files: Sequence[str], *, is_trial: bool
) -> Sample:
    """Read files to their ends; `is_trial`: the settings of their source are not known.

    Raises:
        ConfigError: preset or settings cannot be used, a file cannot be read.
    """
    sample = Sample(config, source, is_trial=is_trial)
    for name in files:
        for one in lines(name, source.line_limit):
            if one.line is None:
                sample.partial += 1
                continue
            place = Place(name, one.number, one.offset)
            before = sample.dead.total()
            sample.take(place, one.line)
            if sample.dead.total() > before and (wrapper := wrapper_of(one.line.raw)):
                sample.wrappers.add(wrapper)
    return sample


def told(sample: Sample, files: Sequence[str]) -> Iterator[str]:
    """Yield the lines to print."""
    yield f"{', '.join(map(plain, files))}: {sample.lines:,} lines, preset {plain(sample.preset)}"
    yield f"  {_outcomes(sample)}"
    if sample.events:
        yield ""
        yield from _table(("FAMILY", "EVENTS", "SUCCESS", "DENIED", "ERROR", "SEEN"), _seen(sample))
        if sample.unseen:
            text = f"not seen: {', '.join(_unseen(sample))}"
            yield textwrap.fill(text, _WIDTH, subsequent_indent=" " * len("not seen: "))
    several = len(files) > 1
    if sample.missing:
        yield ""
        heads = ("ACTION", "RESULT", "MISSING", "LINES", "FIRST")
        yield from _table(heads, _missing(sample, several=several))
    if sample.lost:
        yield ""
        yield from _table(("FIELD", "WAS", "LINES", "FIRST"), _lost(sample, several=several))
    yield from _advice(sample)
    yield from _first_bad(sample, several=several)
    yield ""
    faults = sample.faults
    yield f"does not conform: {', '.join(faults)}" if faults else "conforms"


def _outcomes(sample: Sample) -> str:
    parts = [
        _many(sample.events, "event"),
        f"{sample.ignored.total():,} ignored{_reasons(sample.ignored)}",
        _many(sample.dead.total(), "dead letter") + _reasons(sample.dead),
    ]
    if sample.partial:
        parts.append("last line without LF: not read")
    return ", ".join(parts)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _reasons(counts: Counter[str]) -> str:
    if not counts:
        return ""
    return f" ({', '.join(f'{reason} {count:,}' for reason, count in sorted(counts.items()))})"


def _seen(sample: Sample) -> Iterator[tuple[str, ...]]:
    """Yield a row for each family that the sample holds, in the order of the schema."""
    known = set(GIVEN)
    for family in FAMILIES:
        names = [name for name in GIVEN if name.startswith(family + ".") and name in sample.actions]
        if names:
            yield _family(sample, family, names)
    if names := sorted(name for name in sample.actions if name not in known):
        yield _family(sample, OTHER, names)


def _family(sample: Sample, family: str, names: list[str]) -> tuple[str, ...]:
    counts: Counter[str] = Counter()
    for name in names:
        counts.update(sample.actions[name])
    seen = ", ".join(
        f"{name.removeprefix(family + '.')} {sample.actions[name].total():,}" for name in names
    )
    results = (f"{counts[result]:,}" for result in _RESULTS)
    return family, f"{counts.total():,}", *results, plain(seen)


def _unseen(sample: Sample) -> Iterator[str]:
    """Yield what is missing; a family of which nothing was seen is told as one."""
    unseen = set(sample.unseen)
    for family in FAMILIES:
        names = [name for name in GIVEN if name.startswith(family + ".")]
        absent = [name for name in names if name in unseen]
        if len(names) > 1 and absent == names:
            yield f"{family}.*"
        else:
            yield from absent


def _missing(sample: Sample, *, several: bool) -> Iterator[tuple[str, ...]]:
    for (action, result, key), gap in sorted(sample.missing.items()):
        lines_of_class = sample.actions[action][result]
        first = _where(gap.first, several=several)
        yield action, result, key, f"{gap.count:,} of {lines_of_class:,}", first


def _lost(sample: Sample, *, several: bool) -> Iterator[tuple[str, ...]]:
    for (field, how), gap in sorted(sample.lost.items()):
        yield field, how, f"{gap.count:,}", _where(gap.first, several=several)


def _where(place: Place, *, several: bool) -> str:
    head = f"{plain(place.file)} " if several else ""
    return f"{head}line {place.line} @{place.offset}"


def _advice(sample: Sample) -> Iterator[str]:
    """Yield what is odd and no fault."""
    if any(key == "storage_region" for *_, key in sample.missing):
        yield "storage_region may also be set for the source in the configuration"
    if sample.missing and not sample.is_native:
        yield "what a server's log does not tell is missing in its events, and no fault"
    if sample.unknown:
        common = sample.unknown.most_common(_MAX_KEYS)
        more = len(sample.unknown) - len(common)
        keys = ", ".join(f"{plain(key)} {count:,}" for key, count in common)
        yield f"\nunknown keys, not stored: {keys}{f', and {more} more' if more else ''}"
    if sample.wrappers:
        yield (
            f"\nsome dead letters look wrapped ({', '.join(sorted(sample.wrappers))}): let the "
            "application write the log file itself, or set unwrap for the source"
        )


def _first_bad(sample: Sample, *, several: bool) -> Iterator[str]:
    if not sample.bad:
        return
    yield ""
    for bad in sample.bad:
        because = f": {plain(bad.detail)}" if bad.detail else ""
        yield f"{_where(bad.place, several=several)}  {bad.reason}{because}"
        if bad.hint:
            yield f"      Hint: {bad.hint}"
    if more := sample.dead.total() - len(sample.bad):
        yield f"and {_many(more, 'dead letter')} more"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield aligned columns; numbers stand to the right."""
    whole = [head, *rows]
    widths = [max(len(row[at]) for row in whole) for at in range(len(head))]
    for row in whole:
        cells = (
            cell.rjust(width) if name in _NUMBERS else cell.ljust(width)
            for name, cell, width in zip(head, row, widths, strict=True)
        )
        yield "  ".join(cells).rstrip()
