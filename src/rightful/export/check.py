"""The independent check that a row belongs to the subject it is about to be written for (DESIGN rule 2).

It shares no code with the queries that found the row: it compares the values that stand in the row's match columns with the
subject's identifiers.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from rightful.connectors.interface import MatchColumn
from rightful.errors import SourceRefused
from rightful.subject.matching import matches
from rightful.subject.model import IdentifiedSubject


def check_rows(batch: pa.RecordBatch, match: Sequence[MatchColumn], subject: IdentifiedSubject, *, source_name: str) -> None:
    """Raise `SourceRefused` (code ForeignData) unless each row has an identifier of the subject in one of the match columns."""
    unproven: pa.BooleanArray | None = None
    for column in match:
        values = batch.column(column.batch_column)
        identifiers = subject.values(column.identifier_kind)
        distinct = pc.unique(values)
        proven = pa.array([matches(column.identifier_kind, value, identifiers) for value in distinct.to_pylist()], pa.bool_())
        if all(proven.to_pylist()):
            return
        rows_unproven = pc.invert(pc.is_in(values, value_set=distinct.filter(proven), skip_nulls=True))
        unproven = rows_unproven if unproven is None else pc.and_(unproven, rows_unproven)
    if unproven is None or pc.any(unproven).as_py():
        raise SourceRefused(
            f"source {source_name!r} gave a row that none of the subject's identifiers accounts for; nothing of it was written",
            source_name=source_name,
            code="ForeignData",
            hint="check the source's match columns and the directory's identifiers; the connector may be at fault",
        )
