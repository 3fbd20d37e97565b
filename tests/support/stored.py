"""Documents put into a real cluster as an agent would, without the agent."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import msgspec
from opensearchpy import OpenSearch

from auditship_indexer.clock import iso_ms
from auditship_indexer.event.identity import Lineage, event_id, index_of_day
from auditship_indexer.opensearch import ensure_day

BULK = 5_000
Document = dict[str, Any]


def document(ms: int, offset: int, *, server: str = "fs-1", **parts: Mapping[str, Any]) -> Document:
    """Return one upload; `parts` are merged into its objects, as `file={"name": "x"}`."""
    digest = Lineage(server, b"f" * 32).digest(offset, b"l" * 32)
    made: Document = {
        "@timestamp": iso_ms(ms),
        "audit": {"actor": "john@dosya.dev", "result": "success", "schema": 1, "verb": "UPLOAD"},
        "cloud": {"region": "eu-central-2"},
        "event": {"action": "file.upload", "id": event_id(ms, digest)},
        "file": {"name": f"file-{offset}.bin"},
        "log": {"generation": "g" * 32, "offset": offset},
        "workspace": {"id": "w_brand", "name": "Brand Campaign 2026"},
    }
    for name, values in parts.items():
        made[name] = {**made.get(name, {}), **values}
    return made


def store(client: OpenSearch, region: str, day: date, documents: Iterable[Document]) -> None:
    """Put documents of one UTC day into a region, and make them visible."""
    ensure_day(client, region, day)
    index = index_of_day(region, day)
    waiting = list(documents)
    for start in range(0, len(waiting), BULK):
        lines: list[bytes] = []
        for found in waiting[start : start + BULK]:
            action = {"create": {"_index": index, "_id": found["event"]["id"]}}
            lines += [msgspec.json.encode(action), msgspec.json.encode(found)]
        body = b"\n".join(lines) + b"\n"
        reply = client.transport.perform_request("POST", "/_bulk", body=body)
        assert not reply["errors"], reply["items"][0]
    client.indices.refresh(index=index)
