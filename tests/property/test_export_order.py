"""The order of an export does not depend on pages, ties, or the order of storing."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from auditship_indexer.export.drain import drain, merged
from auditship_indexer.export.formats import LAST, NDJSON
from support.rows import Rows

Row = tuple[int, dict[str, Any]]


def row(ms: int, offset: int | None, number: int) -> Row:
    log = {} if offset is None else {"offset": offset}
    return ms, {"event": {"id": f"{number:03d}"}, "log": log}


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    """Few milliseconds and few offsets, so that ties are the rule."""
    places = draw(
        st.lists(st.tuples(st.integers(0, 3), st.one_of(st.none(), st.integers(0, 2))), max_size=25)
    )
    made = [row(ms, offset, number) for number, (ms, offset) in enumerate(places)]
    return draw(st.permutations(made))


def key(found: Row) -> tuple[int, int, str]:
    ms, source = found
    return ms, source["log"].get("offset", LAST), source["event"]["id"]


@given(rows(), st.integers(1, 6))
def test_one_index_comes_in_order_whatever_the_pages(made: list[Row], page_rows: int) -> None:
    """By time, then offset (absent last), then id; no row missing, none twice."""
    found = drain(Rows(made), {}, NDJSON, page_rows=page_rows)
    assert [(placed.ms, placed.source) for placed in found] == sorted(made, key=key)


@given(rows(), st.data())
def test_regions_are_merged_into_the_same_order(made: list[Row], data: st.DataObject) -> None:
    """However the rows are spread over the regions of a day."""
    homes = data.draw(st.lists(st.integers(0, 2), min_size=len(made), max_size=len(made)))
    regions = [
        Rows([one for one, home in zip(made, homes, strict=True) if home == number])
        for number in range(3)
    ]
    written = [NDJSON.write(placed.source) for placed in merged(regions, {}, NDJSON)]
    assert [json.loads(line) for line in written] == [source for _, source in sorted(made, key=key)]
