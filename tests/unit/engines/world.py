"""What the tests of engines share: a store in which what was given back is soon tried again, and work that finds nothing."""

import threading
from pathlib import Path
from typing import Any

from rightful.operation.model import PackageTotals
from rightful.store.sqlite import SqliteStore
from rightful.store.values import Checkpoint, Completion, FinishSet, ReadSet, StoreFault
from rightful.testing.clock import ManualClock

OWNER = "engine"
PATIENCE_S = 20


class Passing(SqliteStore):
    """Lets a moment pass when work was given back: enough for it to be tried again, far less than a lease."""

    def __init__(self, path: Path, clock: ManualClock) -> None:
        super().__init__(path, clock)
        self._manual = clock

    def retry(self, *args: Any, **more: Any) -> None:
        super().retry(*args, **more)
        self._manual.advance(2)

    def retry_finish(self, *args: Any, **more: Any) -> None:
        super().retry_finish(*args, **more)
        self._manual.advance(2)


class Refusing(Passing):
    """Fails so many times before it takes work back."""

    refuses_left = 0

    def __init__(self, path: Path, clock: ManualClock) -> None:
        super().__init__(path, clock)
        self.was_given_back = threading.Event()
        """Set when it did after all."""

    def retry(self, *args: Any, **more: Any) -> None:
        if self.refuses_left:
            self.refuses_left -= 1
            raise StoreFault("the disk is full")
        super().retry(*args, **more)
        self.was_given_back.set()


def do(store: SqliteStore, claim: ReadSet | FinishSet) -> None:
    """Do the work of a claim, as if nothing were ever found."""
    if isinstance(claim, ReadSet):
        store.checkpoint([Checkpoint(read=read, next_part=0, is_done=True) for read in claim.reads], owner=OWNER)
    else:
        totals = PackageTotals(prefix="", entries=1, size_bytes=1, manifest_sha256="")
        store.complete([Completion(operation=operation, package=totals) for operation in claim.operations], owner=OWNER)
