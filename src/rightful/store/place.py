"""Where a store lies, whichever database it is: opened by the service, and looked at from beside it. What is not used is not imported."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, runtime_checkable

from rightful.audit.record import AuditRecord
from rightful.errors import ConfigurationError
from rightful.ids import OperationId, SubjectId, TenantId
from rightful.store.transactions import Transactions
from rightful.store.values import ChainEntry, Purgeable, PurgeLimits, Retention, StoreCheck

POSTGRES_SCHEMES = ("postgresql://", "postgres://")

MakeRecord = Callable[[TenantId, SubjectId], AuditRecord]
"""Makes the record of what was done to an operation, for whose it is."""


class AuditReader(Protocol):
    """Reads chains, their starts and checkpoints as they lie in a store at one moment; nothing in it is taken for what it should be."""

    def tenants(self) -> tuple[TenantId, ...]:
        """Return whose chains or checkpoints there are."""
        ...

    def chain(self, tenant_id: TenantId) -> Iterator[ChainEntry]:
        """Yield the entries of a chain, in order."""
        ...

    def checkpoints(self, tenant_id: TenantId) -> Iterator[str]:
        """Yield the lines of the checkpoints of a chain, in order."""
        ...

    def retention(self, tenant_id: TenantId) -> Retention:
        """Return what is known of purges of a tenant's, or of the chain of what belongs to none."""
        ...


class StoreReader(AuditReader, Protocol):
    """Reads besides what is to be purged."""

    def purgeable(self, limits: PurgeLimits) -> tuple[Purgeable, ...]:
        """Return how many operations and receipts were kept long enough."""
        ...


class Place(Protocol):
    """What can be done with a store as a whole. Raises `ConfigurationError` where it cannot be had, `StoreFault` where that fails later."""

    def open(self) -> Transactions:
        """Have the store to work on; raises `ConfigurationError` where another service has it. Makes it where there is none."""
        ...

    def open_audit(self) -> AbstractContextManager[StoreReader]:
        """Open the audit trail for as long as the block lasts; the service may work meanwhile."""
        ...

    def append(self, operation_id: OperationId, make: MakeRecord) -> None:
        """Append a record of what was done to an operation, for nobody where the store does not know it; the service may work meanwhile."""
        ...

    def kept_free(self) -> AbstractContextManager[bool]:
        """Say whether nobody works on the store, and keep it so for the block. Makes and changes nothing."""
        ...


class Led(Transactions, Protocol):
    """What a service has for as long as no other takes it."""

    @property
    def lost(self) -> threading.Event:
        """Set once another has it, or may have: nothing can be written any more."""
        ...

    def tell(self, told: bytes) -> None:
        """Put down something for those who wait, until another leads."""
        ...

    @property
    def term(self) -> int:
        """In which term of the lead it is had: a number that only grows."""
        ...


@runtime_checkable
class Shared(Protocol):
    """A place that several services may wait for, one of which works."""

    def open_if_free(self) -> Led | None:
        """Have the store to work on; None where another service has it, and says so from time to time."""
        ...

    def told(self) -> bytes:
        """Return what the one that leads has put down, empty where that is nothing or cannot be had; asked after `open_if_free`."""
        ...

    def stop_waiting(self) -> None:
        """Let go of what `open_if_free` waited by."""
        ...

    def open_delegated(self, term: int) -> Led:
        """Have the store to work on for who leads in a term; raises `StoreFault` where it cannot be reached."""
        ...

    def look(self) -> Iterator[StoreCheck]:
        """Yield what is found in the store, the most basic first. Changes nothing; the service may work meanwhile."""
        ...

    def examine(self) -> str:
        """Say in a few words what is there; raises `ConfigurationError` where that would not do for a service. Changes nothing."""
        ...


def is_postgres(url: str) -> bool:
    """Say whether `store` of the configuration names a PostgreSQL database."""
    return url.startswith(POSTGRES_SCHEMES)


def not_installed(error: ImportError) -> ConfigurationError:
    """Say that the extra is missing, where that is what an import failed for."""
    if error.name is None or error.name.startswith("rightful"):
        raise error
    return ConfigurationError("what keeps a store in PostgreSQL is not installed", hint="install rightful[postgres]")


def place_of(url: str, path: Path) -> Place:
    """Return the place that `store` of the configuration names; `path` is the file, where it is one."""
    if not is_postgres(url):
        from rightful.store.sqlite_place import SqlitePlace  # noqa: PLC0415 - only where it is used

        return SqlitePlace(path)
    try:
        from rightful.store.postgres_place import PostgresPlace  # noqa: PLC0415 - likewise, and an extra
    except ImportError as error:
        raise not_installed(error) from None
    return PostgresPlace(url)
