"""The real nginx writes the log that we publish while clients work; each event is what they did."""

import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from auditship_agent.pipeline.transform import Stream
from support import nginx as server
from support import rclone as other
from support.commands import agent_once, found, write_agent, write_companion
from support.nginx import nginx
from support.nginx_script import Script
from support.nginx_site import (
    KEY,
    LOCATIONS,
    MARK,
    OBSCURED,
    TEMPLATES,
    TRUSTED,
    USER,
    make_site,
)
from support.ports import free_port
from support.rclone import Rclone
from support.seen import Seen
from support.transforming import SERVER, stream
from support.whole_event import Step, Told, by_user, check, told

pytestmark = [
    pytest.mark.skipif(server.MISSING is not None, reason=str(server.MISSING)),
    pytest.mark.skipif(other.MISSING is not None, reason=str(other.MISSING)),
]


_ODD = "a b %2F 'q' #?.txt"


class Run(Struct):
    """What a whole run left behind."""

    folder: Path
    log: bytes
    steps: list[Step]
    rclone: list[Seen]
    ended_ms: int


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole script, done once against one server that has ended."""
    folder = tmp_path_factory.mktemp("nginx") / "storage server"
    make_site(folder)
    with socket.create_server(("127.0.0.1", 0)) as behind:
        ports = {"down": free_port(), "behind": behind.getsockname()[1]}
        with nginx(folder, LOCATIONS % ports) as running:
            script = Script(running, behind)
            _work(script)
            rclone = _sync(script.url, folder)
    log = b"".join((folder / name).read_bytes() for name in ("audit.log.1", "audit.log"))
    return Run(folder, log, script.steps, rclone, time.time_ns() // 1_000_000)


def _work(script: Script) -> None:
    script.download()
    script.refuse()
    script.change()
    script.climb()
    script.claim()
    script.go_away()
    script.forward()
    script.rotate()
    script.babble()


def _sync(url: str, folder: Path) -> list[Seen]:
    """Work with rclone as a person does; return the requests that it made."""
    settings = {"type": "webdav", "url": f"{url}/ws/rc", "vendor": "other", "user": USER}
    client = Rclone(settings | {"pass": OBSCURED})
    local = folder / "local file"
    local.write_bytes(b"12345")
    client.run("mkdir", "it:")
    client.run("copyto", str(local), f"it:{_ODD}")
    client.run("copyto", f"it:{_ODD}", "it:copies/ü.txt")
    client.run("moveto", "it:copies/ü.txt", "it:moved/v.txt")
    assert client.run("cat", "--offset", "1", "--count", "2", "it:moved/v.txt") == "23"
    assert client.run("cat", f"it:{_ODD}") == "12345"
    assert set(client.run("lsf", "it:").splitlines()) == {"copies/", "moved/", _ODD}
    client.run("deletefile", f"it:{_ODD}")
    client.run("purge", "it:moved")
    client.run("lsf", "it:", ok=False, user="nobody")
    client.run("copyto", str(local), "it:no", ok=False, url=f"{url}/closed")
    return client.seen


def _stream(folder: Path, **settings: Any) -> Stream:
    key = folder / "key"
    if not key.exists():
        key.write_bytes(KEY)
        key.chmod(0o600)
    trusted = (f"{TRUSTED}/32",)
    return stream("nginx-json", key_file=key, paths=TEMPLATES, trusted_proxies=trusted, **settings)


def _names(one: Told) -> tuple[str, str]:
    """Return the id of a line's request and the port of its client."""
    line = json.loads(one.raw.decode(errors="replace"))
    return line["id"], line["port"]


def _lines(run: Run, **settings: Any) -> dict[str, Told]:
    """Return what each line becomes, by the id of the request and by the port of the client."""
    lines = told(_stream(run.folder, **settings), run.log)
    return {name: one for one in lines for name in _names(one)}


@pytest.mark.parametrize("path_from", ["uri", "raw"])
def test_each_event_is_what_the_client_did(run: Run, path_from: str) -> None:
    """Every request of the script becomes the whole event that is expected, or none, as said."""
    known = _lines(run, path_from=path_from)
    for step in run.steps:
        act, fields = step.told, step.fields
        if path_from == "raw" and step.raw is not None:
            act = step.raw
            fields = {name: value for name, value in fields.items() if "file" not in name}
        one = known[step.seen.request_id or str(step.seen.port)]
        check("nginx-json", one, step.seen, act, fields, ended_ms=run.ended_ms)


_U = "/copies/ü.txt"
_V = "/moved/v.txt"
_DIR = {"file__type": "dir"}
_FIVE = {"file__size": 5}
# What rclone did to the files, in its order; its questions (PROPFIND) are none of these.
_ACTS: list[tuple[str, str | None, dict[str, Any]]] = [
    ("file.upload", f"/{_ODD}", {**_FIVE, "http__request__body__bytes": 5}),
    ("folder.create", "/copies", _DIR),
    (
        "file.copy",
        "/copies/ü.txt",
        {"file__previous__path": f"/{_ODD}", "file__previous__name": _ODD},
    ),
    ("folder.create", "/moved", _DIR),
    ("file.move", _V, {"file__previous__path": _U, "file__previous__name": "ü.txt"}),
    ("file.download", _V, {"audit__flags": ["partial"]}),
    ("file.download", f"/{_ODD}", _FIVE),
    ("file.delete", f"/{_ODD}", {}),
    ("file.delete", "/moved", _DIR),
    (
        "file.access denied bad_credentials",
        "/",
        {"audit__claimed_user": "nobody", "file__directory": "/", **_DIR},
    ),
    ("file.access denied permission", "/closed/no", {"workspace__id": None}),
]


def test_what_rclone_did_is_told_in_its_order(run: Run) -> None:
    """Each request of rclone has its line, and the acts are those of the person who ran it."""
    known = _lines(run)
    acts = iter(_ACTS)
    for seen in run.rclone:
        one = known[str(seen.request_id)]
        seen.received = int(seen.headers.get("content-length", "0"))
        if seen.method == "PROPFIND" and seen.status in {207, 404}:
            assert one.reason == ("not_an_act" if seen.status == 207 else "not_found")
            continue
        act, path, fields = next(acts)
        who = {} if "denied" in act and "bad_" in act else by_user(USER)
        place = {"file__path": path, "workspace__id": "rc"}
        check("nginx-json", one, seen, act, {**who, **place, **fields}, ended_ms=run.ended_ms)
    assert next(acts, None) is None


def test_no_line_is_lost_and_no_secret_is_told(run: Run) -> None:
    """Whatever clients send: an event or a known reason, the same bytes again, and no secret."""
    lines = told(_stream(run.folder), run.log)
    again = told(_stream(run.folder), run.log)

    assert MARK.encode() in run.log
    assert {one.outcome for one in lines} == {"event", "ignored"}
    assert [one.bodies for one in lines] == [one.bodies for one in again]
    for one in lines:
        assert not any(MARK.encode() in body for body in one.bodies), one.raw
    noise = [one for one in lines if not {*_names(one)} & _asked(run)]
    assert {one.reason for one in noise} == {"bad_request"}


def _asked(run: Run) -> set[str]:
    """Return the names of all requests that the clients know of."""
    seen = [step.seen for step in run.steps] + run.rclone
    return {str(name) for one in seen for name in (one.request_id, one.port) if name}


def test_a_user_that_nobody_checked_is_a_claim(run: Run) -> None:
    """Nginx logs the name of a header that it did not check; the source says that it does not."""
    known = _lines(run, user_verified=False)
    checked = _lines(run)
    (step,) = [step for step in run.steps if step.seen.target == "/unchecked/x.txt"]
    fields = {name: value for name, value in step.fields.items() if not name.startswith("user")}
    claim = {
        "audit__actor": "unknown",
        "audit__actor_type": "unknown",
        "audit__claimed_user": "root",
    }

    id_ = str(step.seen.request_id)
    check(
        "nginx-json", known[id_], step.seen, step.told, {**fields, **claim}, ended_ms=run.ended_ms
    )
    assert checked[id_].event["user"] == {"name": "root"}


def test_a_renamed_log_is_written_until_the_signal(run: Run) -> None:
    """The line of a request between the renaming and the signal stands in the renamed file."""
    before, after = (step.seen.request_id for step in run.steps[-2:])
    renamed = (run.folder / "audit.log.1").read_bytes()

    assert renamed.endswith(b"}\n")
    assert str(before).encode() in renamed.splitlines()[-1]
    assert str(after).encode() in run.log


@pytest.mark.node
def test_what_is_stored_is_what_the_clients_did(
    run: Run, tmp_path: Path, node_address: str, region: str
) -> None:
    """The agent ships both files of the log: each event of the script once, byte for byte."""
    source = {
        "name": "web",
        "preset": "nginx-json",
        "files": [str(run.folder / "audit.log")],
        "paths": list(TEMPLATES),
        "trusted_proxies": [f"{TRUSTED}/32"],
    }
    config = write_agent(
        tmp_path, node_address, server=SERVER, region=region, files=run.folder,
        sources=[source], share_token_key_file=str(run.folder / "key"),
    )  # fmt: skip
    wanted = [one for one in told(_stream(run.folder), run.log) if one.bodies]
    assert f": {len(wanted)} stored, 0 already present, " in agent_once(config)

    events = found(write_companion(tmp_path, node_address, [region]))
    ours = [one for one in events if one.get("cloud", {}).get("region") == region]
    stored = {one["http"]["request"]["id"]: one for one in ours}
    assert len(stored) == len(ours)
    assert len(stored) == len(wanted)
    for one in wanted:
        assert _told_by_line(stored[one.request_id], region) == _told_by_line(one.event, region)


def _told_by_line(event: dict[str, Any], region: str) -> dict[str, Any]:
    """Return an event without what belongs to the place of its line and to this agent."""
    kept = {name: value for name, value in event.items() if name not in {"agent", "log", "host"}}
    kept["event"] = {k: v for k, v in event["event"].items() if k not in {"id", "ingested"}}
    return kept | {"cloud": {"region": region}}
