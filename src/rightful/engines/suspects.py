"""Which claims may be what kills the workers that deal with them: those that were lost with several.

A worker that dies takes all down that it was about, guilty or not. So what was lost with some is from then on dealt with alone: if its
worker dies then too, it is to blame.
"""

from collections.abc import Hashable, Iterator

from rightful.store.values import FinishSet, ReadSet

LOST = 2
"""With so many workers a claim may be lost and nobody suspects it."""
_KEPT = 10_000


class Suspects:
    """Counts what was lost with workers, the latest of it. Forgotten with the process: then a read has to be lost so often again."""

    def __init__(self) -> None:
        self._times: dict[Hashable, int] = {}

    def note_lost(self, claim: ReadSet | FinishSet) -> None:
        """Note that a worker was gone before it was done with a claim."""
        for key in _keys(claim):
            self._times[key] = self._times.pop(key, 0) + 1
        while len(self._times) > _KEPT:
            del self._times[next(iter(self._times))]

    def clear(self, claim: ReadSet | FinishSet) -> None:
        """Note that a worker was done with a claim and lived."""
        for key in _keys(claim):
            self._times.pop(key, None)

    def times(self, claim: ReadSet | FinishSet) -> int:
        """Return with how many workers that was lost which was lost most often."""
        return max((self._times.get(key, 0) for key in _keys(claim)), default=0)

    def is_one(self, claim: ReadSet | FinishSet) -> bool:
        """Say whether a claim is to be dealt with alone."""
        return self.times(claim) >= LOST


def _keys(claim: ReadSet | FinishSet) -> Iterator[Hashable]:
    if isinstance(claim, ReadSet):
        return ((read.operation_id, read.source_name, read.partition) for read in claim.reads)
    return (operation.operation_id for operation in claim.operations)
