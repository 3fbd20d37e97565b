"""What an action requires: the quick look of the hot path and the list for people agree."""

import json

from hypothesis import given
from hypothesis import strategies as st

from auditship_agent.config import SourceConfig
from auditship_agent.line import Record
from auditship_agent.normalize.build import name_files
from auditship_agent.normalize.required import lacks_field, missing
from auditship_agent.parsing import preset_of
from support.transforming import EXAMPLES

_PRESET = preset_of(SourceConfig("s", "native", ("/",)))
_LINES = [json.loads(raw) for raw in (EXAMPLES / "native.jsonl").read_bytes().splitlines()]
_KEYS = sorted({key for line in _LINES for key in line} - {"v", "time", "action", "result"})


@given(st.sampled_from(_LINES), st.sets(st.sampled_from(_KEYS)), st.sampled_from(_LINES))
def test_both_say_the_same(line: dict[str, object], removed: set[str], other: object) -> None:
    """A record lacks a field exactly when the list of missing ones is not empty."""
    assert isinstance(other, dict)
    kept = {key: value for key, value in line.items() if key not in removed}
    verdict = _PRESET.parse(json.dumps(kept | {"action": other["action"]}).encode())

    assert isinstance(verdict, list)
    record: Record = verdict[0]
    absent = missing(record)
    name_files(record)
    assert lacks_field(record) is bool(absent)
