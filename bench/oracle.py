"""What was written against what is stored: each line once, under the id that the contract names.

Ids are computed here from the files and the published formula, not by the product's code.
"""

import gzip
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from opensearchpy import OpenSearch, TransportError

_PAGE: Final = 10_000
_KEEP_ALIVE: Final = "5m"
_SHOWN: Final = 20
_PATIENCE: Final = 60  # times, a second apart
_MARK: Final = "http.request.id"


class Verdict(Struct, frozen=True):
    """The comparison. Everything but `written` and `stored` must be 0."""

    written: int  # complete lines, by the writers' own count
    in_files: int  # complete lines found in all files of the logs
    stored: int  # documents with a request id
    lost: int  # lines whose id is not in the index
    twice: int  # request ids that more than one document has
    strange: int  # documents whose id no line has
    examples: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether each line is stored exactly once."""
        counts = {self.written, self.in_files, self.stored}
        return len(counts) == 1 and not (self.lost or self.twice or self.strange)


class _Head(Struct):
    time: str
    request_id: str


def expected_ids(server_id: str, files: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """Yield `_id` and request id of each complete line."""
    for path in files:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        yield from _ids_of(server_id, raw)


def _ids_of(server_id: str, raw: bytes) -> Iterator[tuple[str, str]]:
    lines = raw.split(b"\n")[:-1]
    if not lines:
        return
    sid = server_id.encode()
    prefix = b"auditship-event-1\0" + len(sid).to_bytes(2, "big") + sid + _hash(lines[0])
    decoder = msgspec.json.Decoder(_Head)
    offset = 0
    for line in lines:
        head = decoder.decode(line)
        digest = _hash(prefix + offset.to_bytes(8, "big") + _hash(line))
        yield _uuid8(head.time, digest), head.request_id
        offset += len(line) + 1


def _hash(data: bytes) -> bytes:
    return sha256(data).digest()


def _uuid8(at: str, digest: bytes) -> str:
    """RFC 9562, version 8: 48 bits of Unix ms, 12 bits and 62 bits of the digest."""
    ms = round(datetime.fromisoformat(at).timestamp() * 1000)
    bits = "".join(f"{byte:08b}" for byte in digest)
    return str(uuid.UUID(int=int(f"{ms:048b}1000{bits[:12]}10{bits[12:74]}", 2)))


def _asked(call: Callable[[], Any]) -> Any:
    """Return the answer; a cluster that is short of memory is asked again for a while.

    Raises:
        TransportError: it stays so, or the answer is another refusal.
    """
    for _ in range(_PATIENCE):
        try:
            return call()
        except TransportError as error:
            if error.status_code not in {429, 503}:
                raise
            time.sleep(1.0)
    return call()


def count_stored(client: OpenSearch, pattern: str) -> int:
    """Return how many documents have a request id."""
    _asked(lambda: client.indices.refresh(index=pattern))
    query = {"query": {"exists": {"field": _MARK}}}
    return int(_asked(lambda: client.count(index=pattern, body=query))["count"])


def stored_ids(client: OpenSearch, pattern: str) -> Iterator[tuple[str, str]]:
    """Yield `_id` and request id of each document that has one, from one point in time.

    Raises:
        RuntimeError: the cluster answered in part.
    """
    _asked(lambda: client.indices.refresh(index=pattern))
    pit = _asked(lambda: client.create_pit(index=pattern, params={"keep_alive": _KEEP_ALIVE}))
    pit = pit["pit_id"]
    body: dict[str, Any] = {
        "size": _PAGE,
        "pit": {"id": pit, "keep_alive": _KEEP_ALIVE},
        "query": {"exists": {"field": _MARK}},
        "sort": [{"_shard_doc": "asc"}],
        "_source": [_MARK],
        "track_total_hits": False,
    }
    while True:
        page = _asked(lambda: client.search(body=body))
        if page["timed_out"] or page["_shards"]["failed"]:
            raise RuntimeError(f"a page in part: {page['_shards']}")
        hits = page["hits"]["hits"]
        if not hits:
            break
        for hit in hits:
            yield hit["_id"], hit["_source"]["http"]["request"]["id"]
        body["search_after"] = hits[-1]["sort"]
    client.delete_pit(body={"pit_id": [pit]})


def judge(written: int, expected: dict[str, str], stored: list[tuple[str, str]]) -> Verdict:
    """Compare what was written with what is stored."""
    found = dict(stored)
    lost = [name for ident, name in expected.items() if ident not in found]
    strange = [name for ident, name in found.items() if ident not in expected]
    twice = [name for name, count in Counter(n for _, n in stored).items() if count > 1]
    examples = [f"lost {name}" for name in lost] + [f"twice {name}" for name in twice]
    examples += [f"strange {name}" for name in strange]
    return Verdict(
        written=written,
        in_files=len(set(expected.values())),
        stored=len(stored),
        lost=len(lost),
        twice=len(twice),
        strange=len(strange),
        examples=tuple(examples[:_SHOWN]),
    )
