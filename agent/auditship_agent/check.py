"""Everything that can be known before the first line is shipped: `auditship-agent check`.

Each check is told as one line, with a hint where a person has to act. A missing cluster never stops
a start; here it is a failed check.
"""

import getpass
import grp
import os
import resource
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from auditship_agent.config import AgentConfig, SourceConfig
from auditship_agent.line import Dead
from auditship_agent.pipeline.transform import Transform
from auditship_agent.source.content import CorruptArchiveError, open_content
from auditship_agent.source.discovery import Discovery, Found
from auditship_agent.source.framing import Framer
from auditship_agent.source.tailer import PIECE_BYTES
from auditship_indexer.errors import AuditshipError
from auditship_indexer.event.identity import index_name
from auditship_indexer.opensearch import check_template
from auditship_indexer.opensearch.bulk import BulkChannel, UnreachableError

_SAMPLE_LINES: Final = 100
_DESCRIPTORS_BESIDE: Final = 64


class Finding(Struct, frozen=True):
    """One check: `what` was looked at, whether it is fine, and what to do if not."""

    ok: bool
    what: str
    told: str
    hint: str = ""

    def lines(self) -> str:
        """Return the finding as a person reads it."""
        word = "ok  " if self.ok else "FAIL"
        told = f"{word}  {self.what:14}  {self.told}"
        return f"{told}\n      Hint: {self.hint}" if self.hint else told


def check(config: AgentConfig, path: Path, *, local: bool) -> Iterator[Finding]:
    """Yield a finding for each check; `local` leaves the cluster out. Ships nothing."""
    count = len(config.sources)
    yield _ok("configuration", f"{path}, {count} source{'s' if count != 1 else ''}")
    yield _state(config)
    yield _descriptors(config)
    listing = Discovery(config.sources).list()
    for name, other in listing.doubles:
        yield _ok("same file", f"{name} is {other}: read once")
    for source in config.sources:
        files = [found for found in listing.files if found.source is source]
        yield from _source(config, source, files, dict(listing.errors))
    if not local:
        for host in config.opensearch.hosts:
            yield _cluster(config, host)


def _ok(what: str, told: str) -> Finding:
    return Finding(ok=True, what=what, told=told)


def _fail(what: str, told: str, hint: str = "") -> Finding:
    return Finding(ok=False, what=what, told=told, hint=hint)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _state(config: AgentConfig) -> Finding:
    folder = Path(config.state.dir)
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        return _fail(
            "state folder",
            f"{existing}: not writable for user {_user()}",
            f"mkdir -p '{folder}' and chown it to {_user()}, or set state.dir",
        )
    status = os.statvfs(existing)
    free = status.f_bavail * status.f_frsize
    if free < config.dead_letter.min_free_bytes:
        return _fail(
            "state folder",
            f"{existing}: {free:,} bytes free, dead_letter.min_free_bytes is "
            f"{config.dead_letter.min_free_bytes:,}",
            "free some disk space, or lower the limit",
        )
    return _ok("state folder", str(folder))


def _descriptors(config: AgentConfig) -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = config.limits.max_open_files + _DESCRIPTORS_BESIDE
    if soft < wanted:
        return _fail(
            "descriptors",
            f"limits.max_open_files needs {wanted:,}, this process may have {soft:,}",
            "raise LimitNOFILE of the service, or lower limits.max_open_files",
        )
    return _ok("descriptors", f"{config.limits.max_open_files:,} of {soft:,}")


def _source(
    config: AgentConfig, source: SourceConfig, files: list[Found], errors: dict[str, str]
) -> Iterator[Finding]:
    what = f"source {source.name}"
    try:
        transform = Transform(config, source)
    except AuditshipError as error:
        yield _fail(what, str(error), error.hint or "")
        return
    for pattern in source.files:
        folder = str(Path(pattern).parent)
        if folder in errors:
            yield _fail(what, f"{folder}: {errors[folder]}", _access_hint(folder))
    if not files and not any(str(Path(p).parent) in errors for p in source.files):
        yield _ok(what, f"{', '.join(source.files)}: no file yet")
    for found in files:
        yield _file(what, transform, source, found)


def _file(what: str, transform: Transform, source: SourceConfig, found: Found) -> Finding:
    try:
        content, _ = open_content(found.path)
    except OSError as error:
        told = f"{found.path}: {error.strerror} for user {_user()}"
        return _fail(what, told, _access_hint(found.path))
    framer = Framer(0, source.line_limit)
    good, bad = 0, ""
    try:
        lines = (
            line
            for piece in iter(lambda: content.read(framer.searched, PIECE_BYTES), b"")
            for line in framer.feed(piece)
        )
        for line in islice(lines, _SAMPLE_LINES):
            verdict = transform.preset.parse(line.raw)
            if isinstance(verdict, Dead):
                bad = (
                    bad or f"line at byte {line.offset}: {verdict.reason} {verdict.detail}".strip()
                )
            else:
                good += 1
    except (OSError, CorruptArchiveError) as error:
        return _fail(what, f"{found.path}: {error}")
    finally:
        content.close()
    if bad and not good:
        return _fail(
            what,
            f"{found.path}: none of its first lines fits preset {source.preset}: {bad}",
            f"auditship-agent explain --preset {source.preset} '{found.path}' shows each line",
        )
    return _ok(what, f"{found.path}: {good} of the first lines parse" + (f"; {bad}" if bad else ""))


def _access_hint(path: str) -> str:
    """Name the group that could read a path, if its mode gives groups the right."""
    try:
        status = Path(path).stat()
    except OSError:
        return "the folder above must be listable for the agent's user"
    try:
        group = grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        group = str(status.st_gid)
    if status.st_mode & 0o040:
        return f"usermod -a -G {group} {_user()}, then restart"
    return f"let the group read it (mode 0640), and add {_user()} to group {group}"


def _cluster(config: AgentConfig, host: str) -> Finding:
    """Offer a document that the mapping must refuse: proves address, TLS, rights and index."""
    now_ms = time.time_ns() // 1_000_000
    index = index_name(config.server.region, now_ms)
    try:
        channel = BulkChannel(config.opensearch, host, timeout_s=10, pool_size=1)
    except AuditshipError as error:
        return _fail("cluster", f"{host}: {error}", error.hint or "")
    try:
        check_template(channel.client, index)
        probe = b'{"create":{"_id":"auditship-check"}}\n{"@timestamp":"not a time"}\n'
        reply = channel.post(index, probe, gzipped=False)
    except AuditshipError as error:
        return _fail("cluster", str(error), error.hint or "")
    except UnreachableError as error:
        hint = "is OpenSearch running there? see opensearch.hosts and opensearch.ca_file"
        return _fail("cluster", f"{host}: {error}", hint)
    finally:
        channel.close()
    return _judged(host, index, reply.status, reply.body)


def _judged(host: str, index: str, status: int, body: bytes) -> Finding:
    try:
        answer = msgspec.json.decode(body)
        kind = answer["items"][0]["create"]["error"]["type"]
    except (msgspec.MsgspecError, LookupError, TypeError):
        return _fail("cluster", f"{host}: {status}, not the answer of a bulk request", _RIGHTS)
    if kind == "mapper_parsing_exception":
        return _ok("cluster", f"{host}: create allowed in {index}")
    if kind == "index_not_found_exception":
        return _ok("cluster", f"{host}: {index} is made with the first event of the day")
    return _fail("cluster", f"{host}: {index}: {kind}", _RIGHTS)


_RIGHTS: Final = "does the agent's role allow bulk into its region's indices? see templates/"
