"""The few other calls that a client of `_bulk` makes: indices, one document, the banner."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from support.bulk_body import Action, Refusal
from support.bulk_cluster import Cluster, Index, flat_settings, missing
from support.bulk_script import error_answer, json_answer
from support.bulk_wire import Answer, Request

Route = Callable[[Cluster, Request, list[str]], Answer | None]

BANNER: Final = {
    "name": "fake",
    "cluster_name": "opensearch",
    "cluster_uuid": "0000000000000000000000",
    "version": {"distribution": "opensearch", "number": "3.8.0", "build_type": "zip"},
    "tagline": "The OpenSearch Project: https://opensearch.org/",
}
_ACKNOWLEDGED: Final = {"acknowledged": True}


def route(cluster: Cluster, request: Request) -> Answer:
    """Answer anything but `_bulk`."""
    parts = [part for part in request.path.split("/") if part]
    method = "GET" if request.method == "HEAD" else request.method
    for wanted, answer in _ROUTES:
        if method == wanted and (found := answer(cluster, request, parts)) is not None:
            return found
    told = f"no handler found for uri [{request.path}] and method [{request.method}]"
    return json_answer(400, {"error": told})


def _banner(_cluster: Cluster, _request: Request, parts: list[str]) -> Answer | None:
    return None if parts else json_answer(200, BANNER)


def _health(_cluster: Cluster, _request: Request, parts: list[str]) -> Answer | None:
    if parts[:2] != ["_cluster", "health"]:
        return None
    return json_answer(200, {"cluster_name": "opensearch", "status": "green", "timed_out": False})


def _get_index(cluster: Cluster, _request: Request, parts: list[str]) -> Answer | None:
    if len(parts) != 1 or parts[0].startswith("_"):
        return None
    index = cluster.indices.get(parts[0])
    if index is None:
        return error_answer(missing(parts[0]))
    return json_answer(200, {index.name: _described(index)})


def _described(index: Index) -> dict[str, Any]:
    texts = {name: _text(value) for name, value in index.settings.items()}
    return {
        "aliases": {},
        "mappings": index.body.get("mappings", {}),
        "settings": {"index": _nested({**texts, "provided_name": index.name, "uuid": index.uuid})},
    }


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _nested(flat: Mapping[str, str]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *path, last = name.split(".")
        level = nested
        for step in path:
            level = level.setdefault(step, {})
        level[last] = value
    return nested


def _simulate_template(cluster: Cluster, _request: Request, parts: list[str]) -> Answer | None:
    if len(parts) != 3 or parts[:2] != ["_index_template", "_simulate_index"]:
        return None
    settings = {"append_only": {"enabled": "true"}} if cluster.templated else {}
    template = {"settings": {"index": settings}, "mappings": {}, "aliases": {}}
    return json_answer(200, {"template": template, "overlapping": []})


def _put_index(cluster: Cluster, request: Request, parts: list[str]) -> Answer | None:
    if len(parts) != 1 or parts[0].startswith("_"):
        return None
    body = json.loads(request.body) if request.body else {}
    if (no := cluster.create(parts[0], body)) is not None:
        return error_answer(no)
    told = {"acknowledged": True, "shards_acknowledged": True, "index": parts[0]}
    return json_answer(200, told)


def _delete_index(cluster: Cluster, _request: Request, parts: list[str]) -> Answer | None:
    if len(parts) != 1 or parts[0].startswith("_"):
        return None
    for name in parts[0].split(","):
        if (no := cluster.delete(name)) is not None:
            return error_answer(no)
    return json_answer(200, _ACKNOWLEDGED)


def _put_settings(cluster: Cluster, request: Request, parts: list[str]) -> Answer | None:
    if len(parts) != 2 or parts[1] != "_settings":
        return None
    if parts[0] not in cluster.indices:
        return error_answer(missing(parts[0]))
    for name, value in flat_settings(json.loads(request.body or b"{}")).items():
        _set_block(cluster, parts[0], name, on=str(value).lower() == "true")
    return json_answer(200, _ACKNOWLEDGED)


def _set_block(cluster: Cluster, index: str, name: str, *, on: bool) -> None:
    flood = "12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block"
    status, mark = {
        "blocks.write": (403, "FORBIDDEN/8/index write (api)"),
        "blocks.read_only_allow_delete": (429, f"TOO_MANY_REQUESTS/{flood}"),
    }[name]
    if on:
        reason = f"index [{index}] blocked by: [{mark}];"
        cluster.faults[index] = Refusal(status, "cluster_block_exception", reason)
    else:
        cluster.faults.pop(index, None)


def _close_or_open(cluster: Cluster, _request: Request, parts: list[str]) -> Answer | None:
    if len(parts) != 2 or parts[1] not in {"_close", "_open"}:
        return None
    index = cluster.indices.get(parts[0])
    if index is None:
        return error_answer(missing(parts[0]))
    if parts[1] == "_open":
        cluster.faults.pop(index.name, None)
    else:
        extra = (("index", index.name), ("index_uuid", index.uuid))
        cluster.faults[index.name] = Refusal(400, "index_closed_exception", "closed", extra=extra)
    return json_answer(200, {"acknowledged": True, "shards_acknowledged": True})


def _put_pipeline(cluster: Cluster, _request: Request, parts: list[str]) -> Answer | None:
    if len(parts) != 3 or parts[:2] != ["_ingest", "pipeline"]:
        return None
    cluster.pipelines.add(parts[2])
    return json_answer(200, _ACKNOWLEDGED)


def _create_document(cluster: Cluster, request: Request, parts: list[str]) -> Answer | None:
    if len(parts) != 3 or parts[1] != "_create":
        return None
    action = Action("create", parts[0], parts[2], request.body or b"")
    item = cluster.bulk([action])[0]["create"]
    if "error" in item:
        error, status = item["error"], item["status"]
        cause = {name: value for name, value in error.items() if name != "caused_by"}
        return json_answer(status, {"error": {"root_cause": [cause], **error}, "status": status})
    told = {name: value for name, value in item.items() if name != "status"}
    return json_answer(201, told, ("Location", f"/{parts[0]}/_doc/{parts[2]}"))


def _get_document(cluster: Cluster, _request: Request, parts: list[str]) -> Answer | None:
    if len(parts) != 3 or parts[1] != "_doc":
        return None
    document = cluster.documents.get(parts[0], {}).get(parts[2])
    told: dict[str, Any] = {"_index": parts[0], "_id": parts[2]}
    if document is None:
        return json_answer(404, {**told, "found": False})
    return json_answer(200, {**told, "found": True, "_source": json.loads(document)})


def _count(cluster: Cluster, _request: Request, parts: list[str]) -> Answer | None:
    if len(parts) != 2 or parts[1] not in {"_count", "_refresh"}:
        return None
    shards = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
    told = {"count": len(cluster.documents.get(parts[0], {})), "_shards": shards}
    return json_answer(200, told if parts[1] == "_count" else {"_shards": shards})


_ROUTES: Final[tuple[tuple[str, Route], ...]] = (
    ("GET", _banner),
    ("GET", _health),
    ("GET", _get_index),
    ("GET", _get_document),
    ("GET", _count),
    ("POST", _count),
    ("POST", _simulate_template),
    ("PUT", _put_index),
    ("DELETE", _delete_index),
    ("PUT", _put_settings),
    ("POST", _close_or_open),
    ("PUT", _put_pipeline),
    ("PUT", _create_document),
    ("POST", _create_document),
)
