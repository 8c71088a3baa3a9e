"""A SQLite store copied into an empty PostgreSQL database: every row, in one transaction, and looked at again before it is committed.

The file is left as it was. What keeps a service from working on it afterwards, so that nothing is done twice, is a note beside it.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import zip_longest
from pathlib import Path

import apsw
import psycopg
from psycopg import sql

from rightful.audit.record import AuditRecord
from rightful.errors import ConfigurationError
from rightful.store import audit_chain, queries, sqlite_moved, sqlite_state
from rightful.store.connection import Connection, Row
from rightful.store.fingerprint_folder import FingerprintFolder
from rightful.store.postgres_connection import SCHEMA, Address, PostgresConnection, said
from rightful.store.postgres_database import PostgresDatabase, open_database
from rightful.store.sqlite_connection import SqliteConnection
from rightful.store.sqlite_file import lock_alone
from rightful.store.values import Moved, StoreFault

TABLES = {
    "operation": ("seq",),
    "repeat_key": ("caller_key", "repeat_key"),
    "read": ("operation_id", "source_name", "partition"),
    "entry": ("operation_id", "source_name", "partition", "number", "revision"),
    "audit": ("tenant_id", "seq"),
    "audit_checkpoint": ("tenant_id", "seq"),
    "open_operations": ("tenant_id",),
    "outgoing_event": ("seq",),
    "receipt": ("tenant_id", "operation_id"),
    "retention": ("tenant_id",),
}
"""What a store consists of, each table after those that it points to, and the key that its rows are ordered by."""
_COUNTED = "open_operations"
"""Counted by the database itself while operations come in."""
_NUMBERED = ("operation", "outgoing_event")
"""Numbered by the database itself."""
_BUSY_S = 10.0


def move(path: Path, url: str, beside: Path, record: AuditRecord) -> Moved:
    """Copy a store, which no service may work on, and put down in the copy that this was done.

    Args:
        path: The SQLite file.
        url: The address of the database.
        beside: By whose name files lie beside the store from now on.
        record: What is appended to the copy's audit trail.

    Raises:
        ConfigurationError: A service works on one of the two, there is no whole store of this version, or the database has one already.
        StoreFault: It cannot be read or written, or what was written is not what was read: nothing is there then.
    """
    if not sqlite_state.check_file(path):
        raise ConfigurationError(f"there is no store {path}", hint="has the service run with this configuration?")
    address = Address(url)
    with ExitStack() as held:
        held.callback(os.close, lock_alone(path))
        with closing(SqliteConnection(path, busy_s=_BUSY_S)) as source:
            _check_source(source, path)
            fingerprints = _copy_fingerprints(path, beside)
            with closing(open_database(address)) as target:
                rows = _move(source, path, target, address, record)
                found = target.read(lambda connection: connection.rows("SELECT sum(number) AS number FROM open_operations"))
    return Moved(place=address.display, rows=rows, open_operations=int(found[0]["number"] or 0), fingerprints=fingerprints)


def _check_source(source: SqliteConnection, path: Path) -> None:
    try:
        version = sqlite_state.check_schema(source, path)
        sqlite_state.check_pages(source, path)
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise sqlite_state.damaged(path, sqlite_state.reason(error)) from error
    if version < len(queries.migrations()):
        raise ConfigurationError(
            f"the store {path.name} was last used by an older version of Rightful",
            hint="start the service of this version on it once, and stop it again",
        )


def _move(source: SqliteConnection, path: Path, target: PostgresDatabase, address: Address, record: AuditRecord) -> dict[str, int]:
    def task(connection: Connection) -> dict[str, int]:
        if not isinstance(connection, PostgresConnection):  # pragma: no cover - the only one that there is
            raise TypeError
        return _copy(source, connection, address, record, target)

    try:
        source.run("BEGIN")
        noted = sqlite_moved.read(path)
        sqlite_moved.note(path, address.display)  # before the copy counts: never two that a service would work on
        try:
            return target.write(task)
        except Exception:  # an interrupt comes after the end of the copy, and does not say how that was: then the note stays
            if not target.lost.is_set():  # then it was not committed for certain
                sqlite_moved.put_back(path, noted)
            raise
    except apsw.Error as error:
        raise StoreFault(f"the store {path.name} cannot be read: {error}") from error


def _copy(
    source: SqliteConnection, connection: PostgresConnection, address: Address, record: AuditRecord, target: PostgresDatabase
) -> dict[str, int]:
    """Copy, compare, and go on counting where the file did; in the transaction of the caller."""
    if any(next(_rows(connection, table, ["1"]), None) for table in ("operation", "audit")):
        raise ConfigurationError(
            f"the database {address.display} holds a store already",
            hint="where an earlier run copied this store there, let `store` name it; else name another database;"
            " or, where nobody needs what is in it: DROP SCHEMA rightful CASCADE",
        )
    connection.script("SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0")
    columns = {table: _columns(source, table) for table in TABLES}
    for table in TABLES:
        if table != _COUNTED:
            _copy_table(source, connection, table, columns[table])
    counted = {table: _compare(source, connection, table, columns[table]) for table in TABLES}
    for table in _NUMBERED:
        connection.rows(
            f"SELECT setval(pg_get_serial_sequence(:table, 'seq'), (SELECT coalesce(max(seq), 0) + 1 FROM {table}), false)",  # noqa: S608 - a name of ours
            {"table": f"{SCHEMA}.{table}"},
        )
    audit_chain.append(connection, target.sql, [record])
    return counted


def _columns(source: SqliteConnection, table: str) -> list[str]:
    """Return the columns that are written: those that are computed are not."""
    return [row["name"] for row in source.rows("SELECT name FROM pragma_table_info(:table)", {"table": table})]


def _copy_table(source: SqliteConnection, connection: PostgresConnection, table: str, columns: list[str]) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns)))
    # COPY goes into no table whose owner is held to the rules of rows.
    connection.script(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    try:
        with connection.driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in _rows(source, table, columns):
                copy.write_row(tuple(row.values()))
    except (psycopg.DataError, UnicodeEncodeError) as error:
        raise StoreFault(f"a row of {table} cannot be held by PostgreSQL ({_why(error)}): nothing was copied") from error
    connection.script(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def _why(error: psycopg.DataError | UnicodeEncodeError) -> str:
    return said(error) if isinstance(error, psycopg.DataError) else "a text is no Unicode"


def _rows(connection: Connection, table: str, columns: list[str]) -> Iterator[Row]:
    return connection.each_row(f"SELECT {', '.join(columns)} FROM {table} ORDER BY {', '.join(TABLES[table])}")  # noqa: S608 - names of ours


def _compare(source: SqliteConnection, connection: PostgresConnection, table: str, columns: list[str]) -> int:
    """Read both, row by row; return how many there are."""
    if table == _COUNTED:  # a tenant that has nothing open need not be there
        before, after = ([row for row in _rows(each, table, columns) if row["number"]] for each in (source, connection))
        if before != after:
            raise StoreFault("the copy has another number of open operations: nothing was copied")
        return len(after)
    count = 0
    for count, pair in enumerate(zip_longest(_rows(source, table, columns), _rows(connection, table, columns)), 1):
        if pair[0] != pair[1]:
            raise StoreFault(f"row {count} of {table} is not in the copy as it was: nothing was copied")
    return count


def _copy_fingerprints(path: Path, beside: Path) -> int:
    """Copy what lies beside the store to where it is looked for from now on; return how many files that is."""
    old, new = FingerprintFolder(path).path, FingerprintFolder(beside).path
    if not old.is_dir():
        return 0
    try:
        if old.resolve() != new.resolve():
            new.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copytree(old, new, dirs_exist_ok=True)
        return sum(each.is_file() for each in old.rglob("*"))
    except OSError as error:
        raise StoreFault(f"the fingerprints beside the store cannot be copied to {new.parent}: {error.strerror}") from error
