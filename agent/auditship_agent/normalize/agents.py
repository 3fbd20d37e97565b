"""User agents: name, version, system and device by ua-parser, and the kind of device.

Parsed once per distinct string (a bounded number is remembered). A user agent is a claim of the
client: it is shown and searched, and never used for rights.
"""

import functools
import re
from typing import Any, Final

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
        "seafile", "seadrive", "skydrivesync", "freefilesync", "goodsync", "cyberduck",
        "mountain duck", "insync", "filebox",
    )),
    ("bot", (
        "bot/", "bot;", "bot)", "googlebot", "bingbot", "crawler", "spider", "slurp",
        "facebookexternalhit", "slackbot", "telegrambot", "twitterbot", "whatsapp/", "uptimerobot",
        "pingdom", "kube-probe", "prometheus/", "blackbox exporter", "nagios", "check_http",
    )),
    ("cli", ("aws-cli/", " mc/", "mc release")),  # they name an SDK, too
    ("sdk", (
        "boto3/", "botocore/", "aws-sdk", "minio", "s3fs/", "python-requests/", "python-urllib",
        "urllib3/", "aiohttp/", "httpx/", "go-http-client/", "okhttp/", "axios/", "node-fetch",
        "apache-httpclient/", "java/", "jakarta", "guzzlehttp/", "libwww-perl/", "dart/",
    )),
    ("cli", (
        "curl/", "wget/", "wget2/", "rclone/", "s3cmd/", "s5cmd", "httpie/", "lftp/", "cadaver/",
        "aria2/", "restic/", "duplicity", "powershell/", "git-lfs/", "postmanruntime/", "insomnia/",
    )),
    ("webdav", (
        "microsoft-webdav-miniredir/", "webdavfs/", "webdavlib/", "davfs2/", "gvfs/", "kio/",
        "davclnt", "microsoft data access internet publishing provider dav", "gnome-vfs/",
    )),
    ("mobile", ("iphone", "ipad", "android", "cfnetwork/", "mobile/")),
    ("browser", ("mozilla/", "opera/", "links ", "lynx/", "w3m/")),
)  # fmt: skip

# Programs whose name is not their first word, or whom the parser's data does not know well.
_NAMES: Final = {
    "mirall": "Nextcloud", "nextcloud-android": "Nextcloud", "nextcloud-ios": "Nextcloud",
    "owncloudapp": "ownCloud", "owncloud-android": "ownCloud", "dropboxdesktopclient": "Dropbox",
    "skydrivesync": "OneDrive", "mc": "mc", "windowspowershell": "PowerShell",
    "powershell": "PowerShell", "wget2": "Wget",
}  # fmt: skip
_NAMED: Final = re.compile(
    rf"(?<![\w-])({'|'.join(_NAMES)})[/ ]v?(\d+(?:\.\d+)*|release\.[\w-]+)",
    re.ASCII | re.IGNORECASE,
)
_FIRST: Final = re.compile(r"([A-Za-z][\w.+-]*(?: [A-Za-z][\w.+-]*)?)/v?(\d+(?:\.\d+)*)", re.ASCII)
_NO_NAME: Final = frozenset({None, "Mobile Safari UI/WKWebView"})  # the system's, not the program's
_PROGRAMS: Final = frozenset({"sync", "cli", "sdk", "webdav"})  # run on any machine


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
        name, version = _program(text, found.user_agent, kind)
        fields.name = _short(name, _NAME_LIMIT, "user_agent.name", cuts)
        fields.version = _short(version, _VERSION_LIMIT, "user_agent.version", cuts)
        if found.os and (name := _short(found.os.family, _NAME_LIMIT, "user_agent.os.name", cuts)):
            fields.os = OnlyName(name)
        device = None if kind in _PROGRAMS or found.device is None else found.device.family
        if name := _short(device, _NAME_LIMIT, "user_agent.device.name", cuts):
            fields.device = OnlyName(name)
        return Parsed(fields, kind, tuple(cuts))


def _program(text: str, agent: Any, kind: str | None) -> tuple[str | None, str | None]:
    """Return name and version: by our own names, by the parser, else the first word."""
    if match := _NAMED.search(text):
        word = match[1].lower()
        is_owncloud = word == "mirall" and "owncloud" in text.lower()
        return "ownCloud" if is_owncloud else _NAMES[word], match[2]
    family = agent.family if agent else None
    if family in _NO_NAME and (match := _FIRST.match(text)) and match[1] != "Mozilla":
        return match[1], match[2]
    if agent is None:
        return None, None
    version = ".".join(
        part for part in (agent.major, agent.minor, agent.patch, agent.patch_minor) if part
    )
    return family, _whole(version, text) if kind in _PROGRAMS else version


def _whole(version: str, text: str) -> str:
    """Return all digits of a version of which the parser took the first ones only."""
    if not version:
        return version
    match = re.search(rf"(?<![\d.]){re.escape(version)}(?:\.\d+)*(?!\d)", text, re.ASCII)
    return match[0] if match else version


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
