"""The audit trail of a SQLite store, read by itself: while the service works on the file, and after somebody else did."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from rightful.errors import ConfigurationError
from rightful.ids import TenantId
from rightful.store import purging, queries, rows
from rightful.store.connection import Row
from rightful.store.values import ChainEntry, Purgeable, PurgeLimits, Retention, StoreFault

_BUSY_S = 10.0


class AuditFile:
    """Reads chains and checkpoints as they lie in the file at one moment; nothing in it is taken for what it should be."""

    def __init__(self, connection: sqlite3.Connection, *, has_retention: bool = True) -> None:
        self._connection = connection
        self._has_retention = has_retention
        self._sql = queries.load()

    def tenants(self) -> tuple[TenantId, ...]:
        """Return whose chains or checkpoints there are."""
        found: list[TenantId] = []
        for table in ("audit", "audit_checkpoint"):
            after: object = None  # as it lies there: SQLite orders by type first, and the text of a BLOB would come before it again
            while (row := self._connection.execute(self._sql[f"next_{table}_tenant"], {"after": after}).fetchone())[0] is not None:
                after = row[0]
                found.append(TenantId(str(after)))
        return tuple(sorted(set(found)))

    def chain(self, tenant_id: TenantId) -> Iterator[ChainEntry]:
        """Yield the entries of a chain, in order."""
        parameters = {"tenant_id": tenant_id, "after_seq": -(2**63), "limit": -1}
        place = 0
        for seq, record, hash_ in self._connection.execute(self._sql["audit_page"], parameters):
            # SQLite keeps any type in any column; texts come after numbers.
            place = seq if isinstance(seq, int) else place + 1
            text = record if isinstance(record, str) else repr(record)
            yield ChainEntry(seq=place, canonical=text, hash=hash_ if isinstance(hash_, bytes) else b"")

    def checkpoints(self, tenant_id: TenantId) -> Iterator[str]:
        """Yield the lines of the checkpoints of a chain, in order."""
        for row in self._connection.execute(self._sql["checkpoints"], {"tenant_id": tenant_id}):
            yield str(row[0])

    def retention(self, tenant_id: TenantId) -> Retention:
        """Return what is known of purges; nothing where the file is older than they are."""
        found = self._rows("retention", {"tenant_id": tenant_id}) if self._has_retention else []
        return rows.retention(found[0]) if found else Retention()

    def purgeable(self, limits: PurgeLimits) -> tuple[Purgeable, ...]:
        """Return how many operations and receipts were kept long enough."""
        if not self._has_retention:
            raise ConfigurationError("the store was last used by an older version", hint="start the service of this version on it once")
        return purging.purgeable(lambda name, parameters: self._rows(name, parameters)[0], limits)

    def _rows(self, name: str, parameters: Mapping[str, object]) -> list[Row]:
        cursor = self._connection.execute(self._sql[name], parameters)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


@contextmanager
def open_audit(path: Path) -> Iterator[AuditFile]:
    """Open the trail for as long as the block lasts; raises `ConfigurationError` where there is none, `StoreFault` where reading fails."""
    hint = "has the service run with this configuration?"
    if not path.is_file():
        raise ConfigurationError(f"there is no store {path}", hint=hint)
    try:
        connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, isolation_level=None, timeout=_BUSY_S)
        try:
            connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            connection.execute("BEGIN")
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not {"audit", "audit_checkpoint"} <= tables:
                raise ConfigurationError(f"the store {path.name} holds no audit trail", hint=hint)
            yield AuditFile(connection, has_retention="retention" in tables)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StoreFault(f"the audit trail of {path.name} cannot be read: {error}") from error
