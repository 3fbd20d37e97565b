"""What `make fuzz` feeds with bytes: functions that must hold for any input, and good inputs.

A target raises only when the product broke a promise. None needs the fuzzer: the test suite runs
each over its seeds.
"""

import gzip
import json
import os
import zlib
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from auditship_agent.body import Item, Items
from auditship_agent.config import SourceConfig
from auditship_agent.deliver.reply import Course, Fate, judge
from auditship_agent.line import Line
from auditship_agent.parsing import PRESETS
from auditship_agent.pipeline.transform import Stream, Transform
from auditship_agent.pipeline.trial import trial_config
from auditship_agent.source.archive import CorruptArchiveError, GzipContent
from auditship_agent.source.framing import Framer
from auditship_indexer.opensearch.bulk import HttpReply

LOGS: Final = Path(__file__).parents[1] / "examples" / "logs"
_SETTINGS: Final[dict[str, dict[str, Any]]] = {
    "caddy": {"paths": ("/ws/{workspace}/{path*}",)},
    "nginx-json": {"trusted_proxies": ("10.0.0.0/8",), "paths": ("/ws/{workspace}/{path*}",)},
    "sftpgo": {"timezone": "Europe/Berlin"},
}
_LIMIT: Final = 4096  # the least that a source may have
_CUTS: Final = 8  # of the first bytes, which say where the rest is cut
_GZIP_WBITS: Final = 31
_IDS: Final = tuple(f"{n:08x}-0000-8000-8000-000000000000" for n in range(3))
_INDEX: Final = "audit-eu-2026.04.14"

Check = Callable[[bytes], None]


class Target(Struct, frozen=True):
    """One thing to feed. `make` is called once a process; `seeds` are good inputs."""

    make: Callable[[], Check]
    seeds: Callable[[], list[bytes]]


def check_preset(stream: Stream, raw: bytes) -> None:
    """Hold a line to the promises of section 12 of the sources page.

    One outcome; documents that are canonical JSON on one line; twice the same answer.
    """
    line = Line(raw, 0, len(raw) + 1, sha256(raw).digest(), len(raw))
    produced = stream.produce(line)
    assert (produced.outcome == "event") == bool(produced.documents)  # noqa: S101 - the oracle
    assert (produced.outcome == "event") != bool(produced.reason)  # noqa: S101 - the oracle
    for document in produced.documents:
        assert b"\n" not in document.body  # noqa: S101 - the oracle
        found = json.loads(document.body)
        assert found["event"]["id"] == document.id  # noqa: S101 - the oracle
        again = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert document.body == again.encode()  # noqa: S101 - the oracle
    assert stream.produce(line) == produced  # noqa: S101 - the oracle


def _preset(name: str) -> Check:
    source = SourceConfig(name, name, ("/",), **_SETTINGS.get(name, {}))
    transform = Transform(trial_config(source), source)
    return partial(check_preset, transform.stream(sha256(b"first").digest(), "/var/log/a.log"))


def _lines_of(name: str) -> list[bytes]:
    names = [f"{name}.*", "nasty.*"] if name == "native" else [f"{name}.*"]
    files = [path for pattern in names for path in sorted(LOGS.glob(pattern))]
    lines = [line for path in files for line in path.read_bytes().split(b"\n")]
    return [line for line in lines if len(line) <= _LIMIT]


def check_framing(data: bytes) -> None:
    """Any cut of the same bytes gives the same lines, and they cover all bytes up to the rest."""
    cuts, content = data[:_CUTS], data[_CUTS:]
    whole = Framer(0, _LIMIT)
    wanted = list(whole.feed(content))
    pieces = Framer(0, _LIMIT)
    found: list[Line] = []
    start = 0
    for cut in cuts:
        found += pieces.feed(content[start : start + cut])
        start += cut
    found += pieces.feed(content[start:])
    assert found == wanted  # noqa: S101 - the oracle
    assert pieces.searched == whole.searched == len(content)  # noqa: S101 - the oracle
    assert pieces.rest() == whole.rest()  # noqa: S101 - the oracle
    end = 0
    for line in found:
        assert line.begin == end  # noqa: S101 - the oracle
        assert len(line.raw) <= line.length  # noqa: S101 - the oracle
        if line.whole:
            assert line.raw == content[line.offset : line.end - 1]  # noqa: S101 - the oracle
            assert line.sha256 == sha256(line.raw).digest()  # noqa: S101 - the oracle
        end = line.end


def _good_members(data: bytes) -> bytes:
    """Return the content of the members whose checksums are right, up to the first other one."""
    good = b""
    while data := data.lstrip(b"\0"):
        stream = zlib.decompressobj(_GZIP_WBITS)
        try:
            member = stream.decompress(data)
        except zlib.error:
            break
        if not stream.eof:
            break
        good += member
        data = stream.unused_data
    return good


def check_archive(data: bytes) -> None:
    """What is read of an archive is exactly the content of its good members."""
    descriptor = os.memfd_create("archive")
    content = GzipContent(descriptor)
    try:
        os.write(descriptor, data)
        while not content.prepare(_LIMIT):
            pass
        found = b""
        try:
            while piece := content.read(len(found), 999):
                found += piece
        except CorruptArchiveError as error:
            assert error.offset == len(found)  # noqa: PT017, S101 - the oracle
    finally:
        content.close()
    assert found == _good_members(data)  # noqa: S101 - the oracle


def _archives() -> list[bytes]:
    plain = (LOGS / "sftpgo.jsonl").read_bytes()
    one = gzip.compress(plain[:2000], mtime=0)
    return [one, one + gzip.compress(b"", mtime=0) + one, one[:-4], one + b"\0" * 512]


class _Nobody:
    source = "fuzz"

    def complete(self, begin: int, end: int) -> None:
        """Nothing is read here."""


_OWNER: Final = _Nobody()
_ITEMS: Final = Items(Item(id_, _INDEX, _OWNER, n, n + 1) for n, id_ in enumerate(_IDS))


def check_reply(data: bytes) -> None:
    """A reply that is not certainly ours acknowledges nothing."""
    judgment = judge(HttpReply(200, {}, data), _ITEMS)
    judge(HttpReply(data[0] + 400 if data else 500, {}, data), _ITEMS)
    if judgment.course is not Course.TAKEN:
        assert not judgment.fates  # noqa: S101 - the oracle
        return
    assert len(judgment.fates) == len(_IDS)  # noqa: S101 - the oracle
    items = json.loads(data.decode(errors="replace"))["items"]
    for one, id_, fate in zip(items, _IDS, judgment.fates, strict=True):
        (told,) = one.values()
        assert told["_id"] == id_  # noqa: S101 - the oracle
        if fate.fate in {Fate.STORED, Fate.PRESENT}:
            assert told["status"] in {201, 409}  # noqa: S101 - the oracle


def _replies() -> list[bytes]:
    def reply(*items: tuple[int, str | None]) -> bytes:
        told: list[dict[str, Any]] = []
        for id_, (status, kind) in zip(_IDS, items, strict=True):
            create: dict[str, Any] = {"_index": _INDEX, "_id": id_, "status": status}
            if kind is not None:
                create["error"] = {"type": kind, "reason": "because"}
            told.append({"create": create})
        errors = any(kind for _, kind in items)
        return json.dumps({"took": 3, "errors": errors, "items": told}).encode()

    stored = (201, None)
    return [
        reply(stored, stored, stored),
        reply(stored, (409, "version_conflict_engine_exception"), stored),
        reply((429, "rejected_execution_exception"), stored, (400, "mapper_parsing_exception")),
        reply((404, "index_not_found_exception"), (400, "index_closed_exception"), stored),
        b'{"error":{"type":"security_exception","reason":"no"},"status":403}',
    ]


def _framings() -> list[bytes]:
    content = (LOGS / "seaweedfs.jsonl").read_bytes()[:2000]
    return [bytes(range(_CUTS)) + content, b"\x01" * _CUTS + b"\0\0\0a\n\0\nb\r\n", b"\0" * 20]


TARGETS: Final[dict[str, Target]] = {
    **{name: Target(partial(_preset, name), partial(_lines_of, name)) for name in PRESETS},
    "framing": Target(lambda: check_framing, _framings),
    "archive": Target(lambda: check_archive, _archives),
    "reply": Target(lambda: check_reply, _replies),
}
