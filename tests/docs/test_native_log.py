"""The integrators' page at work: its writers with nasty values, its sample, its rotation."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from auditship_agent.check.rotation import parse, rotation
from auditship_agent.config import SourceConfig
from auditship_agent.parsing import preset_of
from support.commandline import call
from support.documents import ROOT, Block, blocks, section
from support.native_schema import accepts
from support.transforming import as_line, event, stream

_PAGE: Final = (ROOT / "docs" / "native-log.md").read_text(encoding="utf-8")
_WRITERS: Final = blocks(section(_PAGE, "Writers"))
_LOG: Final = "/var/log/app/audit.log"
_SHELLS: Final = [name for name in ("sh", "dash", "bash", "busybox") if shutil.which(name)]
_AWKS: Final = [name for name in ("awk", "mawk", "gawk", "original-awk") if shutil.which(name)]
_CONTROLS: Final = "".join(map(chr, range(1, 32)))

NASTY: Final = {
    "quotes": "a \"quoted\" and 'single' name",
    "newline": 'x\n{"v":1,"action":"forged"}\n',
    "controls": f"<{_CONTROLS}\x7f>",
    "unicode": "Größe 模板 \U0001f600 \u202egnp.exe\u2028\u0085",
    "backslashes": "C:\\temp\\u0041 \\\\ %s %d \\n & && \\&",
    "shell": "$(id) `id` ${HOME} ; | > < * ? ! #",
    "dash": "-n --version -e",
    "assignment": "FS=x OFS=y",
    "blanks": "  leading and trailing  ",
    "number": "007",
    "long": "é" * 250,
}


def _block(language: str, number: int = 0) -> str:
    found: list[Block] = [one for one in _WRITERS if one.language == language]
    return found[number].text


def _python() -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(_block("python"), names)  # noqa: S102 - our own page
    return names


def _shell(shell: str, log: Path, *words: str, path: str | None = None) -> None:
    """Call `audit WORD...` as the page defines it."""
    command = [shell, "sh"] if shell == "busybox" else [shell]
    done = subprocess.run(
        [*command, "-c", _block("sh") + '\naudit "$@"', "audit", *words],
        env={**os.environ, "AUDIT_LOG": str(log), "PATH": path or os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "my audit.log"


def _check_line(log: Path, value: str) -> None:
    """One line, valid by the schema, whole for the reader, with the values that were given."""
    content = log.read_bytes()
    assert content.endswith(b"\n")
    assert content.count(b"\n") == 1
    raw = content[:-1]
    assert accepts(raw)
    line = json.loads(raw)
    assert line["file"] == {"name": value, "size": 12_400_000_000}
    assert line["user"] == {"email": "john@dosya.dev", "name": value}
    found = event(stream(storage_region="eu").produce(as_line(raw)))
    assert found["file"]["name"] == value
    assert found["user"]["name"] == value
    assert found["audit"].get("flags", []) == []


@pytest.mark.parametrize("kind", NASTY)
def test_the_python_writer_keeps_every_value(log: Path, kind: str) -> None:
    """Quotes, line feeds, control characters, any script: parsed back to the same values."""
    value = NASTY[kind]

    _python()["AuditLog"](str(log)).write(
        "file.upload",
        user={"email": "john@dosya.dev", "name": value},
        file={"name": value, "size": 12_400_000_000},
        workspace={"id": "w_brand"},
        ip="203.0.113.10",
    )

    _check_line(log, value)
    assert log.stat().st_mode & 0o777 in {0o640, 0o600}


def _words(value: str) -> list[str]:
    return [
        "file.upload", "result", "success", "user.email", "john@dosya.dev", "user.name", value,
        "file.name", value, "file.size", "12400000000", "workspace.id", "w_brand",
        "ip", "203.0.113.10", "reason", "",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", NASTY)
@pytest.mark.parametrize("shell", _SHELLS)
def test_the_shell_writer_keeps_every_value(log: Path, shell: str, kind: str) -> None:
    """The same in every shell of this machine; an empty value is left out."""
    _shell(shell, log, *_words(NASTY[kind]))

    _check_line(log, NASTY[kind])


@pytest.mark.parametrize("kind", NASTY)
@pytest.mark.parametrize("awk", _AWKS)
def test_the_shell_writer_works_with_every_awk(
    log: Path, tmp_path: Path, awk: str, kind: str
) -> None:
    """POSIX awk and nothing more: whichever of them is called `awk`."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "awk").symlink_to(str(shutil.which(awk)))

    _shell("sh", log, *_words(NASTY[kind]), path=f"{tools}:{os.environ['PATH']}")

    _check_line(log, NASTY[kind])


def test_bytes_that_are_no_text_stay_visible(log: Path) -> None:
    """A name of a file system need not be UTF-8: an event all the same, with a flag."""
    _shell("sh", log, *_words(os.fsdecode(b"caf\xe9")))

    found = event(stream(storage_region="eu").produce(as_line(log.read_bytes()[:-1])))
    assert found["file"]["name"] == "caf\ufffd"
    assert found["audit"]["flags"] == ["bad_utf8"]


def test_the_calls_of_the_page_are_events(log: Path) -> None:
    """The examples of how to call a writer, as they stand there."""
    code = _block("python", 1).replace(_LOG, str(log))
    exec(code, _python())  # noqa: S102 - our own page
    calls = _block("sh", 1).replace(_LOG, f"'{log}'")
    values = {"user": "sarah@team.com", "name": "old draft.mp4", "REMOTE_ADDR": "203.0.113.23"}
    subprocess.run(["sh", "-c", _block("sh") + calls], env={**os.environ, **values}, check=True)

    lines = log.read_bytes().splitlines()
    assert len(lines) == 2
    for raw in lines:
        assert accepts(raw)
        assert event(stream().produce(as_line(raw)))["audit"].get("flags", []) == []


def test_writers_are_short() -> None:
    """About twenty lines each: they are read before they are taken."""
    assert len(_block("python").splitlines()) <= 20
    assert len(_block("sh").splitlines()) <= 21


@pytest.mark.parametrize("language", ["python", "sh"])
def test_writers_share_a_file(log: Path, language: str) -> None:
    """Several at once: no line is torn or lost, since each is one appending write."""
    python = _python()["AuditLog"](str(log))

    def by_python(name: str) -> None:
        python.write("auth.login", user={"name": name}, ip="203.0.113.10")

    def by_shell(name: str) -> None:
        _shell("sh", log, "auth.login", "result", "success", "user.name", name, "ip", "::1")

    write: Callable[[str], None] = by_python if language == "python" else by_shell
    count = 40 if language == "python" else 6
    names = {f"{n}-{'x' * 90}" for n in range(4 * count)}
    groups = [sorted(names)[n::4] for n in range(4)]
    threads = [threading.Thread(target=lambda g=group: [*map(write, g)]) for group in groups]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {json.loads(raw)["user"]["name"] for raw in log.read_bytes().splitlines()} == names


def test_the_python_writer_follows_a_rotation(log: Path) -> None:
    """After a rename the next line is in the new file."""
    writer = _python()["AuditLog"](str(log))
    for number in range(2):
        writer.write("auth.login", user={"name": str(number)}, ip="::1")
        log.rename(log.with_suffix(f".{number}"))

    assert len(log.with_suffix(".0").read_bytes().splitlines()) == 1
    assert len(log.with_suffix(".1").read_bytes().splitlines()) == 1


def test_the_sample_of_the_page_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output of `check --sample` is what it prints for such a log."""
    (shown,) = [one.text for one in blocks(section(_PAGE, "Check what you write"))]
    head, _, output = shown.partition("\n")
    lines = {
        (line["action"], line["result"], line.get("partial")): line
        for raw in (ROOT / "examples" / "logs" / "native.jsonl").read_text("utf-8").splitlines()
        if (line := json.loads(raw))
    }
    refused = lines["file.delete", "denied", None] | {"reason": None}
    shared = lines["share.create", "success", None] | {"workspace": None}
    download = lines["file.download", "success", None]
    log = tmp_path / "audit.log"
    whole = [download, lines["file.download", "success", True], refused, shared]
    text = "".join(json.dumps(line) + "\n" for line in whole)
    log.write_text(text + json.dumps(download)[:96] + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    done = call(*head.removeprefix("$ auditship-agent ").split())

    assert done.code == 3
    assert done.text == output


def test_the_rotation_of_the_page_loses_nothing() -> None:
    """`check` has nothing to say against the logrotate file that the page gives."""
    (stanza,) = [one.text for one in blocks(section(_PAGE, "Rotation"))]
    source = SourceConfig("app", "native", (_LOG,))

    (finding,) = rotation(source, parse("/etc/logrotate.d/app", stanza))

    assert finding.ok
    assert finding.told.endswith("by rename")
    assert preset_of(source).name == "native"


def test_each_family_has_an_example_on_the_page() -> None:
    """Files, folders, links, people, permissions, keys, workspaces, logins; refusals, errors."""
    shown = [
        json.loads(line)
        for block in blocks(section(_PAGE, "Examples"))
        if block.language == "json"
        for line in block.text.splitlines()
    ]

    assert {line["action"].partition(".")[0] for line in shown} == {
        "file", "folder", "share", "member", "permission", "apikey", "workspace", "auth",
    }  # fmt: skip
    assert {line["result"] for line in shown} == {"success", "denied", "error"}
