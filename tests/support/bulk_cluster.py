"""The indices behind a scripted `_bulk`: what is stored, and what the node says of each item.

The replies are those of OpenSearch 3.8.0, key by key; tests/contract compares them with the node.
"""

import fnmatch
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from support.bulk_body import Action, Refusal
from support.bulk_mapping import DEFAULT, field_types, malformed, unmapped

Judge = Callable[[int, Action], Refusal | None]
AUTO_CREATE: Final = "-audit-*,+*"  # as the embedded node is configured


def accept_all(_position: int, _action: Action) -> Refusal | None:
    """Judge that refuses nothing."""
    return None


@dataclass
class Index:
    """One index: its settings, the fields whose values are checked, and the next numbers."""

    name: str
    uuid: str
    body: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)  # flat names, without `index.`
    types: Mapping[str, str] = field(default_factory=lambda: DEFAULT)
    sequence: int = 0

    @property
    def append_only(self) -> bool:
        return str(self.settings.get("append_only.enabled", "false")).lower() == "true"

    @property
    def final_pipeline(self) -> str | None:
        name = self.settings.get("final_pipeline", "_none")
        return None if name == "_none" else str(name)


class Cluster:
    """The state that outlives a request. Not locked: the server calls it under its own lock."""

    def __init__(self, *, auto_create: str = AUTO_CREATE, keep: bool = True) -> None:
        self.indices: dict[str, Index] = {}
        self.documents: dict[str, dict[str, bytes]] = defaultdict(dict)
        self.pipelines: set[str] = set()
        self.faults: dict[str, Refusal] = {}  # index -> what every write to it gets
        self.templated = True  # as after `auditship setup`: new indices would be append-only
        self._auto_create = auto_create.split(",")
        self._keep = keep
        self._numbers = itertools.count(1)

    def create(self, name: str, body: Mapping[str, Any]) -> Refusal | None:
        """Make an index; say no as the node does when its name is taken or forbidden."""
        if name != name.lower():
            return _bad_name(name)
        if name in self.indices:
            known = self.indices[name]
            reason = f"index [{name}/{known.uuid}] already exists"
            extra = (("index", name), ("index_uuid", known.uuid))
            return Refusal(400, "resource_already_exists_exception", reason, extra=extra)
        properties = body.get("mappings", {}).get("properties")
        self.indices[name] = Index(
            name=name,
            uuid=f"{next(self._numbers):022d}",
            body=body,
            settings=flat_settings(body.get("settings", {})),
            types=DEFAULT if properties is None else field_types(properties),
        )
        return None

    def delete(self, name: str) -> Refusal | None:
        """Drop an index with its documents."""
        if self.indices.pop(name, None) is None:
            return missing(name)
        self.documents.pop(name, None)
        return None

    def bulk(self, actions: Sequence[Action], judge: Judge = accept_all) -> list[dict[str, Any]]:
        """Apply actions in order and return their reply items; `judge` may refuse any of them."""
        spoiled = self._spoiled(actions)
        return [
            self._item(action, judge(position, action) or spoiled.get(action.index))
            for position, action in enumerate(actions)
        ]

    def _spoiled(self, actions: Iterable[Action]) -> dict[str, Refusal]:
        """Find indices whose final pipeline fails: one malformed document refuses its whole lot."""
        spoiled: dict[str, Refusal] = {}
        for action in actions:
            index = self.indices.get(action.index)
            if index is None or index.final_pipeline is None or action.verb == "delete":
                continue
            if index.final_pipeline not in self.pipelines:
                reason = f"pipeline with id [{index.final_pipeline}] does not exist"
                spoiled[index.name] = Refusal(400, "illegal_argument_exception", reason)
            elif refusal := malformed(action.document, piped=True):
                spoiled.setdefault(index.name, refusal)
        return spoiled

    def _item(self, action: Action, refusal: Refusal | None) -> dict[str, Any]:
        index = self._index_for(action.index)
        if isinstance(index, Refusal):
            refusal = index
            id_ = action.id
        else:
            id_ = f"made-by-node-{next(self._numbers)}" if action.id is None else action.id
            refusal = refusal or self.faults.get(index.name) or self._refusal(index, action, id_)
        told: dict[str, Any] = {"_index": action.index, "_id": id_}
        if isinstance(index, Refusal) or refusal is not None:
            no = refusal or index
            assert isinstance(no, Refusal)
            told |= {"status": no.status, "error": no.told()}
        else:
            told |= self._store(index, str(id_), action.document)
        return {action.verb: told}

    def _index_for(self, name: str) -> Index | Refusal:
        if name in self.indices:
            return self.indices[name]
        if name != name.lower():
            return _bad_name(name)
        for pattern in self._auto_create:
            if fnmatch.fnmatchcase(name, pattern[1:]):
                if pattern.startswith("+"):
                    self.create(name, {})
                    return self.indices[name]
                return not_made(name, pattern)
        return missing(name)

    def _refusal(self, index: Index, action: Action, id_: str) -> Refusal | None:
        if index.append_only and (no := _append_only(index.name, action)):
            return no
        if action.id is not None and not action.id:
            reason = "if _id is specified it must not be empty"
            return Refusal(400, "illegal_argument_exception", reason)
        if action.verb not in {"create", "index"}:
            raise NotImplementedError(f"{action.verb} on an index that is not append-only")
        no = malformed(action.document, piped=False) or unmapped(action.document, id_, index.types)
        if no is None and action.verb == "create" and id_ in self.documents[index.name]:
            return _conflict(index, id_)
        return no

    def _store(self, index: Index, id_: str, document: bytes) -> dict[str, Any]:
        self.documents[index.name][id_] = document if self._keep else b""
        index.sequence += 1
        return {
            "_version": 1,
            "result": "created",
            "_shards": {"total": 1, "successful": 1, "failed": 0},
            "_seq_no": index.sequence - 1,
            "_primary_term": 1,
            "status": 201,
        }


def flat_settings(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return settings by their dotted names, without a leading `index.`."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= flat_settings(value, f"{prefix}{name}.")
        else:
            flat[(prefix + name).removeprefix("index.")] = value
    return flat


def missing(name: str) -> Refusal:
    """Return what the node says of an index that does not exist."""
    extra = (("index", name), ("resource.id", name), ("resource.type", "index_or_alias"))
    reason = f"no such index [{name}]"
    return Refusal(404, "index_not_found_exception", reason, extra=(*extra, ("index_uuid", "_na_")))


def not_made(name: str, pattern: str) -> Refusal:
    """Return what the node says of a write to an index that it may not make itself."""
    reason = (
        f"no such index [{name}] and [action.auto_create_index] contains [{pattern}] "
        "which forbids automatic creation of the index"
    )
    extra = (("index", name), ("index_uuid", "_na_"))
    return Refusal(404, "index_not_found_exception", reason, extra=extra)


def _bad_name(name: str) -> Refusal:
    reason = f"Invalid index name [{name}], must be lowercase"
    extra = (("index", name), ("index_uuid", "_na_"))
    return Refusal(400, "invalid_index_name_exception", reason, extra=extra)


def _conflict(index: Index, id_: str) -> Refusal:
    reason = f"[{id_}]: version conflict, document already exists (current version [1])"
    extra = (("index", index.name), ("shard", "0"), ("index_uuid", index.uuid))
    return Refusal(409, "version_conflict_engine_exception", reason, extra=extra)


def _append_only(name: str, action: Action) -> Refusal | None:
    if action.verb == "create" or (action.verb == "index" and action.id is None):
        return None
    custom = f" with a custom document id {action.id}" if action.verb == "index" else ""
    reason = (
        f"Validation Failed: 1: Operation [{action.verb.upper()}] is not allowed{custom} as "
        f"setting `index.append_only.enabled` is enabled for this index: {name};"
    )
    return Refusal(400, "validation_exception", reason)
