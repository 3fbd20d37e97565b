"""The matrix of faults, F01 to F64: each row has tests that name it, or is a known loss."""

import ast
import re
from collections.abc import Iterator
from typing import Final

from support.documents import ROOT, section

ROWS: Final = [f"F{number:02}" for number in range(1, 65)]
README: Final = (ROOT / "agent" / "README.md").read_text(encoding="utf-8")
PAGE: Final = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
_ROW: Final = re.compile(r"\bF(\d\d)\b")
_RANGE: Final = re.compile(r"\bF(\d\d) to F(\d\d)\b")
_LINE: Final = re.compile(r"^\| (F\d\d) \| [^|]+ \| (.+) \|$", re.MULTILINE)
_TEST: Final = re.compile(r"`(tests/\w+/\w+\.py::\w+)`")


def _named(text: str) -> set[str]:
    """Return the rows that a text names; `F48 to F51` are four."""
    found = {f"F{number}" for number in _ROW.findall(text)}
    for first, last in _RANGE.findall(text):
        found |= {f"F{number:02}" for number in range(int(first), int(last) + 1)}
    return found


def _tests() -> Iterator[tuple[str, set[str]]]:
    """Yield each test, and each state machine, with the rows that its docstring names."""
    for path in sorted((ROOT / "tests").glob("*/test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.ClassDef):
                continue
            if node.name.startswith("test_") or node.name.endswith("Machine"):
                name = f"{path.relative_to(ROOT)}::{node.name}"
                yield name, _named(ast.get_docstring(node) or "")


def test_each_fault_has_a_test() -> None:
    """A row that no test shows would be a promise that nobody holds us to."""
    shown = set().union(*(rows for _, rows in _tests()))
    assert set(ROWS) - shown - _named(section(README, "Known losses")) == set()


def test_no_test_names_a_row_that_is_none() -> None:
    """A number that is mistyped shows nothing."""
    assert {name: rows for name, rows in _tests() if rows - set(ROWS)} == {}


def test_the_page_names_tests_that_name_the_row() -> None:
    """Each row stands once, in order, with at most three tests that name it themselves."""
    tests = dict(_tests())
    rows = _LINE.findall(PAGE)
    assert [row for row, _ in rows] == ROWS
    for row, cell in rows:
        names = _TEST.findall(cell)
        assert 1 <= len(names) <= 3, row
        assert [name for name in names if row not in tests.get(name, ())] == [], row
