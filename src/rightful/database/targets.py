"""What can be said of a target and of those that it is reached over."""

from collections.abc import Iterator

from rightful.database.query import Target
from rightful.database.table import Table


def tables(target: Target) -> tuple[Table, ...]:
    """Return the table, and those that rows are reached over."""
    return target.table, *(table for via in target.via for table in tables(via.parent))


def gone_over(target: Target) -> Iterator[Table]:
    """Yield the tables that a read goes over as a whole, for want of an index. Of views nothing is known."""
    ways = [[name] for name, _ in target.match] + [list(via.join) for via in target.via]
    indexed = {column.name for column in target.table.columns if column.is_indexed}
    if not target.table.is_view and not all(indexed.intersection(way) for way in ways):
        yield target.table
    for via in target.via:
        yield from gone_over(via.parent)


def roots(target: Target) -> list[tuple[Target, str]]:
    """Return every match column by which rows are found, with the table it is in."""
    return [(target, column) for column, _ in target.match] + [root for via in target.via for root in roots(via.parent)]
