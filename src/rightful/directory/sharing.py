"""To how many people an identifier belongs, counted in one table."""

from collections.abc import Mapping, Sequence

from rightful.database.identifying import fill
from rightful.database.interface import Database
from rightful.database.query import Target
from rightful.directory.lookup import SOURCE_NAME
from rightful.errors import SourceUnavailable
from rightful.ids import SubjectId, TenantId
from rightful.subject.matching import FOLDED_KINDS
from rightful.subject.model import DataSubject, IdentifiedSubject

_LIMIT_S = 60.0
_NOBODY = DataSubject(tenant_id=TenantId(""), subject_id=SubjectId(""))


class TableSharing:
    """A table that has identifiers beside the columns that say whose they are."""

    def __init__(self, database: Database, name: str, owners: Mapping[str, str]) -> None:
        """Take {column that tells people apart: kind of identifier in it}; of several, the most by any counts."""
        self.name = name
        self._database = database
        self._owners = owners

    def count(self, kind: str, columns: Sequence[str], values: Sequence[str]) -> list[int]:
        """Return to how many people each value belongs that any of the columns may hold."""
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
        most = [0] * len(values)
        for owner, owner_kind in self._owners.items():
            query = self._database.build_count(target, owner, is_folded=owner_kind in FOLDED_KINDS)
            counted = self._database.count(query, [fill(slot, probes) for slot in query.slots], limit_s=_LIMIT_S)
            if counted is None:
                raise SourceUnavailable(
                    f"{self._database.where}: counting who shares an identifier in {self.name!r} takes longer than {_LIMIT_S:.0f} s",
                    source_name=SOURCE_NAME,
                    hint="give its columns of identifiers an index",
                )
            most = [max(before, counted.get(index, 0)) for index, before in enumerate(most)]
        return most
