"""The project's documents as data: files, fenced blocks, inline code, command lines."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

ROOT: Final = Path(__file__).parents[2]
_FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED: Final = re.compile(r"^    \S.*$", re.MULTILINE)
_INLINE: Final = re.compile(r"`([^`\n]+)`")
_PROMPT: Final = "$ "
_REDIRECTION: Final = re.compile(r"\d?>>?\s*\S+")


class Block(Struct, frozen=True):
    """A fenced block: its language and its text."""

    language: str
    text: str


class Step(Struct, frozen=True):
    """A command of a `console` block and what it prints."""

    command: str
    output: str


def documents() -> list[Path]:
    """Return all Markdown files of the project."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("*/*.md")]
    return sorted(path for path in found if not path.relative_to(ROOT).parts[0].startswith("."))


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a document in their order."""
    return [Block(match[1], match[2]) for match in _FENCE.finditer(text)]


def section(text: str, heading: str) -> str:
    """Return the text under a second-level heading."""
    _, found, rest = text.partition(f"\n## {heading}\n")
    assert found, heading
    return rest.partition("\n## ")[0]


def steps(block: Block) -> list[Step]:
    """Return the commands of a `console` block with their output."""
    made: list[Step] = []
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        made.append(Step(command, output))
    return made


def command_lines(text: str) -> Iterator[list[str]]:
    """Yield each call of `auditship` or `auditship-agent` in code of a document, as words."""
    for code in _code(text):
        for words in _commands(code):
            program = Path(words[0]).name if words else ""
            if program in {"auditship", "auditship-agent"}:
                yield [program, *words[1:]]


def _code(text: str) -> Iterator[str]:
    for block in blocks(text):
        lines = block.text.splitlines()
        if block.language == "console":
            lines = [line[len(_PROMPT) :] for line in lines if line.startswith(_PROMPT)]
        elif block.language != "sh":
            continue
        yield from lines
    rest = _FENCE.sub("", text)
    yield from (match[0].strip().removeprefix(_PROMPT) for match in _INDENTED.finditer(rest))
    yield from (match[1] for match in _INLINE.finditer(_INDENTED.sub("", rest)))


def _commands(code: str) -> Iterator[list[str]]:
    """Split a shell line at pipes and the like; a text that no shell reads has no commands."""
    lexer = shlex.shlex(_REDIRECTION.sub("", code), posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:
        return
    command: list[str] = []
    for word in words:
        if set(word) <= set("|&;"):
            yield command
            command = []
        elif command or "=" not in word:  # NAME=value in front of a command
            command.append(word)
    yield command
