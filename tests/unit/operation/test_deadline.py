"""By when requests have to be answered, by a table of days that were reckoned by hand."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from rightful.operation.deadline import Calendar, Extension, Reason, deadline, names, parse_holiday, regulations

VECTORS = json.loads(Path(__file__).with_name("deadlines.json").read_text(encoding="utf-8"))
EXTENSION = Extension(at=datetime(2026, 1, 1, tzinfo=UTC), reason=Reason.COMPLEXITY)


@pytest.mark.parametrize("vector", VECTORS, ids=[each["case"] for each in VECTORS])
def test_last_day_is_the_one_reckoned_by_hand(vector: dict[str, str]) -> None:
    days = Calendar(UTC, vector["holidays"])
    received_at = datetime.combine(date.fromisoformat(vector["received"]), datetime.min.time(), UTC).replace(hour=23, minute=59)
    regulation = regulations()[vector["regulation"]]
    plain, longer = (deadline(received_at, regulation, days, extension) for extension in (None, EXTENSION))
    extended = vector["extended"] and date.fromisoformat(vector["extended"])
    assert plain.due_on == date.fromisoformat(vector["due"])
    assert plain.extendable_to == extended
    assert longer.due_on == (extended or plain.due_on)
    assert (longer.extension, longer.extendable_to) == ((EXTENSION, None) if extended else (None, None))


def test_days_are_those_of_the_controller() -> None:
    late = datetime(2026, 3, 4, 23, 30, tzinfo=UTC)  # 5 March in Berlin
    there = deadline(late, regulations()["gdpr"], Calendar(ZoneInfo("Europe/Berlin")))
    here = deadline(late, regulations()["gdpr"], Calendar(UTC))
    assert (here.due_on, there.due_on) == (date(2026, 4, 6), date(2026, 4, 6))  # 4 April is a Saturday, 5 April a Sunday
    assert here.due_at == datetime(2026, 4, 6, 23, 59, 59, tzinfo=UTC)
    assert there.due_at == datetime(2026, 4, 6, 21, 59, 59, tzinfo=UTC)  # summer time by then


def test_last_day_that_the_clocks_change_on_ends_with_its_last_hour() -> None:
    berlin = Calendar(ZoneInfo("Europe/Berlin"))
    assert berlin.last_of(date(2026, 10, 25)) == datetime(2026, 10, 25, 22, 59, 59, tzinfo=UTC)
    assert berlin.last_of(date(2026, 3, 29)) == datetime(2026, 3, 29, 21, 59, 59, tzinfo=UTC)


def test_each_regulation_says_where_it_stands_and_how_long_there_is() -> None:
    assert set(names()) == {"none", "gdpr", "uk-gdpr", "ccpa", "pipeda", "lgpd"}
    for regulation in regulations().values():
        assert regulation.basis
        assert bool(regulation.period.months) != bool(regulation.period.days)
        assert (regulation.extended is None) == (not regulation.reasons)


def test_holidays_of_every_day_move_nothing() -> None:
    every = [f"{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 29)]
    assert deadline(datetime(2026, 3, 5, tzinfo=UTC), regulations()["gdpr"], Calendar(UTC, every)).due_on == date(2026, 4, 29)
    every = [date.fromordinal(date(2026, 1, 1).toordinal() + number).isoformat() for number in range(400)]
    assert deadline(datetime(2026, 3, 5, tzinfo=UTC), regulations()["gdpr"], Calendar(UTC, every)).due_on == date(2026, 4, 5)


@pytest.mark.parametrize("text", ["", "2026-02-30", "13-01", "1-1", "2026-1-1", "25.12.", "٢٠٢٦-01-01", "2026-12-25 "])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"day|month|YYYY"):
        parse_holiday(text)


def test_29_february_of_every_year_is_a_day() -> None:
    assert parse_holiday("02-29") == (None, 2, 29)
