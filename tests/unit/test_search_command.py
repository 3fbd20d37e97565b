"""The edge of the command line: quick, and one clear line for each mistake."""

import subprocess
import sys
from pathlib import Path
from typing import Protocol

import click
import pytest
from click.testing import CliRunner, Result

from auditship_indexer import __version__
from auditship_indexer.cli import Program, main
from auditship_indexer.errors import StateError


class Run(Protocol):
    def __call__(self, *args: str, config: str = ...) -> Result: ...


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run with a configuration whose cluster does not exist: port 9 answers nobody."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUDITSHIP_CONFIG", "auditship.yaml")

    def runner(*args: str, config: str = "opensearch: {hosts: ['http://127.0.0.1:9']}") -> Result:
        Path("auditship.yaml").write_text(config)
        return CliRunner().invoke(main, args)

    return runner


def test_the_version_is_told_without_importing_the_clients() -> None:
    """A base install answers, and at once."""
    code = (
        "import sys\n"
        "from auditship_indexer.cli import main\n"
        "try:\n"
        "    main(['--version'])\n"
        "finally:\n"
        "    print(sorted({'rich', 'opensearchpy', 'msgspec', 'yaml'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == f"auditship {__version__}\n[]\n"


def test_help_lists_the_commands_without_importing_them(run: Run) -> None:
    """In the order in which a newcomer meets them."""
    told = run("--help").stdout
    assert told.index("  up ") < told.index("  setup ") < told.index("  search ")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["search", "--from", "2026-04-01T10:00"], "Error: --from 2026-04-01T10:00: a time needs"),
        (["search", "--since", "2026-05-01", "--until", "2026-04-01"], "is after --to"),
        (["search", "--user", ""], "Error: --user: the value is empty"),
        (["search", "--limit", "0"], "'0' is neither a number from 1 nor `all`"),
        (["search", "--format", "wide"], "Invalid value for '--format'"),
        (["search", "--config", "none.yaml"], "Error: none.yaml: cannot be read"),
        (["export"], "Missing option '-o'"),
        (["nothing"], "No such command 'nothing'"),
        (["search"], "127.0.0.1:9: connection refused"),
        (["export", "-o", "x.csv"], "127.0.0.1:9: connection refused"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_2(run: Run, args: list[str], told: str) -> None:
    """Nothing on standard output, no traceback."""
    done = run(*args)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_setting_is_told_with_its_line(run: Run) -> None:
    """File, line, key, and the nearest one."""
    done = run("search", config="opensearch:\n  host: x\n")
    assert done.exit_code == 2
    assert "auditship.yaml:2: opensearch.host: unknown setting" in done.stderr
    assert "did you mean opensearch.hosts?" in done.stderr


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ValueError("a bug"), 2, "Traceback"),
        (StateError("locked", hint="wait"), 4, "Error: locked\nHint:  wait"),
        (KeyboardInterrupt(), 130, "Interrupted"),
        (ModuleNotFoundError("no", name="rich.progress"), 2, "pip install 'auditship[companion]'"),
        (ModuleNotFoundError("no", name="jgo"), 2, "pip install 'auditship[node]'"),
        (ModuleNotFoundError("no", name="auditship_indexer.no"), 2, "Traceback"),
    ],
)
def test_each_kind_of_end_has_its_exit_code(error: BaseException, code: int, told: str) -> None:
    """A bug is never 1: that is a verdict."""

    @click.group(cls=Program)
    def failing() -> None:
        raise error

    done = CliRunner().invoke(failing, ["search"])
    assert done.exit_code == code
    assert told in done.stderr
