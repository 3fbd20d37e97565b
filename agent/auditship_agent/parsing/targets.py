"""What a preset file can fill: schema field -> attribute of a record, and as what it is read."""

from typing import Final

# field -> (attribute of Record, the kind that it is read as unless the file says another)
TARGETS: Final[dict[str, tuple[str, str]]] = {
    "audit.source_id": ("source_id", "text"),
    "audit.actor_type": ("actor", "text"),
    "audit.claimed_user": ("claimed_user", "text"),
    "audit.permissions.added": ("permissions_added", "list"),
    "audit.permissions.removed": ("permissions_removed", "list"),
    "audit.device": ("device", "text"),
    "event.reason": ("reason", "text"),
    "event.duration": ("duration_ns", "seconds"),
    "event.start": ("start_ms", "date"),
    "user.id": ("user_id", "text"),
    "user.email": ("user_email", "text"),
    "user.name": ("user_name", "text"),
    "user.roles": ("user_roles", "list"),
    "user.effective.id": ("effective_id", "text"),
    "user.effective.email": ("effective_email", "text"),
    "user.effective.name": ("effective_name", "text"),
    "user.target.id": ("target_id", "text"),
    "user.target.email": ("target_email", "text"),
    "user.target.name": ("target_name", "text"),
    "user.target.roles": ("old_roles", "list"),
    "user.changes.roles": ("new_roles", "list"),
    "group.id": ("group_id", "text"),
    "group.name": ("group_name", "text"),
    "api_key.id": ("key_id", "text"),
    "api_key.name": ("key_name", "text"),
    "api_key.target.id": ("target_key_id", "text"),
    "api_key.target.name": ("target_key_name", "text"),
    "file.id": ("file_id", "text"),
    "file.name": ("file_name", "text"),
    "file.path": ("file_path", "path"),
    "file.type": ("file_type", "text"),
    "file.size": ("file_size", "int"),
    "file.mime_type": ("file_mime_type", "text"),
    "file.hash.sha256": ("file_sha256", "text"),
    "file.version": ("file_version", "text"),
    "file.folder_id": ("folder_id", "text"),
    "file.previous.name": ("previous_name", "text"),
    "file.previous.path": ("previous_path", "path"),
    "client.ip": ("client_ip", "ip"),
    "client.port": ("client_port", "int"),
    "source.ip": ("proxy_ip", "ip"),
    "user_agent.original": ("user_agent", "text"),
    "device.id": ("device_id", "text"),
    "cloud.region": ("region", "text"),
    "storage.region": ("storage_region", "text"),
    "service.name": ("service", "text"),
    "workspace.id": ("workspace_id", "text"),
    "workspace.name": ("workspace_name", "text"),
    "organization.id": ("organization_id", "text"),
    "organization.name": ("organization_name", "text"),
    "share.id": ("share_id", "text"),
    "share.scope": ("share_scope", "text"),
    "share.allowed_domains": ("share_domains", "list"),
    "share.allowed_ips": ("share_ips", "list"),
    "share.password_protected": ("share_protected", "bool"),
    "share.expires_at": ("share_expires_ms", "date"),
    "share.max_downloads": ("share_max_downloads", "int"),
    "share.owner": ("share_owner", "text"),
    "share.attempt": ("share_attempt", "int"),
    "rule.id": ("rule_id", "text"),
    "rule.name": ("rule_name", "text"),
    "error.code": ("error_code", "text"),
    "error.message": ("error_message", "text"),
    "network.protocol": ("protocol", "text"),
    "http.request.id": ("request_id", "text"),
    "http.request.method": ("method", "text"),
    "http.request.body.bytes": ("bytes_in", "int"),
    "http.response.body.bytes": ("bytes_out", "int"),
    "http.response.status_code": ("status", "int"),
    "trace.id": ("trace_id", "text"),
}

# No fields of the schema, but what several of them are made from.
PSEUDO: Final[dict[str, tuple[str, str]]] = {
    "user": ("user", "text"),  # an e-mail or a name, told apart by sources.md section 2, rule 7
    "share_token": ("share_token", "text"),  # leaves only as a keyed hash in `share.id`
    "credentials": ("credentials", "text"),  # whether any were sent
    "destination": ("destination", "text"),  # header of MOVE and COPY
    "forwarded_for": ("forwarded_for", "text"),  # believed only through trusted proxies
    "content_encoding": ("content_encoding", "text"),  # of a reply: its bytes are not the file's
    "content_length": ("content_length", "int"),  # of a reply: None, and its size is not known
    "raw_path": ("raw_path", "raw_path"),  # instead of `file.path` with `path_from: raw`
}

# of the latter the one that a `map` may translate
MAPPED: Final = frozenset({"share_token"})
# `http: true` gives these to section 3, which fills them
OF_REQUEST: Final = frozenset({
    "http.request.method", "http.response.status_code", "file.path",
})  # fmt: skip

_TEXTS: Final = frozenset({"text", "path", "raw_path", "ip", "ip_port"})
# kind of the target -> kinds that a file may ask for
KINDS: Final[dict[str, frozenset[str]]] = {
    "text": _TEXTS,
    "path": frozenset({"text", "path", "raw_path"}),
    "raw_path": frozenset({"raw_path"}),
    "ip": frozenset({"text", "ip", "ip_port"}),
    "int": frozenset({"int"}),
    "bool": frozenset({"bool"}),
    "list": frozenset({"list"}),
    "date": frozenset({"date"}),
    "seconds": frozenset({"seconds", "milliseconds", "nanoseconds", "int"}),
}

# Bounds of integers and the words of closed sets, by attribute of Record.
MAX_BY_ATTRIBUTE: Final = {
    "client_port": 65_535, "status": 2**31 - 1, "share_attempt": 2**31 - 1,
}  # fmt: skip
MIN_BY_ATTRIBUTE: Final = {"client_port": 1, "share_attempt": 1}
WORDS_BY_ATTRIBUTE: Final = {
    "actor": frozenset({"user", "api_key", "service", "system", "anonymous", "unknown"}),
    "device": frozenset({
        "browser", "cli", "sdk", "api", "sync", "mobile", "webdav", "sftp", "ftp", "bot",
    }),
    "share_scope": frozenset({"anyone", "domain", "people"}),
    "file_type": frozenset({"file", "dir"}),
}  # fmt: skip
