"""A store in a SQLite file, as a whole."""

from contextlib import AbstractContextManager
from pathlib import Path

from rightful.ids import OperationId
from rightful.store import audit_beside, audit_file
from rightful.store.place import MakeRecord, StoreReader
from rightful.store.sqlite_file import SqliteFile, kept_free
from rightful.store.transactions import Transactions


class SqlitePlace:
    """See `store.place.Place`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self) -> Transactions:
        """Lock the file."""
        return SqliteFile(self._path)

    def open_audit(self) -> AbstractContextManager[StoreReader]:
        """Read the file beside the service."""
        return audit_file.open_audit(self._path)

    def append(self, operation_id: OperationId, make: MakeRecord) -> None:
        """Write into the file beside the service."""
        audit_beside.append(self._path, operation_id, make)

    def kept_free(self) -> AbstractContextManager[bool]:
        """Share the lock that a service wants for itself."""
        return kept_free(self._path)
