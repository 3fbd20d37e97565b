"""The built wheel in an environment that has the base dependencies and nothing else."""

import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution, version
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement

ROOT: Final = Path(__file__).parents[2]


def run(*command: str | Path, expect: int = 0) -> str:
    """Run a program away from the checkout; return what it printed."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


def base_dependencies(name: str, seen: set[str]) -> Iterator[Distribution]:
    """Find what a plain install of `name` brings, transitively; extras only where asked for."""
    wanted = Requirement(name)
    if str(wanted) in seen:
        return
    seen.add(str(wanted))
    found = distribution(wanted.name)
    yield found
    for text in found.requires or ():
        below = Requirement(text)
        extras = wanted.extras or {""}
        if below.marker is None or any(below.marker.evaluate({"extra": e}) for e in extras):
            chosen = f"[{','.join(sorted(below.extras))}]" if below.extras else ""
            yield from base_dependencies(below.name + chosen, seen)


def link(dependency: Distribution, folder: Path) -> None:
    """Make an installed package visible in another environment, with its metadata."""
    for name in {file.parts[0] for file in dependency.files or ()} - {"..", "__pycache__"}:
        place = folder / name
        if not place.exists():
            place.symlink_to(str(dependency.locate_file(name)))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout without a network."""
    out = tmp_path_factory.mktemp("built wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel; of other packages, only what the base install has."""
    folder = tmp_path_factory.mktemp("an environment") / "venv"
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet")
    run(*pip, "--no-index", "--no-deps", wheel)
    (site,) = folder.glob("lib/python*/site-packages")
    for dependency in base_dependencies("auditship", set()):
        if dependency.name != "auditship":
            link(dependency, site)
    return folder


@pytest.mark.parametrize("program", ["auditship-agent", "auditship"])
def test_programs_answer(environment: Path, program: str) -> None:
    """Both programs start from the wheel and name their version."""
    assert version("auditship") in run(environment / "bin" / program, "--version")
    assert "Usage:" in run(environment / "bin" / program, "--help")


def test_packages_come_from_the_wheel(environment: Path) -> None:
    """What is imported lies in the environment, not in the checkout."""
    code = "import auditship_agent as a, auditship_indexer as i; print(a.__file__, i.__file__)"
    told = run(environment / "bin" / "python", "-I", "-c", code)

    assert str(ROOT) not in told
    assert told.count(str(environment)) == 2


def test_templates_are_inside(environment: Path) -> None:
    """The index templates that `setup` applies are found, each as it stands in the checkout."""
    code = "from auditship_indexer.resources import resource; print(resource('templates'))"
    found = Path(run(environment / "bin" / "python", "-I", "-c", code).strip())
    files = {path.name: path.read_bytes() for path in (ROOT / "templates").iterdir()}

    assert found.is_relative_to(environment)
    assert files
    assert {path.name: path.read_bytes() for path in found.iterdir()} == files


def test_agent_needs_the_base_install_only(environment: Path) -> None:
    """Every module of the agent can be imported without an extra."""
    code = (
        "import importlib, pkgutil, auditship_agent as a\n"
        "for module in pkgutil.walk_packages(a.__path__, 'auditship_agent.'):\n"
        "    importlib.import_module(module.name); print(module.name)\n"
    )

    assert "auditship_agent.cli" in run(environment / "bin" / "python", "-I", "-c", code)


def test_a_missing_extra_is_named(environment: Path) -> None:
    """A command that needs an extra says which, in one line, with what to do."""
    told = run(environment / "bin" / "auditship", "up", "--foreground", expect=2)

    assert "which is not installed\nHint:  pip install 'auditship[" in told
    assert "Traceback" not in told


def test_content(wheel: Path) -> None:
    """The wheel holds two typed packages, the license, and nothing of tests or examples."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    metadata = f"auditship-{version('auditship')}.dist-info"

    assert tops == {"auditship_agent", "auditship_indexer", metadata}
    assert {f"{package}/py.typed" for package in tops - {metadata}} <= set(names)
    assert f"{metadata}/licenses/LICENSE" in names
