"""Which daily indices exist, and whether they are ours.

Asked by `_field_caps`, which a plain reader may call. An index that something else made under our
names would be searched with guessed field types: answers could miss rows without a word.
"""

from collections.abc import Mapping
from typing import Any, Final

from opensearchpy import AuthorizationException, OpenSearch

from auditship_indexer.errors import ClusterError, HoldError
from auditship_indexer.event.identity import parse_index_name
from auditship_indexer.opensearch import addresses, asking

PATTERN: Final = "audit-*.*.*"
_EXPECTED: Final = {
    "@timestamp": "date",
    "audit.actor": "keyword",
    "event.action": "keyword",
    "event.id": "keyword",
    "log.offset": "long",
}
_SETUP: Final = "run `auditship setup`: it makes the template and the daily indices"


def existing(client: OpenSearch) -> list[str]:
    """Return the names of all open daily indices, sorted.

    Raises:
        ClusterError: there is none, or one has another mapping than the template's.
        AuditshipError: no answer, as `opensearch.translate` says.
    """
    with asking(client, "listing the audit indices"):
        reply: Any = client.transport.perform_request(
            "GET",
            f"/{PATTERN}/_field_caps",
            params={"fields": ",".join(_EXPECTED), "include_unmapped": "true"},
        )
    names = sorted(name for name in reply["indices"] if parse_index_name(name))
    if not names:
        raise ClusterError(f"{addresses(client)} has no audit index", hint=_SETUP)
    _refuse_foreign(reply["fields"], names)
    return names


def _refuse_foreign(fields: Mapping[str, Any], names: list[str]) -> None:
    for field, expected in _EXPECTED.items():
        for found, details in fields.get(field, {"unmapped": {}}).items():
            if found != expected:
                where = ", ".join((details.get("indices") or names)[:3])
                raise ClusterError(
                    f"{where}: field {field} is {found}, not {expected}: "
                    "made without the template of auditship",
                    hint=_SETUP,
                )


def refresh(client: OpenSearch) -> None:
    """Make what was stored until now visible to searches, where the identity may do so.

    Raises:
        AuditshipError: no answer, as `opensearch.translate` says.
    """
    try:
        with asking(client, "refreshing the audit indices"):
            client.indices.refresh(index=PATTERN)
    except HoldError as error:
        # A plain reader sees what the cluster made visible by itself, a second late.
        if not isinstance(error.__cause__, AuthorizationException):
            raise
