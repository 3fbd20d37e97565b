"""Record -> event: one schema for all sources, enriched from the event's own values.

A pure function of the record, the source's settings, the country database and the user-agent
data. Identity and position are added by the pipeline.
"""

from typing import Final

from auditship_agent import __version__
from auditship_agent.config import AgentConfig, SourceConfig
from auditship_agent.line import Record
from auditship_agent.normalize import build
from auditship_agent.normalize.addresses import Addresses, is_ipv4
from auditship_agent.normalize.agents import Agents, Parsed, device_of
from auditship_agent.normalize.country import Countries
from auditship_agent.normalize.limits import cut, fits, shorten
from auditship_agent.normalize.required import lacks_field
from auditship_agent.normalize.tokens import read_key
from auditship_indexer.clock import iso_ms
from auditship_indexer.event.actions import ACTIONS, verb
from auditship_indexer.event.document import (
    Act,
    Agent,
    Audit,
    Client,
    Event,
    Named,
    Network,
    OnlyId,
    OnlyName,
    Region,
    Source,
    User,
    UserAgent,
    Version,
)
from auditship_indexer.event.fields import ECS_VERSION, FIELDS, MAX_LIST, SCHEMA_VERSION
from auditship_indexer.event.results import category, kind_of_act, outcome

_MAX_CACHE: Final = 4_096
_NATIVE: Final = "native"
_ADDRESS_LIMIT: Final = FIELDS["client.address"].limit
_ECS: Final = Version(ECS_VERSION)
_NO_NAMES: Final = (None, None, None)
_NO_WORKSPACE: Final = (None, None)


class Normalizer:
    """Makes the events of one source; `dataset` is the name of its preset.

    Raises:
        ConfigError: the key of share tokens cannot be used.
    """

    def __init__(
        self, config: AgentConfig, source: SourceConfig, dataset: str | None = None
    ) -> None:
        self.region = config.server.region
        self._region = Region(self.region)
        self.storage_region = source.storage_region
        self._dataset = dataset or source.preset
        self._is_native = self._dataset == _NATIVE
        self.is_secondary = source.role == "secondary"
        self._agent = Agent(config.agent_id, __version__)
        self._host = Named(config.server.id)
        self._addresses = Addresses()
        self._agents = Agents(parse=config.enrich.user_agent)
        self._countries = Countries(config.enrich.country_db)
        key_file = config.share_token_key_file
        self._tokens = read_key(key_file) if key_file is not None else None
        self._acts: dict[tuple[str, str], tuple[list[str] | None, list[str] | None, str, str]] = {}
        self._seconds: dict[int, str] = {}
        self._users: dict[tuple[str | None, str | None, str | None], User | None] = {}
        self._workspaces: dict[tuple[str | None, str | None], Named | None] = {}
        self._clients: dict[str, Client] = {}

    def refresh(self) -> None:
        """Open a replaced country database; the caller asks at most once a second."""
        self._countries.refresh()

    @property
    def edition(self) -> int:
        """Another number when the country of an address may be another one than before."""
        return self._countries.edition

    def constants(self) -> tuple[Agent, Region, Version, Named]:
        """Return what all events have: `agent`, `cloud`, `ecs`, `host`."""
        return self._agent, self._region, _ECS, self._host

    def program(self, user_agent: str) -> Parsed:
        """Return what a user agent says of itself."""
        return self._agents.read(user_agent)

    def plain_client(self, text: str) -> Client | None:
        """Return what an IPv4 address alone says; None: it is none, or a flag is due."""
        if not is_ipv4(text):
            return None
        if not self._countries.is_configured:
            return Client(ip=text)
        geo = self._countries.look_up(text)
        return Client(None, geo, text) if self._countries.is_available else None

    def warm(self) -> None:
        """Build the user-agent tables now, so that the first line does not wait for them."""
        self._agents.read("Mozilla/5.0")

    def event(self, record: Record) -> Event:
        """Return the event of a record, without `event.id` and `log`. The record is used up."""
        build.name_files(record)
        cuts: set[str] | None = None if record.is_short else shorten(record)
        flags = record.flags or set()
        if record.storage_region is None:
            record.storage_region = self.storage_region
        client, source_ip = self._client(record, flags)
        agent = None if record.user_agent is None else self._agents.read(record.user_agent)
        if agent is not None and agent.truncated:
            cuts = {*(cuts or ()), *agent.truncated}
        self._flag(record, flags)
        act, word = self.act(record)
        # Groups are given in the order of the Struct's declaration, which is the order of keys.
        return Event(
            self._iso(record.time_ms),
            self._agent,
            build.api_key_of(record),
            self._audit(record, agent, flags, cuts, word),
            client,
            self._cloud(record),
            OnlyId(record.device_id) if record.device_id is not None else None,
            _ECS,
            build.error_of(record),
            act,
            build.file_of(record),
            build.named(record.group_id, record.group_name),
            self._host,
            build.http_of(record),
            dict(sorted(record.labels.items())) if record.labels else None,
            None,
            Network(record.protocol) if record.protocol is not None else None,
            build.named(record.organization_id, record.organization_name),
            build.named(record.rule_id, record.rule_name),
            OnlyName(record.service) if record.service is not None else None,
            build.share_of(record, self._share_id(record)),
            Source(source_ip) if source_ip is not None else None,
            Region(record.storage_region) if record.storage_region is not None else None,
            OnlyId(record.trace_id) if record.trace_id is not None else None,
            self._user(record),
            _agent_fields(agent),
            self._workspace(record),
        )

    def _user(self, record: Record) -> User | None:
        """Return `user.*`; those who only have names are made once each."""
        if not build.is_plain_user(record):
            return build.user_of(record)
        key = (record.user_email, record.user_id, record.user_name)
        known = self._users.get(key)
        if known is None and key != _NO_NAMES:
            if len(self._users) >= _MAX_CACHE:
                self._users.clear()
            known = self._users[key] = build.user_of(record)
        return known

    def _workspace(self, record: Record) -> Named | None:
        key = (record.workspace_id, record.workspace_name)
        known = self._workspaces.get(key)
        if known is None and key != _NO_WORKSPACE:
            if len(self._workspaces) >= _MAX_CACHE:
                self._workspaces.clear()
            known = self._workspaces[key] = build.named(*key)
        return known

    def _client(self, record: Record, flags: set[str]) -> tuple[Client | None, str | None]:
        """Return `client` and the peer's address where it is another."""
        is_plain = record.client_port is None and record.proxy_ip is None
        if is_plain and record.client_ip is not None:
            known = self._clients.get(record.client_ip)
            if known is not None:
                return known, None
        client, peer = self.new_client(
            record.client_ip, flags, port=record.client_port, proxy_ip=record.proxy_ip
        )
        if is_plain and record.client_ip is not None and client is not None:
            self._keep(record.client_ip, client)
        return client, peer

    def _keep(self, text: str, client: Client) -> None:
        """Keep an address that raises no flag and whose country no replaced file can change."""
        if client.address is not None or self._countries.is_configured:
            return
        if len(self._clients) >= _MAX_CACHE:
            self._clients.clear()
        self._clients[text] = client

    def new_client(
        self,
        client_ip: str | None,
        flags: set[str],
        *,
        port: int | None = None,
        proxy_ip: str | None = None,
    ) -> tuple[Client | None, str | None]:
        """Return what an address says, and the peer's where it is another; adds to `flags`."""
        ip = text = geo = None
        if client_ip is not None:
            address = self._addresses.read(client_ip)
            ip, text = address.ip, address.text
            port = port if port is not None else address.port
            if address.bad:
                flags.add("bad_ip")
        if text is not None and not fits(text, _ADDRESS_LIMIT):
            text = cut(text, _ADDRESS_LIMIT)
            flags.add("truncated")
        if ip is not None and self._countries.is_configured:
            geo = self._countries.of(ip)
            if not self._countries.is_available:
                flags.add("geo_unavailable")
        peer = None
        if proxy_ip is not None:
            found = self._addresses.read(proxy_ip)
            peer = found.ip if found.ip != ip else None
            if found.bad:
                flags.add("bad_ip")
        if ip is None and text is None and port is None:
            return None, peer
        return Client(text, geo, ip, port), peer

    def _flag(self, record: Record, flags: set[str]) -> None:
        if record.region is not None and record.region != self._region.region:
            flags.add("region_mismatch")
        if record.action not in ACTIONS:
            flags.add("unknown_action")
        if self.is_secondary:
            flags.add("secondary")
        if self._is_native and lacks_field(record):
            flags.add("missing_field")

    def _cloud(self, record: Record) -> Region:
        if record.region is None or record.region == self._region.region:
            return self._region
        return Region(record.region)

    def _share_id(self, record: Record) -> str | None:
        if record.share_token is not None and self._tokens is not None:
            return self._tokens.share_id(record.share_token)
        return record.share_id

    def act(self, record: Record) -> tuple[Act, str]:
        """Return `event.*` without its id, and the verb."""
        key = (record.action, record.result)
        known = self._acts.get(key)
        if known is None:
            if len(self._acts) >= _MAX_CACHE:
                self._acts.clear()
            known = self._acts[key] = (
                category(*key), kind_of_act(*key), outcome(record.result), verb(*key),
            )  # fmt: skip
        categories, kinds, how, word = known
        start = None if record.start_ms is None else self._iso(record.start_ms)
        return Act(
            record.action, categories, self._dataset, record.duration_ns, None, "event", how,
            record.reason, start, kinds,
        ), word  # fmt: skip

    def _audit(
        self,
        record: Record,
        agent: Parsed | None,
        flags: set[str],
        cuts: set[str] | None,
        word: str,
    ) -> Audit:
        if cuts:
            flags.add("truncated")
        return Audit(
            actor=build.actor_of(record),
            actor_type=record.actor or "unknown",
            claimed_user=record.claimed_user,
            device=device_of(record, agent),
            dropped_fields=_short_names(record.dropped),
            flags=sorted(flags) if flags else None,
            original_time=record.original_time,
            permissions=build.permissions_of(record),
            result=record.result,
            schema=SCHEMA_VERSION,
            source_id=record.source_id,
            truncated_fields=sorted(cuts) if cuts else None,
            verb=word,
        )

    def _iso(self, time_ms: int) -> str:
        """Return the 24 characters of a time; its second is formatted once."""
        second, ms = divmod(time_ms, 1000)
        head = self._seconds.get(second)
        if head is None:
            if len(self._seconds) >= _MAX_CACHE:
                self._seconds.clear()
            head = self._seconds[second] = iso_ms(second * 1000)[:20]
        return f"{head}{ms:03d}Z"


def _short_names(names: set[str] | None) -> list[str] | None:
    return sorted(names)[:MAX_LIST] if names else None


def _agent_fields(agent: Parsed | None) -> UserAgent | None:
    return None if agent is None else agent.fields
