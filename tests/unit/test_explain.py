"""`auditship-agent explain`: a stable interface for programs, and a form for people."""

import gzip
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from auditship_agent.cli.explain import explain
from auditship_agent.cli.reading import wrapper_of
from auditship_indexer.errors import ConfigError
from support.transforming import EXAMPLES, REGION, SERVER, native

_WHO = ["--server", SERVER, "--region", REGION]
_KEYS = ["file", "line", "offset", "outcome", "reason", "id", "index", "event"]


def _run(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(explain, arguments, input=stdin)


def _objects(*arguments: str, stdin: bytes | None = None) -> list[dict[str, Any]]:
    result = _run(*arguments, "--format", "ndjson", stdin=stdin)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with an event, an ignored line, a dead letter and a last line without LF."""
    path = tmp_path / "my log.jsonl"
    path.write_bytes(native() + b"\n\nnot JSON\n" + native(action="auth.login")[:50])
    return path


def test_each_line_is_one_object_with_the_keys_of_the_interface(log: Path) -> None:
    """Keys and their order, line from 1, offset in bytes, every outcome."""
    found = _objects("--preset", "native", *_WHO, str(log))

    size = len(native()) + 1
    assert [list(one) for one in found] == [_KEYS] * 4
    assert [(one["line"], one["offset"]) for one in found] == [
        (1, 0),
        (2, size),
        (3, size + 1),
        (4, size + 10),
    ]
    assert [(one["outcome"], one["reason"]) for one in found] == [
        ("event", None),
        ("ignored", "empty_line"),
        ("dead_letter", "bad_json"),
        ("partial", None),
    ]
    assert {one["file"] for one in found} == {str(log)}


def test_the_event_is_the_document_that_would_be_stored(log: Path) -> None:
    """Same id, same index, same canonical bytes."""
    output = _run("--preset", "native", *_WHO, "--format", "ndjson", str(log)).output
    first = output.splitlines()[0]
    found = json.loads(first)

    assert found["index"] == "audit-us-west-1-2026.04.14"
    assert found["event"]["event"]["id"] == found["id"]
    assert found["event"]["log"]["line_sha256"] == sha256(native()).hexdigest()
    assert found["event"]["log"]["file"]["path"] == str(log)
    body = json.dumps(found["event"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert first.endswith(f'"event":{body}}}')


def test_pretty_prints_row_8_as_documented(tmp_path: Path) -> None:
    """The output of agent.md section 10."""
    path = tmp_path / "row8.log"
    path.write_bytes((EXAMPLES / "native.jsonl").read_bytes().splitlines(keepends=True)[7])

    assert _run("--preset", "native", *_WHO, str(path)).output == (
        "1 @0  event  2026-04-14 10:50:17  BLOCKED    guest@gmail.com     "
        "share link → domain restricted  us-west-1\n"
        "      019d8b9d-0628-8c0e-bbee-335e9f98f7bf  audit-us-west-1-2026.04.14\n"
    )


def test_pretty_tells_what_is_odd(log: Path) -> None:
    """Detail of a dead letter, flags, fields left out, unknown keys, partial line."""
    log.write_bytes(native(port=0, token="x") + b"\n" + log.read_bytes())
    output = _run("--preset", "native", *_WHO, str(log)).output

    assert "flags: bad_field  left out: client.port" in output
    assert "dead_letter  bad_json: invalid character at byte 4" in output
    assert "partial  the last line has no LF yet" in output
    assert output.endswith("unknown keys, not stored: token (1)\n")


def test_standard_input_and_archives(log: Path, tmp_path: Path) -> None:
    """`-` reads standard input; gzip is known by its content, offsets are uncompressed."""
    archive = tmp_path / "log.1"
    whole = log.read_bytes()
    cut = len(whole) // 2
    archive.write_bytes(gzip.compress(whole[:cut]) + gzip.compress(whole[cut:]))
    plain = _objects("--preset", "native", *_WHO, str(log))

    for found in (
        _objects("--preset", "native", *_WHO, str(archive)),
        _objects("--preset", "native", *_WHO, "-", stdin=whole),
        _objects("--preset", "native", *_WHO, "-", stdin=archive.read_bytes()),
    ):
        assert [one["id"] for one in found] == [one["id"] for one in plain]
        assert [one["offset"] for one in found] == [one["offset"] for one in plain]


def test_an_over_long_line_does_not_disturb_the_next(log: Path) -> None:
    """Bounded memory, one dead letter, then the event."""
    log.write_bytes(native(service="x" * 2_000_000) + b"\n" + native() + b"\n")
    found = _objects("--preset", "native", *_WHO, str(log))

    assert [one["outcome"] for one in found] == ["dead_letter", "event"]
    assert found[0]["reason"] == "line_too_long"


def test_several_files_are_each_named(log: Path) -> None:
    """Each object names its file; people see a headline."""
    assert len(_objects("--preset", "native", *_WHO, str(log), str(log))) == 8
    output = _run("--preset", "native", *_WHO, str(log), str(log)).output
    assert output.count(f"{log}:\n") == 2


def test_strict_exits_3_for_a_dead_letter(log: Path) -> None:
    """Without --strict a dead letter is an answer like any other."""
    assert _run("--preset", "native", *_WHO, str(log)).exit_code == 0
    assert _run("--preset", "native", *_WHO, "--strict", str(log)).exit_code == 3
    log.write_bytes(native() + b"\n")
    assert _run("--preset", "native", *_WHO, "--strict", str(log)).exit_code == 0


def test_now_applies_the_time_window(log: Path) -> None:
    """A line that is too old or too new is told as the agent would treat it."""
    log.write_bytes(native(time="1971-01-01T00:00:00Z") + b"\n")
    (plain,) = _objects("--preset", "native", *_WHO, str(log))
    (late,) = _objects("--preset", "native", *_WHO, "--now", str(log))

    assert plain["outcome"] == "event"
    assert (late["outcome"], late["reason"]) == ("dead_letter", "timestamp_out_of_range")
    assert (late["id"], late["event"]) == (plain["id"], None)
    assert _run("--preset", "native", *_WHO, "--now", "--strict", str(log)).exit_code == 3


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with one source of preset caddy that has path templates."""
    path = tmp_path / "agent.yaml"
    path.write_text(
        "server: {id: fs-eu-1, region: eu-central-2}\n"
        "opensearch: {hosts: [http://127.0.0.1:9200]}\n"
        "sources:\n"
        "  - {name: web, preset: caddy, files: [/x.log], paths: ['/ws/{workspace}/{path*}']}\n"
    )
    return path


def test_server_and_region_come_from_a_configuration(log: Path, config: Path) -> None:
    """Options beat the file; a source's settings are used when it is named."""
    (first, *_) = _objects("--preset", "native", "--config", str(config), str(log))
    assert first["index"] == "audit-eu-central-2-2026.04.14"
    assert first["event"]["host"] == {"id": "fs-eu-1"}
    (first, *_) = _objects(
        "--preset", "native", "--config", str(config), "--region", "us-east-1", str(log)
    )
    assert first["index"] == "audit-us-east-1-2026.04.14"

    real = EXAMPLES / "caddy.jsonl"
    log.write_bytes(
        real.read_bytes().splitlines(keepends=True)[0].replace(b'"/a.txt"', b'"/ws/w/a"')
    )
    (first, *_) = _objects("--config", str(config), "--source", "web", str(log))
    assert first["event"]["workspace"] == {"id": "w"}


def test_without_server_and_region_there_is_no_answer(
    log: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They enter ids and index names, so a guess would be wrong."""
    monkeypatch.setattr("auditship_agent.config.DEFAULT_PATH", tmp_path / "none.yaml")
    monkeypatch.delenv("AUDITSHIP_AGENT_CONFIG", raising=False)
    for arguments in ([], ["--server", SERVER], ["--region", REGION]):
        result = _run("--preset", "native", *arguments, str(log))
        assert isinstance(result.exception, ConfigError)
        assert "--server ID --region REGION" in str(result.exception.hint)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "native", "--server", "FS 1", "--region", REGION], "--server"),
        (["--preset", "native", "--server", SERVER, "--region", "control"], "--region"),
        (["--preset", "native", "--config", "/none.yaml"], "cannot be read"),
    ],
)
def test_bad_settings_are_told(log: Path, arguments: list[str], message: str) -> None:
    """A configuration error names the option or the file."""
    result = _run(*arguments, str(log))

    assert isinstance(result.exception, ConfigError)
    assert message in str(result.exception)


def test_bad_command_lines_exit_2(log: Path, config: Path) -> None:
    """No preset, an unknown preset, a preset that contradicts the source, no file."""
    assert _run(*_WHO, str(log)).exit_code == 2
    assert _run("--preset", "filebox", *_WHO, str(log)).exit_code == 2
    assert _run("--preset", "native", *_WHO).exit_code == 2
    options = ["--config", str(config), "--source", "web", "--preset", "native"]
    assert _run(*options, str(log)).exit_code == 2
    unknown = _run("--config", str(config), "--source", "nope", str(log))
    assert isinstance(unknown.exception, ConfigError)
    assert "it has: web" in str(unknown.exception)


def test_unreadable_files_are_told(tmp_path: Path) -> None:
    """A missing file, a folder, a torn archive."""
    torn = tmp_path / "torn.gz"
    torn.write_bytes(gzip.compress(native() * 100)[:60])
    for path, message in (
        (tmp_path / "none", "cannot be read: No such file"),
        (tmp_path, "cannot be read: Is a directory"),
        (torn, "archive is damaged"),
    ):
        result = _run("--preset", "native", *_WHO, str(path))
        assert isinstance(result.exception, ConfigError)
        assert message in str(result.exception)


def test_an_empty_file_is_no_line(tmp_path: Path) -> None:
    """Nothing to tell, and no error."""
    path = tmp_path / "empty"
    path.touch()

    assert _run("--preset", "native", *_WHO, str(path)).output == ""


@pytest.mark.parametrize(
    ("raw", "wrapper"),
    [
        (b'{"log":"{}\\n","stream":"stdout","time":"t"}', "docker"),
        (b"2026-04-14T10:32:15Z stdout F {}", "cri"),
        (b"<134>1 2026-04-14T10:32:15Z host app - - - {}", "syslog"),
        (b"Apr 14 10:32:15 host app[1]: {}", "syslog"),
        (b"<134>Apr 14 10:32:15 host app: @cee: {}", "cee"),
        (b"api  | {}", "compose"),
        (b"2026-04-14T10:32:15Z\tapp\t{}", "fluent"),
        (b"no JSON", None),
        (b'{"v":1', None),
    ],
)
def test_wrappers_are_recognized(raw: bytes, wrapper: str | None) -> None:
    """A line that something else wrapped is told as such."""
    assert wrapper_of(raw) == wrapper


def test_a_wrapper_is_named_at_the_end(log: Path) -> None:
    """Only said, nothing is unwrapped."""
    log.write_bytes(b"api | " + native() + b"\n")
    output = _run("--preset", "native", *_WHO, str(log)).output

    assert "as if compose had wrapped the lines" in output
    assert "unwrap: [compose]" in output
