"""The page of guarantees: each promise names tests that exist, each claim about others a source."""

import ast
import re
from datetime import date
from typing import Final

import pytest

from support.documents import ROOT, section

PAGE: Final = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
PEERS: Final = ("Filebeat", "Fluent Bit", "Vector", "rsyslog")
SITES: Final = {
    "F": ("https://www.elastic.co/docs/",),
    "B": ("https://docs.fluentbit.io/", "https://github.com/fluent/"),
    "V": ("https://vector.dev/docs/",),
    "R": ("https://www.rsyslog.com/doc/",),
}
UNKNOWN: Final = "not documented"
_TEST: Final = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_MARK: Final = re.compile(r"\[([FBVR]\d)\]")


def promises() -> list[str]:
    """Return the promises, each with its tests."""
    return re.split(r"^(?=\*\*\d+\. )", section(PAGE, "Promises"), flags=re.MULTILINE)[1:]


def peers_section() -> str:
    return section(PAGE, "Others, by their own documentation")


def rows() -> list[list[str]]:
    """Return the table of others: its head, then its rows, cell by cell."""
    lines = [line for line in peers_section().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if set("".join(row)) != {"-"}]


def sources() -> dict[str, list[str]]:
    """Return the addresses of each mark."""
    listed = peers_section().partition("\nSources:\n")[2]
    parts = [part for part in re.split(r" ·\n|\n", listed) if part.strip()]
    return {part[1:3]: re.findall(r"\]\((\S+?)\)", part) for part in parts}


@pytest.mark.parametrize("path", sorted({path for path, _ in _TEST.findall(PAGE)}))
def test_named_tests_exist(path: str) -> None:
    """Each test that the page names is a test, or a state machine, of that file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    machines = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    tests = {name for name in functions if name.startswith("test_")}
    tests |= {name for name in machines if name.endswith("Machine")}
    named = {name for file, name in _TEST.findall(PAGE) if file == path}
    assert named <= tests, named - tests


def test_each_promise_names_a_test() -> None:
    """A promise that no test shows is not on the page; promises are numbered through."""
    numbers = [int(promise[2:].partition(".")[0]) for promise in promises()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers
    assert all(_TEST.search(promise.partition("Shown by ")[2]) for promise in promises())


def test_table_of_others_is_dated() -> None:
    """Documentation changes; the page says when it was read."""
    (day,) = re.findall(r"Read on (\d{4}-\d{2}-\d{2})", peers_section())
    assert date.fromisoformat(day).year >= 2026


def test_each_claim_about_others_has_a_source() -> None:
    """A cell names its source by a mark of that project, or says that nothing was found."""
    head, *body = rows()
    assert head[1] == "auditship"
    assert tuple(head[2:]) == PEERS
    for row in body:
        assert len(row) == len(head), row
        for letter, cell in zip(SITES, row[2:], strict=True):
            marks = _MARK.findall(cell)
            assert bool(marks) != (cell == UNKNOWN), cell
            assert {mark[0] for mark in marks} <= {letter}, cell


def test_sources_are_the_projects_own() -> None:
    """Each mark leads to a page of the project itself, and each source is used."""
    used = {mark for row in rows() for cell in row for mark in _MARK.findall(cell)}
    assert set(sources()) == used
    for mark, addresses in sources().items():
        assert addresses, mark
        assert all(address.startswith(SITES[mark[0]]) for address in addresses), mark
