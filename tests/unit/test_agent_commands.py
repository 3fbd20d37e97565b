"""Commands of the agent where something is wrong: what is told, and with which exit code."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from auditship_agent.config import load_agent
from auditship_agent.deadletter import DeadLetter
from auditship_indexer.errors import ConfigError
from support.bulk import BulkServer
from support.commandline import call
from support.commands import BIN, write_agent


def _config(folder: Path, address: str, lines: int = 20, **settings: Any) -> Path:
    log = folder / "audit.log"
    log.write_bytes(b"not json\n" * lines)
    return write_agent(folder, address, server="fs-1", region="eu", files=log, **settings)


def test_once_ends_at_a_source_that_only_a_person_can_free(
    tmp_path: Path, bulk_server: BulkServer
) -> None:
    """The poison guard holds the only source: `once` ends without a deadline, not complete."""
    config = _config(
        tmp_path, bulk_server.address, dead_letter={"max_in_a_row": 5, "min_free_bytes": 0}
    )

    done = call("once", "--config", str(config))

    assert done.code == 3
    assert "storage: 5 lines" in done.text
    assert "held: source storage: dead letters only" in done.err


def test_a_status_that_cannot_be_read(tmp_path: Path, bulk_server: BulkServer) -> None:
    """What the system refuses is told with whom to be, and is no bug with a traceback."""
    config = _config(tmp_path, bulk_server.address)
    (tmp_path / "state-fs-1" / "status.json").mkdir(parents=True)

    done = call("status", "--config", str(config))

    assert done.code == 4
    assert "status.json: Is a directory" in done.err
    assert "use root or the agent's user" in done.err


def _refused(folder: Path, *, only_open: bool = True) -> Iterator[DeadLetter]:
    if folder.name:
        raise PermissionError(13, "Permission denied", str(folder), only_open)
    yield from ()


@pytest.mark.parametrize("words", [("show", "1"), ("list",), ("export", "-o", "{}")], ids=str)
def test_dead_letters_of_another_user(
    tmp_path: Path,
    bulk_server: BulkServer,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
) -> None:
    """Each command says who may read them; an export that fails leaves no file behind."""
    monkeypatch.setattr(sys.modules["auditship_agent.cli.deadletter"], "records", _refused)
    config = _config(tmp_path, bulk_server.address)
    out = tmp_path / "letters.jsonl"

    done = call("deadletter", *(word.format(out) for word in words), "--config", str(config))

    assert done.code == 2
    assert "use root or the agent's user" in done.err
    assert not out.exists()


def test_the_name_of_the_agents_own_events_is_taken(tmp_path: Path) -> None:
    """A source named `agent` would mix its counts with those of gaps and starts: it is refused."""
    source = {"name": "agent", "preset": "native", "files": ["/var/log/a.log"]}
    config = _config(tmp_path, "http://127.0.0.1:1", sources=[source])

    with pytest.raises(ConfigError, match="'agent' is that of the agent's own events"):
        load_agent(config)


def test_a_missing_preset_file_gets_advice_of_its_own(tmp_path: Path) -> None:
    """`--config` is not what names a preset file."""
    done = call("presets", "test", str(tmp_path / "absent.yaml"))

    assert done.code == 2
    assert "absent.yaml: cannot be read" in done.err
    assert "presets show" in done.err
    assert "--config" not in done.err


def test_a_wrong_file_is_not_poured_out(tmp_path: Path) -> None:
    """A log that was named as configuration by mistake is quoted in part only."""
    wrong = tmp_path / "audit.log"
    wrong.write_text("bad\n" * 10_000, encoding="utf-8")

    done = call("status", "--config", str(wrong))

    assert done.code == 2
    assert len(done.err) < 400


def test_a_process_with_few_descriptors_keeps_some_for_itself(
    tmp_path: Path, bulk_server: BulkServer
) -> None:
    """More unread files than descriptors: all are shipped, by a process that may open few."""
    for number in range(60):
        (tmp_path / f"audit-{number}.log").write_bytes(b"not json %d\n" % number)
    source = {"name": "app", "preset": "native", "files": [str(tmp_path / "audit-*.log")]}
    config = _config(tmp_path, bulk_server.address, sources=[source])
    limited = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)); "
    program = f"{limited}from auditship_agent.cli import main; main()"

    done = subprocess.run(
        [sys.executable, "-c", program, "once", "--deadline", "60", "--config", str(config)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    assert "app: 60 lines" in done.stdout
    assert "limits.lowered" in done.stderr


def test_as_a_module() -> None:
    """`python -m auditship_agent` is the same command."""
    done = subprocess.run(
        [sys.executable, "-m", "auditship_agent", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.startswith("auditship-agent ")


def test_a_reader_that_leaves_is_no_bug() -> None:
    """`auditship-agent presets list | head -1`: no traceback, and the code that a shell gives."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [str(BIN / "auditship-agent"), "presets", "list"],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
