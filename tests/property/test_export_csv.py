"""What was stored comes back from the CSV exactly, by an RFC 4180 parser and the undone guard."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from auditship_indexer.export import COLUMNS, guard, undo
from auditship_indexer.export.table import HEADER, Act, Audit, File, Place, Record, record

HOSTILE = st.text(
    st.one_of(
        st.sampled_from("'\"=+-@,;\t\r\n\0\\ \uff1d\uff0b\uff0d\uff20\u2028\u202e\ufeff"),
        st.characters(exclude_categories=["Cs"]),
    ),
    min_size=1,
    max_size=20,
)


@given(HOSTILE)
def test_the_guard_can_be_undone(text: str) -> None:
    """Whatever the text, and however often it was guarded before."""
    assert undo(guard(text)) == text
    assert undo(undo(guard(guard(text)))) == text


@given(HOSTILE)
def test_no_cell_starts_as_a_formula(text: str) -> None:
    """Not in the first character, where a spreadsheet looks."""
    assert guard(text)[0] not in "=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20"


@given(st.lists(st.tuples(HOSTILE, HOSTILE, HOSTILE, st.integers(0, 2**53)), max_size=5))
def test_records_come_back_byte_equal(rows: list[tuple[str, str, str, int]]) -> None:
    """Records are counted by the parser: lines are more where names hold line feeds."""
    written = HEADER + b"".join(
        record(
            Record(
                audit=Audit(actor=user),
                file=File(name=name, size=size),
                cloud=Place(region=region),
                event=Act(id="i"),
            )
        )
        for user, name, region, size in rows
    )
    header, *found = csv.reader(io.StringIO(written.decode(), newline=""), strict=True)
    assert tuple(header) == COLUMNS
    assert [(undo(row[1]), undo(row[3]), undo(row[8]), int(row[5]), row[13]) for row in found] == [
        (user, name, region, size, "i") for user, name, region, size in rows
    ]
