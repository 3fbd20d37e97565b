"""Who takes part in `make bench`: what each runs, and what it leaves out of the full job."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import yaml
from msgspec import Struct

from auditship_agent import __version__
from auditship_agent.config import load_agent
from auditship_indexer.event.actions import ACTIONS, verb
from auditship_indexer.event.fields import ECS_VERSION
from auditship_indexer.event.results import category, kind_of_act, outcome
from bench.corpus import DAY
from bench.packages import MissingError, unpacked

OWN: Final = "auditship"
SERVER: Final = "fs-bench-1"
REGION: Final = "eu-central-2"
INDEX: Final = f"audit-{REGION}-{DAY}"
_CONFIGURATIONS: Final = Path(__file__).with_name("peers")
_RESULTS: Final = ("success", "denied", "error")
_AGENT: Final = (sys.executable, "-c", "from auditship_agent.cli import main; main()")
_DAYS: Final = 3650  # the corpus keeps its day for ever


class Site(Struct, frozen=True):
    """Where one run works: its own folder, the log, the sink's port, the country database."""

    folder: Path
    log: Path
    port: int
    database: Path

    @property
    def address(self) -> str:
        """The sink's address."""
        return f"http://127.0.0.1:{self.port}"


class Start(Struct, frozen=True):
    """A process to start. `ends`: it ends by itself when all is shipped."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    ends: bool


class Contestant(Protocol):
    """One shipper with one job."""

    name: str
    lacks: tuple[str, ...]  # what of the full job it leaves out, for people
    leaves_out: tuple[str, ...]  # the paths of fields that it does not give, or gives its own way

    def version(self) -> str:
        """Return its version; raise MissingError when it cannot take part."""

    def start(self, site: Site) -> Start:
        """Write its configuration into the site's folder; return what to start."""


class Auditship:
    """The real agent: `auditship-agent once`, or `run`."""

    leaves_out: tuple[str, ...] = ()

    def __init__(self, *, gzip: bool = True, command: Literal["once", "run"] = "once") -> None:
        self._gzip = gzip
        self._command = command
        self.name = OWN if gzip else f"{OWN}, no gzip"
        self.lacks: tuple[str, ...] = () if gzip else ("gzip",)

    def version(self) -> str:
        """Return the version of the package."""
        return __version__

    def start(self, site: Site) -> Start:
        """Run once over the log, or follow it."""
        config = configure(site, gzip=self._gzip)
        command = (*_AGENT, self._command, "--config", str(config))
        return Start(command, os.environ, ends=self._command == "once")


def configure(site: Site, *, gzip: bool = True) -> Path:
    """Write the agent's configuration: all defaults but names, places and the country database."""
    settings = {
        "server": {"id": SERVER, "region": REGION},
        "state": {"dir": str(site.folder / "state")},
        "sources": [{"name": "app", "preset": "native", "files": [str(site.log)]}],
        "opensearch": {"hosts": [site.address]},
        "delivery": {"gzip": gzip},
        "enrich": {"country_db": str(site.database)},
        "retention": {"days": _DAYS},
        "http": {"listen": "off"},
    }
    path = site.folder / "agent.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    load_agent(path)
    return path


def acts() -> dict[str, dict[str, Any]]:
    """Return what action and result imply, by `<action> <result>`: for the peers' tables."""
    return {
        f"{action} {result}": {
            "category": category(action, result),
            "outcome": outcome(result),
            "type": kind_of_act(action, result),
            "verb": verb(action, result),
        }
        for action in ACTIONS
        for result in _RESULTS
    }


_ENRICHED: Final = ("user agent", "device")
_OWN: Final = ("line hash", "UUIDv8 id", "fsync of the position")
_NOT_READ: Final = (
    "user_agent.name", "user_agent.version", "user_agent.os", "user_agent.device", "audit.device",
    "file.directory", "file.extension",
)  # fmt: skip
_NOT_NAMED: Final = ("event.id", "log.generation", "log.line_sha256", "log.offset")


class Naive:
    """A script in Python with the client's helpers."""

    name = "naive Python"
    lacks: tuple[str, ...] = ("country", *_ENRICHED, *_OWN, "gzip", "retry")
    leaves_out: tuple[str, ...] = ("client.geo", *_NOT_READ, *_NOT_NAMED)

    def version(self) -> str:
        """Return the version of Python."""
        return sys.version.split()[0]

    def start(self, site: Site) -> Start:
        """Run over the log."""
        settings = site.folder / "settings.json"
        told = {**_names(site), "acts": acts(), "address": site.address}
        settings.write_text(json.dumps({key.lower(): value for key, value in told.items()}))
        script = _CONFIGURATIONS / "naive.py"
        return Start((sys.executable, str(script), str(settings)), os.environ, ends=True)


class Rsyslog:
    """rsyslog from Debian's packages."""

    name = "rsyslog"
    lacks: tuple[str, ...] = ("country", *_ENRICHED, *_OWN, "gzip")
    leaves_out: tuple[str, ...] = ("client.geo", *_NOT_READ, *_NOT_NAMED)

    def version(self) -> str:
        """Ask the program."""
        files = unpacked("rsyslog")
        told = _told(files.environment, str(files.find("usr/sbin/rsyslogd")), "-v")
        return _number(told)

    def start(self, site: Site) -> Start:
        """Run in the foreground, without a pid file."""
        files = unpacked("rsyslog")
        _lookup(site.folder / "acts.json", {key: _fragment(act) for key, act in acts().items()})
        _lookup(site.folder / "verbs.json", {key: act["verb"] for key, act in acts().items()})
        config = _fill("rsyslog.conf", site)
        command = (
            str(files.find("usr/sbin/rsyslogd")), "-n", "-i", "NONE", "-f", str(config),
            "-M", str(files.find("usr/lib/*/rsyslog")),
        )  # fmt: skip
        return Start(command, files.environment, ends=False)


def _fragment(act: Mapping[str, Any]) -> str:
    return ",".join(
        f'"{name}":{json.dumps(act[name], separators=(",", ":"))}'
        for name in ("category", "outcome", "type")
    )


def _lookup(path: Path, values: Mapping[str, str]) -> None:
    table = [{"index": key, "value": value} for key, value in sorted(values.items())]
    told = {"version": 1, "nomatch": "", "type": "string", "table": table}
    path.write_text(json.dumps(told), encoding="utf-8")


class SyslogNg:
    """syslog-ng from Debian's packages, with or without the country."""

    def __init__(self, *, geo: bool) -> None:
        self._geo = geo
        self.name = "syslog-ng, geo" if geo else "syslog-ng"
        country = () if geo else ("country",)
        self.lacks = (*country, *_ENRICHED, *_OWN, "gzip")
        self.leaves_out = (*(() if geo else ("client.geo",)), *_NOT_READ, *_NOT_NAMED)

    def version(self) -> str:
        """Ask the program."""
        files = unpacked("syslog-ng")
        modules = files.find("usr/lib/syslog-ng/*/libjson-plugin.so").parent
        program = str(files.find("usr/sbin/syslog-ng"))
        return _number(_told(files.environment, program, "--version", f"--module-path={modules}"))

    def start(self, site: Site) -> Start:
        """Run in the foreground; its state lies in the site's folder."""
        files = unpacked("syslog-ng")
        _contextual(site.folder / "acts.csv")
        reader = f'geoip2("${{.json.ip}}" prefix(".geo.") database("{site.database}"))'
        geo = f"parser p_geo {{ {reader}; }};"
        config = _fill(
            "syslog-ng.conf",
            site,
            GEO=geo if self._geo else "",
            GEO_PARSER="parser(p_geo);" if self._geo else "",
        )
        folder = site.folder
        command = (
            str(files.find("usr/sbin/syslog-ng")), "-F", "--no-caps", "-f", str(config),
            "-R", str(folder / "persist"), "-p", str(folder / "pid"), "-c", str(folder / "control"),
            f"--module-path={files.find('usr/lib/syslog-ng/*/libjson-plugin.so').parent}",
        )  # fmt: skip
        return Start(command, files.environment, ends=False)


def _contextual(path: Path) -> None:
    rows = []
    for key, act in acts().items():
        for name, value in act.items():
            text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
            quoted = text.replace('"', '""')
            rows.append(f'{key},.act.{name},"{quoted}"\n')
    path.write_text("".join(rows), encoding="utf-8")


def _names(site: Site) -> dict[str, str]:
    return {
        "LOG": str(site.log),
        "STATE": str(site.folder),
        "PORT": str(site.port),
        "INDEX": INDEX,
        "SERVER": SERVER,
        "REGION": REGION,
        "VERSION": __version__,
        "ECS": ECS_VERSION,
    }


def _fill(name: str, site: Site, **more: str) -> Path:
    text = (_CONFIGURATIONS / name).read_text(encoding="utf-8")
    for word, value in {**_names(site), **more}.items():
        text = text.replace(f"@{word}@", value)
    path = site.folder / name
    path.write_text(text, encoding="utf-8")
    return path


def _told(environment: Mapping[str, str], *command: str) -> str:
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise MissingError(f"{command[0]} does not start: {error}") from error
    return done.stdout


def _number(told: str) -> str:
    match = re.search(r"\d+\.\d+(?:\.\d+)*", told)
    return match[0] if match else "unknown"


class FluentBit:
    """fluent-bit, where a binary is on the PATH."""

    name = "fluent-bit"
    lacks: tuple[str, ...] = ("country", *_ENRICHED, *_OWN)
    leaves_out: tuple[str, ...] = ("client.geo", *_NOT_READ, *_NOT_NAMED, "bulk_id")

    def version(self) -> str:
        """Ask the program."""
        return _number(_told(os.environ, self._program(), "--version"))

    def start(self, site: Site) -> Start:
        """Run in the foreground."""
        for name in ("fluent-bit-parsers.conf", "fluent-bit.lua"):
            _fill(name, site, ACTS=_lua(acts()))
        command = (self._program(), "-c", str(_fill("fluent-bit.conf", site)))
        return Start(command, os.environ, ends=False)

    def _program(self) -> str:
        found = shutil.which("fluent-bit")
        if found is None:
            raise MissingError("no fluent-bit is on the PATH")
        return found


def _lua(value: Any) -> str:
    """Return a value of JSON's kinds as Lua text."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"[{json.dumps(k)}]={_lua(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "{" + ",".join(map(_lua, value)) + "}"
    return json.dumps(value)


def contestants() -> list[Contestant]:
    """Return all who may take part; those that are not here say so when asked for a version."""
    return [
        Auditship(), Auditship(gzip=False), Rsyslog(), SyslogNg(geo=False), SyslogNg(geo=True),
        FluentBit(), Naive(),
    ]  # fmt: skip
