"""The seam between a store and its database: tasks that run in transactions, and the statements that they run there."""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from rightful.ids import TenantId
from rightful.store.connection import Connection
from rightful.store.listing_sql import Hints

T = TypeVar("T")


class Transactions(Protocol):
    """Runs tasks on connections to one database whose schema is up to date. Safe to use from any thread.

    What the database itself cannot do becomes `StoreFault`; what a task itself does wrong stays `ConstraintBroken` or `Unstorable`.

    A task that says whose it is sees and changes that tenant's rows alone, where the database can hold it to that.
    """

    @property
    def sql(self) -> Mapping[str, str]:
        """The statements of queries.sql by name, as this database takes them."""
        ...

    @property
    def hints(self) -> Hints:
        """How it is told which index to take."""
        ...

    def write(self, task: Callable[[Connection], T], tenant_id: TenantId | None = None) -> T:
        """Run a task in a transaction that is durable when this returns; tasks that meet share one commit."""
        ...

    def read(self, task: Callable[[Connection], T], tenant_id: TenantId | None = None) -> T:
        """Run a task that only reads; it never waits for a writer."""
        ...

    def check(self) -> None:
        """Write something that changes nothing, durably."""
        ...

    def erase(self) -> None:
        """Let what was erased go for good, as far as the database can be told to."""
        ...

    def rewrite(self) -> None:
        """Write everything anew: nothing is left of what was changed or erased."""
        ...

    def close(self) -> None:
        """Close every connection, and let another service have the database; again, it does nothing."""
        ...
