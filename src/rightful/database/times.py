"""Which rows of a table lie in a window of time, as a condition that each database can use its index for: the column stays as it is.

A moment without a zone is taken for UTC, a date counts where any moment of it does, and a row without a time is never left out: it is not
known that it lies outside.
"""

from collections.abc import Callable
from datetime import datetime, time

from rightful.database.table import TableColumn
from rightful.package.schema import ColumnKind

Literal = Callable[[ColumnKind, str], str]
"""Writes a date (`2026-01-31`) or a moment in UTC (`2026-01-31 12:00:00`) as a value of a kind of column."""
_TIMES = frozenset({ColumnKind.DATE, ColumnKind.TIMESTAMP, ColumnKind.TIMESTAMP_TZ})


def standard(kind: ColumnKind, text: str) -> str:
    """Write a literal as PostgreSQL and DuckDB have it; others know those of the standard alone."""
    words = {ColumnKind.DATE: "DATE", ColumnKind.TIMESTAMP: "TIMESTAMP", ColumnKind.TIMESTAMP_TZ: "TIMESTAMPTZ"}
    return f"{words[kind]} '{text}{'+00' if kind is ColumnKind.TIMESTAMP_TZ else ''}'"


def within(column: TableColumn, since: datetime | None, until: datetime | None, literal: Literal, *, none: str = "") -> str | None:
    """Return the condition that a row of `t` lies between two moments (UTC, whole seconds); None where the column holds no times.

    `none` is what means no time beside NULL; `{}` stands for the column.
    """
    kind, name = column.column.kind, f"t.{column.sql}"
    if kind not in _TIMES:
        return None
    limits = date_limits(name, since, until, literal) if kind is ColumnKind.DATE else limits_of(name, kind, since, until, literal)
    missing = " OR ".join([f"{name} IS NULL", *filter(None, [none.format(name)])])
    return f"({missing} OR ({limits}))"


def limits_of(name: str, kind: ColumnKind, since: datetime | None, until: datetime | None, literal: Literal) -> str:
    """Compare a moment."""
    pairs = ((">=", since), ("<", until))
    return " AND ".join(f"{name} {sign} {literal(kind, f'{moment:%Y-%m-%d %H:%M:%S}')}" for sign, moment in pairs if moment)


def date_limits(name: str, since: datetime | None, until: datetime | None, literal: Literal) -> str:
    """Compare a date, which lies in the window where any moment of it does."""
    is_whole = until is not None and until.time() == time()
    pairs = ((">=", since), ("<" if is_whole else "<=", until))
    return " AND ".join(f"{name} {sign} {literal(ColumnKind.DATE, f'{moment:%Y-%m-%d}')}" for sign, moment in pairs if moment)
