"""The agent's settings: one YAML file, parsed once into frozen Structs; units in the names.

Default, bounds and meaning stand beside each field; `config.example.yaml` shows the same to people
and a test holds the two together. Sizes are bytes (`8MiB` in a file), times seconds.
"""

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, Struct

from auditship_indexer.errors import ConfigError
from auditship_indexer.event.identity import CONTROL_REGION, REGION_FORM, SERVER_FORM
from auditship_indexer.opensearch import Connection
from auditship_indexer.settings import load, size_meta

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB
DEFAULT_PATH: Final = Path("/etc/auditship/agent.yaml")
PATH_VARIABLE: Final = "AUDITSHIP_AGENT_CONFIG"

Seconds = Annotated[float, Meta(gt=0)]
LongSeconds = Annotated[float, Meta(ge=5)]
Count = Annotated[int, Meta(ge=0)]
Wrapper = Literal["docker", "cri", "compose", "syslog", "cee", "fluent"]
Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
OWN_NAME: Final = "agent"  # under which the agent's own events are counted
_LABEL: Final = re.compile(r"[^\x00-\x1f\x7f]{1,128}")
_MAX_LINE: Final = {"caddy": 8 * MIB}


class ServerConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The storage server that this agent speaks for; both values enter every `_id` and index."""

    id: str
    region: str


class AgentIdConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The agent's own label, `agent.id` of each event; the server's id when absent."""

    id: str | None = None


class StateConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where checkpoint and dead letters live, and how long entries of gone files stay."""

    dir: str = "/var/lib/auditship-agent"
    keep_days: Annotated[int, Meta(ge=1)] = 7


class SourceConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of log on this server, read by one preset."""

    name: Name
    preset: str
    files: Annotated[tuple[str, ...], Meta(min_length=1)]  # absolute globs
    rotated: tuple[str, ...] = ()  # globs of rotated files elsewhere
    exclude: tuple[str, ...] = ("*~", "*.swp", "*.tmp", "*.part", ".*")
    read_expired: bool = False
    finish_after_s: LongSeconds = 300
    gap_after_s: LongSeconds = 60
    max_line_bytes: Annotated[int, size_meta(ge=4 * KIB, le=64 * MIB)] | None = None
    storage_region: str | None = None
    role: Literal["primary", "secondary"] = "primary"
    paths: tuple[str, ...] = ()  # templates such as /ws/{workspace}/{path*}
    path_from: Literal["uri", "raw"] = "uri"
    not_found: Literal["ignore", "event"] = "ignore"
    propfind: Literal["ignore", "event"] = "ignore"
    internal: Literal["ignore", "event"] = "ignore"
    user_verified: bool = True
    timezone: str | None = None  # IANA name, for logs that write times without a zone
    trusted_proxies: tuple[str, ...] = ()  # CIDRs whose forwarded-for headers count
    unwrap: tuple[Wrapper, ...] = ()  # outermost first; before the preset's own
    ignore: tuple[dict[str, Any], ...] = ()  # one entry whose keys all match: no event

    @property
    def line_limit(self) -> int:
        """Longest line that is read whole, bytes; by the preset when not set."""
        return self.max_line_bytes or _MAX_LINE.get(self.preset, MIB)


class BatchConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """When a bulk body is closed and sent: the first limit reached wins."""

    max_bytes: Annotated[int, size_meta(ge=64 * KIB, le=64 * MIB)] = 8 * MIB  # before gzip
    max_events: Annotated[int, Meta(ge=1, le=50_000)] = 5_000
    max_age_s: Annotated[float, Meta(ge=0.01, le=10)] = 0.2  # how long the oldest line may wait


class DeliveryConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How bodies are sent."""

    max_in_flight: Annotated[int, Meta(ge=1, le=16)] = 2
    max_buffer_bytes: Annotated[int, size_meta(ge=2 * MIB)] = (
        5 * MIB // 2
    )  # finished bodies, gzipped
    timeout_s: Seconds = 60
    retry_max_s: Seconds = 30
    hold_probe_s: Seconds = 30
    gzip: bool = True


class CheckpointConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How often progress is made durable."""

    interval_s: Seconds = 1
    max_unsaved_bytes: Annotated[int, size_meta(ge=MIB)] = 256 * MIB
    on_damage: Literal["replay", "stop"] = "replay"


class DeadLetterConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Room for lines that cannot become events; full means back-pressure, never loss."""

    max_bytes: Annotated[int, size_meta(ge=16 * MIB)] = GIB
    min_free_bytes: Annotated[int, size_meta(ge=0)] = 256 * MIB
    max_in_a_row: Count = 1_000  # poison guard; 0: none


class RetentionConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Days that events of this region are kept; equal to the companion's."""

    days: Annotated[int, Meta(ge=1, le=3650)] = 120


class EnrichConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What is added to an event from its own values."""

    country_db: str | None = None  # MaxMind-format file of the operator
    user_agent: bool = True


class WatchConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How new bytes and files are noticed."""

    rescan_s: Seconds = 10
    poll_s: Seconds = 1
    method: Literal["auto", "inotify", "poll"] = "auto"


class LimitsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of one agent."""

    max_open_files: Annotated[int, Meta(ge=8)] = 1_024
    turn_bytes: Annotated[int, size_meta(ge=64 * KIB)] = MIB  # of one file before the next


class HttpConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where `/metrics` and `/health` listen; `off` for nowhere."""

    listen: str = "127.0.0.1:9465"
    allow_remote: bool = False


class HealthConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """When `/health` turns red."""

    max_age_s: Seconds = 300  # of the oldest line without an outcome


class LogConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What the agent tells on stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    repeat_s: Seconds = 60


class AgentConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """All settings of one agent."""

    server: ServerConfig
    sources: Annotated[tuple[SourceConfig, ...], Meta(min_length=1)]
    opensearch: Connection
    agent: AgentIdConfig = AgentIdConfig()
    state: StateConfig = StateConfig()
    batch: BatchConfig = BatchConfig()
    delivery: DeliveryConfig = DeliveryConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    dead_letter: DeadLetterConfig = DeadLetterConfig()
    retention: RetentionConfig = RetentionConfig()
    enrich: EnrichConfig = EnrichConfig()
    share_token_key_file: str | None = None
    watch: WatchConfig = WatchConfig()
    limits: LimitsConfig = LimitsConfig()
    http: HttpConfig = HttpConfig()
    health: HealthConfig = HealthConfig()
    log: LogConfig = LogConfig()

    @property
    def agent_id(self) -> str:
        """`agent.id` of each event."""
        return self.agent.id or self.server.id


Config = TypeVar("Config", bound=AgentConfig)


def find(path: Path | None) -> Path:
    """Return the configuration file: the one given, else of the environment, else the default."""
    return path or Path(os.environ.get(PATH_VARIABLE) or DEFAULT_PATH)


def load_agent(path: Path, *, document: int = 0) -> AgentConfig:
    """Read and check the agent's configuration; `document` is for the example's two documents.

    Raises:
        ConfigError: with file, line or key, the value and what to do.
    """
    config = load(path, AgentConfig, document=document)
    _check(config, str(path))
    return config


def _check(config: AgentConfig, name: str) -> None:
    """Refuse what the types alone allow."""
    _check_server(config, name)
    names = [source.name for source in config.sources]
    if OWN_NAME in names:
        raise ConfigError(
            f"{name}: sources: the name {OWN_NAME!r} is that of the agent's own events",
            hint="give the source another name",
        )
    for twice in {one for one in names if names.count(one) > 1}:
        raise ConfigError(f"{name}: sources: the name {twice!r} stands twice")
    for source in config.sources:
        _check_source(source, f"{name}: sources: {source.name}")
        for pattern in (*source.files, *source.rotated):
            if not pattern.startswith("/"):
                raise ConfigError(
                    f"{name}: sources: {source.name}: {pattern!r} is not absolute",
                    hint="write the whole path, for example /var/log/app/audit.log",
                )
        if (
            any("{share_token}" in path for path in source.paths)
            and not config.share_token_key_file
        ):
            raise ConfigError(
                f"{name}: sources: {source.name}: a path template holds {{share_token}}, "
                "but share_token_key_file is not set",
                hint="make a key: head -c 32 /dev/urandom > FILE; chmod 600 FILE",
            )
    _check_listen(config.http, name)


def _check_source(source: SourceConfig, where: str) -> None:
    if source.timezone is not None and not _is_zone(source.timezone):
        raise ConfigError(
            f"{where}: timezone: {source.timezone!r} is not known",
            hint="use an IANA name, such as Europe/Berlin, or UTC",
        )
    for text in source.trusted_proxies:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise ConfigError(
                f"{where}: trusted_proxies: {text!r} is no network",
                hint="write CIDRs, for example 10.0.0.0/8 or 192.0.2.7/32",
            ) from error
    if "/" in source.preset and not source.preset.startswith("/"):
        raise ConfigError(
            f"{where}: preset: {source.preset!r} is not absolute",
            hint="write the whole path, for example /etc/auditship/filebox.yaml",
        )


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _check_server(config: AgentConfig, name: str) -> None:
    server = config.server
    if not SERVER_FORM.fullmatch(server.id):
        raise ConfigError(f"{name}: server.id: {server.id!r} does not match [a-z0-9._-]{{1,64}}")
    if not REGION_FORM.fullmatch(server.region) or server.region == CONTROL_REGION:
        raise ConfigError(
            f"{name}: server.region: {server.region!r} does not match [a-z0-9_-]{{1,64}}, "
            f"or is {CONTROL_REGION!r}, which is the companion's own"
        )
    if config.agent.id is not None and not _LABEL.fullmatch(config.agent.id):
        raise ConfigError(f"{name}: agent.id: {config.agent.id!r} is not 1 to 128 plain characters")


def _check_listen(http: HttpConfig, name: str) -> None:
    if http.listen == "off":
        return
    host, colon, port = http.listen.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65_535:  # noqa: PLR2004 - TCP
        raise ConfigError(f"{name}: http.listen: {http.listen!r} is neither HOST:PORT nor off")
    if host.strip("[]") not in {"127.0.0.1", "::1", "localhost"} and not http.allow_remote:
        raise ConfigError(
            f"{name}: http.listen: {http.listen!r} is not a loopback address",
            hint="set http.allow_remote: true when /metrics may be read from other machines",
        )
