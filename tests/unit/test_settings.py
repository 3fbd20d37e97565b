"""Configuration files: sizes, defaults, and what a person is told of each mistake."""

import os
from pathlib import Path
from typing import Annotated, Final, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from auditship_indexer.errors import ConfigError
from auditship_indexer.settings import LISTED, load, parse, size_meta

MIB: Final = 2**20


class Batch(Struct, frozen=True, forbid_unknown_fields=True):
    max_bytes: Annotated[int, size_meta(ge=64, le=64 * MIB)] = 8 * MIB
    max_age_s: Annotated[float, Meta(gt=0)] = 0.2


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    files: tuple[str, ...] = ()
    max_line_bytes: Annotated[int, size_meta(ge=1)] | None = None


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    batch: Batch = Batch()
    sources: tuple[Source, ...] = ()
    extra: Batch | None = None
    level: Literal["info", "debug"] = "info"


def refused(text: str, *, document: int = 0) -> ConfigError:
    """Return the error of a file that must not be accepted."""
    with pytest.raises(ConfigError) as caught:
        parse(text, Settings, name="agent.yaml", document=document)
    return caught.value


@pytest.mark.parametrize("text", ["{}", "---\n", "batch:\n  max_age_s: 0.2\n"])
def test_defaults(text: str) -> None:
    """What a document does not set has its default; an empty one is valid."""
    assert parse(text, Settings, name="agent.yaml") == Settings()


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("64", 64),
        ("8MiB", 8 * MIB),
        ("8 MiB", 8 * MIB),
        ("8 mib", 8 * MIB),
        ("500kB", 500_000),
        ("1 MB", 1_000_000),
        ("100B", 100),
        ("'64'", 64),
        ("2KiB", 2048),
    ],
)
def test_sizes(written: str, size: int) -> None:
    """A size is a number of bytes, or a number with a decimal or binary unit."""
    settings = parse(f"batch:\n  max_bytes: {written}\n", Settings, name="agent.yaml")

    assert settings.batch.max_bytes == size


def test_sizes_everywhere() -> None:
    """A unit is understood in lists and in settings that may be absent."""
    text = "sources:\n- {name: a, max_line_bytes: 1 MiB}\n- {name: b}\nextra: {max_bytes: 1kB}\n"
    settings = parse(text, Settings, name="agent.yaml")

    assert [source.max_line_bytes for source in settings.sources] == [MIB, None]
    assert settings.extra == Batch(max_bytes=1000)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("batch:\n  max_bytes: 8 MB/s\n", "agent.yaml:2: batch.max_bytes: expected `int`, got"),
        ("batch:\n  max_bytes: -1\n", "agent.yaml:2: batch.max_bytes: expected `int` >= 64"),
        ("batch:\n  max_bytes: 1GiB\n", "agent.yaml:2: batch.max_bytes: expected `int` <="),
        ("batch:\n\n  max_age_s: soon\n", "agent.yaml:3: batch.max_age_s: expected `float`, got"),
        ("batch: 7\n", "agent.yaml:1: batch: expected `object`, got `int`"),
        ("level: loud\n", "agent.yaml:1: level: invalid enum value 'loud'"),
        (
            "sources:\n- name: a\n  files: [x, 7]\n",
            "agent.yaml:3: sources[0].files[1]: expected `str`, got `int`",
        ),
        ("sources:\n- files: [x]\n", "name: required, but not set"),
        ("- a\n- b\n", "agent.yaml:1: the file: expected `object`, got `array`"),
        ("just words\n", "agent.yaml:1: the file: expected `object`, got `str`"),
        ("batch:\n  max_age_s: 1\n  max_age_s: 2\n", "agent.yaml:3: max_age_s: stands twice"),
        ("batch: {a: [}\n", "agent.yaml:1: not YAML"),
        ("batch:\n\t- x\n", "agent.yaml:2: not YAML"),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, told: str) -> None:
    """File, line, key and what is wrong stand in one line."""
    message = str(refused(text))

    assert message.startswith(told) or told in message
    assert "\n" not in message


def test_the_value_is_told() -> None:
    """A wrong single value is shown as it was read."""
    assert str(refused("level: loud\n")).endswith("(got 'loud')")


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        (
            "batch:\n  max_byte: 8MiB\n",
            "agent.yaml:2: batch.max_byte: unknown setting",
            f"did you mean batch.max_bytes? {LISTED}",
        ),
        ("bach: {}\n", "agent.yaml:1: bach: unknown setting", f"did you mean batch? {LISTED}"),
        ("zzz: 1\n", "agent.yaml:1: zzz: unknown setting", LISTED),
        (
            "extra:\n  max_age: 1\n",
            "agent.yaml:2: extra.max_age: unknown setting",
            f"did you mean extra.max_age_s? {LISTED}",
        ),
    ],
)
def test_misspelt_settings(text: str, told: str, hint: str) -> None:
    """An unknown setting is refused, and the nearest known one is named."""
    error = refused(text)

    assert (str(error), error.hint) == (told, hint)


def test_documents() -> None:
    """A file may hold a document for each program; a missing one is told."""
    text = "batch: {max_age_s: 1}\n---\nbatch: {max_age_s: 2}\n"
    ages = [
        parse(text, Settings, name="a.yaml", document=document).batch.max_age_s
        for document in (0, 1)
    ]

    assert ages == [1, 2]
    assert str(refused(text, document=2)) == (
        "agent.yaml: has 2 YAML documents, number 3 is missing"
    )


def test_place_in_a_later_document() -> None:
    """Lines are counted from the top of the file, whichever document is meant."""
    error = refused("batch: {}\n---\n\nlevel: loud\n", document=1)

    assert str(error).startswith("agent.yaml:4: level: ")


def test_load(tmp_path: Path) -> None:
    """A file is read by its path, blanks included, and named so in errors."""
    path = tmp_path / "my settings.yaml"
    path.write_text("level: debug\n", encoding="utf-8")
    assert load(path, Settings).level == "debug"

    path.write_text("level: 7\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"my settings\.yaml:1: level: "):
        load(path, Settings)


@pytest.mark.parametrize("bytes_", [b"level: \xff\n", b"\xff\xfe\x00"])
def test_load_of_bytes_that_are_no_text(tmp_path: Path, bytes_: bytes) -> None:
    """A file that is not UTF-8 is refused with that word."""
    path = tmp_path / "agent.yaml"
    path.write_bytes(bytes_)

    with pytest.raises(ConfigError, match="cannot be read: not UTF-8"):
        load(path, Settings)


def test_load_of_nothing(tmp_path: Path) -> None:
    """A missing file and a folder are told with the system's reason and a way out."""
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file") as caught:
        load(tmp_path / "none.yaml", Settings)
    assert caught.value.hint == "name another file with --config FILE"

    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path, Settings)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_load_of_a_file_without_rights(tmp_path: Path) -> None:
    """An unreadable file is told with the system's reason."""
    path = tmp_path / "agent.yaml"
    path.touch(mode=0o000)

    with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
        load(path, Settings)


@given(st.text())
def test_any_text(text: str) -> None:
    """Whatever a file holds, it becomes settings or a ConfigError of one line."""
    try:
        parse(text, Settings, name="agent.yaml")
    except ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right


_scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
_names = st.sampled_from(["batch", "max_bytes", "max_age_s", "sources", "name", "files", "extra"])


@given(
    st.recursive(
        _scalars,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(_names | _scalars, inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_any_structure(value: object) -> None:
    """Whatever its structure, a YAML file becomes settings or a ConfigError of one line."""
    try:
        parse(yaml.safe_dump(value), Settings, name="agent.yaml")
    except ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right


def test_a_key_of_several_lines_is_told_in_one() -> None:
    """An error is one line, whatever the key."""
    error = refused(yaml.safe_dump({"a\nb": None}))
    assert str(error).startswith("agent.yaml:1: a b: unknown setting")
    assert "a blank key" in str(refused(yaml.safe_dump({"\n": None})))
