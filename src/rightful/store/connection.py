"""What a store's statements run on, whichever database it is; what they may raise."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

Row: TypeAlias = dict[str, Any]
"""The values of a row by the names of its columns, in the statement's order."""

Parameters: TypeAlias = Mapping[str, object] | Sequence[object]
"""By name for `:name` in a statement, by place for `?`."""


class ConstraintBroken(Exception):
    """A constraint of the schema does not allow what a statement would do."""


class Unstorable(ValueError):
    """A value that the database cannot hold, or that is missing."""


class Connection(Protocol):
    """Runs statements; outside of a transaction that was begun, each is a transaction of its own. For one thread at a time.

    Raises `ConstraintBroken` and `Unstorable`; what the database itself cannot do is raised as its driver says it.
    """

    def run(self, statement: str, parameters: Parameters = ()) -> int:
        """Run a statement to its end; return how many rows it changed, where it is one that changes rows."""
        ...

    def run_each(self, statement: str, parameters: Sequence[Parameters]) -> int:
        """Run a statement to its end with each of the parameters in turn; return how many rows were changed in all."""
        ...

    def rows(self, statement: str, parameters: Parameters = ()) -> list[Row]:
        """Run a statement to its end; return its rows."""
        ...

    def each_row(self, statement: str, parameters: Parameters = ()) -> Iterator[Row]:
        """Run a statement as its rows are asked for, for what may be too much to hold; until the last one nothing else may run."""
        ...
