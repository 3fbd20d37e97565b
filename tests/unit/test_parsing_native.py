"""Preset `native`: defaults, deciding fields, bad values, versions, required fields."""

import json
from typing import Any

import pytest

from auditship_agent.config import SourceConfig
from auditship_agent.line import Dead
from auditship_agent.parsing import preset_of
from auditship_indexer.errors import ConfigError
from support.transforming import EXAMPLES, as_line, event, native, stream


def _dead(raw: bytes) -> str:
    produced = stream().produce(as_line(raw))
    assert produced.outcome == "dead_letter", produced
    assert not produced.documents
    return produced.reason


def _event(raw: bytes | None = None, /, **fields: Any) -> dict[str, Any]:
    return event(stream(storage_region="us-west-1").produce(as_line(raw or native(**fields))))


def test_the_examples_are_clean() -> None:
    """With the settings that the page presumes, no example is odd."""
    made = stream(storage_region="us-west-1")
    for raw in (EXAMPLES / "native.jsonl").read_bytes().splitlines():
        found = event(made.produce(as_line(raw)))
        assert set(found["audit"].get("flags", ())) <= {"region_mismatch", "partial"}, found
        assert "dropped_fields" not in found["audit"]


def test_every_field_arrives() -> None:
    """A line with every key of the page gives every field that it feeds."""
    found = _event(
        v=1, time="2026-04-14T10:32:15.5+02:00", action="file.copy", result="error",
        reason="own_word", id="evt_1", started="2026-04-14T08:32:14.25Z", actor="service",
        user={"id": "u", "email": "e@x.y", "name": "N", "roles": ["b", "a", "b"]},
        api_key={"id": "ak", "name": "key"}, claimed_user="c",
        acting_as={"id": "m", "email": "m@x.y", "name": "M"},
        target={"id": "t", "email": "t@x.y", "name": "T", "old_role": "Viewer", "role": "Editor"},
        target_key={"id": "ak2", "name": "key2"}, group={"id": "g", "name": "G"},
        permissions={"added": ["w", "r"], "removed": ["x"]},
        file={"id": "f", "name": "n.TAR.GZ", "path": "/p/n.TAR.GZ", "type": "file", "size": 5,
              "version": "v2", "sha256": "AB" * 32, "mime_type": "application/gzip",
              "folder_id": "d", "previous_name": "o", "previous_path": "/q/o"},
        share={"id": "s", "scope": "people", "allowed_domains": ["b.c", "a.b"],
               "allowed_ips": ["10.0.0.0/8"], "password_protected": False,
               "expires_at": "2026-05-01T00:00:00Z", "max_downloads": 0, "owner": "o@x.y",
               "attempt": 2},
        workspace={"id": "w", "name": "W"}, organization={"id": "o", "name": "O"},
        ip="2001:DB8::0:1", port=443, proxy_ip="10.0.0.5", user_agent="rclone/v1.75.2",
        device={"kind": "sync", "id": "d1"}, region="us-west-1", storage_region="eu-1",
        service="dosya-api", protocol="s3", request_id="r", trace_id="tr", method="PUT",
        status=201, bytes_in=1, bytes_out=2, partial=True, rule={"id": "ru", "name": "RU"},
        error={"code": "E", "message": "m"}, labels={"ticket": "42", "a": "b"},
    )  # fmt: skip
    found.pop("agent")
    found.pop("log")
    found["event"].pop("id")

    assert found == {
        "@timestamp": "2026-04-14T08:32:15.500Z",
        "api_key": {"id": "ak", "name": "key", "target": {"id": "ak2", "name": "key2"}},
        "audit": {
            "actor": "e@x.y", "actor_type": "service", "claimed_user": "c", "device": "sync",
            "flags": ["partial"], "permissions": {"added": ["r", "w"], "removed": ["x"]},
            "result": "error", "schema": 1, "source_id": "evt_1", "verb": "COPY",
        },
        "client": {"ip": "2001:db8::1", "port": 443},
        "cloud": {"region": "us-west-1"},
        "device": {"id": "d1"},
        "ecs": {"version": "9.4.0"},
        "error": {"code": "E", "message": "m"},
        "event": {
            "action": "file.copy", "category": ["file"], "dataset": "native",
            "duration": 1_250_000_000, "kind": "event", "outcome": "failure",
            "reason": "own_word", "start": "2026-04-14T08:32:14.250Z", "type": ["creation"],
        },
        "file": {
            "directory": "/p", "extension": "gz", "folder_id": "d", "hash": {"sha256": "ab" * 32},
            "id": "f", "mime_type": "application/gzip", "name": "n.TAR.GZ", "path": "/p/n.TAR.GZ",
            "previous": {"name": "o", "path": "/q/o"}, "size": 5, "type": "file", "version": "v2",
        },
        "group": {"id": "g", "name": "G"},
        "host": {"id": "fs-usw-1"},
        "http": {
            "request": {"body": {"bytes": 1}, "id": "r", "method": "PUT"},
            "response": {"body": {"bytes": 2}, "status_code": 201},
        },
        "labels": {"a": "b", "ticket": "42"},
        "network": {"protocol": "s3"},
        "organization": {"id": "o", "name": "O"},
        "rule": {"id": "ru", "name": "RU"},
        "service": {"name": "dosya-api"},
        "share": {
            "allowed_domains": ["a.b", "b.c"], "allowed_ips": ["10.0.0.0/8"], "attempt": 2,
            "expires_at": "2026-05-01T00:00:00.000Z", "id": "s", "max_downloads": 0,
            "owner": "o@x.y", "password_protected": False, "scope": "people",
        },
        "source": {"ip": "10.0.0.5"},
        "storage": {"region": "eu-1"},
        "trace": {"id": "tr"},
        "user": {
            "changes": {"roles": ["Editor"]},
            "effective": {"email": "m@x.y", "id": "m", "name": "M"},
            "email": "e@x.y", "id": "u", "name": "N", "roles": ["a", "b"],
            "target": {"email": "t@x.y", "id": "t", "name": "T", "roles": ["Viewer"]},
        },
        "user_agent": {"name": "rclone", "original": "rclone/v1.75.2", "version": "1.75.2"},
        "workspace": {"id": "w", "name": "W"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"time": None}, "missing_field"),
        ({"action": None}, "missing_field"),
        ({"result": None}, "missing_field"),
        ({"v": None}, "unknown_version"),
        ({"v": 2}, "unknown_version"),
        ({"v": "1"}, "unknown_version"),
        ({"v": True}, "unknown_version"),
        ({"v": 1.5}, "unknown_version"),
        ({"v": 2, "time": None}, "unknown_version"),
        ({"v": 10**40}, "unknown_version"),
        ({"time": ""}, "bad_time"),
        ({"time": 1776162735}, "bad_time"),
        ({"time": "2026-04-14T10:32:15"}, "bad_time"),
        ({"time": "2026-04-14 10:32:15,5Z"}, "bad_time"),
        ({"action": ""}, "bad_action"),
        ({"action": "upload"}, "bad_action"),
        ({"action": "File.Upload"}, "bad_action"),
        ({"action": "a.b.c.d.e"}, "bad_action"),
        ({"action": "a." + "b" * 63}, "bad_action"),
        ({"action": "audit.search"}, "bad_action"),
        ({"action": "agent.gap"}, "bad_action"),
        ({"action": "file.upload\n"}, "bad_action"),
        ({"action": 5}, "bad_field"),
        ({"action": ["file.upload"]}, "bad_field"),
        ({"result": "ok"}, "bad_result"),
        ({"result": ""}, "bad_result"),
        ({"result": True}, "bad_field"),
        ({"result": 10**400}, "bad_field"),
    ],
)
def test_deciding_fields(fields: dict[str, Any], reason: str) -> None:
    """A line without time, action, result or version is kept as a dead letter."""
    assert _dead(native(**fields)) == reason


@pytest.mark.parametrize(
    ("fields", "dropped"),
    [
        ({"reason": "link_expired"}, "event.reason"),
        ({"result": "denied", "reason": "No!"}, "event.reason"),
        ({"started": "yesterday"}, "event.start"),
        ({"started": "2026-04-14T10:32:15.001Z"}, "event.start"),
        ({"actor": "robot"}, "audit.actor_type"),
        ({"user": "john"}, "user"),
        ({"user": {"id": 7, "email": "a@b.c"}}, "user.id"),
        ({"user": {"email": "a@b.c", "roles": "Owner"}}, "user.roles"),
        ({"user": {"email": "a@b.c", "roles": ["Owner", 5]}}, "user.roles"),
        ({"file": {"name": "a", "size": -1}}, "file.size"),
        ({"file": {"name": "a", "size": 1.5}}, "file.size"),
        ({"file": {"name": "a", "size": 2**53}}, "file.size"),
        ({"file": {"name": "a", "size": True}}, "file.size"),
        ({"file": {"name": "a", "type": "link"}}, "file.type"),
        ({"file": {"name": "a", "sha256": "abc"}}, "file.hash.sha256"),
        ({"file": {"name": "a", "path": "a"}}, "file.path"),
        ({"file": {"name": "a", "previous_path": "b"}}, "file.previous.path"),
        ({"share": {"id": "s", "scope": "all"}}, "share.scope"),
        ({"share": {"id": "s", "attempt": 0}}, "share.attempt"),
        ({"share": {"id": "s", "expires_at": "soon"}}, "share.expires_at"),
        ({"share": {"id": "s", "password_protected": "yes"}}, "share.password_protected"),
        ({"device": {"kind": "fridge"}}, "audit.device"),
        ({"port": 0}, "client.port"),
        ({"port": 70_000}, "client.port"),
        ({"status": "ok"}, "http.response.status_code"),
        ({"bytes_in": "1e3"}, "http.request.body.bytes"),
        ({"partial": 1}, "partial"),
        ({"labels": {"a": 1}}, "labels"),
        ({"labels": "a"}, "labels"),
        ({"user_agent": {"x": 1}}, "user_agent.original"),
    ],
)
def test_a_bad_value_costs_its_field_only(fields: dict[str, Any], dropped: str) -> None:
    """The event is stored without it, flagged, the schema's field named."""
    found = _event(**fields)

    assert "bad_field" in found["audit"]["flags"]
    assert found["audit"]["dropped_fields"] == [dropped]


def test_a_number_as_text_is_a_number() -> None:
    """`"88012"` where a number is wanted."""
    assert _event(file={"name": "a", "size": "88012"})["file"]["size"] == 88012


@pytest.mark.parametrize("nothing", [None, ""])
def test_null_and_empty_are_absent(nothing: str | None) -> None:
    """Neither is stored, flagged or dropped."""
    line = json.loads(native())
    line |= {"reason": nothing, "user_agent": nothing, "id": nothing, "service": nothing}
    line["user"]["name"] = nothing

    assert "flags" not in _event(json.dumps(line).encode())["audit"]


@pytest.mark.parametrize(
    ("fields", "actor", "kind"),
    [
        ({}, "john@dosya.dev", "user"),
        ({"user": {"id": "u", "name": "N"}}, "N", "user"),
        ({"user": {"id": "u"}}, "u", "user"),
        ({"user": {"id": "-", "email": "--"}}, "unknown", "user"),
        ({"user": None}, "anonymous", "anonymous"),
        ({"api_key": {"id": "ak"}}, "ak", "api_key"),
        ({"api_key": {"name": "robot"}}, "robot", "api_key"),
        ({"user": None, "api_key": {}}, "unknown", "api_key"),
        ({"user": {"name": "cron"}, "actor": "service"}, "cron", "service"),
        ({"user": None, "actor": "system"}, "system", "system"),
        ({"user": None, "actor": "anonymous", "claimed_user": "root"}, "anonymous", "anonymous"),
        ({"user": None, "actor": "user"}, "unknown", "user"),
        ({"user": None, "actor": "robot"}, "unknown", "unknown"),
    ],
)
def test_actors(fields: dict[str, Any], actor: str, kind: str) -> None:
    """The User column: e-mail, else name, else id; key id; system, anonymous, unknown."""
    audit = _event(**fields)["audit"]

    assert (audit["actor"], audit["actor_type"]) == (actor, kind)


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({}, False),
        ({"workspace": None}, True),
        ({"workspace": {"name": "W"}}, True),
        ({"ip": None}, True),
        ({"ip": None, "user": None, "actor": "system"}, False),
        ({"user": None}, False),
        ({"user": None, "actor": "user"}, True),
        ({"file": None}, True),
        ({"file": {"size": 5}}, True),
        ({"file": {"path": "/a"}}, False),
        ({"result": "denied"}, True),
        ({"result": "error", "reason": "quota"}, False),
        ({"action": "file.upload"}, False),
        ({"action": "member.invite"}, True),
        ({"action": "member.invite", "target": {"name": "Mike"}}, False),
        ({"action": "apikey.create"}, True),
        ({"action": "apikey.create", "target_key": {"id": "k"}}, False),
        ({"action": "permission.update"}, True),
        ({"action": "permission.update", "permissions": {"added": ["r"]}}, False),
        ({"action": "share.open", "file": None}, True),
        ({"action": "share.open", "file": None, "share": {"id": "s"}}, False),
        ({"action": "share.open", "file": None, "share": {"scope": "anyone"}}, True),
        ({"action": "share.create", "file": None, "share": {"id": "s"}}, True),
        ({"action": "auth.login", "workspace": None, "file": None}, False),
        ({"action": "custom.act", "file": None}, False),
    ],
)
def test_required_fields(fields: dict[str, Any], missing: bool) -> None:  # noqa: FBT001 - a table
    """A field that the action requires and nobody gives is flagged, never fatal."""
    flags = _event(**fields)["audit"].get("flags", [])

    assert ("missing_field" in flags) is missing


def test_a_place_of_the_bytes_is_required_where_they_move() -> None:
    """`storage_region` comes from the line, or from the source's setting."""
    for action in ("file.upload", "file.update", "file.download"):
        bare = event(stream().produce(as_line(native(action=action))))
        assert bare["audit"]["flags"] == ["missing_field"]
        assert _event(action=action)["storage"] == {"region": "us-west-1"}


def test_an_unknown_action_is_an_event() -> None:
    """Verb OTHER, no category, flagged."""
    found = _event(action="custom.act")

    assert found["audit"]["verb"] == "OTHER"
    assert found["audit"]["flags"] == ["unknown_action"]
    assert "category" not in found["event"]
    assert "type" not in found["event"]


def test_unknown_keys_are_counted_and_never_stored() -> None:
    """An unknown key may hold a secret."""
    preset = preset_of(SourceConfig(name="it", preset="native", files=("/x",)))
    for _ in range(2):
        preset.parse(native(token="marker-1", file={"name": "a", "key": "marker-2"}))

    assert preset.unknown.counts == {"token": 2, "file.key": 2}
    assert "marker" not in json.dumps(_event(token="marker-1", file={"name": "a", "k": "marker-2"}))


def test_names_of_unknown_keys_are_bounded() -> None:
    """200 names, then `other`."""
    preset = preset_of(SourceConfig(name="it", preset="native", files=("/x",)))
    preset.parse(native(**{f"k{number}": 1 for number in range(2000)}))

    assert len(preset.unknown.counts) == 201
    assert preset.unknown.counts["other"] == 1800


def test_the_region_of_another_server_is_told_and_flagged() -> None:
    """The line's region stands in `cloud.region`; the index is the agent's."""
    produced = stream().produce(as_line(native(region="eu-central-2")))

    assert event(produced)["cloud"] == {"region": "eu-central-2"}
    assert event(produced)["audit"]["flags"] == ["region_mismatch"]
    assert produced.documents[0].index == "audit-us-west-1-2026.04.14"


def test_a_relative_path_still_gives_the_name() -> None:
    """The path is no path in a workspace; its last segment is a name."""
    found = _event(file={"path": "renders/a.mp4"})

    assert found["file"] == {"extension": "mp4", "name": "a.mp4"}


def test_details_never_quote_the_line() -> None:
    """A dead letter's detail tells a position, not content."""
    for raw in (b'{"v":1,"SECRET', native(action="SECRET"), native(time="SECRET"),
                native(result="SECRET"), native() + b"SECRET", b'"SECRET"'):  # fmt: skip
        verdict = preset_of(SourceConfig(name="it", preset="native", files=("/x",))).parse(raw)
        assert isinstance(verdict, Dead)
        assert "SECRET" not in verdict.detail


def test_an_unknown_preset_is_a_configuration_error() -> None:
    """The message names the presets that there are."""
    with pytest.raises(ConfigError, match="filebox") as caught:
        preset_of(SourceConfig(name="it", preset="filebox", files=("/x",)))

    assert "caddy, minio-audit, native" in str(caught.value.hint)


def test_a_number_without_a_fraction_is_an_integer() -> None:
    """JSON knows one kind of number: `1.0` is the integer 1, in a validator and here."""
    found = event(stream().produce(as_line(native(v=1.0, status=2e2, bytes_in=12.0, port=1.5))))

    assert found["http"]["response"]["status_code"] == 200
    assert found["http"]["request"]["body"]["bytes"] == 12
    assert found["audit"]["dropped_fields"] == ["client.port"]


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "auth.login", "reason": "bad_credentials"},
        {"action": "file.download", "reason": "bad_credentials", "status": 401},
        {"action": "file.download", "reason": "mfa_required", "status": 401},
    ],
)
@pytest.mark.parametrize(
    ("named", "claimed"),
    [
        ({"user": {"id": "u_1", "email": "root@x.org", "roles": ["Owner"]}}, "root@x.org"),
        ({"user": {"name": "root"}, "claimed_user": "Root"}, "Root"),
        ({"user": None, "api_key": {"id": "ak_1"}}, "ak_1"),
    ],
)
def test_nobody_named_at_a_refused_login_is_an_actor(
    fields: dict[str, Any], named: dict[str, Any], claimed: str
) -> None:
    """The name is a claim, also where the application wrote it as the user."""
    found = _event(result="denied", **fields, **named)

    assert (found["audit"]["actor"], found["audit"]["actor_type"]) == ("anonymous", "anonymous")
    assert found["audit"]["claimed_user"] == claimed
    assert "user" not in found
    assert "api_key" not in found


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "auth.login", "reason": "ip_blocked"},
        {"action": "file.delete", "reason": "bad_credentials"},
        {"action": "file.delete", "reason": "permission", "status": 403},
    ],
)
def test_who_was_known_stays_the_actor(fields: dict[str, Any]) -> None:
    """A wrong password that somebody gave once more, who had logged in, is no refused login."""
    found = _event(result="denied", user={"email": "john@dosya.dev"}, **fields)

    assert found["audit"]["actor"] == "john@dosya.dev"


def test_a_slash_is_in_no_extension() -> None:
    """A name that holds a path has no extension that could be searched for."""
    assert "extension" not in _event(file={"name": "a/../b"})["file"]
