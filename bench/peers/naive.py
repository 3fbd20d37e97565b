"""The shipper that one writes in an afternoon: readline, json, dicts, the client's bulk helper.

It does what is easy: names of the event, an id, a position at the end. No country, no reading of
user agents, no gzip, no hash of lines, no answer to what the cluster refuses but an exception.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch
from opensearchpy.helpers import streaming_bulk


def document_of(line: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the event of a line, without what a look at its parts would tell."""
    record = json.loads(line)
    action, result = record["action"], record["result"]
    act = settings["acts"][f"{action} {result}"]
    key = record.get("api_key")
    event = {
        "action": action,
        "category": act["category"],
        "dataset": "native",
        "id": hashlib.sha256(line.encode()).hexdigest(),
        "kind": "event",
        "outcome": act["outcome"],
        "type": act["type"],
    }
    if "reason" in record:
        event["reason"] = record["reason"]
    document = {
        "@timestamp": record["time"],
        "agent": {"id": settings["server"], "version": settings["version"]},
        "audit": {
            "actor": key["id"] if key else record["user"]["email"],
            "actor_type": "api_key" if key else "user",
            "result": result,
            "schema": 1,
            "verb": act["verb"],
        },
        "client": {"ip": record["ip"]},
        "cloud": {"region": settings["region"]},
        "ecs": {"version": settings["ecs"]},
        "event": event,
        "host": {"id": settings["server"]},
        "http": {"request": {"id": record["request_id"]}},
        "log": {"file": {"path": settings["log"]}},
        "storage": {"region": record["storage_region"]},
        "user": record["user"],
        "user_agent": {"original": record["user_agent"]},
    }
    for name in ("api_key", "file", "share", "workspace"):
        if name in record:
            document[name] = record[name]
    if "previous_name" in document.get("file", ()):
        document["file"]["previous"] = {"name": document["file"].pop("previous_name")}
    return document


def actions(log: Path, settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Read the log line by line."""
    with log.open(encoding="utf-8") as file:
        while line := file.readline():
            document = document_of(line.rstrip("\n"), settings)
            yield {
                "_op_type": "create",
                "_index": settings["index"],
                "_id": document["event"]["id"],
                "_source": document,
            }


def main(settings_path: Path) -> None:
    """Ship the whole log, then note the position."""
    settings = json.loads(settings_path.read_text(encoding="utf-8"))
    log = Path(settings["log"])
    client = OpenSearch(hosts=[settings["address"]], timeout=60)
    for taken, item in streaming_bulk(client, actions(log, settings), chunk_size=5000):
        if not taken:
            raise RuntimeError(str(item))
    position = settings_path.with_name("position")
    position.write_text(str(log.stat().st_size), encoding="ascii")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
