"""The benchmark's log: lines of the native format, the same for everybody who makes them.

Drawn from a fixed seed by `random.random` alone, whose sequence Python promises to keep. Actions,
people, programs and addresses are in the proportions of a busy file server: few users and
programs, many addresses of which few do most, some names that are not ASCII, some acts by keys,
some refused, some failed. Times lie on one day, so that all events have one index.
"""

import json
import os
import random
import threading
from bisect import bisect_right
from collections.abc import Iterator
from hashlib import sha256
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from auditship_indexer.clock import iso_ms
from bench.database import country_database

LINES: Final = 500_000
START_MS: Final = 1_776_124_800_000  # 2026-04-14T00:00:00Z; all lines are of this day
DAY: Final = "2026.04.14"
# SHA-256 of the log of so many lines; one of another length is only compared with itself.
KNOWN: Final = {
    1_000: "783d7d760bd70eb670177cc560e11302c2bdad67eb748434d090fca5e55a59dc",
    LINES: "9b440e8ce4582fa1306a91b7b20ef4bacf3e769ae63faf4828d6595a1895b6a3",
}
_SEED: Final = 20260414
_ACTIONS: Final = (
    ("file.preview", 30),
    ("file.download", 40),
    ("file.upload", 6),
    ("share.create", 7),
    ("share.open", 8),
    ("file.rename", 2),
    ("file.delete", 2),
    ("auth.login", 5),
)
_SHARES: Final = tuple(accumulate(weight for _, weight in _ACTIONS))
_USERS: Final = 300
_WORKSPACES: Final = 75
_PROGRAMS: Final = 198
_ADDRESSES: Final = 41_000
_BUSY_ADDRESSES: Final = 800  # of them come 70 % of the lines
_BUSY_SHARE: Final = 0.7
_KEY_SHARE: Final = 0.15
_DENIED_SHARE: Final = 0.03
_ERROR_SHARE: Final = 0.04
_STEP_MS: Final = 330  # longest time between two lines: all of them fit into the day
_NETWORKS: Final = 640
_COUNTRIES: Final = ("US", "DE", "TR", "GB", "FR", "NL", "SG", "JP", "BR", "IN", "PL", "CA")
_WORDS: Final = (
    "render", "final", "quarterly report", "brand assets", "Größe", "çekim", "storyboard",
    "invoice", "interview", "drone footage", "café menu", "budget", "予算", "contract", "teaser",
)  # fmt: skip
_ENDS: Final = ("mp4", "pdf", "zip", "mov", "png", "docx", "xlsx", "psd")
_FOLDERS: Final = ("renders", "legal", "marketing", "Şablonlar", "archive", "clients", "raw")
_PEOPLE: Final = (
    "john",
    "sarah",
    "ayse",
    "mike",
    "guest",
    "lena",
    "omar",
    "yuki",
    "maria",
    "piotr",
)
_PROGRAM_FORMS: Final = (
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/{n}.0.0.0 Safari/537.36"
    ),
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:{n}.0) Gecko/20100101 Firefox/{n}.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:{n}.0) Gecko/20100101 Firefox/{n}.0",
    "rclone/v1.{n}.1",
    "aws-cli/2.{n}.0 Python/3.11.8 Linux/6.1 exe/x86_64",
    "Mozilla/5.0 (Linux) mirall/3.{n}.1stable (Nextcloud)",
)


def cache() -> Path:
    """Return the folder of what is made or fetched once: `auditship` in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "auditship" / "bench"


class _Draw:
    """Choices of one sequence."""

    def __init__(self, seed: int) -> None:
        self.share = random.Random(seed).random  # noqa: S311 - a log for measurements
        self.addresses = [self._address() for _ in range(_ADDRESSES)]

    def below(self, limit: int) -> int:
        """Return a number from 0 to `limit` - 1."""
        return int(self.share() * limit)

    def one(self, values: tuple[str, ...]) -> str:
        """Return one of the values."""
        return values[self.below(len(values))]

    def action(self) -> str:
        """Return an action in its proportion."""
        return _ACTIONS[bisect_right(_SHARES, self.below(_SHARES[-1]))][0]

    def address(self) -> str:
        """Return an address: of the busy ones, or of all."""
        busy = self.share() < _BUSY_SHARE
        return self.addresses[self.below(_BUSY_ADDRESSES if busy else _ADDRESSES)]

    def _address(self) -> str:
        network = self.below(_NETWORKS + _NETWORKS // 20)  # some are in no country's network
        return f"{_network(network)}.{self.below(256)}.{1 + self.below(254)}"


def _network(number: int) -> str:
    return f"{23 + number // 128}.{number % 128 * 2}"


def country_data() -> bytes:
    """Return the database that knows the countries of nearly all addresses."""
    return country_database(
        {f"{_network(n)}.0.0/16": _COUNTRIES[n % len(_COUNTRIES)] for n in range(_NETWORKS)}
    )


def lines(count: int) -> Iterator[bytes]:
    """Make the first `count` lines, each with its LF, about 465 bytes on average."""
    draw = _Draw(_SEED)
    now_ms = START_MS
    for number in range(count):
        now_ms += draw.below(_STEP_MS)
        record = _record(draw, number, iso_ms(now_ms))
        yield json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _record(draw: _Draw, number: int, time: str) -> dict[str, Any]:
    action = draw.action()
    result, reason = _result(draw, action)
    user, workspace = draw.below(_USERS), draw.below(_WORKSPACES)
    program = draw.below(_PROGRAMS)
    form = _PROGRAM_FORMS[program % len(_PROGRAM_FORMS)]
    record: dict[str, Any] = {"v": 1, "time": time, "action": action, "result": result}
    if reason:
        record["reason"] = reason
    record["user"] = {"id": f"u_{user}", "email": f"{_PEOPLE[user % 10]}.{user}@team{user % 7}.com"}
    if draw.share() < _KEY_SHARE:
        record["api_key"] = {"id": f"ak_{user % 40}", "name": f"robot {user % 40}"}
    if action != "auth.login":
        record["file"] = _file(draw, action)
        record["workspace"] = {"id": f"w_{workspace}", "name": f"Campaign {workspace} 2026"}
    if action.startswith("share."):
        record["share"] = {"id": f"s_{draw.below(9000):x}", "scope": "anyone"}
    record["ip"] = draw.address()
    record["user_agent"] = form.format(n=60 + program // len(_PROGRAM_FORMS))
    record["storage_region"] = "eu-central-2"
    record["request_id"] = f"r-{number:08x}"
    return record


def _result(draw: _Draw, action: str) -> tuple[str, str]:
    """Return result and reason. All logins succeed: who was refused one is nobody's actor."""
    chance = draw.share()
    if action == "auth.login" or chance > _DENIED_SHARE + _ERROR_SHARE:
        return "success", ""
    return ("denied", "permission") if chance < _DENIED_SHARE else ("error", "unavailable")


def _file(draw: _Draw, action: str) -> dict[str, Any]:
    number = draw.below(200_000)
    name = f"{draw.one(_WORDS)}-{number}.{draw.one(_ENDS)}"
    folder = f"/{draw.one(_FOLDERS)}/2026"
    file: dict[str, Any] = {"id": f"f_{number:06}", "name": name, "path": f"{folder}/{name}"}
    if action == "file.rename":
        file["previous_name"] = f"draft {name}"
    if action != "file.delete":
        file["size"] = 1000 + draw.below(4_000_000_000)
    return file


def corpus(count: int = LINES, folder: Path | None = None) -> Path:
    """Return the log of `count` lines, made at the first call and checked at each.

    Raises:
        ValueError: what was made is not what is known under this length.
    """
    folder = folder or cache()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"native-{count}.log"
    noted = path.with_suffix(".sha256")
    wanted = KNOWN.get(count) or (noted.read_text("ascii") if noted.exists() else "")
    if not (path.exists() and wanted == digest_of(path)):
        _write(path, count)
        made = digest_of(path)
        if count in KNOWN and made != KNOWN[count]:
            raise ValueError(f"{path}: SHA-256 is {made}, not {KNOWN[count]}")
        noted.write_text(made, "ascii")
    return path


def _write(path: Path, count: int) -> None:
    new = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")  # others may make it, too
    with new.open("wb") as file:
        file.writelines(lines(count))
    new.replace(path)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    digest = sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
