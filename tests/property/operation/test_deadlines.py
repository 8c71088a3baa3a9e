"""Deadlines keep to what the regulations say of every day, whatever the holidays."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from rightful.operation.deadline import Calendar, Extension, Reason, deadline, regulations

DAYS = st.dates(date(2000, 1, 1), date(2200, 12, 31))
HOLIDAYS = st.lists(st.dates(date(2001, 1, 1), date(2200, 12, 31)).map(date.isoformat), max_size=5)
EXTENSION = Extension(at=datetime(2026, 1, 1, tzinfo=UTC), reason=Reason.NUMBER)


def at(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC)


@given(DAYS, HOLIDAYS, st.sampled_from(["gdpr", "uk-gdpr"]))
def test_month_ends_on_a_working_day_of_the_next_month_or_soon_after(received: date, holidays: list[str], name: str) -> None:
    days = Calendar(UTC, holidays)
    due = deadline(at(received), regulations()[name], days)
    assert days.is_working_day(due.due_on)
    plain = deadline(at(received), regulations()[name], Calendar(UTC)).due_on
    assert 28 <= (plain - received).days <= 33
    assert plain <= due.due_on <= plain + timedelta(days=5 * 3)
    assert due.extendable_to is not None
    assert due.extendable_to > due.due_on


@given(DAYS, HOLIDAYS)
def test_calendar_days_are_counted_whatever_day_they_end_on(received: date, holidays: list[str]) -> None:
    days = Calendar(UTC, holidays)
    ccpa = regulations()["ccpa"]
    assert deadline(at(received), ccpa, days).due_on == received + timedelta(days=45)
    assert deadline(at(received), ccpa, days, EXTENSION).due_on == received + timedelta(days=90)


@given(DAYS, DAYS, st.sampled_from(sorted(regulations())), HOLIDAYS)
def test_who_asks_later_is_never_due_sooner(one: date, other: date, name: str, holidays: list[str]) -> None:
    days = Calendar(UTC, holidays)
    first, second = (deadline(at(day), regulations()[name], days) for day in sorted((one, other)))
    assert first.due_on <= second.due_on


@given(DAYS, st.sampled_from(sorted(regulations())), st.integers(0, 86_399))
def test_moment_of_the_day_does_not_matter(received: date, name: str, second: int) -> None:
    days = Calendar(UTC)
    assert deadline(at(received), regulations()[name], days) == deadline(
        at(received) + timedelta(seconds=second), regulations()[name], days
    )
