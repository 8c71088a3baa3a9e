"""The contract of an engine: it claims work from the store and has it done.

An engine is built with a store and a `work` function; it decides where and how much at once, and knows nothing of what the work is.
`work` may be called from several threads or processes at once, each with a claim of its own; it returns when the claim is dealt with
and raises only for faults in the program and in the store: then the engine gives the claim back, to be tried again. One tenant whose
systems are slow does not keep the work of the others waiting.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from rightful.ids import OperationId
from rightful.leash import Leash
from rightful.store.values import FinishSet, ReadSet

Work = Callable[[ReadSet | FinishSet], None]

T = TypeVar("T")
R = TypeVar("R")


class Engine(Protocol):
    """Runs what the store hands out."""

    def start(self) -> None:
        """Begin to claim; work left by an earlier run goes on."""
        ...

    def stop(self) -> None:
        """Claim no more, let what runs come to its next checkpoint, return when it has."""
        ...

    def is_alive(self) -> bool:
        """Say whether it claims work: started, not stopped, and none of what does so has ended."""
        ...

    def submit(self, operation_id: OperationId) -> None:
        """Say that there is new work; returns at once. Nothing is lost where this is never called: the store is asked at intervals."""
        ...

    def cancel(self, operation_id: OperationId) -> Leash | None:
        """Have work on an operation stop soon; the store has been told already. Return what to wait by until nothing is sent elsewhere."""
        ...

    def map(self, function: Callable[[T], R], values: Iterable[T]) -> Iterator[R]:
        """Call a picklable function on each value, side by side; results in the values' order."""
        ...
