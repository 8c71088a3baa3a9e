"""The redaction of one pass over a source, and how much of it falls on each part: a checkpoint counts what was delivered, no more."""

from array import array
from collections import defaultdict, deque
from collections.abc import Sequence

import pyarrow as pa

from rightful.export.subject_read import SubjectRead
from rightful.package.ledger import RedactedColumn
from rightful.package.redacting import Counts, Owner, Plan, Redactor
from rightful.subject.own import Own

Amounts = tuple[tuple[int, int], ...]
"""(cells, values) withheld, for each ruled column."""


class Withholding:
    """Redacts for the subjects of a pass; where no rule is, nothing is done and nothing kept."""

    def __init__(self, plan: Plan, states: Sequence[SubjectRead]) -> None:
        self.plan = plan
        owners = [Owner(Own(state.subject.identifiers), state.secret) for state in states] if plan.ruled else ()
        self._redactor = Redactor(plan, owners)
        self._waiting: dict[int, deque[tuple[Counts, ...]]] = defaultdict(deque)
        """Of each subject the rows that are in no part yet, feed by feed."""

    def begin(self, state: SubjectRead) -> tuple[RedactedColumn, ...]:
        """Return the counts to begin with: those of the last checkpoint where the read goes on after one."""
        before = {(each.column, each.rule): each for each in state.record.redacted}
        ruled = [RedactedColumn(column=each.column.name, rule=each.rule) for each in self.plan.ruled]
        return tuple(before.get((each.column, each.rule), each) for each in ruled)

    def apply(self, batch: pa.RecordBatch, counts: Sequence[tuple[int, int]]) -> tuple[pa.RecordBatch, tuple[Counts, ...]]:
        """Return a batch as it may be delivered, and what was withheld in each row."""
        return self._redactor.apply(batch, counts) if self.plan.ruled else (batch, ())

    def hold(self, subject: int, withheld: tuple[Counts, ...]) -> None:
        """Note what was withheld in rows that go to parts later."""
        if withheld:
            self._waiting[subject].append(withheld)

    def take(self, subject: int, rows: int) -> Amounts:
        """Return what was withheld in the next rows of a subject, which make a part."""
        sums = [[0, 0] for _ in self.plan.ruled]
        waiting = self._waiting[subject] if self.plan.ruled else ()
        while rows and waiting:
            first = waiting.popleft()
            for total, each in zip(sums, amounts(tuple(counts[:rows] for counts in first)), strict=True):
                total[0] += each[0]
                total[1] += each[1]
            if len(first[0]) > rows:
                waiting.appendleft(tuple(counts[rows:] for counts in first))
            rows -= min(rows, len(first[0]))
        return tuple((cells, values) for cells, values in sums)


def amounts(withheld: tuple[Counts, ...]) -> Amounts:
    """Return the sums over some rows."""
    return tuple((len(counts) - counts.count(0), sum(counts)) for counts in withheld)


def cut(withheld: tuple[Counts, ...], start: int, rows: int) -> tuple[Counts, ...]:
    """Return what was withheld in some of the rows."""
    return tuple(array("I", counts[start : start + rows]) for counts in withheld)


def pick(withheld: tuple[Counts, ...], rows: Sequence[int]) -> tuple[Counts, ...]:
    """Return what was withheld in these of the rows."""
    if isinstance(rows, range):  # all of them
        return withheld
    return tuple(array("I", (counts[row] for row in rows)) for counts in withheld)
