"""What the documents say is so: links, commands, metrics, examples, snippets."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import msgspec
import pytest
import yaml
from click.testing import CliRunner
from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase

from auditship_agent.cli import cli as agent
from auditship_agent.config import load_agent
from auditship_agent.metrics import Metrics
from auditship_agent.parsing import PRESETS, form_of
from auditship_indexer.cli import main as companion
from auditship_indexer.config import CompanionConfig
from auditship_indexer.event.actions import ACTIONS, OWN_PREFIXES
from auditship_indexer.event.results import DENIED_REASONS, ERROR_REASONS
from auditship_indexer.settings import load
from support.documents import ROOT, blocks, command_lines, documents
from support.transforming import as_line, stream

PROGRAMS: Final = {"auditship": companion, "auditship-agent": agent}
README_LINES: Final = 120
# Where the documents may point on a reader's machine; all else would be one author's.
ROOTS: Final = frozenset({"etc", "opt", "usr", "var", "dev", "bin", "metrics", "health", "ws", "s"})
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
_ABSOLUTE: Final = re.compile(r"(?<![\w.<>/\\*)'\u2026-])/([A-Za-z][\w-]*)/")
_TARGET: Final = re.compile(r"^([a-z-]+):", re.MULTILINE)
_MAKE: Final = re.compile(r"(?:`|^    )make ([a-z-]+)", re.MULTILINE)
_METRIC: Final = re.compile(r"^\| `(auditship_agent_\w+)` \| ([^|]*)\|", re.MULTILINE)

each_document = pytest.mark.parametrize(
    "path", documents(), ids=lambda path: str(path.relative_to(ROOT))
)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_readme_is_short() -> None:
    """The README is read in one go."""
    assert len(read(ROOT / "README.md").splitlines()) <= README_LINES


@each_document
def test_links_resolve(path: Path) -> None:
    """Each relative link leads to a file, each anchor to a heading."""
    for target in _LINK.findall(read(path)):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        other = (path.parent / name).resolve() if name else path
        assert other.exists(), f"{path.name}: {target}"
        if anchor:
            assert anchor in set(map(_slug, _HEADING.findall(read(other)))), target


def _slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@each_document
def test_commands_exist(path: Path) -> None:
    """Each command line of a document names an existing command with existing options."""
    for words in command_lines(read(path)):
        _check_command(words, f"{path.name}: {' '.join(words)}")


def _check_command(words: list[str], told: str) -> None:
    program, *arguments = words
    group = PROGRAMS[program]
    if not arguments or arguments == ["--version"]:
        return
    command: click.Command | None = group
    while arguments and isinstance(command, click.Group):
        command = command.get_command(click.Context(command, info_name=program), arguments.pop(0))
    assert command is not None, told
    _parse(command, arguments, told)


def _parse(command: click.Command, arguments: list[str], told: str) -> None:
    """Parse as click would, but let arguments and options that are required be absent."""
    context = click.Context(command, info_name=command.name)
    try:
        values, left, _ = command.make_parser(context).parse_args(list(arguments))
    except click.UsageError as error:
        pytest.fail(f"{told}: {error.format_message()}")
    assert not left, told
    for parameter in command.params:
        given = values.get(parameter.name or "")
        if isinstance(parameter.type, click.Choice) and isinstance(given, str):
            assert given in parameter.type.choices, told


@each_document
def test_make_targets_exist(path: Path) -> None:
    """Each `make TARGET` of a document is a target of the Makefile."""
    assert set(_MAKE.findall(read(path))) <= set(_TARGET.findall(read(ROOT / "Makefile")))


@pytest.mark.parametrize(
    "wrong", ["auditship serch", "auditship search --usr x", "auditship-agent check extra"]
)
def test_wrong_commands_are_found(wrong: str) -> None:
    """The check of command lines sees a misspelt command, option and a stray argument."""
    (words,) = command_lines(f"Run `{wrong}` now.")
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        _check_command(words, wrong)


def test_metrics_have_their_rows() -> None:
    """The table of docs/agent.md is the agent's register: names and labels, both ways."""
    rows = _METRIC.findall(read(ROOT / "docs" / "agent.md"))
    told = {name: tuple(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    assert len(told) == len(rows)
    assert told == dict(_register())


def _register() -> Iterator[tuple[str, tuple[str, ...]]]:
    for metric in vars(Metrics()).values():
        if isinstance(metric, MetricWrapperBase):
            ending = "_total" if isinstance(metric, Counter) else ""
            yield f"{metric._name}{ending}", tuple(metric._labelnames)


@each_document
def test_no_paths_of_one_machine(path: Path) -> None:
    """An absolute path is one that a reader has, too."""
    text = re.sub(r"^```json\n.*?^```$", "", read(path), flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"\w+://\S+", "", text)
    found = {match[1] for match in _ABSOLUTE.finditer(text)}
    assert found <= ROOTS | {"renders"}, found - ROOTS


def test_json_examples_become_events() -> None:
    """Each JSON line of the integrators' page is an event without a flaw."""
    shown = blocks(read(ROOT / "docs" / "native-log.md"))
    lines = [line for block in shown if block.language == "json" for line in block.text.split("\n")]
    lines = [line for line in lines if line]
    samples = read(ROOT / "examples" / "logs" / "native.jsonl").splitlines()
    assert lines
    assert set(lines) <= set(samples)
    made = stream()
    for line in lines:
        assert made.produce(as_line(line.encode())).outcome == "event", line


def test_every_json_block_parses() -> None:
    """JSON in a document is JSON: an object on each line."""
    shown = [block for path in documents() for block in blocks(read(path))]
    lines = [line for block in shown if block.language == "json" for line in block.text.split("\n")]
    found = [msgspec.json.decode(line) for line in lines if line]
    assert found
    assert all(isinstance(one, dict) for one in found)


def test_integrators_page_lists_the_contract() -> None:
    """Every action and reason that an application may write is on the page."""
    text = read(ROOT / "docs" / "native-log.md")
    actions = {name for name in ACTIONS if not name.startswith(OWN_PREFIXES)}
    own = {"truncated", "deleted", "corrupt_archive", "nul_run"}  # of `agent.gap`
    for name in actions | DENIED_REASONS | (ERROR_REASONS - own):
        assert f"`{name}`" in text, name


def _snippets() -> list[str]:
    return [
        block.text
        for path in documents()
        for block in blocks(read(path))
        if block.language == "yaml"
    ]


@pytest.mark.parametrize("number", range(len(_snippets())))
def test_yaml_snippets_load(number: int, tmp_path: Path) -> None:
    """Each YAML snippet is a whole file of the program that its keys belong to."""
    text = _snippets()[number]
    path = tmp_path / "snippet.yaml"
    path.write_text(text, encoding="utf-8")
    if "server" in yaml.safe_load(text):
        assert all(source.preset in PRESETS for source in load_agent(path).sources)
    else:
        assert load(path, CompanionConfig) != CompanionConfig()


def _presets_page() -> str:
    return read(ROOT / "docs" / "presets.md")


def test_every_preset_has_its_section() -> None:
    """The page of presets lists all of them, and describes those that have no page of their own."""
    text = _presets_page()
    for name in PRESETS:
        assert f"| [{name}](" in text, name
        assert name == "native" or f"\n## {name}\n" in text, name


def test_the_log_format_of_nginx_is_the_same_everywhere() -> None:
    """`presets show nginx-json` prints the configuration that the page tells to use."""
    (block,) = (one for one in blocks(_presets_page()) if one.language == "nginx")
    assert form_of("nginx-json").about == block.text


def test_a_preset_of_your_own_is_one(tmp_path: Path) -> None:
    """The file on the page, as it stands there, is read, and its own test holds."""
    _, _, rest = _presets_page().partition("\n## A preset of your own\n")
    lines = [line[4:] for line in rest.splitlines() if line.startswith("    ")]
    path = tmp_path / "filebox.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    done = CliRunner().invoke(agent, ["presets", "test", str(path)])
    assert (done.exit_code, done.output) == (0, f"ok    {path}: 1 tests\n")
