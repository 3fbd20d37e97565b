"""The real nginx on loopback, with the `log_format` of our documents."""

import os
import re
import shutil
import signal
import subprocess
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha1
from pathlib import Path
from typing import Final

from msgspec import Struct

from support.documents import ROOT, blocks, section
from support.ports import free_port

NGINX: Final = shutil.which("nginx", path=os.defpath + ":/usr/sbin:/sbin")
_MODULE: Final = "ngx_http_dav_ext_module.so"
_MODULES: Final = re.compile(r"--modules-path=(\S+)")
_TEMPORARY: Final = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_PATIENCE_S: Final = 20


def _module() -> Path | None:
    if NGINX is None:
        return None
    done = subprocess.run([NGINX, "-V"], capture_output=True, text=True, check=True)
    found = _MODULES.search(done.stderr)
    path = Path(found[1]) / _MODULE if found else None
    return path if path is not None and path.exists() else None


MODULE: Final = _module()
MISSING: Final = (
    "the Debian package nginx is not installed"
    if NGINX is None
    else None
    if MODULE
    else "the Debian package libnginx-mod-http-dav-ext is not installed"
)


def published() -> str:
    """Return the configuration that docs/presets.md tells an operator to use, as it stands."""
    text = section((ROOT / "docs" / "presets.md").read_text(encoding="utf-8"), "nginx-json")
    (block,) = (one for one in blocks(text) if one.language == "nginx")
    return block.text


def htpasswd(users: Mapping[str, str]) -> str:
    """Return a password file, salted SHA-1 as nginx reads it on every system."""
    salt = b"salt"
    lines = []
    for name, password in users.items():
        digest = sha1(password.encode() + salt, usedforsecurity=False).digest()
        lines.append(f"{name}:{{SSHA}}{b64encode(digest + salt).decode()}\n")
    return "".join(lines)


class Nginx(Struct):
    """A running server."""

    port: int
    log: Path
    process: subprocess.Popen[bytes]

    def reopen(self) -> None:
        """Send the signal to open the log anew, and wait until the new file is there."""
        self.process.send_signal(signal.SIGUSR1)
        while not self.log.exists():
            assert self.process.poll() is None


@contextmanager
def nginx(folder: Path, locations: str) -> Iterator[Nginx]:
    """Serve `folder/www`; the log is complete when the block ends.

    `locations` is the content of the one `server`; relative paths in it are below `folder`.
    """
    port = free_port()
    log = folder / "audit.log"
    config = folder / "nginx.conf"
    config.write_text(_configured(folder, port, log, locations), encoding="utf-8")
    (folder / "tmp").mkdir(exist_ok=True)
    process = subprocess.Popen(
        [str(NGINX), "-p", f"{folder}/", "-c", config, "-e", "stderr"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    with process, process.stderr:
        try:
            told = b""
            while b"start worker process " not in told:
                line = process.stderr.readline()
                told += line
                assert line, told.decode()
            yield Nginx(port, log, process)
        finally:
            process.send_signal(signal.SIGQUIT)  # finish what is open, then end
            process.communicate(timeout=_PATIENCE_S)


def _configured(folder: Path, port: int, log: Path, locations: str) -> str:
    shown = published()
    place = "/var/log/nginx/audit.log"
    assert place in shown
    user = "user root;" if os.geteuid() == 0 else ""
    temporary = "\n".join(f"{name}_temp_path tmp/{name};" for name in _TEMPORARY)
    return f"""
load_module "{MODULE}";
{user}
daemon off;
worker_processes 1;
worker_shutdown_timeout 10s;
error_log stderr notice;
pid nginx.pid;
events {{}}
http {{
{shown.replace(place, f'"{log}"')}
{temporary}
default_type application/octet-stream;
dav_ext_lock_zone zone=locks:1m;
server {{
listen 127.0.0.1:{port};
root "{folder}/www";
add_header X-Request-Id $request_id always;
{locations}
}}
}}
"""
