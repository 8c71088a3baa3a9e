"""Which columns `via` may join: those that compare alike, so that equal means the same.

A join decides whose a row is. Where one column compares more coarsely than the other (without letter case, as rounded numbers, text as
numbers) a child is equal to several parents that are unique among themselves, and some of them are somebody else's. Where it compares more
finely than the database's users think, rows are left out in silence. Both are refused; a view can make columns alike.
"""

from collections.abc import Mapping

from rightful.database.table import Table, TableColumn

HINT = "join over a view that casts both to one type, and texts to one spelling"


def objection(child: Table, parent: Table, join: Mapping[str, str]) -> str:
    """Say why two tables cannot be joined by {column of the child: column of the parent}; empty where they can be."""
    for own_name, their_name in join.items():
        own, theirs = child.find(own_name), parent.find(their_name)
        if own is None or theirs is None:
            raise KeyError(own_name if own is None else their_name)
        said = f"column {_named(own, child)} cannot be joined with {_named(theirs, parent)}"
        if own.join_type is None or theirs.join_type is None:
            return f"{said}: its values do not compare in one way"
        if own.join_type and theirs.join_type and own.join_type != theirs.join_type:
            return f"{said}: they are of different types or collations"
        if theirs.is_loose and not parent.is_unique(frozenset(join.values())):
            return f"{said}: values that are not the same count as equal, and they are not unique"
    return ""


def _named(column: TableColumn, table: Table) -> str:
    declared = column.column.source_type
    words = [declared] if declared else []
    if column.join_type != declared.lower():
        words.append("several kinds" if column.join_type is None else column.join_type)
    return f"{column.name!r} of {table.name!r} ({', '.join(filter(None, words)) or 'no values'})"
