"""What queries look like in a database that SQLAlchemy has a dialect for: pieces that it writes, put together as for any other database.

Identifiers are rows of a relation that a UNION ALL makes, each value a bound parameter; so a query is written anew for each set of them.
The database compares as it likes to, by its indexes, and may find more than is meant: a collation that ignores case, accents or blanks.
Where we know how, it is asked for the same bytes beside that; in any case `Meant` leaves out what is not letter by letter an identifier.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from rightful.database.dialect import Pair
from rightful.database.identifying import TEXTS, Form, Slot, SlotValues, folded, plain_number
from rightful.database.query import Query
from rightful.database.row_batches import Row
from rightful.database.sqlalchemy_values import text_of
from rightful.database.table import Table, TableColumn
from rightful.database.times import Literal, standard, within
from rightful.errors import ConfigurationError
from rightful.package.schema import ColumnKind
from rightful.subject.matching import FOLDED_KINDS

EXACT: Mapping[str, str] = {
    "sqlite": "{} COLLATE BINARY",
    "postgresql": 'CAST({} AS TEXT) COLLATE "C"',
    "mysql": "CONVERT({} USING utf8mb4) COLLATE utf8mb4_bin",
    "mariadb": "CONVERT({} USING utf8mb4) COLLATE utf8mb4_nopad_bin",
    "duckdb": "encode({})",
}
"""How a text is compared and ordered by its letters alone."""
_LETTERS: Mapping[str, str] = {
    **{name: exact for name, exact in EXACT.items() if " COLLATE " in exact},
    "mssql": "{} COLLATE Latin1_General_100_BIN2",
}
"""How texts stay texts, and are told apart by their letters; a database that does not stand here does so by itself, or by its collation."""
_MIXES = frozenset({"mysql", "mariadb"})
"""Where texts of two collations are not compared at all."""
_LONG = 255
_SHORT = 1000
"""Of numbers and the like as texts."""
_MARK = re.compile("\x00([a-z]+)([0-9]+)\x00")
VALUES_AT_ONCE: Mapping[str, int] = {"firebird": 20}
"""How many identifiers a query takes, where that is fewer than for all others: each is a table to Firebird, wherever it
is named, and it takes 255 of them."""
_VALUES_AT_ONCE = 200


class Names:
    """Quotes names for a dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._is_doubling = is_doubling(dialect)

    def __call__(self, name: str) -> str:
        """Quote a name as the inspector gives it, which has lower case for what the database itself has in upper case."""
        if "\x00" in name or not name:
            raise ConfigurationError("a table or column name is empty or contains a NUL character")
        real = self._dialect.denormalize_name(name) if self._dialect.requires_name_normalize else name
        quoted = str(self._dialect.identifier_preparer.quote_identifier(real))
        return quoted.replace("%%", "%") if self._is_doubling else quoted


def is_doubling(dialect: Dialect) -> bool:
    """Say whether what the dialect writes has each % twice, as its driver's parameters need; executing a text doubles them again."""
    return "%%" in dialect.identifier_preparer.quote_identifier("%")


class SqlalchemyDialect:
    """Queries in SQLAlchemy's dialect; `name` says which it is, MariaDB apart from MySQL."""

    values_are = "AS"
    kept = ""
    has_row_values = False

    def __init__(self, dialect: Dialect, name: str) -> None:
        self._dialect = dialect
        self._is_doubling = is_doubling(dialect)
        self.name = name
        self.exact = EXACT.get(name, "")
        self.is_coarse = not self.exact
        self.values_at_once = VALUES_AT_ONCE.get(name, _VALUES_AT_ONCE)
        self._from = self.write(sa.select(sa.literal_column("0"))).partition("0")[2]

    def write(self, expression: sa.ClauseElement) -> str:
        """Return an expression as the dialect writes it, without parameters."""
        written = str(expression.compile(dialect=self._dialect)).replace("\n", "")
        return written.replace("%%", "%") if self._is_doubling else written

    def type(self, type_: sa.types.TypeEngine[Any]) -> str:
        """Return a type as the dialect writes it."""
        return str(type_.compile(self._dialect))

    def cast(self, expression: str, type_: sa.types.TypeEngine[Any]) -> str:
        """Cast an expression."""
        return self.write(sa.cast(sa.literal_column(expression), type_))

    def values(self, number: int, slot: Slot) -> str:
        """Return a mark: identifiers are put there by `Filled`."""
        del slot
        return f"\x00s{number}\x00"

    def text(self, expression: str) -> str:
        """Cast what is short to text."""
        return self.cast(expression, sa.String(_SHORT))

    def apart(self, text: str) -> str:
        """Collate by letters where we know how."""
        return _LETTERS.get(self.name, "{}").format(text)

    def equal(self, column: TableColumn, expression: str, value: str, slot: Slot) -> str:
        """Compare as the database does, by its index, and letter by letter where we know how."""
        if slot.form not in TEXTS:
            return f"{expression} = {value}"
        compared = column.compare.format(expression)
        exactly = f"{self.exact.format(compared)} = {self.exact.format(value)}" if self.exact else ""
        plain = "" if self.name in _MIXES else f"{compared} = {column.lookup.format(value) if column.lookup else value}"
        return " AND ".join(filter(None, (plain, exactly)))

    def joined(self, column: TableColumn, expression: str, value: str) -> str:
        """Compare as they are: what may be joined compares alike."""
        del column
        return f"{expression} = {value}"

    def source(self, relation: str, table: Table, joined: Sequence[TableColumn], condition: str) -> str:
        """Join, in what order the database likes."""
        del joined
        return f"{relation} f JOIN {table.sql} t ON {condition}"

    def absent(self, relation: str, pairs: Sequence[Pair], slot: Slot | None) -> str:
        """Use NOT EXISTS, which needs no care for NULL."""
        if slot is not None:
            conditions = [self.equal(pair.column, pair.expression, f"e.{pair.value}", slot) for pair in pairs]
        else:
            conditions = [self.joined(pair.column, pair.expression, f"e.{pair.value}") for pair in pairs]
        return f"NOT EXISTS (SELECT 1 FROM {relation} e WHERE e.n = f.n AND {' AND '.join(conditions)})"  # noqa: S608 -- names made here

    def after(self, number: int, key: TableColumn) -> str:
        """Return the cursor's parameter, in the form that its column is ordered in."""
        value = f"\x00a{number}\x00"
        if key.column.kind is ColumnKind.UUID:
            return self.cast(value, sa.Uuid())
        return key.order.format(value) if key.column.kind is ColumnKind.TEXT else value

    def within(self, column: TableColumn, since: datetime | None, until: datetime | None) -> str | None:
        """Return the condition that a row lies between two moments; None where it has no column for it."""
        if self.name == "sqlite":
            return None  # it has texts there
        return within(column, since, until, _LITERALS.get(self.name, _literal), none="{} = 0" if self.name in _MIXES else "")

    # -- identifiers --------------------------------------------------------------------------------------------------
    def relation(self, number: int, slot: Slot, given: SlotValues) -> str:
        """Return the relation of a slot's identifiers."""
        type_ = self._value_type(slot, given.values)
        names = [f"\x00v{number * _APART + place}\x00" for place in range(len(given.values))]
        rows = [
            f"SELECT {subject} AS n, {self.cast(name, type_)} AS v{f', {place} AS i' if self.is_coarse else ''}{self._from}"
            for place, (subject, name) in enumerate(zip(given.subjects, names, strict=True))
        ]
        return (
            " UNION ALL ".join(rows) or f"SELECT -1 AS n, {self.cast('NULL', type_)} AS v{', 0 AS i' if self.is_coarse else ''}{self._from}"
        )

    @staticmethod
    def _value_type(slot: Slot, values: Sequence[str]) -> sa.types.TypeEngine[Any]:
        """Return a type that has room for the values: a cast would cut them off in silence."""
        if slot.form is Form.INTEGER:
            return sa.BigInteger()
        if slot.form is Form.UNSIGNED:
            return sa.Numeric(20, 0)
        if slot.form is Form.UUID:
            return sa.Uuid()
        if slot.form is Form.DECIMAL:
            precision, scale = map(int, slot.type_name.split(",")) if slot.type_name else (38, 10)
            return sa.Numeric(precision, scale)
        length = max(map(len, values), default=0)
        length = _LONG if length <= _LONG else length + 1
        made: sa.types.TypeEngine[Any] = _TEXTS.get(slot.type_name, sa.String)(length)
        return made


def _literal(kind: ColumnKind, text: str) -> str:
    """Write a literal of the standard."""
    return f"DATE '{text}'" if kind is ColumnKind.DATE else f"TIMESTAMP '{text}{' +00:00' if kind is ColumnKind.TIMESTAMP_TZ else ''}'"


def _sql_servers(kind: ColumnKind, text: str) -> str:
    if kind is ColumnKind.DATE:
        return f"CAST('{text}' AS DATE)"
    moment = text.replace(" ", "T")  # so that it means the same in every language
    return f"CAST('{moment}' AS DATETIME2)" if kind is ColumnKind.TIMESTAMP else f"CAST('{moment}+00:00' AS DATETIMEOFFSET)"


_LITERALS: Mapping[str, Literal] = {"postgresql": standard, "duckdb": standard, "mssql": _sql_servers}
_TEXTS: Mapping[str, Any] = {"char": sa.CHAR, "nchar": sa.NCHAR, "unicode": sa.Unicode}
_APART = 1_000_000
"""Parameters of one slot are numbered below this."""


def bound(slot: Slot, value: str, *, has_decimals: bool) -> object:
    """Return an identifier in the type that it is compared in; None where no value of the column can be equal to it."""
    if slot.form in {Form.INTEGER, Form.UNSIGNED}:
        return int(value)
    if slot.form is Form.DECIMAL:
        number = Decimal(value)
        precision, scale = map(int, slot.type_name.split(",")) if slot.type_name else (38, 10)
        digits = number.as_tuple()
        fraction = -int(digits.exponent) if isinstance(digits.exponent, int) and digits.exponent < 0 else 0
        fits = fraction <= scale and len(digits.digits) - fraction <= precision - scale
        return (number if has_decimals else value) if fits else None
    return value


class Statement(msgspec.Struct, frozen=True):
    """A query with identifiers and a cursor in it. Personal: never in a log."""

    sql: str
    """As `sqlalchemy.text` takes it."""
    parameters: dict[str, object]

    def __repr__(self) -> str:
        """Say how many parameters only."""
        return f"Statement({len(self.parameters)})"


def statement(dialect: SqlalchemyDialect, query: Query, values: Sequence[SlotValues], after: Sequence[object] = ()) -> Statement:
    """Put identifiers and a cursor into a query."""
    has_decimals = dialect.name != "sqlite"
    fitting = [_fitting(slot, given, has_decimals=has_decimals) for slot, given in zip(query.slots, values, strict=True)]
    relations = {
        number: dialect.relation(number, slot, given) for number, (slot, (given, _)) in enumerate(zip(query.slots, fitting, strict=True))
    }
    with_values = _MARK.sub(lambda mark: relations[int(mark[2])] if mark[1] == "s" else mark[0], query.sql)
    parameters = {f"v{number * _APART + place}": value for number, (_, all_) in enumerate(fitting) for place, value in enumerate(all_)}
    parameters |= {f"a{number}": _cursor(key, value) for number, (key, value) in enumerate(zip(query.key, after, strict=False))}
    return Statement("".join(_parameterized(with_values)), parameters)


def _parameterized(sql: str) -> Iterator[str]:
    """Write marks as parameters; a colon elsewhere is a part of a name."""
    at = 0
    for mark in _MARK.finditer(sql):
        yield sql[at : mark.start()].replace(":", "\\:")
        yield f":{mark[1]}{mark[2]}"
        at = mark.end()
    yield sql[at:].replace(":", "\\:")


def _fitting(slot: Slot, given: SlotValues, *, has_decimals: bool) -> tuple[SlotValues, list[object]]:
    pairs = [
        (subject, text, bound(slot, text, has_decimals=has_decimals)) for subject, text in zip(given.subjects, given.values, strict=True)
    ]
    kept = [pair for pair in pairs if pair[2] is not None]
    return SlotValues([pair[0] for pair in kept], [pair[1] for pair in kept]), [pair[2] for pair in kept]


def _cursor(key: TableColumn, value: object) -> object:
    if key.column.kind is ColumnKind.DECIMAL:
        return Decimal(str(value))
    return value.rstrip(" ") if key.form is Form.PADDED and isinstance(value, str) else value


class Meant:
    """Tells rows that are a subject's, letter by letter, from those that a database's way to compare found beside them."""

    def __init__(self, query: Query, values: Sequence[SlotValues]) -> None:
        places = {output.name: output.position for output in query.outputs}
        self._shown = [(places[matched.output], matched.kind, matched.is_number) for matched in query.match]
        self._known = {
            (n, slot.kind, slot.form is Form.DECIMAL, _form(slot.kind, text))
            for slot, given in zip(query.slots, values, strict=True)
            for n, text in zip(given.subjects, given.values, strict=True)
        }

    def of(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Leave out the others."""
        return filter(self._is_meant, rows) if self._shown else iter(rows)

    def _is_meant(self, row: Row) -> bool:
        return any(row[place] is not None and self._is_known(row[0], kind, row[place], is_number) for place, kind, is_number in self._shown)

    def _is_known(self, subject: int, kind: str, value: object, is_number: bool) -> bool:  # noqa: FBT001 -- by position, as it is kept
        text = value if isinstance(value, str) else text_of(value)
        if is_number:
            return (subject, kind, True, plain_number(text)) in self._known
        form = _form(kind, text)
        return (subject, kind, False, form) in self._known or (subject, kind, False, form.rstrip(" ")) in self._known


def _form(kind: str, text: str) -> str:
    return folded(text.strip()) if kind in FOLDED_KINDS else text
