"""What a node is made of: the pinned distribution, its folders, its limits."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

VERSION = "3.8.0"
SHA256 = "196c3cf4602c394f2e40e6174ccbf2a924eae37246f08fa6bbb6b75f9fd5ff1f"  # of the zip
GROUP = "org.opensearch.distribution.integ-test-zip"
ARTIFACT = "opensearch"
OLDEST_JAVA = 21


class NodeConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """One node. Two nodes at once need two data folders and may share everything else."""

    data_folder: Path  # the node's own: data, logs, generated configuration
    cache_folder: Path | None = None  # None: where `cache_folder()` says
    http_port: Annotated[int, Meta(ge=0, le=65_535)] = 0  # on 127.0.0.1; 0: any free port
    heap_mb: Annotated[int, Meta(ge=256)] = 512
    start_timeout_s: Annotated[float, Meta(gt=0)] = 120.0  # from the process to a usable cluster
    settings: dict[str, Any] = {}  # added to opensearch.yml; wins over our own
    jvm_options: tuple[str, ...] = ()  # added to the Java command line


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where distributions are kept: AUDITSHIP_CACHE_DIR, or the user's cache folder."""
    named = environ.get("AUDITSHIP_CACHE_DIR")
    if named:
        return Path(named).expanduser().absolute()
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "auditship"


def state_folder(environ: Mapping[str, str] = os.environ, *, root: bool | None = None) -> Path:
    """Return where the detached node and its data are kept, unless `state.dir` says otherwise.

    AUDITSHIP_STATE_DIR; else /var/lib/auditship for root; else the user's state folder (XDG).
    """
    named = environ.get("AUDITSHIP_STATE_DIR")
    if named:
        return Path(named).expanduser().absolute()
    if os.geteuid() == 0 if root is None else root:
        return Path("/var/lib/auditship")
    base = environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "auditship"
