"""The store in one SQLite file; a service has it for itself."""

from pathlib import Path

from rightful.clock import Clock
from rightful.store.sql_store import SqlStore
from rightful.store.sqlite_file import SqliteFile


class SqliteStore(SqlStore):
    """Keeps operations in a SQLite file."""

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(SqliteFile(path), clock)
