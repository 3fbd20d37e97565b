"""Peers from Debian packages, unpacked into the cache folder: never installed, nothing replaced.

Programs that Debian lets nobody install side by side, and that must not touch the machine's own
logging. What cannot be fetched is told by the caller, not skipped in silence.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from bench.corpus import cache

PACKAGES: Final = {
    "rsyslog": (
        "rsyslog", "rsyslog-elasticsearch", "libestr0", "libfastjson4", "liblognorm5", "libcurl4",
    ),
    "syslog-ng": (
        "syslog-ng-core", "syslog-ng-mod-http", "syslog-ng-mod-geoip2",
        "syslog-ng-mod-add-contextual-data", "libivykis0", "libnet1",
        "libwrap0", "libmaxminddb0", "libpcre3", "libjson-c5", "libcurl4",
    ),
}  # fmt: skip
_LIBRARIES: Final = ("usr/lib/*-linux-gnu", "lib/*-linux-gnu", "usr/lib/syslog-ng")
_FETCH_S: Final = 120


class MissingError(Exception):
    """A program of the comparison is not on this machine and cannot be fetched."""


class Unpacked:
    """The files of one peer's packages."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, pattern: str) -> Path:
        """Return the file or folder below the root that a pattern names.

        Raises:
            MissingError: there is none.
        """
        found = sorted(self.root.glob(pattern))
        if not found:
            raise MissingError(f"{self.root}: nothing is named {pattern}")
        return found[0]

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment in which its programs find their libraries."""
        folders = [str(path) for pattern in _LIBRARIES for path in self.root.glob(pattern)]
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(folders)}


def unpacked(peer: str) -> Unpacked:
    """Return the unpacked packages of a peer; they are fetched at the first call.

    Raises:
        MissingError: this is no Debian, or its archive cannot be reached.
    """
    root = cache() / "peers" / peer
    if not (root / "ready").exists():
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        try:
            _fetch(root, PACKAGES[peer])
        except (OSError, subprocess.SubprocessError) as error:
            why = getattr(error, "stderr", "") or str(error)
            last = str(why).strip().splitlines()[-1:]
            raise MissingError(f"packages of {peer}: {' '.join(last)}") from error
        (root / "ready").touch()
    return Unpacked(root)


def _fetch(root: Path, names: tuple[str, ...]) -> None:
    _run("apt-get", "download", *names, folder=root)
    for package in sorted(root.glob("*.deb")):
        _run("dpkg", "-x", str(package), str(root), folder=root)
        package.unlink()


def _run(*command: str, folder: Path) -> None:
    subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=True, timeout=_FETCH_S
    )
