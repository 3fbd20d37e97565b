"""The README's run by hand does what it shows, on the real node."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from support.documents import ROOT, Block, blocks, section, steps

# What differs from run to run, in the order of replacing.
_VARIABLE: Final = (
    (r"\d{4}[-.]\d\d[-.]\d\d", "DAY"),
    (r"\d\d:\d\d:\d\d(\.\d{3}Z)?", "TIME"),
    (r"\d+\.\d s\b", "SECONDS"),
)
_OF_THE_NODE: Final = ("auditship up", "auditship down")  # the test's node is up, and stays


class Reader:
    """Someone who follows the README, on the test's node and in a region of the test's own."""

    def __init__(self, folder: Path, address: str, region: str) -> None:
        self._folder = folder
        self._names = {
            "http://127.0.0.1:9200": address,
            "us-west-1": region,
            "fs-usw-1": f"fs-{region}",
            "w_brand": f"w-{region}",
        }
        companion = folder / "auditship.yaml"
        companion.write_text(
            f'opensearch: {{hosts: ["{address}"]}}\nstate: {{dir: "{folder}/companion"}}\n',
            encoding="utf-8",
        )
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("AUDITSHIP_")
        }
        self._environment = {
            **inherited,
            "AUDITSHIP_CONFIG": str(companion),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }

    def run(self, script: str) -> str:
        """Run a script of the README; return all that it printed, in the README's names."""
        for shown, used in self._names.items():
            script = script.replace(shown, used)
        done = subprocess.run(
            ["/bin/sh", "-ec", script],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{self._agent_log()}"
        told = done.stdout
        for shown, used in reversed(self._names.items()):
            told = told.replace(used, shown)
        return told

    def _agent_log(self) -> str:
        path = self._folder / "agent.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def follow(self, block: Block) -> None:
        """Do what a block shows, and compare."""
        if block.language == "sh":
            self.run(block.text)
            return
        for step in steps(block):
            told = self.run(step.command)
            if step.command not in _OF_THE_NODE:
                assert _steady(told) == _steady(step.output), step.command


def _steady(text: str) -> str:
    for pattern, word in _VARIABLE:
        text = re.sub(pattern, word, text)
    return text


@pytest.mark.node
def test_sixty_seconds(node_address: str, region: str, tmp_path: Path) -> None:
    """Each command works in the order shown and prints what the README shows."""
    folder = tmp_path / "an empty folder"
    folder.mkdir()
    reader = Reader(folder, node_address, region)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = blocks(section(text, "Sixty seconds by hand"))
    assert [block.language for block in shown] == ["console", "sh", "console"]

    for block in shown:
        reader.follow(block)
