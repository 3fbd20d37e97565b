"""`config.example.yaml` is complete, loads, and shows each default as it is."""

from collections.abc import Iterator
from typing import Any, Final, get_type_hints

import msgspec
import pytest
import yaml

from auditship_agent.config import AgentConfig, load_agent
from auditship_indexer.config import CompanionConfig
from auditship_indexer.settings import load, parse
from support.documents import ROOT

EXAMPLE: Final = ROOT / "config.example.yaml"
KINDS: Final[tuple[type[msgspec.Struct], ...]] = (AgentConfig, CompanionConfig)
# Shown with an example value though it has a default: a section with required settings inside.
SHOWN_BY_EXAMPLE: Final = {(CompanionConfig, "opensearch")}
_LONGEST: Final = 140  # one line a setting, its comment included

Place = tuple[type[msgspec.Struct], str, Any]


def struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """Return the Struct of a field: itself, in a tuple, or beside None; None for a plain value."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind
    inner = (struct_in(one) for one in getattr(kind, "__args__", ()))
    return next((found for found in inner if found is not None), None)


def places(kind: type[msgspec.Struct], shown: Any, path: str = "") -> Iterator[Place]:
    """Yield each setting below `kind` with what the file shows for it; a list by its first."""
    kinds = get_type_hints(kind)
    for field in msgspec.structs.fields(kind):
        name = f"{path}{field.encode_name}"
        assert field.encode_name in shown, f"{name} is not in the example"
        value = shown[field.encode_name]
        yield kind, field.encode_name, value
        below = struct_in(kinds[field.name])
        if below is not None:
            yield from places(below, value[0] if isinstance(value, list) else value, f"{name}.")


def document(number: int) -> Any:
    """Return one document of the example as plain data."""
    return list(yaml.safe_load_all(EXAMPLE.read_text(encoding="utf-8")))[number]


def test_the_agent_reads_the_first_document() -> None:
    """The agent takes the whole file and means its first document."""
    config = load_agent(EXAMPLE)
    assert config.sources[0].preset == "native"


def test_the_companion_reads_the_second_document() -> None:
    """The second document is a whole configuration of the companion."""
    config = load(EXAMPLE, CompanionConfig, document=1)
    assert config.opensearch is not None


@pytest.mark.parametrize("number", [0, 1])
def test_each_setting_with_its_default(number: int) -> None:
    """Every setting is shown; one that has a default is shown with it."""
    for kind, name, shown in places(KINDS[number], document(number)):
        field = next(one for one in msgspec.structs.fields(kind) if one.encode_name == name)
        if field.required or (kind, name) in SHOWN_BY_EXAMPLE:
            continue
        # A document of nothing but this setting and what is required gives the default's value.
        read = whole(kind, name, shown)
        default = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
        assert read == default, f"{kind.__name__}.{name}"


def whole(kind: type[msgspec.Struct], name: str, shown: Any) -> Any:
    """Return a shown value in the type of its field, sizes such as `8MiB` as bytes."""
    field = next(one for one in msgspec.structs.fields(kind) if one.encode_name == name)
    holder = msgspec.defstruct("Holder", [("value", field.type)], forbid_unknown_fields=True)
    parsed: Any = parse(yaml.safe_dump({"value": shown}), holder, name="example")
    return parsed.value


def test_each_setting_has_its_line() -> None:
    """A setting and its meaning stand on one line; a line that is none is a comment or a head."""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        assert len(line) <= _LONGEST, line
        text = line.strip()
        is_setting = text and not text.startswith("#") and text != "---" and not text.endswith(":")
        assert not is_setting or "  # " in line, f"no comment: {line}"
