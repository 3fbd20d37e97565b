"""The `deadletter` commands: what is told, what is hidden, what is closed, and with which id."""

import getpass
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from auditship_agent.deadletter import records
from support.agent_process import AgentProcess, Lines
from support.bulk import BulkServer
from support.commandline import call
from support.transforming import caddy


@pytest.fixture
def agent(tmp_path: Path, bulk_server: BulkServer, region: str) -> Iterator[AgentProcess]:
    """An agent whose log is of another preset than it says: every line becomes a dead letter."""
    agent = AgentProcess(tmp_path, bulk_server.address, region)
    lines = Lines(agent.log)
    bulk_server.make_index(lines.index(region))
    with agent.log.open("ab") as log:
        for name in ("a", "b"):
            log.write(caddy(ts=lines.now_ms / 1000, uri=f"/docs/{name}.txt") + b"\n")
    lines.write_bad(1)
    agent.configure(sources=[_source(agent, preset="native")])
    _once(agent)
    yield agent
    agent.kill()


def _source(agent: AgentProcess, preset: str) -> dict[str, Any]:
    return {"name": "dosya", "preset": preset, "files": [str(agent.log)]}


def _mend(agent: AgentProcess) -> None:
    agent.configure(sources=[_source(agent, preset="caddy")])


def _once(agent: AgentProcess) -> None:
    done = call("once", "--deadline", "30", "--config", str(agent.config))
    assert done.code == 0, done


def _call(agent: AgentProcess, *words: str) -> tuple[int, str]:
    done = call("deadletter", *words, "--config", str(agent.config))
    return done.code, done.text + done.err


def _open(agent: AgentProcess) -> list[int]:
    return [one.seq for one in records(agent.state / "dead-letter")]


def _stored(server: BulkServer) -> dict[str, dict[str, Any]]:
    return {
        name: json.loads(body)
        for documents in server.documents.values()
        for name, body in documents.items()
    }


def test_list_tells_place_and_reason(agent: AgentProcess) -> None:
    """A table with one row a record; filters choose among them."""
    code, told = _call(agent, "list")
    assert code == 0
    head, *rows = told.splitlines()
    assert head.split() == ["SEQ", "TIME", "REASON", "SOURCE", "POSITION", "BYTES", "DETAIL"]
    assert [row.split()[0] for row in rows] == ["1", "2", "3"]
    assert "dosya" in rows[0]
    assert "@0 " in rows[0]

    assert len(_call(agent, "list", "--reason", "bad_json")[1].splitlines()) == 2
    assert _call(agent, "list", "--source", "other")[1] == "no open dead letters\n"
    assert _call(agent, "list", "--since", "2100-01-01")[1] == "no open dead letters\n"
    assert len(_call(agent, "list", "--since", "2020-01-01T00:00Z")[1].splitlines()) == 4


def test_replay_after_a_fix_gives_the_ids_of_a_first_reading(
    agent: AgentProcess, bulk_server: BulkServer, tmp_path: Path, region: str
) -> None:
    """What was dead is stored as if it had been good from the start; what is bad stays open."""
    _mend(agent)
    assert _call(agent, "replay") == (
        3,
        "3 records: 2 stored, 0 already present, 1 still bad_json\n",
    )
    assert _open(agent) == [3]
    replayed = {k: v for k, v in _stored(bulk_server).items() if "file" in v}

    with BulkServer() as other:
        fresh = AgentProcess(tmp_path / "fresh", other.address, region)
        fresh.configure(sources=[_source(agent, preset="caddy")])
        other.make_index(next(iter(bulk_server.documents)))
        _once(fresh)
        assert _stored(other) == replayed


def test_replay_leaves_one_event(agent: AgentProcess, bulk_server: BulkServer) -> None:
    """Who replayed, and how many records were closed, is an event of the agent's region."""
    _mend(agent)
    _call(agent, "replay")

    (event,) = [e for e in _stored(bulk_server).values() if e["event"]["dataset"] == "agent"]
    assert event["event"]["action"] == "audit.deadletter.replay"
    assert event["audit"]["actor"] == event["user"]["name"] == getpass.getuser()
    assert event["audit"]["rows"] == 2
    assert event["cloud"]["region"] == agent.region


def test_a_second_replay_finds_nothing(agent: AgentProcess, bulk_server: BulkServer) -> None:
    """Closed is closed; and a lost resolution only costs a 409."""
    _mend(agent)
    _call(agent, "replay")
    before = _stored(bulk_server)
    assert _call(agent, "replay") == (
        3,
        "1 record: 0 stored, 0 already present, 1 still bad_json\n",
    )
    assert _stored(bulk_server) == before
    (agent.state / "dead-letter" / "resolved.jsonl").unlink()

    told = _call(agent, "replay")[1]
    assert told == "3 records: 0 stored, 2 already present, 1 still bad_json\n"
    assert {k: v for k, v in _stored(bulk_server).items() if k in before} == before


def test_dry_run_changes_nothing(agent: AgentProcess, bulk_server: BulkServer) -> None:
    """It only tells what a replay would find."""
    _mend(agent)
    sent = len(bulk_server.bulks)

    assert _call(agent, "replay", "--dry-run") == (
        3,
        "3 records: 2 would be sent, 1 still bad_json\n",
    )
    assert len(bulk_server.bulks) == sent
    assert _open(agent) == [1, 2, 3]


def test_replay_without_a_cluster_gives_up(agent: AgentProcess, bulk_server: BulkServer) -> None:
    """At the deadline the records are as open as before: exit 3."""
    _mend(agent)
    bulk_server.pause()
    code, told = _call(agent, "replay", "--deadline", "0.2")

    assert code == 3
    assert "2 still not_sent" in told
    assert _open(agent) == [1, 2, 3]


def test_replay_beside_a_running_agent(agent: AgentProcess, bulk_server: BulkServer) -> None:
    """The agent keeps its lock and learns what was closed; nothing is stored twice."""
    _mend(agent)
    with agent.running():
        agent.wait(lambda: (s := agent.status()) and s.dead_letters_open == 3)
        assert _call(agent, "replay")[0] == 3
        agent.wait(lambda: (s := agent.status()) and s.dead_letters_open == 1)
        assert agent.stop() == 0
    _once(agent)

    assert sum("file" in event for event in _stored(bulk_server).values()) == 2
    assert _open(agent) == [3]


def test_a_source_that_is_gone_stays_open(agent: AgentProcess) -> None:
    """Without its source nobody knows how to read a line: told, not dropped."""
    agent.configure(sources=[{**_source(agent, "native"), "name": "another"}])
    code, told = _call(agent, "replay")

    assert (code, "3 still source_not_configured" in told) == (3, True)


def test_discard_needs_a_reason_and_a_choice(agent: AgentProcess) -> None:
    """A slip of the finger discards nothing."""
    assert _call(agent, "discard", "--all")[0] == 2
    assert _call(agent, "discard", "--all", "--reason", " ")[0] == 2
    assert _call(agent, "discard", "--reason", "test data")[0] == 2
    code, told = _call(agent, "discard", "1", "9", "--reason", "test data")
    assert (code, "not open: 9" in told) == (2, True)
    assert _open(agent) == [1, 2, 3]


def test_discard_keeps_the_reason(agent: AgentProcess) -> None:
    """What was given up, when and why stays in the file; the record is not lost."""
    assert _call(agent, "discard", "2", "--reason", "test data") == (0, "1 discarded\n")
    assert _call(agent, "discard", "--was", "bad_json", "--reason", "x") == (0, "1 discarded\n")
    assert _open(agent) == [1]
    kept = (agent.state / "dead-letter" / "resolved.jsonl").read_text(encoding="utf-8")

    assert json.loads(kept.splitlines()[0])["reason"] == "test data"
    assert _call(agent, "show", "2")[0] == 0


def test_show_hides_what_the_preset_calls_secret(agent: AgentProcess) -> None:
    """Headers and query strings are stars unless the raw bytes are asked for."""
    _mend(agent)
    line = caddy(ts=-1, uri="/a?token=HUSH-1", headers={"Cookie": ["HUSH-2"]}, user_id="")
    assert line
    with agent.log.open("ab") as log:
        log.write(line + b"\n")
        log.write(b'{"request":{"headers":{"Cookie":["HUSH-3"]' + b"\n")
    _once(agent)
    assert _open(agent) == [1, 2, 3, 4, 5]

    for seq in ("4", "5"):
        code, told = _call(agent, "show", seq)
        assert code == 0
        assert "HUSH" not in told
        assert "***" in told
    assert "/a?***" in _call(agent, "show", "4")[1]
    assert "bad_json" in _call(agent, "show", "5")[1]
    assert _call(agent, "show", "4", "--raw")[1] == line.decode()


def test_show_of_nothing(agent: AgentProcess) -> None:
    """A number that does not exist is told."""
    code, told = _call(agent, "show", "77")
    assert (code, "there is no dead letter 77" in told) == (2, True)


def test_export_writes_private_json_lines(agent: AgentProcess, tmp_path: Path) -> None:
    """Whole records, readable by their owner only; an existing file is not overwritten."""
    out = tmp_path / "letters out.jsonl"
    assert _call(agent, "export", "-o", str(out))[0] == 0
    assert out.stat().st_mode & 0o777 == 0o600
    found = [json.loads(line) for line in out.read_bytes().splitlines()]

    assert [one["seq"] for one in found] == [1, 2, 3]
    assert all(one["raw"] for one in found)
    assert _call(agent, "export", "-o", str(out))[0] == 2
    assert len(_call(agent, "export", "-o", "-")[1].splitlines()) == 3


def test_a_wrong_time_is_told(agent: AgentProcess) -> None:
    """`--since` says which form it wants."""
    code, told = _call(agent, "list", "--since", "yesterday")
    assert (code, "is no time such as" in told) == (2, True)


def test_show_hides_a_line_whose_secrets_have_no_place(agent: AgentProcess) -> None:
    """Columns and wrapped lines are hidden whole; a source without secrets is shown."""
    assert "/docs/a.txt" in _call(agent, "show", "1")[1]
    source = _source(agent, preset="s3-access")
    agent.configure(sources=[source])
    assert "/docs/a.txt" not in _call(agent, "show", "1")[1]
    agent.configure(sources=[{**_source(agent, preset="caddy"), "unwrap": ["docker"]}])
    code, told = _call(agent, "show", "1")
    assert (code, "/docs/a.txt" in told) == (0, False)


def test_a_line_of_which_the_head_was_kept(
    tmp_path: Path, bulk_server: BulkServer, region: str
) -> None:
    """F24: over 64 KiB no replay can make an event of it, and it says why; a second reading can."""
    agent = AgentProcess(tmp_path, bulk_server.address, region)
    lines = Lines(agent.log)
    bulk_server.make_index(lines.index(region))
    short, long = (lines.line("n" * size) for size in (6_000, 70_000))
    agent.log.write_bytes(short + long)
    source = {**_source(agent, preset="native"), "max_line_bytes": 4_096}
    agent.configure(sources=[source])
    _once(agent)
    agent.configure(sources=[{**source, "max_line_bytes": "1MiB"}])
    still = "1 still line_too_long (only its first 64 KiB were kept)"
    assert _call(agent, "replay", "--dry-run") == (3, f"2 records: 1 would be sent, {still}\n")
    assert _call(agent, "replay") == (3, f"2 records: 1 stored, 0 already present, {still}\n")
    assert _open(agent) == [2]

    for path in agent.state.glob("checkpoint*"):
        path.unlink()
    _once(agent)
    events = [one for one in _stored(bulk_server).values() if "file" in one]
    assert sorted(one["log"]["offset"] for one in events) == [0, len(short)]
    assert _call(agent, "discard", "2", "--reason", "read again") == (0, "1 discarded\n")
