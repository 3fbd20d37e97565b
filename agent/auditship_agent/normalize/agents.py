"""User agents: name, version, system and device by ua-parser, and the kind of device.

Parsed once per distinct string (a bounded number is remembered). A user agent is a claim of the
client: it is shown and searched, and never used for rights.
"""

import functools
from typing import Final

import ua_parser
from msgspec import Struct
from ua_parser.loaders import load_lazy_builtins
from ua_parser.regex import Resolver

from auditship_agent.line import Record
from auditship_agent.normalize.limits import cut, fits
from auditship_indexer.event.document import OnlyName, UserAgent
from auditship_indexer.event.fields import FIELDS

_MAX_CACHE: Final = 1_024  # a user agent may be a kilobyte long
_NAME_LIMIT: Final = FIELDS["user_agent.name"].limit
_VERSION_LIMIT: Final = FIELDS["user_agent.version"].limit

# First rule that applies; words are looked for in the lower-cased user agent.
_KINDS: Final = (
    ("sync", (
        "mirall/", "nextcloud", "owncloud", "dropbox", "onedrive", "googledrivefs", "syncthing",
        "seafile", "freefilesync", "goodsync", "cyberduck", "mountain duck", "insync", "filebox",
    )),
    ("bot", (
        "bot/", "bot;", "bot)", "googlebot", "bingbot", "crawler", "spider", "slurp",
        "facebookexternalhit", "slackbot", "telegrambot", "twitterbot", "uptimerobot", "pingdom",
        "kube-probe", "prometheus/", "blackbox exporter", "nagios", "check_http",
    )),
    ("cli", ("aws-cli/", " mc/", "mc release")),  # they name an SDK, too
    ("sdk", (
        "boto3/", "botocore/", "aws-sdk", "minio", "s3fs/", "python-requests/", "python-urllib",
        "urllib3/", "aiohttp/", "httpx/", "go-http-client/", "okhttp/", "axios/", "node-fetch",
        "apache-httpclient/", "java/", "jakarta", "guzzlehttp/", "libwww-perl/", "dart/",
    )),
    ("cli", (
        "curl/", "wget/", "rclone/", "s3cmd/", "s5cmd", "httpie/", "lftp/", "cadaver/", "aria2/",
        "restic/", "duplicity", "powershell/",
    )),
    ("webdav", (
        "microsoft-webdav-miniredir/", "webdavfs/", "webdavlib/", "davfs2/", "gvfs/", "kio/",
        "davclnt", "microsoft data access internet publishing provider dav", "gnome-vfs/",
    )),
    ("mobile", ("iphone", "ipad", "android", "cfnetwork/", "mobile/")),
    ("browser", ("mozilla/", "opera/", "links ", "lynx/", "w3m/")),
)  # fmt: skip


class Parsed(Struct, frozen=True, gc=False):
    """What one user-agent string says; `truncated` are fields that had to be cut."""

    fields: UserAgent
    kind: str | None
    truncated: tuple[str, ...] = ()


class Agents:
    """Reads user agents. With `parse` off only the text and the device kind are kept."""

    def __init__(self, *, parse: bool) -> None:
        self._parser = _parser() if parse else None
        self._known: dict[str, Parsed] = {}

    def read(self, text: str) -> Parsed:
        """Return what a user agent (at most 1,024 bytes) says of itself. Never raises."""
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= _MAX_CACHE:
                self._known.clear()
            known = self._known[text] = self._parsed(text)
        return known

    def _parsed(self, text: str) -> Parsed:
        fields = UserAgent(original=text)
        kind = _kind(text.lower())
        if self._parser is None:
            return Parsed(fields, kind)
        found = self._parser.parse(text)
        cuts: list[str] = []
        if agent := found.user_agent:
            fields.name = _short(agent.family, _NAME_LIMIT, "user_agent.name", cuts)
            numbers = (agent.major, agent.minor, agent.patch, agent.patch_minor)
            version = ".".join(number for number in numbers if number)
            fields.version = _short(version, _VERSION_LIMIT, "user_agent.version", cuts)
        if found.os and (name := _short(found.os.family, _NAME_LIMIT, "user_agent.os.name", cuts)):
            fields.os = OnlyName(name)
        if found.device and (
            name := _short(found.device.family, _NAME_LIMIT, "user_agent.device.name", cuts)
        ):
            fields.device = OnlyName(name)
        return Parsed(fields, kind, tuple(cuts))


@functools.cache
def _parser() -> ua_parser.Parser:
    """Return the Rust parser, one a process: its tables take 100 ms and 26 MB at first use."""
    return ua_parser.Parser(Resolver(load_lazy_builtins()))


def _short(text: str | None, limit: int, name: str, cuts: list[str]) -> str | None:
    if text and not fits(text, limit):
        cuts.append(name)
        text = cut(text, limit)
    return text or None


def _kind(lowered: str) -> str | None:
    for kind, words in _KINDS:
        if any(word in lowered for word in words):
            return kind
    return None


def device_of(record: Record, parsed: Parsed | None) -> str | None:
    """Return `audit.device`: the source's word, the protocol, the agent, else the key's use."""
    if record.device is not None:
        return record.device
    if record.protocol in {"sftp", "ftp"}:
        return record.protocol
    if parsed is not None and parsed.kind is not None:
        return parsed.kind
    return "api" if record.key_id is not None or record.actor == "api_key" else None
