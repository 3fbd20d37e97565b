"""`auditship-agent check --sample`: how well a log keeps its format, without a cluster."""

import gzip
import json
from pathlib import Path

import pytest

from auditship_agent.check.conformance import GIVEN, HINTS, Place, Sample
from auditship_agent.cli.sample import told
from auditship_agent.pipeline.trial import trial_config, trial_source
from support.commandline import Done, call
from support.commands import write_agent
from support.transforming import EXAMPLES, as_line, native


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit log.jsonl"


def write(log: Path, *lines: bytes) -> Path:
    log.write_bytes(b"".join(line + b"\n" for line in lines))
    return log


def check(*words: str | Path) -> Done:
    return call("check", *map(str, words))


def test_the_examples_conform() -> None:
    """Every family is seen, nothing is missing; no configuration, no cluster."""
    done = check("--preset", "native", "--sample", EXAMPLES / "native.jsonl")

    assert done.code == 0, done.text
    assert "not seen" not in done.text
    assert done.text.endswith("\nconforms\n")


def test_far_from_any_server_a_sample_is_a_native_log(
    log: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An integrator has neither a configuration nor yet the name of a preset."""
    monkeypatch.delenv("AUDITSHIP_AGENT_CONFIG", raising=False)
    monkeypatch.setattr("auditship_agent.config.DEFAULT_PATH", tmp_path / "none.yaml")

    done = check("--sample", write(log, native()))

    assert done.code == 0, done.err
    assert "preset native" in done.text


def test_the_whole_output(log: Path) -> None:
    """What a person reads: outcomes, families, what is missing and lost, the first bad lines."""
    write(
        log,
        native(),
        native(file={"id": "f", "size": -1}, ip=None, secret="x"),
        native(action="share.open", result="denied", reason="link_expired", file=None),
        b"",
        b'{"v":1,',
        native(time="yesterday"),
    )
    log.write_bytes(log.read_bytes() + b'{"v":1')

    done = check("--preset", "native", "--sample", log)

    assert done.code == 3
    assert (
        done.text
        == f"""\
{log}: 6 lines, preset native
  3 events, 1 ignored (empty_line 1), 2 dead letters (bad_json 1, bad_time 1), \
last line without LF: not read

FAMILY  EVENTS  SUCCESS  DENIED  ERROR  SEEN
file         2        2       0      0  preview 2
share        1        0       1      0  open 1
not seen: file.upload, file.update, file.download, file.access, file.list, file.rename, file.move,
          file.copy, file.delete, file.purge, file.restore, folder.create, share.create,
          share.update, share.password, share.download, share.upload, share.expire, share.revoke,
          member.*, permission.update, apikey.*, workspace.*, auth.login

ACTION        RESULT   MISSING    LINES  FIRST
file.preview  success  ip        1 of 2  line 2 @{len(native()) + 1}
share.open    denied   share.id  1 of 1  line 3 @{_offset(log, 3)}

FIELD      WAS       LINES  FIRST
file.size  left out      1  line 2 @{len(native()) + 1}

unknown keys, not stored: secret 1

line 5 @{_offset(log, 5)}  bad_json: ends too early at byte 7
      Hint: write each line with a JSON library, in one write
line 6 @{_offset(log, 6)}  bad_time: time is not RFC 3339 with a zone
      Hint: write RFC 3339 with a zone: 2026-04-14T10:32:15.000Z

does not conform: 2 dead letters, 2 required fields missing, 1 field left out or cut
"""
    )


def _offset(log: Path, number: int) -> int:
    return sum(len(line) for line in log.read_bytes().splitlines(keepends=True)[: number - 1])


def test_hostile_text_cannot_reach_the_terminal(tmp_path: Path) -> None:
    """Keys, actions, file names: escape sequences, bidi and line breaks are neutralized."""
    evil = "\x1b[2J\u202egnp\n"
    log = write(
        tmp_path / f"a{evil}.jsonl",
        native(**{evil: 1}, user_agent=evil, action="own.act"),
        native(action=evil),
        json.dumps({evil: evil}).encode(),
    )

    done = check("--preset", "native", "--sample", log, "--sample", log)

    assert done.code == 3
    assert "own.act 2" in done.text
    assert not {"\x1b", "\u202e", "\r"} & set(done.text)
    assert "\\u{1b}[2J\\u{202e}gnp\\u{a} 4" in done.text
    assert all(
        line.startswith(("other", "unknown", str(tmp_path), "does", "  ", "FAMILY", "not seen"))
        or not line
        for line in done.text.splitlines()
    ), done.text


@pytest.mark.parametrize("storage", ["eu-central-2", None])
def test_settings_of_the_source_count(tmp_path: Path, log: Path, storage: str | None) -> None:
    """A storage region that the source's settings give is not missing in its lines."""
    write(log, native(action="file.upload", file={"id": "f", "name": "a", "size": 1}))
    source = {"name": "app", "preset": "native", "files": [str(log)]}
    if storage:
        source["storage_region"] = storage
    config = write_agent(
        tmp_path, "http://127.0.0.1:1", server="fs-1", region="eu", files=log, sources=[source]
    )

    done = check("--config", config, "--sample", log)
    alone = check("--preset", "native", "--sample", log)

    assert (done.code, "storage_region" in done.text) == ((0, False) if storage else (3, True))
    assert alone.code == 0
    assert "storage_region may also be set" in alone.text


def test_a_log_of_another_server_is_not_blamed_for_what_it_cannot_tell() -> None:
    """A web server knows no workspaces: told, and no fault."""
    done = check("--preset", "caddy", "--sample", EXAMPLES / "caddy.jsonl")

    assert done.code == 0
    assert "workspace.id" in done.text
    assert "and no fault" in done.text


def test_archives_and_pipes_are_samples(log: Path) -> None:
    """A rotated file is read as it lies there."""
    log.write_bytes(gzip.compress(native() + b"\n"))

    assert check("--preset", "native", "--sample", log).code == 0


def test_a_wrapped_log_is_recognized(log: Path) -> None:
    """The wrapper is named, with what to do."""
    write(log, b"api | " + native())

    done = check("--preset", "native", "--sample", log)

    assert done.code == 3
    assert "look wrapped (compose)" in done.text
    assert "no event" in done.text


def test_only_the_first_bad_lines_are_shown(log: Path) -> None:
    """Ten, and how many more there are."""
    write(log, *[b"x"] * 25)

    done = check("--preset", "native", "--sample", log)

    assert done.text.count("Hint:") == 10
    assert "and 15 dead letters more" in done.text


def test_a_line_over_the_limit_is_counted(tmp_path: Path, log: Path) -> None:
    """The source's limit holds, and memory stays bounded."""
    write(log, native(labels={"a": "x" * 9000}))
    source = {"name": "app", "preset": "native", "files": [str(log)], "max_line_bytes": 4096}
    config = write_agent(
        tmp_path, "http://127.0.0.1:1", server="fs-1", region="eu", files=log, sources=[source]
    )

    done = check("--config", config, "--source", "app", "--sample", log)

    assert "line_too_long 1" in done.text
    assert "raise max_line_bytes" in done.text


def test_actions_without_end_are_bounded() -> None:
    """A log with ever new actions costs bounded memory."""
    sample = Sample(trial_config(), trial_source("native"))
    for number in range(600):
        raw = native(action=f"a.b{number}", workspace=None, ip=None)
        sample.take(Place("x", number, 0), as_line(raw))

    assert len(sample.actions) == 501
    assert sample.actions["other"].total() == 100
    assert len(sample.missing) == 1000
    assert list(told(sample, ["x"]))


def test_every_dead_letter_reason_has_a_hint() -> None:
    """What a parser can say, the person is told how to mend."""
    outcomes = (Path(__file__).parents[1] / "data" / "nasty.outcomes").read_text().splitlines()
    reasons = {line.split()[1] for line in outcomes if line.startswith("dead_letter")}

    assert reasons <= HINTS.keys()
    assert len(GIVEN) == 32


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--preset", "native"], "belong to --sample"),
        (["--source", "x"], "belong to --sample"),
        (["--sample", "x", "--preset", "nonsense"], "is not one of"),
        (["--sample", "/nowhere/x", "--preset", "native"], "cannot be read"),
        (["--sample", "x", "--source", "nope", "--config", "CONFIG"], "is not in the config"),
        (["--sample", "x", "--source", "storage", "--preset", "caddy", "--config", "CONFIG"],
         "has preset"),
    ],
)  # fmt: skip
def test_mistakes_are_told(tmp_path: Path, log: Path, words: list[str], problem: str) -> None:
    """Exit 2, with what is wrong."""
    config = write_agent(tmp_path, "http://127.0.0.1:1", server="fs-1", region="eu", files=log)
    done = check(*[str(config) if word == "CONFIG" else word for word in words])

    assert done.code == 2
    assert problem in done.err
