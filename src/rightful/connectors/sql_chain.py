"""A table and those that its rows are reached over: what the settings name, looked up in the database's catalogue."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from rightful.connectors.sql_settings import SqlSettings, key_names, problems
from rightful.database.interface import Database
from rightful.database.joining import HINT, objection
from rightful.database.naming import did_you_mean
from rightful.database.query import Target, Via
from rightful.database.table import ONE_EACH, Table
from rightful.errors import SourceRefused
from rightful.setting_problem import refuse
from rightful.subject.matching import FOLDED_KINDS


class Link(msgspec.Struct, frozen=True):
    """A source in a chain of `via`, with those it goes over."""

    source_name: str
    settings: SqlSettings
    parents: "tuple[tuple[str, Link], ...]"


class Chain:
    """A source's table, and the tables of the sources that `via` leads over, up to those that match identifiers."""

    def __init__(self, link: Link, database: Database) -> None:
        self._link = link
        self._database = database
        self._lowered: dict[str, tuple[Table, Table]] = {}

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of identifiers that rows are found by, here or further up."""
        return frozenset(_kinds(self._link))

    def resolve(self) -> Target:
        """Look the tables up, and every column that the settings name."""
        return self._resolve(self._link)

    def holding(self, kind: str, columns: Sequence[str], *, is_ascii: bool, is_single: bool) -> Target:
        """Return the source's table, its rows found by columns that hold values of a kind; see `Database.caseless` for the two."""
        table = self._database.table(self._link.settings.table)
        self._require(table, columns, self._link.source_name)
        for column in columns if kind in FOLDED_KINDS else ():
            table = self._database.caseless(table, column, is_ascii=is_ascii, is_single=is_single)
        return Target(source_name=self._link.source_name, table=table, match=tuple((column, kind) for column in columns))

    def compared_in_lower_case(self) -> Iterator[tuple[Table, str]]:
        """Yield the columns that `caseless` names, with their tables."""
        return self._caseless(self._link)

    def refused(self, message: str, hint: str) -> SourceRefused:
        """Return the error that says what is wrong with the source."""
        name = self._link.source_name
        return SourceRefused(f"source {name!r}: {message}", source_name=name, hint=hint)

    def _resolve(self, link: Link) -> Target:
        table = self._database.table(link.settings.table)
        named = [*link.settings.match, *(column for join in link.settings.via.values() for column in join)]
        if link is self._link:
            named += [*link.settings.exclude, *key_names(link.settings), *filter(None, (link.settings.time,))]
        self._require(table, named, link.source_name)
        for column in map(table.find, link.settings.match):
            if column is not None and column.is_compound:
                raise self.refused(
                    f"column {column.name!r} of {table.name!r} ({column.column.source_type}) cannot be matched: it holds several values",
                    ONE_EACH,
                )
        table = self._folded(table, link.settings.caseless)
        vias = []
        for name, parent in link.parents:
            target = self._resolve(parent)
            self._require(target.table, list(link.settings.via[name].values()), name)
            if said := objection(table, target.table, link.settings.via[name]):
                raise self.refused(said, HINT)
            vias.append(Via(target, link.settings.via[name]))
        return Target(source_name=link.source_name, table=table, match=tuple(link.settings.match.items()), via=tuple(vias))

    def _folded(self, table: Table, columns: Sequence[str]) -> Table:
        """Return the table with columns that are compared in lower case; the same one for the same one, so that queries stay of use."""
        if not columns:
            return table
        kept = self._lowered.get(table.sql)
        if kept is None or kept[0] is not table:
            folded = table
            for column in columns:
                folded = self._database.caseless(folded, column, is_ascii=False, is_single=False)
            kept = self._lowered[table.sql] = table, folded
        return kept[1]

    def _caseless(self, link: Link) -> Iterator[tuple[Table, str]]:
        table = self._database.table(link.settings.table)
        yield from ((table, column) for column in link.settings.caseless)
        for _, parent in link.parents:
            yield from self._caseless(parent)

    def _require(self, table: Table, names: Sequence[str], source_name: str) -> None:
        for name in names:
            if table.find(name) is None:
                raise self.refused(
                    f"table {table.name!r} of source {source_name!r} has no column {name!r}",
                    did_you_mean(name, [column.name for column in table.columns]),
                )


def follow(name: str, sources: Mapping[str, SqlSettings], folder: Path) -> Link:
    """Follow `via` up to sources that match identifiers; looks at the configuration alone, and refuses what is wrong there."""
    settings = sources[name]
    refuse(name, problems(name, settings, sources, folder=folder))
    return Link(name, settings, tuple((parent, follow(parent, sources, folder)) for parent in settings.via))


def _kinds(link: Link) -> Iterator[str]:
    yield from link.settings.match.values()
    for _, parent in link.parents:
        yield from _kinds(parent)
