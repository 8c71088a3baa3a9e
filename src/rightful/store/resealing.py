"""Every sealed value of a store sealed anew, while no service works on it."""

from collections.abc import Callable, Sequence
from functools import partial

from rightful.audit.record import AuditRecord
from rightful.ids import OperationId, TenantId
from rightful.store import audit_chain
from rightful.store.connection import Connection, Row
from rightful.store.transactions import Transactions

Reseal = Callable[[str, bytes, TenantId, OperationId], bytes]
"""Gets a column and what is sealed in it; returns what to put there, the same bytes where they may stay."""

_BATCH = 500
_READ = {"operation_id": "", "source_name": "", "partition": -1}
_TABLES: tuple[tuple[str, str, Row], ...] = (
    ("sealed_operations", "reseal_operation", {"seq": -(2**63)}),
    ("sealed_reads", "reseal_read", _READ),
    ("sealed_entries", "reseal_entry", {**_READ, "number": -1, "revision": -1}),
)
"""What reads a page, what changes a row, and a key before every row's."""


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
        for select, update, first in _TABLES:
            after = first
            while batch := self._file.read(partial(_page, self._sql[select], after)):
                after = {name: batch[-1][name] for name in after}
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


def _page(sql: str, after: Row, connection: Connection) -> list[Row]:
    return connection.rows(sql, {**{f"after_{name}": value for name, value in after.items()}, "most": _BATCH})
