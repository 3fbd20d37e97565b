"""Field maps: rules of sources.md section 2, wrappers, proxies, times, values that do not fit."""

import json
from pathlib import Path
from typing import Any

import pytest

from auditship_agent.config import SourceConfig
from auditship_agent.parsing import preset_of
from auditship_agent.parsing.clocks import clock
from auditship_agent.parsing.form import TimeForm
from auditship_agent.parsing.pick import condition, picker
from auditship_agent.parsing.proxies import Proxies
from auditship_indexer.errors import ConfigError
from support.preset_lines import MINIO, NGINX, S3, SEAWEED, SFTPGO, line_of
from support.transforming import as_line, event, native, stream


def _event(preset: str, raw: bytes, **settings: Any) -> dict[str, Any]:
    if preset == "sftpgo":
        settings.setdefault("timezone", "UTC")
    return event(stream(preset, **settings).produce(as_line(raw)))


def _outcome(preset: str, raw: bytes, **settings: Any) -> str:
    produced = stream(preset, **settings).produce(as_line(raw))
    return f"{produced.outcome} {produced.reason}".strip()


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("200", "event"), ("206", "event"), ("304", "event"), ("401", "event"), ("403", "event"),
        ("429", "event"), ("408", "event"), ("500", "event"), ("507", "event"),
        ("404", "ignored not_found"), ("301", "ignored redirect"), ("400", "ignored bad_request"),
        ("100", "ignored not_an_act"), ("000", "ignored not_an_act"),
        ("", "dead_letter bad_field"), ("20x", "dead_letter bad_field"),
        (True, "dead_letter bad_field"), (1e400, "dead_letter bad_json"),
        (None, "dead_letter missing_field"), (10**30, "dead_letter bad_field"),
    ],
)  # fmt: skip
def test_a_status_decides_an_nginx_line(status: Any, outcome: str) -> None:
    """By section 3; a status that is none is a dead letter, since it decides."""
    assert _outcome("nginx-json", line_of(NGINX, status=status)) == outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "event"), (206, "event"), (304, "event"), (403, "event"), (429, "event"),
        (500, "event"), (404, "ignored not_found"), (301, "ignored redirect"),
        (400, "ignored bad_request"), (199, "ignored not_an_act"),
        ("201", "event"), ("x", "dead_letter bad_field"), (None, "dead_letter missing_field"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("preset", ["minio-audit", "seaweedfs"])
def test_a_status_decides_where_there_is_no_method(preset: str, status: Any, outcome: str) -> None:
    """`by_status` is section 3 without the method."""
    line = {
        "minio-audit": line_of(MINIO, api={**MINIO["api"], "statusCode": status}),
        "seaweedfs": line_of(SEAWEED, status=status),
    }[preset]
    assert _outcome(preset, line) == outcome


def test_a_missing_file_can_be_an_event() -> None:
    """`not_found: event` tells failed downloads and deletions."""
    found = _event("seaweedfs", line_of(SEAWEED, status=404), not_found="event")

    assert (found["audit"]["result"], found["event"]["reason"]) == ("error", "not_found")


def test_a_name_that_nobody_checked_is_a_claim() -> None:
    """`user_verified: false`: the name of the header is claimed, the actor unknown."""
    found = _event("nginx-json", line_of(NGINX), user_verified=False)
    nobody = _event("nginx-json", line_of(NGINX, user="", auth=""), user_verified=False)

    assert found["audit"]["claimed_user"] == "john@dosya.dev"
    assert found["audit"]["actor_type"] == "unknown"
    assert "user" not in found
    assert nobody["audit"]["actor_type"] == "anonymous"


@pytest.mark.parametrize("user", ["-", "--", ""])
def test_dashes_are_nobody(user: str) -> None:
    """`-`, `--` and nothing are how logs write that nobody was there."""
    line = line_of(NGINX, user=user, auth="")
    assert _event("nginx-json", line)["audit"]["actor"] == "anonymous"
    assert _event("seaweedfs", line_of(SEAWEED, requester=user))["audit"]["actor"] == "anonymous"


@pytest.mark.parametrize("user", ["DOMAIN\\john", "john doe@x", "@x", "a@b@c", "jöhn"])
def test_a_name_is_never_split(user: str) -> None:
    """No e-mail: a name, as received."""
    assert _event("nginx-json", line_of(NGINX, user=user))["user"] == {"name": user}


def test_the_raw_path_is_for_front_controllers() -> None:
    """`path_from: raw` reads what was asked for; other presets have none to read."""
    line = line_of(NGINX, path="/index.php", raw_path="/docs/%61%20b.txt")

    assert _event("nginx-json", line)["file"]["path"] == "/index.php"
    assert _event("nginx-json", line, path_from="raw")["file"]["path"] == "/docs/a b.txt"


_WS: tuple[str, ...] = ("/ws/{workspace}/{path*}",)


@pytest.mark.parametrize(
    ("status", "raw", "uri", "paths", "told"),
    [
        # the page that tells the failure is not what was asked for
        ("403", "/ws/brand/%61.txt?x", "/403.html", _WS, ("brand", "/a.txt")),
        ("502", "/docs/a.txt", "/50x.html", (), (None, "/docs/a.txt")),
        # nginx rewrote the path; only that one lies in a workspace
        ("403", "/old/a.txt", "/ws/brand/a.txt", _WS, ("brand", "/a.txt")),
        ("200", "/", "/index.html", (), (None, "/index.html")),
    ],
)
def test_what_failed_is_named_by_what_was_asked_for(
    status: str, raw: str, uri: str, paths: tuple[str, ...], told: tuple[str | None, str]
) -> None:
    """`error_page` changes $uri: a refused request is no request for the error page."""
    line = line_of(NGINX, method="GET", status=status, raw_path=raw, path=uri)
    found = _event("nginx-json", line, paths=paths)

    assert (found.get("workspace", {}).get("id"), found["file"]["path"]) == told


@pytest.mark.parametrize(
    ("whole", "encoding", "size"), [("11", "", 11), ("", "", None), ("12", "", None),
                                    ("11", "gzip", None), (None, None, None)],
)  # fmt: skip
def test_the_size_of_a_download_needs_a_proof(
    whole: str | None, encoding: str | None, size: int | None
) -> None:
    """In chunks or compressed, the bytes of a reply are not those of the file."""
    line = line_of(NGINX, method="GET", status="200", sent="11", whole=whole, encoding=encoding)
    found = _event("nginx-json", line)

    assert found["file"].get("size") == size
    assert found["http"]["response"]["body"]["bytes"] == 11


@pytest.mark.parametrize("status", ["400", "401", "403", "413", "502"])
def test_an_announced_body_was_not_received(status: str) -> None:
    """The length in the header of a request that failed is a plan, not bytes that moved."""
    line = line_of(NGINX, method="PUT", status=status, length="9999999999", completion="")
    found = _event("nginx-json", line)

    assert "body" not in found["http"]["request"]
    assert "size" not in found["file"]


def test_only_an_upload_can_be_broken_off() -> None:
    """A POST beyond the templates is no upload, so it is none that failed."""
    line = line_of(NGINX, method="POST", path="/login", status="400", completion="")
    below = line_of(NGINX, method="POST", path="/ws/brand/a", status="400", completion="")

    assert _outcome("nginx-json", line) == "ignored bad_request"
    assert _event("nginx-json", below, paths=_WS)["event"]["reason"] == "aborted"


def test_a_decoded_path_is_not_decoded_again() -> None:
    """The $uri of nginx is decoded: what looks like an escape, query or fragment is a name."""
    found = _event("nginx-json", line_of(NGINX, path="/ws/a/100%25?x#y.txt"),
                   paths=("/ws/{workspace}/{path*}",))  # fmt: skip

    assert found["file"]["path"] == "/100%25?x#y.txt"
    assert found["workspace"]["id"] == "a"
    assert "flags" not in found["audit"]


@pytest.mark.parametrize(
    ("peer", "header", "client"),
    [
        ("10.0.0.5", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.5", "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("10.0.0.5", "198.51.100.1, 203.0.113.7, 10.1.1.1", "203.0.113.7"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.5", "", "10.0.0.5"),
        ("10.0.0.5", "unknown", "10.0.0.5"),
        ("10.0.0.5", "203.0.113.7, garbage, 10.1.1.1", "10.1.1.1"),
        ("10.0.0.5", "10.2.2.2, 10.1.1.1", "10.2.2.2"),
        ("10.0.0.5", "203.0.113.7:4711", "203.0.113.7:4711"),
        ("10.0.0.5", "[2001:db8::7]:80", "[2001:db8::7]:80"),
        ("::ffff:10.0.0.5", "2001:db8::7", "2001:db8::7"),
        ("unix:", "203.0.113.7", "203.0.113.7"),
        ("nonsense", "203.0.113.7", "nonsense"),
    ],
)
def test_the_walk_through_proxies(peer: str, header: str, client: str) -> None:
    """From the right, trusted hops skipped, an entry that is no address ends it."""
    proxies = Proxies(["10.0.0.0/8"])

    assert proxies.client(peer, header) == client
    assert proxies.client(peer, header) == client  # remembered
    assert Proxies([]).client(peer, header) == peer


def test_an_address_behind_a_proxy_keeps_the_peer() -> None:
    """The client is `client.ip`, the proxy `source.ip`; the proxy's port is not the client's."""
    line = line_of(NGINX, addr="10.0.0.5", xff="203.0.113.77")
    found = _event("nginx-json", line, trusted_proxies=("10.0.0.0/8",))

    assert found["client"] == {"ip": "203.0.113.77"}
    assert found["source"] == {"ip": "10.0.0.5"}
    assert _event("nginx-json", line)["client"] == {"ip": "10.0.0.5", "port": 51234}
    with pytest.raises(ConfigError, match="trusted_proxies"):
        Proxies(["10.0.0.1/8"])


_INNER = native().decode()


@pytest.mark.parametrize(
    ("unwrap", "line"),
    [
        (("docker",), json.dumps({"log": _INNER + "\n", "stream": "stdout", "time": "x"})),
        (("cri",), f"2026-04-14T10:32:15.1Z stdout F {_INNER}"),
        (("compose",), f"api-1  | {_INNER}"),
        (("cee",), f"@cee: {_INNER}"),
        (("fluent",), f"2026-04-14T10:32:15+00:00\taudit\t{_INNER}"),
        (("syslog",), f"Apr 14 10:32:15 host dosya[77]: {_INNER}"),
        (("syslog",), f"<13>Apr  4 10:32:15 host dosya: {_INNER}"),
        (("syslog",), f"2026-04-14T10:32:15.123+02:00 host dosya[77]: {_INNER}"),
        (("syslog",), f'<13>1 2026-04-14T10:32:15Z host dosya 77 ID [a b="x\\]"] {_INNER}'),
        (("syslog",), f"<13>1 2026-04-14T10:32:15Z host dosya - - - \ufeff{_INNER}"),
        (("syslog", "cee"), f"Apr 14 10:32:15 host dosya: @cee: {_INNER}"),
        (("docker", "compose"), json.dumps({"log": f"api | {_INNER}\n"})),
    ],
)
def test_wrappers_are_taken_off(unwrap: tuple[str, ...], line: str) -> None:
    """Outermost first, for every preset; the inner line is the event."""
    assert _event("native", line.encode(), unwrap=unwrap)["file"]["name"] == "render-final.mp4"
    assert _event("native", line.encode() + b"\r", unwrap=unwrap)["event"]["action"]


@pytest.mark.parametrize(
    ("unwrap", "reason"),
    [("docker", "missing_field"), ("cri", "bad_json"), ("compose", "bad_json"),
     ("syslog", "bad_json"), ("cee", "bad_json"), ("fluent", "bad_json")],
)  # fmt: skip
def test_a_line_without_its_wrapper_is_dead(unwrap: str, reason: str) -> None:
    """Nothing is guessed; a blank line stays a blank line."""
    assert _outcome("native", native(), unwrap=(unwrap,)) == f"dead_letter {reason}"
    assert _outcome("native", b" \r", unwrap=(unwrap,)) == "ignored empty_line"


def _glued(tmp_path: Path) -> str:
    path = tmp_path / "glued.yaml"
    path.write_text(
        "preset: glued\nconcatenated: true\ntime: {from: t, format: epoch_s}\n"
        "action: {from: a, map: {put: file.upload, ping: not_an_act}}\n"
    )
    return str(path)


@pytest.mark.parametrize(
    ("line", "outcome", "events"),
    [
        ('{"t":1,"a":"put"}{"t":2,"a":"put"} {"t":3,"a":"put"}', "event", 3),
        ('{"t":1,"a":"put"}{"t":2,"a":"ping"}', "event", 1),
        ('{"t":1,"a":"ping"}{"t":2,"a":"ping"}', "ignored not_an_act", 0),
        ('{"t":1,"a":"put"}{"t":"x","a":"put"}', "dead_letter bad_time", 0),
        ('{"t":1,"a":"put"}{"t":2,"a"', "dead_letter trailing_data", 0),
        ('{"t":1,"a":"put"}[{}]', "dead_letter trailing_data", 0),
        ('{"t":1,"a":"put","name":"}{"}', "event", 1),
        ('{"t":1,"a":"put","n":"\xe9"}{"t":2,"a":"put"}', "event", 2),
        ('{"t":1,"a":"put"} \t\r {"t":2,"a":"put"}\t', "event", 2),
    ],
)
def test_glued_objects(tmp_path: Path, line: str, outcome: str, events: int) -> None:
    """With `concatenated` each object is read; the line has one outcome all the same."""
    produced = stream(_glued(tmp_path)).produce(as_line(line.encode("latin-1")))

    assert f"{produced.outcome} {produced.reason}".strip() == outcome
    assert [document.item for document in produced.documents] == list(range(events))


def test_an_operator_can_ignore_lines_of_every_preset() -> None:
    """`ignore` in the source: all keys of one entry match."""
    rule: dict[str, Any] = {"action": "file.preview", "user.id": "u_*"}

    assert _outcome("native", native(), ignore=(rule,)) == "ignored operator_rule"
    assert _outcome("native", native(action="file.delete"), ignore=(rule,)) == "event"
    assert _outcome("native", b"{", ignore=(rule,)) == "dead_letter bad_json"
    line = line_of(NGINX, agent="kube-probe/1.30")
    assert _outcome("nginx-json", line, ignore=({"agent": "kube-probe*"},)) == (
        "ignored operator_rule"
    )


@pytest.mark.parametrize(
    ("wanted", "found", "holds"),
    [
        ("a", "a", True), ("a", "b", False), ("a*", "abc", True), ("a*", None, False),
        ("2xx", 204, True), ("2xx", "204", True), ("2xx", 304, False), ("2xx", "2", False),
        (0, 0, True), (0, "0", True), (0, None, False), (True, True, True), (True, "true", True),
        ("present", "x", True), ("present", "", False), ("present", [], True),
        ("absent", "", True), ("absent", None, True), ("absent", "-", True), ("absent", 0, False),
        ([1, "a*", "absent"], "1", True), ([1, "a*", "absent"], "ab", True),
        ([1, "a*", "absent"], None, True), ([1, "a*", "absent"], "2", False),
        ({"not": "a"}, "b", True), ({"not": "a"}, None, True),
        ({"not": ["a", "absent"]}, None, False),
        ("a", {"x": 1}, False), ("", "", False),
    ],
    ids=repr,
)  # fmt: skip
def test_conditions(wanted: Any, found: Any, holds: bool) -> None:  # noqa: FBT001 - a table
    """Text, list, prefix, class of status, present, absent, not."""
    assert condition({"k": wanted}, frozenset({"-"}))({"k": found}) is holds
    assert (
        condition({"o.k": wanted, "x": 1}, frozenset({"-"}))({"o": {"k": found}, "x": 1}) is holds
    )


def test_paths_into_a_record() -> None:
    """Dots go down into objects and lists; what is not there is None."""
    record = {"a": {"b": ["x", {"c": 1}]}, "e": "", "n": None}

    assert picker(["a.b.1.c"])(record) == 1
    assert picker(["a.b.7", "e", "n", "a.b.0"])(record) == "x"
    assert picker(["a.b.c", "a.x.y", "e.f"])(record) is None


@pytest.mark.parametrize(
    ("form", "value", "told"),
    [
        ("epoch_s", 1776162735, 1776162735000), ("epoch_s", "1776162735.9999", 1776162735999),
        ("epoch_ms", 1776162735123, 1776162735123), ("epoch_us", "1776162735123999", 1776162735123),
        ("epoch_ns", 1776162735123999999, 1776162735123),
        ("epoch_s", "1.776162735e9", 1776162735000),
        ("epoch_s", True, None), ("epoch_s", "1_776", None), ("epoch_s", "١٧٧٦", None),
        ("epoch_s", -1, None), ("epoch_s", 253402300800, None), ("epoch_s", {}, None),
        ("rfc3339", "2026-04-14t10:32:15z", 1776162735000), ("rfc3339", 1776162735, None),
        ("rfc3339", "2026-04-14T10:32:15", None),
        ("%d/%b/%Y:%H:%M:%S %z", "14/Apr/2026:10:32:15 +0000", 1776162735000),
        ("%d/%b/%Y:%H:%M:%S %z", "14/Foo/2026:10:32:15 +0000", None),
        ("%F %T.%f%z", "2026-04-14 12:32:15.123456+02:00", 1776162735123),
        ("%F %T", "2026-04-14 12:32:15", 1776162735000), ("%F %T", "2026-04-14 24:00:00", None),
        ("%F %T", "2026-13-14 12:32:15", None), ("%F %T", "2026-04-14 12:32:15 ", None),
        ("%F %T", 5, None), ("iso8601", "2026-04-14 12:32:15,123", 1776162735123),
        ("iso8601", "2026-04-14T10:32:15.123Z", 1776162735123), ("iso8601", 7, None),
        ("%%%Y-%m-%d %H:%M:%S", "%2026-04-14 12:32:15", 1776162735000),
    ],
)  # fmt: skip
def test_forms_of_time(form: str, value: Any, told: int | None) -> None:
    """Cut to ms; digits are ASCII; a form that does not fit is no time."""
    read = clock(TimeForm(source="t", format=form), "Europe/Berlin")(value)

    assert (read.ms if read else None) == told


@pytest.mark.parametrize(
    ("text", "utc", "flags"),
    [
        (
            "2026-10-25 02:30:00",
            "2026-10-25T00:30:00.000Z",
            ["time_ambiguous", "time_zone_assumed"],
        ),
        (
            "2026-03-29 02:30:00",
            "2026-03-29T01:30:00.000Z",
            ["time_ambiguous", "time_zone_assumed"],
        ),
        ("2026-07-01 02:30:00", "2026-07-01T00:30:00.000Z", ["time_zone_assumed"]),
        ("2026-06-30 23:59:60", "2026-06-30T21:59:59.999Z", ["leap_second", "time_zone_assumed"]),
    ],
)
def test_wall_times(text: str, utc: str, flags: list[str]) -> None:
    """A fold is the earlier time, a hole is shifted forward; the text is kept."""
    found = _event("sftpgo", line_of(SFTPGO, time=text), timezone="Europe/Berlin")

    assert found["@timestamp"] == utc
    assert found["audit"]["flags"] == flags
    assert found["audit"]["original_time"] == text


def test_a_log_without_zones_needs_one() -> None:
    """The preset sftpgo is refused until the source names its zone."""
    with pytest.raises(ConfigError, match="without a zone") as caught:
        preset_of(SourceConfig(name="it", preset="sftpgo", files=("/x",)))
    assert "Europe/Berlin" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("length", "-5", "http.request.body.bytes"), ("took", "soon", "event.duration"),
        ("took", True, "event.duration"), ("took", "1e99", "event.duration"),
        ("port", "70000", "client.port"), ("port", 1.5, "client.port"),
        ("agent", ["x"], "user_agent.original"), ("id", {"a": 1}, "http.request.id"),
    ],
)  # fmt: skip
def test_a_bad_value_costs_its_field(key: str, value: Any, field: str) -> None:
    """The event stays, without the field, and names it."""
    found = _event("nginx-json", line_of(NGINX, **{key: value}))

    assert found["audit"]["flags"] == ["bad_field"]
    assert found["audit"]["dropped_fields"] == [field]


def test_unknown_keys_are_counted_not_stored() -> None:
    """Names of unknown keys are told, at most 200; nothing of them is stored."""
    made = stream("seaweedfs")
    line = line_of(SEAWEED, **{f"k{n}": "MARKER" for n in range(2000)})
    found = made.produce(as_line(line)).documents[0].body

    assert b"MARKER" not in found
    assert len(made._transform.preset.unknown.counts) == 201


def test_one_line_of_many_deletions() -> None:
    """Each object of a batch is an event; the first has no `log.item`."""
    objects = [{"objectName": f"o{n}"} for n in range(3)]
    line = line_of(MINIO, api={"name": "DeleteMultipleObjects", "bucket": "b", "objects": objects,
                               "statusCode": 200})  # fmt: skip
    produced = stream("minio-audit").produce(as_line(line))
    found = [json.loads(document.body) for document in produced.documents]

    assert [one["file"]["path"] for one in found] == ["/o0", "/o1", "/o2"]
    assert [one["log"].get("item") for one in found] == [None, 1, 2]
    assert len({one["event"]["id"] for one in found}) == 3


def test_a_batch_without_objects_is_one_event() -> None:
    """An empty, absent or odd list still tells that something was deleted."""
    for objects in ([], None, "x", [None, 7]):
        api = {
            "name": "DeleteMultipleObjects",
            "bucket": "b",
            "objects": objects,
            "statusCode": 200,
        }
        assert _outcome("minio-audit", line_of(MINIO, api=api)) == "event"


def test_a_secondary_log_is_marked() -> None:
    """The twin of another log's event: flag `secondary`, the same request id."""
    found = _event("nginx-json", line_of(NGINX, id="r7"), role="secondary")

    assert found["audit"]["flags"] == ["secondary"]
    assert found["http"]["request"]["id"] == "r7"


def test_templates_place_the_paths_of_sftpgo() -> None:
    """Workspace and path in it, for the old path too; a move out of it keeps the old path whole."""
    made: dict[str, Any] = {"paths": ("/ws/{workspace}/{path*}",), "timezone": "UTC"}
    here = line_of(SFTPGO, sender="Rename", virtual_path="/ws/a/x", virtual_target_path="/ws/a/d/x")
    away = line_of(SFTPGO, sender="Rename", virtual_path="/ws/b/x", virtual_target_path="/ws/a/x")

    found = _event("sftpgo", here, **made)
    assert found["workspace"]["id"] == "a"
    assert (found["file"]["path"], found["file"]["previous"]["path"]) == ("/d/x", "/x")
    assert found["event"]["action"] == "file.move"
    assert _event("sftpgo", away, **made)["file"]["previous"]["path"] == "/ws/b/x"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("/s/TOKEN/x", "/ws/a/x", ("/s/{share_token}/x", "/x")),
        ("/s/TOKEN/x", "/x", ("/s/{share_token}/x", "/x")),
        ("/s/TOKEN/x", "/s/OTHER/x", ("/s/{share_token}/x", "/x")),
        ("/s/TOKEN/x", "/s/TOKEN/d/x", ("/x", "/d/x")),
    ],
)
@pytest.mark.parametrize("tenant", [None, "w1"])
def test_no_token_of_a_link_stays_in_a_path(
    tmp_path: Path, old: str, new: str, told: tuple[str, str], tenant: str | None
) -> None:
    """Neither in the old path nor in the new, whether or not the log names the workspace."""
    preset = tmp_path / "box.yaml"
    preset.write_text(
        "preset: box\ntime: {from: t, format: epoch_s}\naction: {from: a}\n"
        "fields: {file.path: new, file.previous.path: old, workspace.id: tenant}\n"
    )
    key = tmp_path / "key"
    key.write_bytes(b"k" * 32)
    key.chmod(0o600)
    line = {"t": 1776162735, "a": "file.move", "old": old, "new": new, "tenant": tenant}
    paths = ("/ws/{workspace}/{path*}", "/s/{share_token}/{path*}")
    found = _event(str(preset), json.dumps(line).encode(), paths=paths, key_file=key)

    assert "TOKEN" not in json.dumps(found)
    assert "OTHER" not in json.dumps(found)
    if tenant is None:
        assert (found["file"]["previous"]["path"], found["file"]["path"]) == told
    if new.startswith("/s/"):
        assert found["share"]["id"].startswith("h_")


def test_a_rule_makes_no_actor_of_a_401(tmp_path: Path) -> None:
    """Whatever reason a preset gives to a 401, the name in it was not checked."""
    preset = tmp_path / "web.yaml"
    preset.write_text(
        "preset: web\nhttp: true\ntime: {from: t, format: epoch_s}\n"
        "fields: {http.request.method: m, http.response.status_code: s, file.path: p,"
        " user.email: u}\n"
        "result: [{when: {s: 401}, result: denied, reason: mfa_required}]\n"
    )
    line = {"t": 1776162735, "m": "GET", "s": 401, "p": "/a", "u": "root@x.org"}
    found = _event(str(preset), json.dumps(line).encode())

    assert (found["audit"]["actor"], found["audit"]["claimed_user"]) == ("anonymous", "root@x.org")
    assert found["event"]["reason"] == "mfa_required"
    assert "user" not in found


def test_a_long_header_of_a_client_is_not_kept() -> None:
    """The cache of forwarded-for headers holds what proxies write, not what fills memory."""
    proxies = Proxies(["10.0.0.0/8"])

    assert proxies.client("10.0.0.1", "x" * 8000 + ", 192.0.2.1") == "192.0.2.1"
    assert proxies.client("10.0.0.1", "192.0.2.2") == "192.0.2.2"
    assert len(proxies._known) == 1


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("open /srv/data/john/a.txt: no space left", "open {file_path}: no space left"),
        (
            "rename /srv/data/john/a.txt /srv/data/john/a.txt.bak",
            "rename {file_path} {target_path}",
        ),
        ("EOF", "EOF"),
    ],
)
def test_words_of_an_error_hide_the_disk(error: str, told: str) -> None:
    """A message repeats what is never stored; its reason is what is kept."""
    line = line_of(
        SFTPGO,
        error=error,
        file_path="/srv/data/john/a.txt",
        target_path="/srv/data/john/a.txt.bak",
        ssh_command="EO",
    )

    assert _event("sftpgo", line)["error"]["message"] == told


def test_actions_have_the_length_of_their_field(tmp_path: Path) -> None:
    """A longer one could be stored, but never found."""
    preset = tmp_path / "box.yaml"
    preset.write_text("preset: box\ntime: {from: t, format: epoch_s}\naction: {from: a}\n")

    for action, outcome in (
        ("a." + "b" * 62, "event"),
        ("a." + "b" * 63, "dead_letter bad_action"),
    ):
        line = json.dumps({"t": 1776162735, "a": action}).encode()
        assert _outcome(str(preset), line) == outcome


@pytest.mark.parametrize("key", ["status", "method", "path", "msec"])
def test_a_deciding_key_twice_is_dead(key: str) -> None:
    """Which of two statuses counts is not ours to guess; another key twice: the last one."""
    line = line_of(NGINX)
    assert _outcome("nginx-json", line[:-1] + f',"{key}":"x"}}'.encode()) == (
        "dead_letter duplicate_key"
    )
    assert _event("nginx-json", line[:-1] + b',"agent":"last"}')["user_agent"]["original"] == "last"


_SECRET = "MARKER0"


@pytest.mark.parametrize(
    ("preset", "line"),
    [
        ("nginx-json", line_of(NGINX, raw_path=f"/a?{_SECRET}", host=_SECRET, range=_SECRET,
                               destination=f"http://x/b?t={_SECRET}", method="MOVE", status="201")),
        ("s3-access", S3.format(uri=f"GET /b/k?X-Amz-Signature={_SECRET} HTTP/1.1",
                                referer=f"https://x/?t={_SECRET}", agent="curl").encode()),
        ("minio-audit", line_of(MINIO, requestHeader={"A": _SECRET}, tags={"a": _SECRET},
                                requestQuery={"t": _SECRET}, responseHeader={"Set-Cookie": _SECRET},
                                requestPath=f"/a?{_SECRET}", requestClaims={"sub": _SECRET})),
        ("seaweedfs", line_of(SEAWEED, host_header=_SECRET, signature_version=_SECRET)),
        ("sftpgo", line_of(SFTPGO, file_path=f"/srv/{_SECRET}", ssh_command=_SECRET,
                           target_path=_SECRET)),
    ],
)  # fmt: skip
def test_secrets_never_leave(preset: str, line: bytes) -> None:
    """Each field that a preset names as secret, with a marker: it is nowhere in the output."""
    assert _SECRET.encode() in line
    settings: dict[str, Any] = {"timezone": "UTC"} if preset == "sftpgo" else {}
    extras: tuple[dict[str, Any], ...] = ({}, {"path_from": "raw"})
    for extra in extras if preset == "nginx-json" else extras[:1]:
        made = stream(preset, **settings, **extra)
        produced = made.produce(as_line(line))
        assert produced.outcome == "event"
        assert _SECRET.encode() not in produced.documents[0].body
        assert _SECRET not in str(made._transform.preset.unknown.counts)
