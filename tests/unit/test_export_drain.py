"""Draining one index: counts, pages, and which indices a window touches."""

from datetime import date

import pytest

from auditship_indexer.errors import ClusterError
from auditship_indexer.event.identity import DAY_MS, day_start_ms
from auditship_indexer.export import indices_by_day
from auditship_indexer.export.drain import drain
from auditship_indexer.export.formats import CSV, NDJSON
from auditship_indexer.query import Window
from support.rows import Document, Rows

NAMES = [
    "audit-us-2026.04.15",
    "audit-eu-2026.04.14",
    "audit-us-2026.04.14",
    "audit-eu-2026.02.31",
    "audit-other",
]
START = day_start_ms(date(2026, 4, 14))


def ids(rows: Rows, page_rows: int) -> list[str]:
    return [placed.id for placed in drain(rows, {}, NDJSON, page_rows=page_rows)]


def test_fewer_rows_than_announced_are_an_error() -> None:
    """A page that ended early must not look like the end."""
    rows = Rows([(number, {"event": {"id": str(number)}}) for number in range(5)])
    rows.announced = 6
    with pytest.raises(ClusterError, match="5 rows came, but 6 were counted"):
        ids(rows, page_rows=2)


def test_a_last_page_that_is_exactly_full_is_followed_by_an_empty_one() -> None:
    """Only a short page ends the index."""
    rows = Rows([(number, {"event": {"id": str(number)}}) for number in range(4)])
    assert ids(rows, page_rows=2) == ["0", "1", "2", "3"]
    assert rows.pages == 3


def test_a_tie_longer_than_pages_is_held_back_whole() -> None:
    """The order inside a millisecond is known only when the millisecond is complete."""
    rows = Rows([(7, {"event": {"id": str(number)}}) for number in reversed(range(9))])
    assert ids(rows, page_rows=2) == list("012345678")


def test_csv_and_ndjson_order_by_the_same_offset() -> None:
    """The form of the file does not change the order of its rows."""
    made: list[tuple[int, Document]] = [
        (1, {"event": {"id": "a"}, "log": {"offset": 9}}),
        (1, {"event": {"id": "b"}}),
    ]
    csv_ids = [placed.id for placed in drain(Rows(made), {}, CSV)]
    assert csv_ids == ids(Rows(made), page_rows=10) == ["a", "b"]


@pytest.mark.parametrize(
    ("window", "days"),
    [
        (Window(), ["2026-04-14", "2026-04-15"]),
        (Window(START, START + DAY_MS), ["2026-04-14"]),
        (Window(START + DAY_MS - 1, START + DAY_MS + 1), ["2026-04-14", "2026-04-15"]),
        (Window(START + 2 * DAY_MS, None), []),
    ],
)
def test_a_window_touches_the_days_that_it_holds(window: Window, days: list[str]) -> None:
    """The end is exclusive: midnight does not touch the next day."""
    assert [day.isoformat() for day in indices_by_day(NAMES, window)] == days


def test_the_indices_of_a_day_are_sorted_and_foreign_names_left_out() -> None:
    """Whatever order the cluster lists them in."""
    assert indices_by_day(NAMES, Window())[date(2026, 4, 14)] == [
        "audit-eu-2026.04.14",
        "audit-us-2026.04.14",
    ]
