"""Moments, as packages write them."""

from datetime import UTC, datetime


def format_instant(at: datetime) -> str:
    """Write an aware moment in UTC, with six digits and a Z (GRAPH-05)."""
    if at.tzinfo is None:
        raise ValueError("a moment in a package has a time zone")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
