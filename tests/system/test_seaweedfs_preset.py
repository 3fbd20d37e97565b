"""The real SeaweedFS tells a collector what S3 clients do; each event is what they did."""

import json
import re
import time
from collections import Counter
from hashlib import md5
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec import Struct

from support import rclone as other
from support import seaweedfs as server
from support.commands import run as command
from support.rclone import Rclone
from support.s3_signed import Key, S3Client
from support.seaweedfs import BUCKET, JOHN, READER, SeaweedFS, seaweedfs
from support.seen import Seen
from support.transforming import REGION, SERVER, stream
from support.whole_event import Told, by_user, expected, settled, told

pytestmark = [
    pytest.mark.skipif(server.MISSING is not None, reason=str(server.MISSING)),
    pytest.mark.skipif(other.MISSING is not None, reason=str(other.MISSING)),
]

MARK: Final = "MARKED-SECRET"
_WRONG: Final = Key(JOHN.id, MARK)
_NOBODY: Final = Key("AKNOBODY", MARK)
_UPLOAD_ID: Final = re.compile(rb"<UploadId>(.*?)</UploadId>")
_SURE: Final[dict[str, Any]] = {"audit__flags": ["ip_unverified"]}
_PARTIAL: Final[dict[str, Any]] = {"audit__flags": ["ip_unverified", "partial"]}
_BUCKET_ONLY: Final[dict[str, Any]] = {"file__path": None}
_IGNORED: Final = frozenset({"not_an_act", "not_found", "bad_request", "auth_challenge"})
# Keys as they are sent, and the path that SeaweedFS made of them.
_KEYS: Final = (
    ("a%20b.txt", "/a b.txt"),
    ("a//b", "/a/b"),
    ("a%5Cc", "/a/c"),
    ("%C3%BC%252e", "/ü%2e"),
    ("q%3Fx%23%22%27", "/q?x#\"'"),
    ("n%0A%7B%22v%22%3A1%7D", '/n\n{"v":1}'),
    ("e%CC%81", "/e\u0301"),
    ("%E2%80%AE", "/\u202e"),
    ("%3Dcmd%28%29", "/=cmd()"),
)


class Step(Struct):
    """A request, with what each of its lines must become."""

    seen: Seen
    acts: list[tuple[str, dict[str, Any]]]


class Run(Struct):
    """What a whole run left behind."""

    log: bytes
    steps: list[Step]
    rclone: list[Seen]
    ended_ms: int


class Script:
    """The work of a client that signs by hand."""

    def __init__(self, port: int) -> None:
        self._client = S3Client(port)
        self.steps: list[Step] = []

    def do(
        self,
        key: Key | None,
        method: str,
        name: str,
        *acts: str,
        query: dict[str, str] | None = None,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        **fields: Any,
    ) -> bytes:
        """Make a request for `name` in the bucket; `acts` is what becomes of its lines."""
        path = f"/{BUCKET}/{name}" if name else f"/{BUCKET}"
        seen, reply = self._client.ask(key, method, path, query, body, **(headers or {}))
        who = by_user("john" if key == JOHN else "reader") if key in {JOHN, READER} else {}
        place = {"file__path": f"/{name}", "workspace__id": BUCKET}
        self.steps.append(Step(seen, [(act, {**who, **place, **fields}) for act in acts]))
        return reply

    def files(self) -> None:
        """Upload, download, in part, look, list, copy, delete; what is not there."""
        do, five = self.do, b"12345"
        do(JOHN, "PUT", "", "not_an_act")
        do(JOHN, "PUT", "", "not_an_act")
        do(JOHN, "PUT", "a.txt", "file.upload", body=five)
        do(JOHN, "GET", "a.txt", "file.download")
        do(READER, "GET", "a.txt", "file.download")
        do(JOHN, "GET", "a.txt", "file.download", headers={"Range": "bytes=1-2"}, **_PARTIAL)
        do(JOHN, "HEAD", "a.txt", "not_an_act")
        do(JOHN, "GET", "none", "not_found")
        do(READER, "GET", "", "file.list", query={"list-type": "2"}, **_BUCKET_ONLY, **_SURE)
        copied = {"x-amz-copy-source": f"/{BUCKET}/a.txt"}
        do(JOHN, "PUT", "copy.txt", "file.upload", headers=copied)
        do(JOHN, "PUT", "no.txt", "not_found", headers={"x-amz-copy-source": f"/{BUCKET}/none"})
        do(JOHN, "DELETE", "copy.txt", "file.delete")
        do(JOHN, "DELETE", "copy.txt", "file.delete")
        do(JOHN, "PUT", "a.txt", "file.upload", query={"token": MARK}, body=five)

    def batch(self) -> None:
        """Delete several keys at once: a line for each; refused, there is a line for none."""
        keys = "".join(f"<Object><Key>{key}</Key></Object>" for key in ("x/1", "x/2", "never"))
        body = f"<Delete>{keys}</Delete>".encode()
        for name in ("x/1", "x/2"):
            self.do(JOHN, "PUT", name, "file.upload", body=b"1")
        self.do(READER, "POST", "", "not_an_act", query={"delete": ""}, body=body)
        self.do(JOHN, "POST", "", query={"delete": ""}, body=body)
        place = {**by_user("john"), "workspace__id": BUCKET, **_SURE}
        for path in ("/x/1", "/x/2", "/never"):
            self.steps[-1].acts.append(("file.delete", {**place, "file__path": path}))
        self.steps[-1].acts.append(("not_an_act", {}))  # the request as a whole

    def parts(self) -> None:
        """Several parts: each is told like an upload, an end that is none like two deletions."""
        part = b"x" * 100
        for ends in (True, False):
            reply = self.do(JOHN, "POST", "big", "file.upload", query={"uploads": ""})
            (upload,) = _UPLOAD_ID.findall(reply)
            query = {"uploadId": upload.decode()}
            self.do(
                JOHN, "PUT", "big", "file.upload", query={**query, "partNumber": "1"}, body=part
            )
            self.do(JOHN, "GET", "big", "file.download", query=query)
            if not ends:
                self.do(JOHN, "DELETE", "big", "file.delete", "file.delete", query=query)
                continue
            tag = md5(part, usedforsecurity=False).hexdigest()
            entry = f"<Part><PartNumber>1</PartNumber><ETag>{tag}</ETag></Part>"
            body = f"<CompleteMultipartUpload>{entry}</CompleteMultipartUpload>".encode()
            self.do(JOHN, "POST", "big", "file.upload", query=query, body=body)

    def rights(self) -> None:
        """What is told like another act: an ACL is read and written, tags are neither."""
        acl = {"x-amz-acl": "private"}
        self.do(JOHN, "PUT", "a.txt", "file.upload", query={"acl": ""}, headers=acl)
        self.do(JOHN, "GET", "a.txt", "file.download", query={"acl": ""})
        self.do(JOHN, "GET", "a.txt", "not_an_act", query={"tagging": ""})

    def refuse(self) -> None:
        """Without credentials, with wrong ones, without the right."""
        sure = _SURE
        for key, code, reason in (
            (None, "AccessDenied", "permission"),
            (_WRONG, "SignatureDoesNotMatch", "bad_credentials"),
            (_NOBODY, "InvalidAccessKeyId", "bad_credentials"),
        ):
            denied, fields = f"denied {reason}", dict[str, Any](error__code=code)
            self.do(key, "GET", "a.txt", f"file.download {denied}", **fields, **sure)
            self.do(key, "PUT", "a.txt", f"file.upload {denied}", body=b"1", **fields)
            self.do(key, "DELETE", "a.txt", f"file.delete {denied}", **fields)
            self.do(key, "GET", "", f"file.list {denied}", **fields, **_BUCKET_ONLY, **sure)
            self.do(key, "HEAD", "a.txt", "not_an_act")
        refused: dict[str, Any] = {"error__code": "AccessDenied"}
        self.do(READER, "PUT", "a.txt", "file.upload denied permission", body=b"1", **refused)
        self.do(READER, "DELETE", "a.txt", "file.delete denied permission", **refused)

    def links(self) -> None:
        """A presigned link is told with its signer; a wrong signature with nobody."""
        path = f"/{BUCKET}/a.txt"
        place = {"workspace__id": BUCKET, "file__path": "/a.txt"}
        good = self._client.open_link(JOHN, path, {"x-token": MARK})
        bad = self._client.open_link(_WRONG, path)
        self.steps.append(Step(good, [("file.download", {**place, **by_user("john")})]))
        fields = {**place, "error__code": "SignatureDoesNotMatch", **_SURE}
        self.steps.append(Step(bad, [("file.download denied bad_credentials", fields)]))

    def pretend(self) -> None:
        """SeaweedFS believes a client that names its address; odd headers are only odd."""
        for header, client in (
            ("203.0.113.9, 10.0.0.1", {"client__ip": "203.0.113.9"}),
            ('evil"}{', {"client__ip": None, "client__address": 'evil"}{'}),
        ):
            forwarded = {"x-forwarded-for": header}
            self.do(JOHN, "GET", "a.txt", "file.download", headers=forwarded, **client)
        agent = {"user-agent": 'x"\\{"forged":1}'}
        self.do(JOHN, "GET", "a.txt", "file.download", headers=agent)

    def names(self) -> None:
        """Odd keys, and keys that would leave the bucket."""
        for key, path in _KEYS:
            self.do(JOHN, "PUT", key, "file.upload", body=b"1", file__path=path)
        for key in ("x/../y", "%2E%2E/acme/z", "..%2F..%2Fetc"):
            self.do(JOHN, "PUT", key, "bad_request", body=b"1")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole script, done once against one server that has ended."""
    folder = tmp_path_factory.mktemp("seaweedfs") / "storage server"
    with seaweedfs(folder) as running:
        script = Script(running.port)
        for work in (script.files, script.batch, script.parts, script.rights, script.refuse,
                     script.links, script.pretend, script.names):  # fmt: skip
            work()
        rclone = _sync(running, folder)
        counts = {str(step.seen.request_id): len(step.acts) for step in script.steps}
        running.log.wait(counts | {str(one.request_id): 1 for one in rclone})
    log = (folder / "s3.log").read_bytes()
    return Run(log, script.steps, rclone, time.time_ns() // 1_000_000)


_ODD = "s/a b %2F 'q' #.txt"


def _sync(running: SeaweedFS, folder: Path) -> list[Seen]:
    """Work with rclone as a person does; return the requests that it made."""
    settings = {
        "type": "s3",
        "provider": "Other",
        "endpoint": f"http://127.0.0.1:{running.port}",
        "access_key_id": JOHN.id,
        "secret_access_key": JOHN.secret,
        "no_check_bucket": "true",
    }
    client = Rclone(settings, id_header="x-amz-request-id")
    local = folder / "local file"
    local.write_bytes(b"12345")
    client.run("copyto", str(local), f"it:{BUCKET}/{_ODD}")
    client.run("copyto", f"it:{BUCKET}/{_ODD}", f"it:{BUCKET}/s/copy.txt")
    client.run("moveto", f"it:{BUCKET}/s/copy.txt", f"it:{BUCKET}/s/moved.txt")
    assert client.run("cat", "--offset", "1", "--count", "2", f"it:{BUCKET}/s/moved.txt") == "23"
    assert client.run("cat", f"it:{BUCKET}/{_ODD}") == "12345"
    assert set(client.run("lsf", f"it:{BUCKET}/s").splitlines()) == {"moved.txt", _ODD[2:]}
    client.run("deletefile", f"it:{BUCKET}/{_ODD}")
    client.run("lsf", f"it:{BUCKET}/s", ok=False, secret_access_key=MARK)
    return client.seen


def _told(run: Run) -> dict[str, list[Told]]:
    """Return what each line became, by the request's id, in the order of the file."""
    found: dict[str, list[Told]] = {}
    for one in told(stream("seaweedfs"), run.log):
        found.setdefault(json.loads(one.raw)["request_id"], []).append(one)
    return found


def _check(one: Told, seen: Seen, act: str, fields: dict[str, Any], ended_ms: int) -> None:
    if act in _IGNORED:
        assert (one.outcome, one.reason) == ("ignored", act), one.raw
        return
    wanted = expected(
        "seaweedfs",
        seen,
        act,
        **{
            "network__protocol": "s3",
            "client__port": None,
            "http__request__method": None,
            "http__response__body__bytes": None,
            "http__response__status_code": one.event["http"]["response"]["status_code"],
            "audit__flags": ["ambiguous_action", "ip_unverified"],
            **fields,
        },
    )
    assert settled(one, seen, ended_ms) == wanted, one.raw


def test_each_event_is_what_the_client_did(run: Run) -> None:
    """Every request becomes the whole events that are expected, or none, as said."""
    lines = _told(run)
    for step in run.steps:
        found = lines[str(step.seen.request_id)]
        assert len(found) == len(step.acts), found[0].raw
        for one, (act, fields) in zip(found, step.acts, strict=True):
            _check(one, step.seen, act, fields, run.ended_ms)
            if len(step.acts) == 1:
                assert json.loads(one.raw)["status"] == step.seen.status


_LIST: Final = ("file.list", None, _SURE)
_NO_LIST: Final = (
    "file.list denied bad_credentials",
    None,
    {"error__code": "SignatureDoesNotMatch", **_SURE},
)
# What rclone did to the files, in its order; its looks (HEAD) and misses are none of these.
_ACTS: list[tuple[str, str | None, dict[str, Any]]] = [
    ("file.upload", f"/{_ODD}", {}),
    ("file.upload", "/s/copy.txt", {}),
    ("file.upload", "/s/moved.txt", {}),
    ("file.delete", "/s/copy.txt", {}),
    _LIST,
    ("file.download", "/s/moved.txt", _PARTIAL),
    _LIST,
    ("file.download", f"/{_ODD}", {}),
    _LIST,
    ("file.delete", f"/{_ODD}", {}),
    _NO_LIST,
    _NO_LIST,
]


def test_what_rclone_did_is_told_in_its_order(run: Run) -> None:
    """Each request of rclone has its line, and the acts are those of the person who ran it."""
    lines = _told(run)
    acts = iter(_ACTS)
    for seen in run.rclone:
        (one,) = lines[str(seen.request_id)]
        assert json.loads(one.raw)["status"] == seen.status
        if seen.method == "HEAD":
            assert one.outcome == "ignored"
            continue
        act, path, fields = next(acts)
        who = {} if "denied" in act else by_user("john")
        place = {"file__path": path, "workspace__id": BUCKET}
        _check(one, seen, act, {**who, **place, **fields}, run.ended_ms)
    assert next(acts, None) is None


def test_explain_tells_the_same(run: Run, tmp_path: Path) -> None:
    """`explain` shows a person what the agent would ship, and finds no line that is dead."""
    log = tmp_path / "s3 log.jsonl"
    log.write_bytes(run.log)
    who = ("--server", SERVER, "--region", REGION)
    words = ("--preset", "seaweedfs", *who, "--format", "ndjson", "--strict")
    done = command("auditship-agent", "explain", *words, log)

    assert done.returncode == 0, done.stdout
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    lines = told(stream("seaweedfs", first=run.log.splitlines()[0]), run.log)
    assert [one["outcome"] for one in shown] == [one.outcome for one in lines]
    for line, one in zip(lines, shown, strict=True):
        if line.event:
            assert _plain(one["event"]) == _plain(line.event)


def _plain(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event without the collector and the path of its file."""
    log = {name: value for name, value in event["log"].items() if name != "file"}
    return {name: value for name, value in event.items() if name != "agent"} | {"log": log}


def test_no_line_is_lost_and_no_secret_is_told(run: Run) -> None:
    """Whatever clients send: an event or a known reason, the same bytes again, and no secret."""
    lines = told(stream("seaweedfs"), run.log)
    again = told(stream("seaweedfs"), run.log)

    assert {one.outcome for one in lines} == {"event", "ignored"}
    assert [one.bodies for one in lines] == [one.bodies for one in again]
    ids = Counter(body for one in lines for body in one.bodies)
    assert max(ids.values()) == 1  # two lines are two events, even of one request
    for body in ids:
        for secret in (MARK, JOHN.secret, READER.secret, JOHN.id):
            assert secret.encode() not in body
