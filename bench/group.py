"""Print what a dependency group of `pyproject.toml` names, for pips that know no groups."""

import sys
import tomllib
from pathlib import Path

_PROJECT = Path(__file__).parents[1] / "pyproject.toml"

if __name__ == "__main__":
    groups = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["dependency-groups"]
    sys.stdout.write(" ".join(groups[sys.argv[1]]) + "\n")
