"""Days and moments of the sample company, decided by labels and written as the systems keep them."""

from datetime import UTC, date, datetime, timedelta

from rightful.sample.chance import number

YEAR = 2025
BEGIN = datetime(YEAR, 1, 1, tzinfo=UTC)
"""The company's records begin here and go on for a year. It is over whenever the service runs: nobody did anything tomorrow."""
_YEAR_MICROSECONDS = 365 * 24 * 3600 * 1_000_000


def written(value: datetime) -> str:
    """Return a moment as ISO text in UTC with six digits and Z."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(*labels: object) -> str:
    """Return a moment of the year with microseconds, decided by the labels."""
    return written(BEGIN + timedelta(microseconds=number("moment", *labels, below=_YEAR_MICROSECONDS)))


def day(*labels: object, first: int = YEAR, years: int = 1) -> str:
    """Return a day of the years from `first` on, decided by the labels."""
    return (date(first, 1, 1) + timedelta(days=number("day", *labels, below=365 * years))).isoformat()
