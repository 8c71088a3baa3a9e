"""What is MySQL's and MariaDB's own in queries, and how their types travel.

Identifiers are compared byte by byte, as UTF-8: collations find `ann` equal to `Ann`, `Änn` and `ann ` (with a blank), as each likes. A
column's own comparison is asked beside it, for its index: whatever the collation, the same bytes are equal in it too, so it finds more
rows than are wanted, and never fewer. Mails and user principal names are compared in lower case where the collation does so.
"""

from collections.abc import Iterable, Sequence

from rightful.database.dialect import Pair, joined_in_order
from rightful.database.identifying import DOTTED, UNCERTAIN, Form, Slot
from rightful.database.table import Table, TableColumn
from rightful.package.schema import ColumnKind
from rightful.subject.matching import FOLDED_KINDS

BYTES_OF_VALUE = 255
VALUE = f"v VARBINARY({BYTES_OF_VALUE}) PATH '$[1]'"
"""An identifier in a slot. Longer ones need more room: `widened`."""
_LONGEST = 60_000
_ALL = " LIMIT 18446744073709551615"
AS_TEXT = "CONVERT({} USING utf8mb4) COLLATE utf8mb4_bin"


def _replaced(text: str, pairs: Iterable[tuple[str, str]]) -> str:
    for old, new in pairs:
        text = f"REPLACE({text}, _utf8mb4 0x{old.encode().hex()}, _utf8mb4 0x{new.encode().hex()})"
    return text


_WIDE = "CONVERT({} USING utf8mb4)"
FOLDED = f"CAST(lower({_replaced(_WIDE, [DOTTED, *UNCERTAIN.items()])} COLLATE utf8mb4_general_ci) AS BINARY)"
"""A mail in lower case, as bytes, as `identifying.folded` makes it."""
UNFOLDED = _replaced(_WIDE, ((there, letter) for letter, there in UNCERTAIN.items()))
"""What a column's index is asked for: the letters themselves have come back."""


def value_name(number: int) -> str:
    """Return the variable of a slot: JSON, `[[0, "a"], …]`."""
    return f"rightful_v{number}"


def after_name(number: int) -> str:
    """Return the variable of a cursor's value."""
    return f"rightful_after{number}"


def widened(sql: str, longest: int) -> str:
    """Return a query with room for identifiers of so many bytes. Wide ones cost memory, so it is made only where one is."""
    if longest <= BYTES_OF_VALUE:
        return sql
    type_ = f"VARBINARY({longest})" if longest <= _LONGEST else "LONGBLOB"
    return sql.replace(VALUE, VALUE.replace(f"VARBINARY({BYTES_OF_VALUE})", type_))


class MysqlDialect:
    """Queries for MySQL and MariaDB: slots are variables of the session, which hold JSON."""

    values_are = "AS"
    kept = _ALL
    """A query with a limit is not merged into the one around it: it is run once, and gets an index on what it is joined by."""
    has_row_values = True
    is_coarse = False

    def values(self, number: int, slot: Slot) -> str:
        """Return the slot's pairs out of one JSON text."""
        del slot
        return f"SELECT j.n, j.v FROM JSON_TABLE(@{value_name(number)}, '$[*]' COLUMNS (n INT PATH '$[0]', {VALUE})) j"  # noqa: S608 -- constants

    def text(self, expression: str) -> str:
        """Make text of it, of one collation."""
        return AS_TEXT.format(expression)

    def apart(self, text: str) -> str:
        """Return it as it is: `text` has given it a binary collation."""
        return text

    def equal(self, column: TableColumn, expression: str, value: str, slot: Slot) -> str:
        """Compare bytes, and where an index serves the column as it is too."""
        exactly = f"{value} = {_seen(column, expression, slot)}"
        return f"{expression} = {column.lookup.format(value)} AND {exactly}" if column.lookup else exactly

    def joined(self, column: TableColumn, expression: str, value: str) -> str:
        """Compare as they are: what may be joined compares alike."""
        del column
        return f"{expression} = {value}"

    def source(self, relation: str, table: Table, joined: Sequence[TableColumn], condition: str) -> str:
        """Join: from the values to the table by its index, or else once over the table, by the values' index."""
        return joined_in_order(relation, table, joined, condition, in_order="STRAIGHT_JOIN")

    def absent(self, relation: str, pairs: Sequence[Pair], slot: Slot | None) -> str:
        """Use NOT IN over the whole relation, which is run once; NOT EXISTS would run it for each row."""
        compared = [_seen(pair.column, pair.expression, slot) if slot else pair.expression for pair in pairs]
        nulls = " OR ".join(f"{pair.expression} IS NULL" for pair in pairs)
        names = ", ".join(pair.value for pair in pairs)
        return f"({nulls} OR (f.n, {', '.join(compared)}) NOT IN (SELECT n, {names} FROM {relation}))"  # noqa: S608 -- names made here

    def after(self, number: int, key: TableColumn) -> str:
        """Return the cursor's variable."""
        del key
        return f"@{after_name(number)}"


def _is_folded(slot: Slot) -> bool:
    return slot.form is Form.FOLDED and slot.kind in FOLDED_KINDS


def _seen(column: TableColumn, expression: str, slot: Slot) -> str:
    """Return the bytes of a column's value, as the slot has them."""
    if _is_folded(slot):
        return FOLDED.format(expression)
    if slot.form is Form.DECIMAL:
        return f"CAST({column.compare.format(expression)} AS BINARY)"
    return expression if column.column.kind is ColumnKind.BYTES else f"CAST({(column.text or AS_TEXT).format(expression)} AS BINARY)"
