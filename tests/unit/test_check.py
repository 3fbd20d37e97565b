"""`auditship-agent check`: what is told before anything is shipped."""

import os
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from auditship_agent.check import Finding, check
from auditship_agent.check.rotation import parse, rotation
from auditship_agent.config import AgentConfig, load_agent
from auditship_agent.positions import FileStatus, SourceStatus, Status
from support.bulk import BulkServer
from support.commands import agent_once, write_agent

GOOD = (
    b'{"v":1,"time":"2026-04-14T10:32:15.000Z","action":"auth.login","result":"success",'
    b'"user":{"email":"john@dosya.dev"},"ip":"203.0.113.10"}\n'
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "audit.log"
    file.write_bytes(GOOD)
    return file


def findings(config: Path, *, local: bool = True) -> dict[str, Finding]:
    settings = load_agent(config)
    return {finding.what: finding for finding in check(settings, config, local=local)}


def test_everything_in_order(tmp_path: Path, log: Path, bulk_server: BulkServer) -> None:
    """A sound configuration passes each check, and nothing was stored by asking."""
    bulk_server.cluster.templated = True
    config = write_agent(tmp_path, bulk_server.address, server="fs-1", region="eu", files=log)

    found = findings(config, local=False)

    assert all(finding.ok for finding in found.values()), found
    assert "1 of the first lines parse" in found["source storage"].told
    assert not any(bulk_server.documents.values())


def test_a_wrong_preset_is_told_before_the_first_line_is_lost(tmp_path: Path, log: Path) -> None:
    """Lines that do not fit the preset fail the check, with the way to look at them."""
    log.write_bytes(b"not json\n")
    config = write_agent(tmp_path, "http://127.0.0.1:1", server="fs-1", region="eu", files=log)

    finding = findings(config)["source storage"]

    assert not finding.ok
    assert "bad_json" in finding.told
    assert "explain --preset native" in finding.hint


def test_an_unreachable_cluster_is_one_failed_check(tmp_path: Path, log: Path) -> None:
    """No cluster: the check says which address and why; the local checks are told all the same."""
    config = write_agent(tmp_path, "http://127.0.0.1:1", server="fs-1", region="eu", files=log)

    found = findings(config, local=False)

    assert not found["cluster"].ok
    assert "http://127.0.0.1:1" in found["cluster"].told
    assert "connection refused" in found["cluster"].told
    assert found["source storage"].ok


def test_a_cluster_without_template_is_refused(
    tmp_path: Path, log: Path, bulk_server: BulkServer
) -> None:
    """A cluster that `auditship setup` never saw would store events unprotected: it is told."""
    bulk_server.cluster.templated = False
    config = write_agent(tmp_path, bulk_server.address, server="fs-1", region="eu", files=log)

    finding = findings(config, local=False)["cluster"]

    assert not finding.ok
    assert "auditship setup" in finding.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_names_user_and_remedy(tmp_path: Path, log: Path) -> None:
    """A log that the agent's user may not read is told with the group that could help."""
    log.chmod(0o000)
    config = write_agent(tmp_path, "http://127.0.0.1:1", server="fs-1", region="eu", files=log)

    finding = findings(config)["source storage"]

    assert not finding.ok
    assert "Permission denied" in finding.told
    assert "group" in finding.hint


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    """A pattern whose folder does not exist fails, with the folder's name."""
    missing = tmp_path / "nowhere" / "audit.log"
    config = write_agent(tmp_path, "http://127.0.0.1:1", server="fs-1", region="eu", files=missing)

    finding = findings(config)["source storage"]

    assert not finding.ok
    assert str(missing.parent) in finding.told


def test_a_file_that_another_agent_reads_is_refused(tmp_path: Path, log: Path) -> None:
    """Two agents with different server ids on one file would tell each line twice."""
    other = tmp_path / "auditship-agent-b"
    other.mkdir()
    file = FileStatus(str(log), "live", "", 1, 1, 1)
    source = SourceStatus("s", "native", 0, 0, 0, 0, 0, 0, 0.0, "", (file,))
    (other / "status.json").write_bytes(msgspec.json.encode(_status("fs-other", source)))
    config = write_agent(
        tmp_path,
        "http://127.0.0.1:1",
        server="fs-1",
        region="eu",
        files=log,
        state={"dir": str(tmp_path / "auditship-agent-a")},
    )

    finding = findings(config)["same file"]

    assert not finding.ok
    assert "fs-other" in finding.told


def _status(server: str, source: SourceStatus) -> Status:
    needed = [field for field in msgspec.structs.fields(Status) if field.required]
    fields: dict[str, object] = {field.name: server if field.type is str else 0 for field in needed}
    fields |= {"held": {}, "health": [], "doubles": {}}
    return msgspec.convert(fields | {"sources": [msgspec.to_builtins(source)]}, Status)


LOGROTATE = """
# rotate the audit log
weekly
compress

/var/log/dosya/*.log "/var/log/with blank/x.log" {
    daily
    rotate 7
    %s
    postrotate
        systemctl reload dosya { }
    endscript
}
"""


@pytest.mark.parametrize(
    ("directives", "ok", "told"),
    [
        ("create\n delaycompress", True, "by rename"),
        ("copytruncate", False, "copytruncate can lose lines"),
        ("create", True, "compresses at once"),
        ("compresscmd /usr/bin/xz", False, "/usr/bin/xz are not read"),
    ],
)
def test_what_logrotate_would_do_is_told(
    tmp_path: Path, log: Path, directives: str, *, ok: bool, told: str
) -> None:
    """Rotation that can lose lines, or hides them in unreadable archives, fails the check."""
    config = write_agent(tmp_path, "http://127.0.0.1:1", server="fs-1", region="eu", files=log)
    source = msgspec.structs.replace(
        load_agent(config).sources[0], files=("/var/log/dosya/audit.log",)
    )

    (finding,) = rotation(source, parse("/etc/logrotate.d/dosya", LOGROTATE % directives))

    assert finding.ok is ok
    assert told in finding.told


def test_rotation_of_other_files_is_not_our_business(tmp_path: Path, log: Path) -> None:
    """A stanza that does not match the source's files gives no finding."""
    settings: AgentConfig = load_agent(
        write_agent(tmp_path, "http://127.0.0.1:1", server="fs-1", region="eu", files=log)
    )

    assert not list(rotation(settings.sources[0], parse("f", LOGROTATE % "copytruncate")))


def test_a_preset_that_fails_its_own_test_is_told(tmp_path: Path, log: Path) -> None:
    """The tests inside a preset file are run before the first line is shipped."""
    filebox = (Path(__file__).parents[1] / "data" / "filebox.yaml").read_text(encoding="utf-8")
    preset = tmp_path / "my preset.yaml"
    source = {"name": "box", "preset": str(preset), "files": [str(log)]}

    found = {}
    broken = filebox.replace("file.size: 12}", "file.size: 7}")
    for name, text in (("good", filebox), ("bad", broken)):
        preset.write_text(text, encoding="utf-8")
        config = write_agent(
            tmp_path, "http://127.0.0.1:1", server="fs-1", region="eu", files=log, sources=[source]
        )
        found[name] = [
            finding
            for finding in check(load_agent(config), config, local=True)
            if "test 1" in finding.told
        ]

    assert found["good"] == []
    (finding,) = found["bad"]
    assert not finding.ok
    assert "file.size is 12, not 7" in finding.told
    assert "presets test" in finding.hint


@pytest.mark.parametrize(
    ("preset", "settings", "told"),
    [
        ("native", {"paths": ["/ws/{workspace}/{path*}"]}, ["paths"]),
        ("native", {"timezone": "UTC", "ignore": [{"action": "x"}]}, ["timezone"]),
        ("caddy", {"user_verified": False, "paths": ["/{workspace}/{path*}"]}, ["user_verified"]),
        ("caddy", {"not_found": "event", "propfind": "event"}, []),
        ("nginx-json", {"timezone": "UTC", "internal": "event"}, ["internal", "timezone"]),
        ("nginx-json", {"path_from": "raw", "trusted_proxies": ["::1/128"], "propfind": "event",
                        "user_verified": False}, []),
        ("minio-audit", {"internal": "event", "not_found": "event"}, []),
        ("seaweedfs", {"propfind": "event"}, ["propfind"]),
        ("sftpgo", {"timezone": "UTC", "paths": ["/{workspace}/{path*}"]}, []),
    ],
)  # fmt: skip
def test_settings_that_a_preset_does_not_read(
    tmp_path: Path, log: Path, preset: str, settings: dict[str, Any], told: list[str]
) -> None:
    """Who writes one believes in what it does: it is told before the start."""
    log.write_bytes(b"")
    source = {"name": "storage", "preset": preset, "files": [str(log)], **settings}
    config = write_agent(
        tmp_path, "http://127.0.0.1:1", server="fs-1", region="eu", files=log, sources=[source]
    )
    found = [one for one in check(load_agent(config), config, local=True) if not one.ok]

    names = [one.told.partition(":")[0] for one in found if "does not read" in one.told]
    assert names == told


def test_a_preset_of_share_tokens_needs_the_key(tmp_path: Path, log: Path) -> None:
    """Without the key the links of its events could not be told."""
    preset = tmp_path / "links.yaml"
    preset.write_text(
        "preset: links\ntime: {from: t, format: epoch_s}\naction: {from: a}\n"
        "fields: {share_token: tok}\n"
    )
    log.write_bytes(b"")
    source = {"name": "storage", "preset": str(preset), "files": [str(log)]}
    config = write_agent(
        tmp_path, "http://127.0.0.1:1", server="fs-1", region="eu", files=log, sources=[source]
    )

    told = [one.told for one in check(load_agent(config), config, local=True) if not one.ok]

    assert any("share_token_key_file" in one for one in told)


@pytest.mark.parametrize(("apart_s", "ok"), [(5, True), (3_600, False)])
def test_the_clock_is_compared_where_the_cluster_tells_its_own(
    tmp_path: Path, log: Path, bulk_server: BulkServer, apart_s: int, *, ok: bool
) -> None:
    """OpenSearch says no time, but a proxy in front of it does; a wrong clock misjudges lines."""
    bulk_server.date = format_datetime(datetime.now(UTC) - timedelta(seconds=apart_s), usegmt=True)
    config = write_agent(tmp_path, bulk_server.address, server="fs-1", region="eu", files=log)

    finding = findings(config, local=False)["cluster"]

    assert (finding.ok, "clock" in finding.told) == (ok, True)


def test_a_state_folder_that_run_would_refuse(
    tmp_path: Path, log: Path, bulk_server: BulkServer
) -> None:
    """Another server's checkpoint, or damaged ones, are found before the start, not by exit 4."""
    config = write_agent(tmp_path, bulk_server.address, server="fs-1", region="eu", files=log)
    agent_once(config)
    assert findings(config)["state folder"].ok
    text = config.read_text("utf-8")

    config.write_text(text.replace("id: fs-1", "id: fs-2"), "utf-8")
    finding = findings(config)["state folder"]
    assert (finding.ok, "that of server fs-1 in eu" in finding.told) == (False, True)
    assert "--accept-identity-change" in finding.hint

    config.write_text(text, "utf-8")
    for path in (tmp_path / "state-fs-1").glob("checkpoint*"):
        path.write_bytes(b"torn")
    finding = findings(config)["state folder"]
    assert (finding.ok, "damaged" in finding.told) == (False, True)
    assert "nothing is stored twice" in finding.hint


def test_a_refused_password_is_told_as_one(
    tmp_path: Path, log: Path, bulk_server: BulkServer
) -> None:
    """401 speaks of user and password, not of the rights of a role."""
    bulk_server.credentials = ("auditship", "right")
    config = write_agent(tmp_path, bulk_server.address, server="fs-1", region="eu", files=log)

    finding = findings(config, local=False)["cluster"]

    assert not finding.ok
    assert "401, user, password" in finding.told
    assert "opensearch.username" in finding.hint


def test_a_taken_metrics_port_is_told(tmp_path: Path, log: Path) -> None:
    """A port that another program has would end `run` at its start, again and again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        config = write_agent(
            tmp_path, "http://127.0.0.1:1", server="fs-1", region="eu", files=log,
            http={"listen": listen},
        )  # fmt: skip
        finding = findings(config)["metrics"]
    assert not finding.ok
    assert listen in finding.told
    assert "its own port" in finding.hint


def test_a_missing_password_file_is_told_without_the_cluster(tmp_path: Path, log: Path) -> None:
    """The agent would hold for it; the check names the setting."""
    opensearch = {
        "hosts": ["http://127.0.0.1:1"],
        "username": "agent",
        "password_file": str(tmp_path / "nowhere"),
    }
    config = write_agent(
        tmp_path, "http://127.0.0.1:1", server="fs-1", region="eu", files=log,
        opensearch=opensearch,
    )  # fmt: skip
    finding = findings(config)["credentials"]
    assert not finding.ok
    assert "password_file" in finding.told
