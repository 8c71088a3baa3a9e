"""Every sealed value of a store sealed anew, while no service works on it."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice

from rightful.audit.record import AuditRecord
from rightful.ids import OperationId, TenantId
from rightful.store import audit_chain
from rightful.store.connection import Connection, Row
from rightful.store.transactions import Transactions

Reseal = Callable[[str, bytes, TenantId, OperationId], bytes]
"""Gets a column and what is sealed in it; returns what to put there, the same bytes where they may stay."""

_BATCH = 500
_TABLES = (("sealed_operations", "reseal_operation"), ("sealed_reads", "reseal_read"), ("sealed_entries", "reseal_entry"))


class Resealing:
    """Has a store's database, which no service then gets, until it is closed."""

    def __init__(self, file: Transactions) -> None:
        self._sql = file.sql
        self._file = file

    def reseal(self, reseal: Reseal) -> int:
        """Give every sealed value to a function and put back what it returns; returns how many rows were changed.

        Whoever is interrupted calls it again. At the end the file is written anew, so that no earlier form is left in free space.
        """
        changed = 0
        for select, update in _TABLES:
            rows = self._file.read(partial(_select, self._sql[select]))
            while batch := list(islice(rows, _BATCH)):
                changed += self._file.write(partial(self._reseal_batch, self._sql[update], batch, reseal))
        self._file.rewrite()
        return changed

    def _reseal_batch(self, sql: str, batch: Sequence[Row], reseal: Reseal, connection: Connection) -> int:
        changed = 0
        for row in batch:
            after = {
                name: reseal(name, value, row["tenant_id"], row["operation_id"]) if name.startswith("sealed") and value else value
                for name, value in row.items()
            }
            if after != row:
                connection.run(sql, after)
                changed += 1
        return changed

    def record(self, records: Sequence[AuditRecord]) -> None:
        """Append records to the chains of their tenants."""
        self._file.write(lambda connection: audit_chain.append(connection, self._sql, records))

    def close(self) -> None:
        """Give the lock up."""
        self._file.close()


def _select(sql: str, connection: Connection) -> Iterator[Row]:
    return connection.each_row(sql)
