"""Tables of texts in memory, asked like any other database: never in a file."""

import uuid
from collections.abc import Collection, Iterable, Sequence

from rightful.database.interface import Database
from rightful.database.naming import quote
from rightful.database.opening import STREAM_S
from rightful.database.pool import Pool
from rightful.database.sqlite import SqliteDatabase, open_uri


class MemoryTables:
    """Filled once, then read by any number of threads through `database`, until it is closed."""

    def __init__(self, *, source_name: str) -> None:
        # SQLite's `memdb`: connections of one process that name it alike share it, and the last one to close ends it.
        uri = f"file:/rightful-{uuid.uuid4().hex}?vfs=memdb"
        self._keeper = open_uri(uri)
        self._keeper.execute("PRAGMA temp_store = MEMORY")  # an index is sorted before it is stored, else in a file
        self.database: Database = SqliteDatabase(Pool(lambda: open_uri(uri)), None, source_name=source_name, stream_s=STREAM_S)

    def add(
        self, table: str, columns: Sequence[str], rows: Iterable[Sequence[str | None]], *, indexed: Collection[str], folded: Collection[str]
    ) -> None:
        """Add a table; `folded` columns are looked up without letter case, `indexed` ones with it."""
        names = ", ".join(f"{quote(column)} TEXT" for column in columns)
        places = ", ".join("?" for _ in columns)
        self._keeper.execute("BEGIN")
        self._keeper.execute(f"CREATE TABLE {quote(table)} ({names})")
        self._keeper.executemany(f"INSERT INTO {quote(table)} VALUES ({places})", rows)  # noqa: S608 -- names are quoted
        for column in indexed:
            self._keeper.execute(f"CREATE INDEX {quote(f'{table}={column}')} ON {quote(table)} ({quote(column)})")
        for column in folded:
            self._keeper.execute(f"CREATE INDEX {quote(f'{table}~{column}')} ON {quote(table)} (lower({quote(column)}))")
        self._keeper.execute("COMMIT")

    def may_repeat(self, table: str, column: str) -> bool:
        """Say whether two rows have the same in a column, case of ASCII letters apart."""
        asked = f"SELECT 1 FROM {quote(table)} GROUP BY lower({quote(column)}) HAVING count(*) > 1 LIMIT 1"  # noqa: S608 -- names are quoted
        return self._keeper.execute(asked).fetchone() is not None

    def close(self) -> None:
        """Let go of everything; nobody reads any more."""
        self.database.close()
        self._keeper.close()
