"""Names and days of indices that are made ahead."""

from datetime import date

from auditship_indexer.event.identity import day_start_ms
from auditship_indexer.opensearch import agents_index_of_day, days_ahead

DAY = date(2026, 4, 14)


def test_days_run_from_yesterday_to_a_week_ahead() -> None:
    """Nine days: late lines of yesterday, and a week in which the companion may stand still."""
    days = days_ahead(day_start_ms(DAY) + 86_399_999)
    assert days == [date(2026, 4, day) for day in range(13, 22)]


def test_the_day_changes_at_midnight_utc() -> None:
    """One millisecond earlier it is still the day before."""
    assert days_ahead(day_start_ms(DAY) - 1, before=0, ahead=0) == [date(2026, 4, 13)]


def test_position_reports_have_indices_of_their_own() -> None:
    """Region and day as in the index of events, another prefix."""
    assert agents_index_of_day("eu-central-2", DAY) == "auditship-agents-eu-central-2-2026.04.14"
