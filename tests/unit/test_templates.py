"""`templates/` against the contract: what is written down twice must say the same."""

import json
from typing import Any

import pytest

from auditship_indexer.event.fields import ECS_VERSION, FIELDS, FREE_TEXT, SCHEMA_VERSION, Kind
from auditship_indexer.event.fields import Field as ContractField
from auditship_indexer.resources import resource
from auditship_indexer.setup.wanted import COMPONENTS, PIPELINE, POLICY, TEMPLATES

DATE = {"type": "date", "format": "strict_date_optional_time"}
NAME_FORMS = {
    "lower": {"type": "keyword", "normalizer": "lowercase", "ignore_above": 1024},
    "text": {"type": "text", "analyzer": "simple", "norms": False},
}
PLAIN_KINDS = {Kind.LONG, Kind.INTEGER, Kind.IP, Kind.BOOLEAN, Kind.FLAT}


def read(name: str) -> Any:
    return json.loads(resource("templates", name).read_text(encoding="utf-8"))


def mapping(component: str) -> dict[str, Any]:
    found: dict[str, Any] = read(f"component-{component}.json")["template"]["mappings"]
    return found


def mapped_as(field: ContractField) -> dict[str, Any] | None:
    """The mapping that the contract asks for; None for a field that is not mapped."""
    if field.kind is Kind.UNMAPPED:
        return None
    if field.kind is Kind.DATE:
        return DATE
    if field.kind in PLAIN_KINDS:
        return {"type": field.kind.value}
    if field.kind is Kind.STORED:
        return {"type": "keyword", "index": False, "doc_values": False}
    want: dict[str, Any] = {"type": "keyword", "ignore_above": field.limit}
    if field.kind is Kind.FOLDED:
        want["normalizer"] = "lowercase"
    if not field.index:
        want["index"] = False
    if not field.doc_values:
        want["doc_values"] = False
    if field.name == "file.name":
        want["fields"] = NAME_FORMS
    return want


@pytest.mark.parametrize("name", FIELDS)
def test_each_field_of_the_contract_is_mapped_as_it_says(name: str) -> None:
    """Type, limit, normalizer, index and doc values of every field; unmapped ones are absent."""
    assert mapping("auditship-events")["properties"].get(name) == mapped_as(FIELDS[name])


def test_the_mapping_has_no_field_beyond_the_contract() -> None:
    """Nothing is mapped that the contract does not know."""
    assert set(mapping("auditship-events")["properties"]) <= set(FIELDS)


def test_fields_stand_in_alphabetical_order() -> None:
    """A reviewer finds a field at once, and two changes rarely meet in one line."""
    for component in ("auditship-events", "auditship-reports"):
        names = list(mapping(component)["properties"])
        assert names == sorted(names)


@pytest.mark.parametrize("component", ["auditship-events", "auditship-reports"])
def test_unknown_fields_are_kept_but_never_mapped(component: str) -> None:
    """A field that nobody planned is stored; it neither grows the mapping nor is refused."""
    assert mapping(component)["dynamic"] is False
    assert mapping(component)["date_detection"] is False


def test_the_mapping_tells_the_version_of_the_schema() -> None:
    """An index says which version of the schema its fields follow."""
    want = {"schema": SCHEMA_VERSION, "ecs": ECS_VERSION}
    assert mapping("auditship-events")["_meta"] == want


def test_free_text_is_looked_up_in_the_fields_of_the_contract() -> None:
    """Words without a field name mean the same in Dashboards and in our own search."""
    settings = read("index-audit.json")["template"]["settings"]
    assert settings == {"index.query.default_field": list(FREE_TEXT)}


@pytest.mark.parametrize("name", FREE_TEXT)
def test_free_text_fields_are_keywords_or_text(name: str) -> None:
    """One `ip` or `long` in the list would make the cluster refuse a lone `*`."""
    base, _, form = name.rpartition(".")
    if base in FIELDS and form in NAME_FORMS:
        assert NAME_FORMS[form]["type"] in {"keyword", "text"}
    else:
        assert FIELDS[name].kind in {Kind.KEYWORD, Kind.FOLDED}


def test_event_indices_are_append_only_and_stamped() -> None:
    """Both families take the settings that protect what is stored and note its arrival."""
    settings = read("component-auditship-append-only.json")["template"]["settings"]
    assert settings == {
        "index.append_only.enabled": True,
        "index.auto_expand_replicas": "0-1",
        "index.codec": "best_compression",
        "index.final_pipeline": PIPELINE,
        "index.number_of_shards": 1,
        "index.refresh_interval": "1s",
    }
    for name in TEMPLATES:
        assert read(f"index-{name}.json")["composed_of"][0] == "auditship-append-only"


def test_templates_claim_their_own_indices_only() -> None:
    """The two patterns do not overlap, and parts named in a template exist."""
    patterns = {name: read(f"index-{name}.json")["index_patterns"] for name in TEMPLATES}
    assert patterns == {"audit": ["audit-*"], "auditship-agents": ["auditship-agents-*"]}
    for name in TEMPLATES:
        assert set(read(f"index-{name}.json")["composed_of"]) <= set(COMPONENTS)


def test_the_pipeline_only_stamps() -> None:
    """The document that was sent is the evidence: nothing but the arrival time is added."""
    assert read(f"pipeline-{PIPELINE}.json")["processors"] == [
        {
            "copy": {
                "source_field": "_ingest.timestamp",
                "target_field": "event.ingested",
                "override_target": True,
            }
        }
    ]


def test_every_template_names_its_owner_and_version() -> None:
    """A later version knows what it may replace."""
    names = [f"component-{name}" for name in COMPONENTS] + [f"index-{name}" for name in TEMPLATES]
    for name in names:
        body = read(f"{name}.json")
        assert body["_meta"] == {"managed_by": "auditship", "version": body["version"]}


def test_every_file_is_used() -> None:
    """No template lies about that `setup` does not install; one file is for integrators."""
    used = (
        {f"component-{name}.json" for name in COMPONENTS}
        | {f"index-{name}.json" for name in TEMPLATES}
        | {f"pipeline-{PIPELINE}.json", f"ism-{POLICY}.json", "native-log.schema.json"}
    )
    assert {path.name for path in resource("templates").iterdir()} == used
