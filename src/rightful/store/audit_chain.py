"""The chains of the audit trail in a store's database: appending and reading, on a connection of the caller's."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from rightful.audit import checkpoint as checkpoints
from rightful.audit import record as records
from rightful.audit.checkpoint import ChainCheckpoint
from rightful.audit.record import FIRST_HASH, AuditRecord
from rightful.ids import TenantId
from rightful.store.connection import Connection, Row
from rightful.store.values import ChainEntry


def append(connection: Connection, sql: Mapping[str, str], found: Iterable[AuditRecord]) -> None:
    """Append records to the chains of their tenants, in their order, within the caller's transaction."""
    rows: list[Row] = []
    heads: dict[TenantId, tuple[int, bytes]] = {}
    for value in found:
        tenant_id = value.tenant_id
        seq, previous = heads.get(tenant_id) or _head(connection, sql, tenant_id)
        canonical = records.encode(msgspec.structs.replace(value, seq=seq + 1))
        heads[tenant_id] = (seq + 1, records.link(previous, canonical))
        rows.append({"tenant_id": tenant_id, "seq": seq + 1, "record": canonical.decode(), "hash": heads[tenant_id][1]})
    connection.run_each(sql["append_audit"], rows)


def _head(connection: Connection, sql: Mapping[str, str], tenant_id: TenantId) -> tuple[int, bytes]:
    # Read each time, never remembered: a transaction that is undone takes its records with it.
    rows = connection.rows(sql["audit_head"], {"tenant_id": tenant_id})
    return (rows[0]["seq"], rows[0]["hash"]) if rows else (0, FIRST_HASH)


def page(connection: Connection, sql: Mapping[str, str], tenant_id: TenantId, *, after_seq: int, limit: int) -> Sequence[ChainEntry]:
    """Return entries of a chain, in order."""
    found = connection.rows(sql["audit_page"], {"tenant_id": tenant_id, "after_seq": after_seq, "limit": limit})
    return [ChainEntry(seq=row["seq"], canonical=row["record"], hash=row["hash"]) for row in found]


def add_checkpoint(connection: Connection, sql: Mapping[str, str], checkpoint: ChainCheckpoint) -> None:
    """Keep a signed checkpoint, where there is none for its record."""
    parameters = {"tenant_id": checkpoint.tenant_id, "seq": checkpoint.seq, "checkpoint": checkpoints.encode(checkpoint).decode()}
    connection.run(sql["add_checkpoint"], parameters)


def last_checkpoint(connection: Connection, sql: Mapping[str, str], tenant_id: TenantId) -> ChainCheckpoint | None:
    """Return the checkpoint of the latest record that has one; None too where it cannot be read."""
    rows = connection.rows(sql["last_checkpoint"], {"tenant_id": tenant_id})
    try:
        return checkpoints.decode(rows[0]["checkpoint"]) if rows else None
    except msgspec.MsgspecError:
        return None
