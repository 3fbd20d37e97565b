"""Preset files: the form, its mistakes, the built-in presets, and those of an operator."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from auditship_agent.cli.explain import explain
from auditship_agent.cli.presets import presets
from auditship_agent.config import AgentConfig, ServerConfig, SourceConfig, load_agent
from auditship_agent.normalize import Normalizer
from auditship_agent.parsing import PRESETS, form_of, preset_of, self_test
from auditship_agent.parsing.form import Form, fields_of
from auditship_agent.parsing.mapped import MappedPreset
from auditship_agent.parsing.targets import PSEUDO, TARGETS
from auditship_indexer.errors import ConfigError
from auditship_indexer.event.fields import FIELDS
from auditship_indexer.opensearch import Connection
from support.transforming import EXAMPLES, as_line, event, stream

FILEBOX = (Path(__file__).parents[1] / "data" / "filebox.yaml").read_text(encoding="utf-8")


def _normalizer(preset: str) -> Normalizer:
    source = SourceConfig(name="it", preset=preset, files=("/",))
    config = AgentConfig(
        server=ServerConfig("fs", "eu"),
        sources=(source,),
        opensearch=Connection(hosts=("http://127.0.0.1:9200",)),
    )
    return Normalizer(config, source, form_of(preset).preset)


def written(folder: Path, text: str, name: str = "file box.yaml") -> str:
    """Return the path of a preset file with this text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("preset", PRESETS)
def test_the_tests_inside_each_preset_hold(preset: str) -> None:
    """Each built-in preset brings tests, and passes them."""
    assert form_of(preset).tests
    assert self_test(preset, _normalizer(preset).event) == []


def test_the_example_of_the_page_is_a_preset(tmp_path: Path) -> None:
    """What sources.md shows can be loaded, passes its own test, and names its events."""
    preset = written(tmp_path, FILEBOX)

    assert self_test(preset, _normalizer(preset).event) == []
    line = (
        b'api-1  | {"ts":"2026-04-14T10:32:15Z","op":"get","code":13,"who":{"login":"a@b.co"},'
        b'"peer":"203.0.113.7:51234","took":1.5,"req":{"ticket":"42","query":"token=secret"}}'
    )
    found = event(stream(preset).produce(as_line(line)))
    assert found["event"]["dataset"] == "filebox"
    assert found["event"]["reason"] == "permission"
    assert found["event"]["duration"] == 1_500_000_000
    assert found["labels"] == {"ticket": "42"}
    assert "secret" not in str(found)


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        ('a | {"op":"ping","peer":"127.0.0.1:9"}', "ignored operator_rule"),
        (
            'a | {"op":"ping","peer":"10.0.0.1:9","ts":"2026-04-14T10:32:15Z"}',
            "dead_letter bad_action",
        ),
        ('a | {"op":"drop","code":0,"ts":"2026-04-14T10:32:15Z"}', "dead_letter bad_action"),
        ('a | {"op":"put","ts":"2026-04-14T10:32:15Z"}', "dead_letter bad_result"),
        ('a | {"code":0,"ts":"2026-04-14T10:32:15Z"}', "dead_letter missing_field"),
        ('a | {"op":7,"code":0,"ts":"2026-04-14T10:32:15Z"}', "dead_letter bad_field"),
        ('a | {"op":"put","code":0}', "dead_letter missing_field"),
        ('a | {"op":"put","code":0,"ts":"yesterday"}', "dead_letter bad_time"),
        (
            'a | {"op":"put","op":"get","code":0,"ts":"2026-04-14T10:32:15Z"}',
            "dead_letter duplicate_key",
        ),
        ('{"op":"put","code":0,"ts":"2026-04-14T10:32:15Z"}', "dead_letter bad_json"),
        ("a | [1]", "dead_letter not_object"),
        ('a | {"op"', "dead_letter bad_json"),
        ('a | {"op":"put"} x', "dead_letter trailing_data"),
        ("  ", "ignored empty_line"),
    ],
)
def test_outcomes_of_a_field_map(tmp_path: Path, line: str, outcome: str) -> None:
    """A line without what decides is a dead letter, with the reason."""
    produced = stream(written(tmp_path, FILEBOX)).produce(as_line(line.encode()))

    assert f"{produced.outcome} {produced.reason}" == outcome


@pytest.mark.parametrize(
    ("kind", "code", "flags", "size"),
    [
        ("part", 0, ["ambiguous_action"], 12),
        ("x", 14, ["ambiguous_action"], None),
        ("x", 0, None, 12),
    ],
)
def test_a_flag_of_several_conditions(
    tmp_path: Path, kind: str, code: int, flags: list[str] | None, size: int | None
) -> None:
    """One of several conditions is enough; a field's own condition says when it is read."""
    text = FILEBOX.replace("bytes, as: int}", "bytes, as: int, when: {code: 0}}")
    text += "flags: {ambiguous_action: [{obj.kind: part}, {op: put, code: 14}]}\n"
    line = {
        "ts": "2026-04-14T10:32:15Z",
        "op": "put",
        "code": code,
        "obj": {"path": "/x", "bytes": 12, "kind": kind},
    }
    raw = b"api | " + msgspec.json.encode(line)
    found = event(stream(written(tmp_path, text)).produce(as_line(raw)))

    assert found["audit"].get("flags") == flags
    assert found["file"].get("size") == size


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("preset: filebox", "preset: File Box", "preset"),
        ("format: json", "format: xml", "format"),
        ("unwrap: [compose]", "unwrap: [journald]", "unwrap"),
        ("time:", "tiem:", "tiem: unknown setting"),
        ("user.email: who.login", "user.mail: who.login", "user.mail: no source can give"),
        ("user.email: who.login", "user.email: req.headers.Cookie", "below secrets"),
        ("labels: {ticket: req.ticket}", "labels: {q: req.query}", "below secrets"),
        ("as: int", "as: ip", "cannot be read as ip"),
        ("as: ip_port", "as: address", "fields"),
        ("put: file.upload", "put: audit.search", "neither an action"),
        ("put: file.upload", "put: upload", "neither an action"),
        ("otherwise: dead_letter", "otherwise: drop", "otherwise"),
        ("result: success}", "result: fine}", "result"),
        ("result: denied, reason: permission", "reason: permission", "needs one of"),
        ("{code: 0}, result: success", "{code: 0}, result: success, reason: quota", "a reason"),
        ("{op: [ping, stat]", "{op: {is: ping}", "no text, number"),
        ("ignore:", "ignore:\n  - {}", "would match every line"),
        ("labels:", "flags: {odd: [{op: {is: ping}}]}\nlabels:", "flags: odd"),
        ("format: rfc3339}", "format: roman}", "is no format"),
        ("format: rfc3339}", 'format: "%Y-%m-%d %H:%M:%S"}', "has no zone"),
        ("format: rfc3339}", 'format: "%Y %q"}', "cannot be read"),
        ("format: rfc3339}", "format: rfc3339, timezone: Mars/Olympus}", "is not known"),
        ("time: {from: ts, format: rfc3339}", "http: false", "time: required"),
        ("format: json", "format: json\nhttp: true", "required with http"),
        ("format: json", "format: json\nby_status: true", "required with by_status"),
        ("{from: obj.bytes, as: int}", "{as: int}", "needs either from or value"),
        ("{from: obj.bytes, as: int}", "{value: many}", "file.size: 'many' does not fit"),
        ("{from: obj.bytes, as: int}", "{from: obj.bytes, when: {op: 1.5}}", "file.size: op"),
        ("user.email: who.login", "user.email: ''", "needs a path"),
        ("user.email: who.login", "user.email: []", "needs a path"),
        ("user.email: who.login", "user: {value: root}", "cannot be a value"),
        ("user.email: who.login", "user: {from: w, map: {a: b}}", "read as it is"),
        ("user.email: who.login", "audit.actor_type: {value: boss}", "'boss' does not fit"),
        ("user.email: who.login", "share.expires_at: {value: soon}", "'soon' does not fit"),
        ("user.email: who.login", "share.password_protected: {value: 'no'}", "does not fit"),
        ("user.email: who.login", "file.type: {from: k, map: {d: folder}}", "'folder' does not"),
        ("action: {from: op", "action: {from: req.query.op", "below secrets"),
        ("format: json", "format: json\neach: {from: req.headers}", "each: req.headers lies below"),
        ("format: json", "format: json\neach: {from: a, when: {b: {c: 1}}}", "each: b"),
        ("labels: {ticket:", "labels: {Ticket No:", "labels: a key: expected"),
        ("labels:", "flags: {Odd One: {op: put}}\nlabels:", "flags: a key: expected"),
        ("format: json", "format: json\nreader: native", "reads no map of yours"),
        (
            "fields:",
            "http: true\nfields:\n  http.request.method: m\n  http.response.status_code: s",
            "action: has no meaning with http",
        ),
        ("file.size: 12}", "file.seize: 12}", "expect: file.seize: no field"),
        ("    expect: {", "    outcome: ignored internal\n    expect: {", "there is no event"),
    ],
)
def test_mistakes_in_a_file_are_told(tmp_path: Path, old: str, new: str, message: str) -> None:
    """File, key and what to do; nothing starts with a preset that is not understood."""
    assert old in FILEBOX
    preset = written(tmp_path, FILEBOX.replace(old, new, 1))

    with pytest.raises(ConfigError) as caught:
        preset_of(SourceConfig(name="it", preset=preset, files=("/x",)))
    assert message in str(caught.value)
    assert caught.value.hint


def test_a_misspelt_key_is_guessed(tmp_path: Path) -> None:
    """File, line, key, and the nearest one."""
    preset = written(tmp_path, FILEBOX.replace("labels:", "lables:"))

    with pytest.raises(ConfigError, match=r"file box\.yaml:13: lables: unknown setting") as caught:
        form_of(preset)
    assert "did you mean labels" in str(caught.value.hint)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """The path is in the message."""
    with pytest.raises(ConfigError, match=r"gone\.yaml"):
        form_of(str(tmp_path / "gone.yaml"))


def test_a_failed_test_is_told(tmp_path: Path) -> None:
    """Which test, which field, what it is: and nothing of the line."""
    preset = written(tmp_path, FILEBOX.replace("file.size: 12}", "file.size: 13}"))

    assert self_test(preset, _normalizer(preset).event) == ["test 1: file.size is 12, not 13"]


@pytest.mark.parametrize(
    ("test", "problem"),
    [
        ("{line: 'x', outcome: ignored not_an_act}", "is dead_letter bad_json, not ignored"),
        ("{line: 'a | {}', settings: {timezone: 7}}", "timezone"),
        ("{line: 'a | {}', settings: {paths: [x]}}", "does not begin with /"),
        ("{line: 'a | {\"ts\":\"2026-04-14T10:32:15Z\",\"op\":\"put\",\"code\":0}', events: 2}",
         "gives 1 events, not 2"),
    ],
)  # fmt: skip
def test_what_a_test_can_say(tmp_path: Path, test: str, problem: str) -> None:
    """Outcome, number of events, and settings of the source."""
    preset = written(tmp_path, FILEBOX.partition("tests:")[0] + f"tests:\n  - {test}\n")

    (told,) = self_test(preset, _normalizer(preset).event)
    assert problem in told


def test_every_target_is_a_field_of_the_schema() -> None:
    """Targets are registered fields; their attributes are those of a record, each once."""
    assert set(TARGETS) <= set(FIELDS)
    assert not set(TARGETS) & set(PSEUDO)
    attributes = [attribute for attribute, _ in TARGETS.values()]
    assert len(set(attributes)) == len(attributes)


@pytest.mark.parametrize("preset", ["native", "caddy"])
def test_the_map_of_a_typed_reader_says_the_same(preset: str) -> None:
    """`presets show native` is no story: its map gives the documents of the typed reader.

    Caddy's map does not know the two rules that need several fields: status 0, and sizes that
    another header disproves.
    """
    form: Form = form_of(preset)
    settings: dict[str, Any] = {"storage_region": "us-west-1"} if preset == "native" else {}
    typed, mapped = stream(preset, **settings), stream(preset, **settings)
    source = SourceConfig(name="it", preset=preset, files=("/",), **settings)
    mapped._transform.preset = MappedPreset(form, source)
    for raw in (EXAMPLES / f"{preset}.jsonl").read_bytes().splitlines():
        one, other = typed.produce(as_line(raw)), mapped.produce(as_line(raw))
        assert one.outcome == other.outcome, raw
        assert one.reason == other.reason, raw
        for left, right in zip(one.documents, other.documents, strict=True):
            assert _comparable(left.body) == _comparable(right.body)


def _comparable(body: bytes) -> Any:
    """Native tells a duration from `started`, and any label; Caddy proves sizes."""
    found = msgspec.json.decode(body)
    found.pop("labels", None)  # a map names each label that it takes
    found["event"].pop("duration", None)
    found["event"].pop("start", None)
    found.get("file", {}).pop("size", None)
    return found


def test_each_native_key_is_in_the_map() -> None:
    """The map of the native log names every key that the typed reader takes."""
    shape = msgspec.json.schema(__import__(
        "auditship_agent.parsing.native_shape", fromlist=["Native"]
    ).Native)["$defs"]["Native"]["properties"]  # fmt: skip
    form = form_of("native")
    named = {str(one.source).partition(".")[0] for one in fields_of(form).values()}

    assert set(shape) <= named | set(form.known) | {"time", "action", "result", "labels"}


def test_the_command_lists_shows_and_tests(tmp_path: Path) -> None:
    """`presets list`, `show NAME` (the file itself) and `test NAME|FILE`."""
    run = CliRunner().invoke
    assert [line.split()[0] for line in run(presets, ["list"]).output.splitlines()] == list(PRESETS)
    shown = run(presets, ["show", "nginx-json"]).output
    assert "log_format auditship escape=json" in shown
    assert written(tmp_path, shown, "mine.yaml")
    assert run(presets, ["test", str(tmp_path / "mine.yaml")]).exit_code == 0
    broken = written(tmp_path, FILEBOX.replace("file.size: 12}", "file.size: 13}"))
    failed = run(presets, ["test", broken])
    assert failed.exit_code == 3
    assert "FAIL" in failed.output
    assert isinstance(run(presets, ["show", "filebox"]).exception, ConfigError)


@pytest.mark.parametrize("preset", ["native", "caddy", "nginx-json", "s3-access"])
@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({}, "would match every line"),
        ({"op": {"is": "ping"}}, "no text, number"),
        ({"op": 1.5}, "no text, number"),
    ],
)
def test_ignore_rules_of_a_source_are_checked(
    preset: str, rule: dict[str, object], message: str
) -> None:
    """An entry that matches every line, or never one, is no rule that somebody meant."""
    source = SourceConfig(name="it", preset=preset, files=("/x",), ignore=({"a": "b"}, rule))

    with pytest.raises(ConfigError, match=message) as caught:
        preset_of(source)
    assert "ignore" in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("timezone: Mars/Olympus", "timezone"),
        ("trusted_proxies: [10.0.0.1/8]", "trusted_proxies"),
        ("unwrap: [journald]", "unwrap"),
        ("preset: ./filebox.yaml", "is not absolute"),
    ],
)
def test_settings_of_a_source_are_checked(tmp_path: Path, setting: str, message: str) -> None:
    """A zone, a network, a wrapper or a path that cannot be is told before anything is read."""
    path = tmp_path / "agent.yaml"
    own = "" if setting.startswith("preset") else "\n    preset: native"
    path.write_text(
        "server: {id: fs, region: eu}\nopensearch: {hosts: ['http://127.0.0.1:9200']}\n"
        f"sources:\n  - name: a\n    files: [/var/log/a]\n    {setting}{own}\n"
    )

    with pytest.raises(ConfigError, match=message):
        load_agent(path)


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "sftpgo"])
def test_explain_reads_every_preset(preset: str) -> None:
    """`explain --preset NAME` tells each example line."""
    (log,) = EXAMPLES.glob(f"{preset}.*")
    args = ["--preset", preset, "--server", "fs", "--region", "eu", "--format", "ndjson", str(log)]
    told = CliRunner().invoke(explain, args)

    assert told.exit_code == 0
    assert len(told.output.splitlines()) >= len(log.read_bytes().splitlines())


def test_explain_reads_a_file_of_an_operator(tmp_path: Path) -> None:
    """`explain --preset FILE.yaml`."""
    log = tmp_path / "api.log"
    log.write_text('api | {"ts":"2026-04-14T10:32:15Z","op":"put","code":0}\n')
    args = ["--preset", written(tmp_path, FILEBOX), "--server", "fs", "--region", "eu", str(log)]
    told = CliRunner().invoke(explain, args)

    assert "UPLOAD" in told.output


def test_a_changed_preset_file_is_read_again(tmp_path: Path) -> None:
    """A reload of the configuration sees what the operator changed in his preset."""
    path = tmp_path / "mine.yaml"
    path.write_text(FILEBOX, encoding="utf-8")
    assert form_of(str(path)).preset == "filebox"

    path.write_text(FILEBOX.replace("preset: filebox", "preset: otherbox"), encoding="utf-8")

    assert form_of(str(path)).preset == "otherbox"
