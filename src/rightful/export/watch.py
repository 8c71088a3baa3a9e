"""The contract of what looks through rows that are about to be written, for what names others; and what does not."""

from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa

from rightful.connectors.interface import ReadHeader
from rightful.errors import SourceRefused
from rightful.export.subject_read import SubjectRead
from rightful.package.ledger import LeakCheck
from rightful.package.redacting import Plan


class Watch(Protocol):
    """Looks through the rows of one pass over a source, for all its subjects; subjects are numbers of reads."""

    def begin(self, header: ReadHeader, planned: Plan) -> tuple[LeakCheck | None, ...]:
        """Begin a pass; return what each read is to begin with: the counts of the last checkpoint where it goes on after one.

        None of a source without rows. Raises `SourceRefused` where the source's settings name what is not there.
        """
        ...

    def look(self, batch: pa.RecordBatch, counts: Sequence[tuple[int, int]]) -> dict[int, SourceRefused]:
        """Look through rows, redacted already; return the error of each subject among whose rows others are named.

        Args:
            batch: rows that lie subject by subject; the next ones of each, until `go_on` says that they are over.
            counts: (subject, how many rows), in the rows' order.
        """
        ...

    def keep(self, subject: int, rows: int, kept: Sequence[int] | None) -> None:
        """Take note which of these rows of a subject go into parts; None: all of them."""
        ...

    def go_on(self, counts: Sequence[tuple[int, int]]) -> None:
        """Take note that so many rows of each subject are over."""
        ...

    def looked_at(self, subject: int, rows: int) -> int:
        """Return how many of the next rows of a subject, which make a part, were looked through."""
        ...


class Unwatched:
    """Looks at nothing: `export.leak_check: off`."""

    def __init__(self, states: Sequence[SubjectRead]) -> None:
        self._states = states

    def begin(self, header: ReadHeader, planned: Plan) -> tuple[LeakCheck | None, ...]:
        """Say so."""
        del planned
        rows = (state.record.leaks.rows if state.record.leaks is not None else 0 for state in self._states)
        return tuple(LeakCheck(mode="off", rows=before) if header.columns else None for before in rows)

    def look(self, batch: pa.RecordBatch, counts: Sequence[tuple[int, int]]) -> dict[int, SourceRefused]:
        """Find nothing."""
        del batch, counts
        return {}

    def keep(self, subject: int, rows: int, kept: Sequence[int] | None) -> None:
        """Do nothing."""

    def go_on(self, counts: Sequence[tuple[int, int]]) -> None:
        """Do nothing."""

    def looked_at(self, subject: int, rows: int) -> int:
        """Return none."""
        del subject, rows
        return 0
