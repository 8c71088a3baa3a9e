"""A moment of a PostgreSQL database for many transactions: one exports it and stays open, the others import it.

https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-SNAPSHOT-SYNCHRONIZATION
"""

import re

import adbc_driver_manager

from rightful.database.pool import Pool
from rightful.database.postgres_connection import PostgresConnection

_NAME = re.compile(r"[0-9A-Fa-f-]{1,64}")
_GONE = frozenset({"22023", "42704", "55000"})
"""What an import of a snapshot that is not there ends with: invalid_parameter_value, and undefined_object from version 17 on."""

# TRUNCATE and an ALTER TABLE that writes a table anew show an empty table to who took a snapshot before; so does a new table of the old
# name. What our transaction has read is what it has locked. Functions see the catalogue of now, queries that of the snapshot.
_MADE_ANEW = """
SELECT 1 FROM pg_catalog.pg_locks held LEFT JOIN pg_catalog.pg_class known ON known.oid = held.relation
WHERE held.locktype = 'relation' AND held.pid = pg_catalog.pg_backend_pid()
  AND held.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  AND (known.oid IS NULL OR (known.relfilenode <> 0 AND known.relfilenode <> pg_catalog.pg_relation_filenode(known.oid)))
LIMIT 1
"""


class PostgresSnapshot:
    """An exported snapshot and the connection whose transaction keeps it."""

    is_shared = True

    def __init__(self, pool: Pool[PostgresConnection], connection: PostgresConnection, name: str) -> None:
        self._pool = pool
        self._connection = connection
        self._name = name
        self.is_lost = False

    def import_into(self, connection: PostgresConnection) -> bool:
        """Have a transaction that has only begun see this moment; False where it is gone."""
        try:
            connection.run(f"SET TRANSACTION SNAPSHOT '{self._name}'")
        except adbc_driver_manager.Error as error:
            if error.sqlstate not in _GONE:
                raise
            return False
        return True

    @staticmethod
    def misses_rows(connection: PostgresConnection) -> bool:
        """Say whether what a transaction has read was made anew since the snapshot, and so may have looked empty."""
        return bool(connection.rows(_MADE_ANEW, []))

    def close(self) -> None:
        """End the transaction."""
        try:
            self._connection.run("ROLLBACK")
        except adbc_driver_manager.Error:
            self._connection.close()
        else:
            self._pool.give(self._connection)


def export(connection: PostgresConnection, limit_s: float) -> str:
    """Begin a transaction and return the name of its snapshot. The server ends the transaction where nobody does."""
    connection.run(
        f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = '{round(limit_s) + 60}s'"
    )
    [(name,)] = connection.rows("SELECT pg_catalog.pg_export_snapshot()", [])
    if not _NAME.fullmatch(name):
        raise adbc_driver_manager.OperationalError(
            "a snapshot of an unknown form", status_code=adbc_driver_manager.AdbcStatusCode.INVALID_DATA
        )
    return str(name)
