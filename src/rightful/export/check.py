"""The independent check that a row belongs to the subject it is about to be written for (DESIGN rule 2).

It shares no code with the queries that found the row: it compares the values that stand in the row's match columns with the
subject's identifiers.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from rightful.connectors.interface import SUBJECT_COLUMN, MatchColumn
from rightful.errors import SourceRefused
from rightful.subject.matching import matches
from rightful.subject.model import IdentifiedSubject

_MOST_REMEMBERED = 1 << 16


class SetCheck:
    """Checks the rows of many subjects, a few of each in a batch: a pair of subject and value is compared once, then remembered."""

    def __init__(self, match: Sequence[MatchColumn], subjects: Sequence[IdentifiedSubject], *, source_name: str) -> None:
        self._match = match
        self._subjects = subjects
        self._source_name = source_name
        self._proven: dict[tuple[str, pa.DataType], set[tuple[int, object]]] = {}

    def suspects(self, batch: pa.RecordBatch) -> frozenset[int]:
        """Return the subjects that a row of the batch says it belongs to, and that none of their identifiers accounts for."""
        subjects = batch.column(SUBJECT_COLUMN).to_pylist()
        places: Sequence[int] = range(batch.num_rows)
        for column in self._match:
            array = batch.column(column.batch_column)
            proven, values = self._proven.setdefault((column.batch_column, array.type), set()), array.to_pylist()
            places = [place for place in places if not self._proves(column, proven, (subjects[place], values[place]))]
        return frozenset(subjects[place] for place in places)

    def _proves(self, column: MatchColumn, proven: set[tuple[int, object]], pair: tuple[int, object]) -> bool:
        if pair in proven:
            return True
        subject, value = pair
        if not matches(column.identifier_kind, value, self._subjects[subject].values(column.identifier_kind), is_number=column.is_number):
            return False
        if len(proven) >= _MOST_REMEMBERED:
            proven.clear()
        proven.add(pair)
        return True


def check_rows(batch: pa.RecordBatch, match: Sequence[MatchColumn], subject: IdentifiedSubject, *, source_name: str) -> None:
    """Raise `SourceRefused` (code ForeignData) unless each row has an identifier of the subject in one of the match columns."""
    unproven: pa.BooleanArray | None = None
    for column in match:
        values = batch.column(column.batch_column)
        identifiers = subject.values(column.identifier_kind)
        distinct = pc.unique(values)
        values_proven = [matches(column.identifier_kind, value, identifiers, is_number=column.is_number) for value in distinct.to_pylist()]
        proven = pa.array(values_proven, pa.bool_())
        if all(proven.to_pylist()):
            return
        rows_unproven = pc.invert(pc.is_in(values, value_set=distinct.filter(proven), skip_nulls=True))
        unproven = rows_unproven if unproven is None else pc.and_(unproven, rows_unproven)
    if unproven is None or pc.any(unproven).as_py():
        raise foreign_data(source_name)


def foreign_data(source_name: str) -> SourceRefused:
    """Say that a source gave a row that cannot be shown to be the subject's."""
    return SourceRefused(
        f"source {source_name!r} gave a row that none of the subject's identifiers accounts for; nothing of it was written",
        source_name=source_name,
        code="ForeignData",
        hint="check the source's match columns and the directory's identifiers; the connector may be at fault",
    )
