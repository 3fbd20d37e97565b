"""The installed commands, run as a person runs them: as processes, with configuration files."""

import json
import os
import subprocess
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

BIN = Path(sysconfig.get_path("scripts"))


def run(
    command: str, *words: str | Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and return its outcome, whatever it is."""
    return subprocess.run(  # noqa: PLW1510 - callers look at the exit code
        [str(BIN / command), *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        timeout=120,
    )


def agent_once(config: Path) -> str:
    """Ship what is there (`auditship-agent once`) and return its numbers."""
    done = run("auditship-agent", "once", "--config", config, "--deadline", "60")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def auditship(config: Path, *words: str) -> str:
    """Run a companion's command that has to succeed and return what it printed."""
    done = run("auditship", *words, "--config", config)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def write_agent(
    folder: Path, address: str, *, server: str, region: str, files: Path, **settings: Any
) -> Path:
    """Write an agent's configuration for one native log and return its path."""
    config = folder / f"{server}.yaml"
    settings = {
        "server": {"id": server, "region": region},
        "state": {"dir": str(folder / f"state-{server}")},
        "retention": {"days": 3650},
        "http": {"listen": "off"},
        "opensearch": {"hosts": [address]},
        "sources": [{"name": "storage", "preset": "native", "files": [str(files)]}],
        **settings,
    }
    config.write_text(yaml.safe_dump(settings), "utf-8")
    return config


def write_companion(folder: Path, address: str, regions: list[str]) -> Path:
    """Write a companion's configuration and return its path."""
    config = folder / "auditship.yaml"
    settings = {
        "state": {"dir": str(folder / "companion")},
        "retention": {"days": 3650},
        "opensearch": {"hosts": [address]},
        "regions": regions,
    }
    config.write_text(yaml.safe_dump(settings), "utf-8")
    return config


def found(config: Path, *words: str) -> list[dict[str, Any]]:
    """Return the events that `auditship search` finds."""
    text = auditship(config, "search", *words, "--limit", "all", "--format", "ndjson")
    return [json.loads(line) for line in text.splitlines()]
