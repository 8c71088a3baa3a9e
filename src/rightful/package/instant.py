"""Moments, as packages write them."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def format_instant(at: datetime) -> str:
    """Write an aware moment in UTC, with six digits and a Z (GRAPH-05)."""
    if at.tzinfo is None:
        raise ValueError("a moment in a package has a time zone")
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def format_nanoseconds(since_1970: int) -> str:
    """Write nanoseconds since 1970-01-01 UTC, with nine digits and a Z; as `@` and the number where no calendar reaches so far."""
    seconds, rest = divmod(since_1970, 10**9)
    try:
        at = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return f"@{since_1970}"
    return f"{at.isoformat()[:19]}.{rest:09}Z"
