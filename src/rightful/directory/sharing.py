"""To how many people an identifier belongs, counted in one table."""

from collections.abc import Collection, Mapping, Sequence

from rightful.database.identifying import fill
from rightful.database.interface import Database
from rightful.database.query import Target
from rightful.database.table import Owner
from rightful.directory.place import SOURCE_NAME
from rightful.errors import SourceUnavailable
from rightful.ids import SubjectId, TenantId
from rightful.subject.matching import FOLDED_KINDS
from rightful.subject.model import DataSubject, IdentifiedSubject

_LIMIT_S = 60.0
_NOBODY = DataSubject(tenant_id=TenantId(""), subject_id=SubjectId(""))


class TableSharing:
    """A table that has identifiers beside the columns that say whose they are."""

    def __init__(self, database: Database, name: str, owners: Mapping[str, Collection[str]]) -> None:
        """Take {column that tells people apart: kinds of identifiers in it}; of several columns each combination of values is somebody."""
        self.name = name
        self._database = database
        self._owners = [Owner(column, FOLDED_KINDS.issuperset(kinds)) for column, kinds in owners.items()]

    def count(self, kind: str, columns: Sequence[str], values: Sequence[str], *, is_given: bool = False) -> list[int]:
        """Return to how many people each value belongs that any of the columns may hold; a row that is nobody's may be anybody's."""
        del is_given  # a database that can be asked for a column can be asked by it
        table = self._database.table(self.name)
        # A unique column may have a folded value in several spellings, of as many people.
        if len(columns) == 1 and kind not in FOLDED_KINDS and table.is_unique(frozenset(columns)):
            return [1] * len(values)
        probes = [IdentifiedSubject(subject=_NOBODY, identifiers={kind: (value,)}) for value in values]
        if kind in FOLDED_KINDS:
            is_ascii = all(value.isascii() for value in values)
            for column in columns:
                table = self._database.caseless(table, column, is_ascii=is_ascii, is_single=len(values) == 1)
        target = Target(source_name=SOURCE_NAME, table=table, match=tuple((column, kind) for column in columns))
        query = self._database.build_count(target, self._owners)
        counted = self._database.count(query, [fill(slot, probes) for slot in query.slots], limit_s=_LIMIT_S)
        if counted is None:
            raise SourceUnavailable(
                f"{self._database.where}: counting who shares an identifier in {self.name!r} takes longer than {_LIMIT_S:.0f} s",
                source_name=SOURCE_NAME,
                hint="give its columns of identifiers an index",
            )
        return [counted.get(index, 0) for index in range(len(values))]
