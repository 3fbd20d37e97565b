"""What logrotate does to the files of a source, as far as its files tell (logrotate(8)).

Rotation by rename and create loses nothing. `copytruncate` can lose bytes between copy and cut;
an archive that only another compressor opens hides what was not read before.
"""

import fnmatch
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from auditship_agent.check.finding import Finding, failed, fine
from auditship_agent.config import SourceConfig

FILES: Final = (Path("/etc/logrotate.conf"), Path("/etc/logrotate.d"))
_READ: Final = ("gzip", "pigz", "/bin/gzip", "/usr/bin/gzip", "/usr/bin/pigz")
_STANZA: Final = re.compile(r"([^{}]+)\{([^{}]*)\}")


class Stanza(Struct, frozen=True):
    """Patterns and the directives that hold for them, in one file."""

    file: str
    patterns: tuple[str, ...]
    directives: dict[str, str]


def parse(file: str, text: str) -> list[Stanza]:
    """Return the stanzas of a logrotate file; directives before a stanza hold for it, too."""
    text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    text = re.sub(r"(?ms)^\s*(pre|post|first|last)(rotate|action)\b.*?^\s*endscript\b", "", text)
    shared: dict[str, str] = {}
    stanzas = []
    for match in _STANZA.finditer(text):
        lines = [line.strip() for line in match[1].splitlines()]
        heads = [line for line in lines if line.startswith(("/", '"', "~"))]
        shared |= _directives([line for line in lines if line not in heads])
        patterns = tuple(word for line in heads for word in _words(line))
        stanzas.append(Stanza(file, patterns, shared | _directives(match[2].splitlines())))
    return stanzas


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


def _directives(lines: Iterable[str]) -> dict[str, str]:
    pairs = (line.strip().partition(" ") for line in lines if line.strip())
    return {name: value.strip() for name, _, value in pairs}


def read(places: Iterable[Path] = FILES) -> list[Stanza]:
    """Return all stanzas of this machine; files that cannot be read are left out."""
    stanzas = []
    for place in places:
        files = sorted(place.iterdir()) if place.is_dir() else [place]
        for file in files:
            try:
                stanzas += parse(str(file), file.read_text(encoding="utf-8", errors="replace"))
            except OSError:
                continue
    return stanzas


def rotation(source: SourceConfig, stanzas: list[Stanza]) -> Iterator[Finding]:
    """Yield a finding for each stanza that rotates files of the source."""
    what = f"rotation {source.name}"
    for stanza in stanzas:
        if any(_same(mine, theirs) for mine in source.files for theirs in stanza.patterns):
            yield _judged(what, stanza)


def _same(mine: str, theirs: str) -> bool:
    return fnmatch.fnmatch(mine, theirs) or fnmatch.fnmatch(theirs, mine)


def _judged(what: str, stanza: Stanza) -> Finding:
    found = stanza.directives
    if "copytruncate" in found:
        return failed(
            what,
            f"{stanza.file}: copytruncate can lose lines between copy and cut",
            "rotate by rename: create and delaycompress instead of copytruncate",
        )
    compressor = found.get("compresscmd", "gzip")
    if "compress" in found and compressor not in _READ:
        return failed(
            what,
            f"{stanza.file}: archives of {compressor} are not read",
            "use gzip, or keep the files uncompressed",
        )
    if "compress" in found and "delaycompress" not in found:
        return fine(
            what,
            f"{stanza.file}: compresses at once",
            "delaycompress lets the agent finish a file before it is compressed",
        )
    return fine(what, f"{stanza.file}: by rename")
