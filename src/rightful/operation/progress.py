"""How far an operation is and how long it will take, from what is known of its reads."""

import math
from collections.abc import Sequence

import msgspec

LARGEST_RETRY_AFTER_S = 60
_SHARE_OF_FINISHING = 0.02
"""The manifest and its kin are the last two percent."""

_UNKNOWN = 5_000
"""What a read weighs of which nothing is known: what is larger gets an estimate, what is smaller is over before anybody looks."""

_AHEAD_S = 0.01
"""What an operation waits for each one before it in the queue (docs/performance.md: some 6,000 small ones a minute)."""


class ReadProgress(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one read."""

    is_done: bool
    rows: int = 0
    estimated_rows: int | None = None
    size_bytes: int = 0
    estimated_bytes: int | None = None


def _share(read: ReadProgress) -> tuple[float, float]:
    """Return (weight, part done 0 to 1) of a read; weight counts rows, with 1 KiB of files as a row."""
    found = max(read.rows, read.size_bytes // 1024)
    if read.is_done:
        return float(max(found, 1)), 1.0
    if read.estimated_rows is None and read.estimated_bytes is None:
        weight = float(max(_UNKNOWN, 2 * found))
    else:
        weight = float(max(read.estimated_rows or 0, (read.estimated_bytes or 0) // 1024, found, 1))
    return weight, min(found / weight, 0.99)


def percent(reads: Sequence[ReadProgress]) -> float:
    """Return 0.0 to 98.0: the reads' part of the whole. The caller keeps it from falling."""
    shares = [_share(read) for read in reads]
    total = sum(weight for weight, _ in shares)
    if not total:
        return 0.0
    done = sum(weight * part for weight, part in shares)
    return round(100.0 * (1.0 - _SHARE_OF_FINISHING) * done / total, 1)


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast an operation's progress grows, as it shows in steps."""

    made: float
    """Percent that were made between two steps: the first and the last one; or the last one and the start, where there was one only."""
    in_s: float
    """Seconds between them. What comes before the first step, listing and planning, says nothing of the pace."""
    since_s: float = 0.0
    """Seconds since the last one."""


def left_s(progress_percent: float, pace: Pace) -> float | None:
    """Return how many seconds are left, reckoned from the last step; None where there is no progress to tell by.

    Where the next step is late, so is the end.
    """
    if pace.made <= 0.0:
        return None
    left = pace.in_s * (100.0 - progress_percent) / pace.made
    late = (pace.in_s + pace.since_s) * (100.0 - progress_percent) / pace.made
    return max(left - pace.since_s, min(pace.since_s, late))


def retry_after_s(left: float | None, running_s: float, ahead: int = 0) -> int:
    """Return an honest whole number of seconds to wait, 1 to 60 (GRAPH-35).

    Args:
        left: seconds that are left; None where that is not known: then as long again as it has taken so far.
        running_s: seconds since the operation began to run; 0 where it has not.
        ahead: operations that were accepted before this one and have not begun.
    """
    wait_s = running_s + ahead * _AHEAD_S if left is None else left
    return math.ceil(min(LARGEST_RETRY_AFTER_S, max(1.0, wait_s)))
