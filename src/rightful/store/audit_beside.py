"""Appends to the audit trail of a store from beside the service that works on it, if one does."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw

from rightful.audit.record import SERVICE_CHAIN, AuditRecord
from rightful.errors import ConfigurationError
from rightful.ids import OperationId, SubjectId, TenantId
from rightful.store import audit_chain, queries
from rightful.store.sqlite_connection import SqliteConnection
from rightful.store.values import StoreFault

_BUSY_S = 10.0


def append(path: Path, operation_id: OperationId, make: Callable[[TenantId, SubjectId], AuditRecord]) -> None:
    """Append a record of what was done to an operation, made for whose it is: for nobody where the store does not know it.

    A chain's head is read in the transaction that appends to it (audit_chain), so others may do so at the same time. Raises
    `ConfigurationError` where there is no store, `StoreFault` where it cannot be written.
    """
    if not path.is_file():
        raise ConfigurationError(f"there is no store {path}", hint="has the service run with this configuration?")
    sql = queries.load()
    try:
        with closing(SqliteConnection(path, busy_s=_BUSY_S)) as connection:
            connection.run("PRAGMA synchronous = FULL")
            connection.run("BEGIN IMMEDIATE")
            found = connection.rows(sql["whose_operation"], {"id": operation_id})
            tenant_id, subject_id = (found[0]["tenant_id"], found[0]["subject_id"]) if found else (SERVICE_CHAIN, SubjectId(""))
            audit_chain.append(connection, sql, [make(tenant_id, subject_id)])
            connection.run("COMMIT")
    except apsw.Error as error:
        raise StoreFault(f"the audit trail of {path.name} cannot be written: {error}") from error
