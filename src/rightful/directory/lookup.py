"""Looks subjects up in one table of a directory, a whole set in one query."""

from collections.abc import Collection, Iterator, Sequence

from rightful.database.identifying import fill
from rightful.database.interface import Database
from rightful.database.naming import did_you_mean
from rightful.database.query import Query, Target, Wanted
from rightful.database.table import ONE_EACH, Table
from rightful.directory.place import SOURCE_NAME, Key, Row
from rightful.errors import SourceRefused
from rightful.subject.matching import matches
from rightful.subject.model import IdentifiedSubject

_Case = tuple[bool, bool, bool]
"""Whether columns are compared in lower case, whether ASCII letters alone are searched for, and for one subject."""


class TableLookup:
    """A table, the columns that identifiers are found in, and those that are wanted; see `directory.place.Lookup`."""

    def __init__(
        self, database: Database, table: str, match: Sequence[tuple[str, str]], columns: Sequence[str], *, caseless: Collection[str] = ()
    ) -> None:
        """Take {column, kind} to match, columns to bring, and the columns that are always compared in lower case."""
        self._database = database
        self._table = table
        self._match = tuple(match)
        self._columns = tuple(columns)
        self._caseless = tuple(column for column in caseless if any(column == name for name, _ in match))
        self._built: tuple[Table, dict[_Case, Query]] | None = None

    def find(self, subjects: Sequence[IdentifiedSubject], *, caseless: bool = False) -> list[list[Row]]:
        """Return the rows of each subject, in an order that depends on their values alone.

        Args:
            subjects: who is looked for; only their identifiers count.
            caseless: whether letter case is of no meaning in the first match column, for all letters: slow without an index on lower().
        """
        return [[row for row, _ in rows] for rows in self.trace(subjects, caseless=caseless)]

    def trace(self, subjects: Sequence[IdentifiedSubject], *, caseless: bool = False) -> list[list[tuple[Row, Key]]]:
        """Do as `find`, and say by which identifier each row was found."""
        is_ascii = all(value.isascii() for subject in subjects for values in subject.identifiers.values() for value in values)
        query = self._query((self._match[0][0],) if caseless else self._caseless, is_ascii=is_ascii, is_single=len(subjects) == 1)
        found: list[list[tuple[Row, Key]]] = [[] for _ in subjects]
        width = len(self._columns)
        for index, *values in self._database.rows(query, [fill(slot, subjects) for slot in query.slots]):
            assert isinstance(index, int)
            found[index].append((_row(values[:width]), self._key(query, subjects[index], values[width:])))
        for rows in found:
            rows.sort()
        return found

    def list(self) -> list[Row]:
        """Return all rows of the table; for a lookup without match columns."""
        return sorted(_row(values) for _, *values in self._database.rows(self._query(), []))

    def every(self) -> Iterator[Sequence[Sequence[str]]]:
        """Yield all rows as they come, column by column; see `directory.place.Lookup`."""
        query = self._query()
        for batch in self._database.stream(query, []):
            yield [[value or "" for value in batch.column(place).to_pylist()] for place in range(len(self._columns))]

    def some(self, limit: int) -> Sequence[Row]:
        """Return the first rows of the table, whichever these are; for a lookup without match columns."""
        return [_row(values) for _, *values in self._database.rows(self._query(), [], most=limit)]

    def check(self) -> None:
        """Have the database look at the query."""
        self._database.forget()
        self._database.verify(self._query())

    def _key(self, query: Query, subject: IdentifiedSubject, found: Sequence[object]) -> Key:
        """Make sure that a row is this subject's, by code that shares nothing with the query (DESIGN rule 2); return by what."""
        for matched, value in zip(query.match, found, strict=True):
            for identifier in subject.values(matched.kind):
                if matches(matched.kind, value, (identifier,), is_number=matched.is_number):
                    return matched.kind, identifier
        raise SourceRefused(
            f"{self._database.where}: table {self._table!r} gave a row that none of the subject's identifiers accounts for",
            source_name=SOURCE_NAME,
            code="ForeignData",
            hint="this is a fault of Rightful or of the database; nothing was exported",
        )

    def _query(self, caseless: Sequence[str] = (), *, is_ascii: bool = True, is_single: bool = True) -> Query:
        table = self._database.table(self._table)
        if self._built is None or self._built[0] is not table:
            self._require(table)
            self._built = table, {}
        built = self._built[1]
        case = bool(caseless), is_ascii, is_single
        if case not in built:
            for folded in caseless:
                table = self._database.caseless(table, folded, is_ascii=is_ascii, is_single=is_single)
            names = [*self._columns, *(column for column, _ in self._match)]
            columns = tuple(column for name in names if (column := table.find(name)) is not None)
            wanted = Wanted(columns=columns, is_ordered=False, as_text=True)
            built[case] = self._database.build_lookup(Target(source_name=SOURCE_NAME, table=table, match=self._match), wanted)
        return built[case]

    def _require(self, table: Table) -> None:
        for name in (*self._columns, *(column for column, _ in self._match)):
            if table.find(name) is None:
                raise SourceRefused(
                    f"{self._database.where}: table {self._table!r} of the directory has no column {name!r}",
                    source_name=SOURCE_NAME,
                    hint=did_you_mean(name, [column.name for column in table.columns]),
                )
        for name, _ in self._match:
            if (column := table.find(name)) is not None and column.is_compound:
                raise SourceRefused(
                    f"{self._database.where}: nobody can be found by column {name!r} of {self._table!r}: a value of it is several values",
                    source_name=SOURCE_NAME,
                    hint=ONE_EACH,
                )


def _row(values: Sequence[object]) -> Row:
    return tuple("" if value is None else str(value) for value in values)
