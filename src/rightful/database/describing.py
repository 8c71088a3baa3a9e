"""Says in SQL's words what a query searches."""

from collections.abc import Sequence

from rightful.database.query import Target
from rightful.database.table import Table


def describe(target: Target, key: Sequence[str] = ()) -> str:
    """Say in SQL's words what is searched, with placeholders for identifiers: for the ledger."""
    condition = _condition_text(target)
    condition = f"({condition}){target.within.said}" if target.within else condition
    text = f"SELECT … FROM {target.table.sql} WHERE {condition}"  # noqa: S608 -- never run
    return f"{text} ORDER BY {', '.join(target.table.column(name).sql for name in key)}" if key else text


def _condition_text(target: Target) -> str:
    conditions = [f"{_compared_text(target.table, name)} IN (:{kind})" for name, kind in target.match]
    for via in target.via:
        own = ", ".join(target.table.column(name).sql for name in via.join)
        theirs = ", ".join(via.parent.table.column(name).sql for name in via.join.values())
        left = own if len(via.join) == 1 else f"({own})"
        conditions.append(f"{left} IN (SELECT {theirs} FROM {via.parent.table.sql} WHERE {_condition_text(via.parent)})")  # noqa: S608 -- never run
    return " OR ".join(conditions)


def _compared_text(table: Table, name: str) -> str:
    column = table.column(name)
    return f"lower({column.sql})" if "lower(" in column.compare else column.sql
