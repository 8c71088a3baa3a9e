"""What is known of a table or view, as plain values."""

from collections.abc import Iterable
from typing import Any

import msgspec

from rightful.database.identifying import Form
from rightful.database.naming import quote
from rightful.package.schema import Column

ONE_EACH = "name a column of a view that has a row for each of them (unnest)"
"""What to do about a column that is compound."""


class TableColumn(msgspec.Struct, frozen=True, kw_only=True):
    """One column, with what each use of it looks like in SQL; in templates `{}` stands for the column."""

    column: Column
    arrow: Any
    """The Arrow type in which its values arrive."""
    select: str = "{}"
    """Brings its values in a form that Arrow carries without loss."""
    order: str = "{}"
    """Puts rows into an order that depends on the values alone."""
    compare: str = "{}"
    """What identifiers are compared with."""
    form: Form = Form.TEXT
    type_name: str = ""
    """Of the values it is compared with."""
    is_exact: bool = True
    """Whether comparing finds equal texts only. Where not, texts are compared too."""
    is_caseless: bool = False
    """Whether the database itself ignores case, which is welcome for kinds whose case has no meaning."""
    is_direct: bool = True
    """Whether the values, as they arrive, are the texts that identifiers are."""
    key_type: str = ""
    """The type to compare a cursor in; empty where the column cannot be a key."""
    keys_as_text: bool = False
    """Whether it travels as text where it is a key: a cursor is an integer, a text or bytes."""
    join_type: str | None = ""
    """What its values are where another table's are compared with them: equal in both, or they cannot be joined. Empty: it has no values;
    None: it can be joined with nothing."""
    is_loose: bool = False
    """Whether a join finds values equal that are not the same: in other case, with blanks at the end."""
    has_nulls: bool = True
    """Whether it may hold NULL."""
    is_indexed: bool = False
    """Whether finding single values in it is quick."""
    folded: str = ""
    """What makes its values equal for equal mails and user principal names: see `identifying.UNCERTAIN`."""
    is_lower_indexed: bool = False
    """Whether it is so in lower case: by an index on lower(column)."""
    is_compound: bool = False
    """Whether a value is several (an array, a record): no identifier equals one."""
    is_readable: bool = True
    """Whether our role may read it."""
    quoted: str = ""
    """Its name in SQL, where that is not standard SQL's."""
    text: str = ""
    """Its values as texts, where a plain cast does not give them."""
    lookup: str = ""
    """What the column as an index has it may be compared with; `{}` stands for an identifier, as the slot has it."""

    @property
    def name(self) -> str:
        """Its name in the table."""
        return self.column.name

    @property
    def sql(self) -> str:
        """Its quoted name."""
        return self.quoted or quote(self.column.name)


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One table or view."""

    name: str
    """As the configuration writes it."""
    sql: str
    """Its quoted, qualified name."""
    columns: tuple[TableColumn, ...]
    primary_key: tuple[str, ...] = ()
    unique: tuple[frozenset[str], ...] = ()
    """Sets of columns of which the database itself guarantees that no two rows have the same values."""
    is_view: bool = False
    attributes: int = 0
    """How many columns its catalogue counts by a number that grows with each new one; 0 where it has none."""
    order: str = ""
    """What orders rows where there is no key, if the database has such a thing; `{}` stands for the table."""

    def find(self, name: str) -> TableColumn | None:
        """Return a column by its exact name."""
        return next((column for column in self.columns if column.name == name), None)

    def column(self, name: str) -> TableColumn:
        """Return a column that is known to be there."""
        column = self.find(name)
        if column is None:
            raise KeyError(name)
        return column

    def replace(self, changed: TableColumn) -> "Table":
        """Return the table with a column of this name changed."""
        columns = tuple(changed if column.name == changed.name else column for column in self.columns)
        return msgspec.structs.replace(self, columns=columns)

    def is_unique(self, names: frozenset[str]) -> bool:
        """Say whether no two rows can have the same values in these columns."""
        return any(columns <= names for columns in self.unique)


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A foreign key."""

    table: str
    """Where it leads, as the configuration writes it."""
    columns: dict[str, str]
    """Column here to column there."""


def links_of(rows: Iterable[tuple[str, str, str, str]]) -> tuple[Link, ...]:
    """Make links of rows (name of the key, table there, column here, column there)."""
    found: dict[str, Link] = {}
    for name, there, ours, theirs in rows:
        known = found.get(name) or Link(table=there, columns={})
        found[name] = Link(table=there, columns={**known.columns, ours: theirs})
    return tuple(found.values())


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """What the database has counted or guessed of a table."""

    rows: int | None = None
    row_bytes: int | None = None
    distinct: dict[str, float] = {}
    """How many different values columns have, where that is known."""


class Owner(msgspec.Struct, frozen=True):
    """A column that says whose a row is."""

    column: str
    is_folded: bool
    """Whether letter case has no meaning."""
