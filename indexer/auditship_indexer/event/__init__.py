"""The contract: what an audit event is, how it is named, encoded and told.

Everything here is pure. The agent builds events by it, `templates/` maps them, the companion reads
them back; a change here is a change of stored data and of `docs/`. Names are those of ECS 9.4.0
where ECS has one.
"""

from auditship_indexer.event.actions import ACTIONS, Action, verb
from auditship_indexer.event.document import Event, encode
from auditship_indexer.event.fields import ECS_VERSION, FIELDS, SCHEMA_VERSION, Field, Kind
from auditship_indexer.event.identity import Lineage, generation, index_name, sub_item
from auditship_indexer.event.line import one_line
from auditship_indexer.event.results import DENIED_REASONS, ERROR_REASONS, RESULTS, reason_text

__all__ = [
    "ACTIONS",
    "DENIED_REASONS",
    "ECS_VERSION",
    "ERROR_REASONS",
    "FIELDS",
    "RESULTS",
    "SCHEMA_VERSION",
    "Action",
    "Event",
    "Field",
    "Kind",
    "Lineage",
    "encode",
    "generation",
    "index_name",
    "one_line",
    "reason_text",
    "sub_item",
    "verb",
]
