"""What `--workspace X` means: the workspace of that id, else the one of that name.

A name is not unique. Where several ids carry it within the window, the answer would mix two
workspaces, so it is refused and the ids are listed.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from auditship_indexer.errors import ConfigError
from auditship_indexer.query.dsl import to_dsl
from auditship_indexer.query.shortcuts import has_star, workspace_id, workspace_name
from auditship_indexer.query.tree import All, Tree, both, either
from auditship_indexer.search.snapshot import Key, Page, Snapshot

_LISTED: Final = 10
_DECODER: Final = msgspec.json.Decoder(Page[Key])


def resolve_workspaces(snapshot: Snapshot, wanted: Iterable[str], window: Tree) -> Tree:
    """Return the condition that an event belongs to one of the workspaces; none: every event.

    A pattern matches ids; where it matches none, names.

    Raises:
        ConfigError: a name is carried by several ids, or a value is empty.
        AuditshipError: no answer.
    """
    trees = [_resolve(snapshot, text, window) for text in dict.fromkeys(wanted)]
    return either(trees) if trees else All()


def _resolve(snapshot: Snapshot, text: str, window: Tree) -> Tree:
    by_id, by_name = workspace_id(text), workspace_name(text)
    found = _counts(snapshot, by_id, by_name, window)
    if found["by_id"]["doc_count"]:
        return by_id
    ids = [str(bucket["key"]) for bucket in found["by_name"]["ids"]["buckets"]]
    if len(ids) > 1 and not has_star(text):
        more = ", …" if len(ids) > _LISTED else ""
        raise ConfigError(
            f"--workspace {text}: several workspaces carry this name: "
            f"{', '.join(sorted(ids[:_LISTED]))}{more}",
            hint="give the id instead of the name",
        )
    return by_name


def _counts(snapshot: Snapshot, by_id: Tree, by_name: Tree, window: Tree) -> dict[str, Any]:
    ids = {"ids": {"terms": {"field": "workspace.id", "size": _LISTED + 1}}}
    body = {
        "size": 0,
        "track_total_hits": False,
        "query": to_dsl(both((window, either((by_id, by_name))))),
        "aggs": {
            "by_id": {"filter": to_dsl(by_id)},
            "by_name": {"filter": to_dsl(by_name), "aggs": ids},
        },
    }
    return snapshot.page(_DECODER, body).aggregations
