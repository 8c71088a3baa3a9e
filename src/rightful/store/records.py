"""What every part of a store rests on: its database, the statements, and the audit trail."""

import uuid
from collections.abc import Mapping, Sequence

from rightful.audit.checkpoint import ChainCheckpoint
from rightful.audit.record import NOBODY, Action, Actor, AuditRecord, Target, record
from rightful.clock import Clock, to_microseconds
from rightful.ids import OperationId, SubjectId, TenantId
from rightful.store import audit_chain
from rightful.store.connection import Connection, Row
from rightful.store.transactions import Transactions
from rightful.store.values import EVENTS, Announcing, ChainEntry, EventKind, NewRead


class Records:
    """Holds the database and its statements; writes audit records, in the transaction of what they record or by themselves."""

    def __init__(self, file: Transactions, clock: Clock) -> None:
        self._clock = clock
        self._sql = file.sql
        self._file = file
        self._announcing: Announcing = {}

    def _now(self) -> int:
        return to_microseconds(self._clock.now())

    def _one(self, connection: Connection, name: str, **parameters: object) -> Row | None:
        found = connection.rows(self._sql[name], parameters)
        return found[0] if found else None

    def _add_read(self, connection: Connection, operation_id: OperationId, read: NewRead, place: Mapping[str, object]) -> int:
        parameters = {
            "operation_id": operation_id,
            "source_name": read.source_name,
            "partition": read.partition,
            "spec_digest": read.spec_digest,
            "sealed_spec": read.sealed_spec,
            "estimated_rows": read.estimated_rows,
            "estimated_bytes": read.estimated_bytes,
            **place,
        }
        return connection.run(self._sql["add_read"], parameters)

    def _record(
        self,
        connection: Connection,
        action: Action,
        outcome: str,
        operation_id: OperationId,
        whose: tuple[TenantId, SubjectId],
        *,
        by: Actor = NOBODY,
    ) -> None:
        """Record what becomes of an operation, in the transaction that does it; `whose` is its tenant and its subject."""
        self._record_each(connection, action, outcome, {operation_id: whose}, by=by)

    def _record_each(
        self,
        connection: Connection,
        action: Action,
        outcome: str,
        operations: Mapping[OperationId, tuple[TenantId, SubjectId]],
        *,
        by: Actor = NOBODY,
    ) -> None:
        """Record the same of several operations, in their order: the end of each chain is looked up once."""
        now = self._now()
        made = [
            record(
                by,
                tenant_id=tenant_id,
                time_us=now,
                action=action,
                outcome=outcome,
                target=Target.OPERATION,
                target_id=operation_id,
                subject_id=subject_id,
            )
            for operation_id, (tenant_id, subject_id) in operations.items()
        ]
        audit_chain.append(connection, self._sql, made)
        if (kind := EVENTS.get(action)) is not None:
            for operation_id, (tenant_id, _) in operations.items():
                self._announce(connection, kind, tenant_id, operation_id, outcome if kind is EventKind.FAILED else "")

    def _announce(self, connection: Connection, kind: EventKind, tenant_id: TenantId, operation_id: OperationId, code: str) -> None:
        """Put down what webhooks are to be told, in the transaction that does it."""
        endpoints = [endpoint for endpoint, kinds in self._announcing.get(tenant_id, ()) if kind in kinds]
        if not endpoints:
            return
        event = {
            "event_id": str(uuid.uuid4()),
            "tenant_id": tenant_id,
            "operation_id": operation_id,
            "kind": kind.value,
            "code": code,
            "happened_at": self._now(),
        }
        connection.run_each(self._sql["add_event"], [{**event, "endpoint": endpoint} for endpoint in endpoints])

    def record(self, records: Sequence[AuditRecord]) -> None:
        """Append records to the chains of their tenants."""
        self._file.write(lambda connection: audit_chain.append(connection, self._sql, records))

    def chain(self, tenant_id: TenantId, *, after_seq: int = 0, limit: int = 1000) -> Sequence[ChainEntry]:
        """Return entries of a tenant's chain."""
        return self._file.read(
            lambda connection: audit_chain.page(connection, self._sql, tenant_id, after_seq=after_seq, limit=limit), tenant_id or None
        )

    def add_chain_checkpoint(self, checkpoint: ChainCheckpoint) -> None:
        """Keep a signed checkpoint of a chain."""
        self._file.write(lambda connection: audit_chain.add_checkpoint(connection, self._sql, checkpoint))

    def last_chain_checkpoint(self, tenant_id: TenantId) -> ChainCheckpoint | None:
        """Return the checkpoint of the latest record that has one."""
        return self._file.read(lambda connection: audit_chain.last_checkpoint(connection, self._sql, tenant_id), tenant_id or None)

    def check(self) -> None:
        """Write what changes nothing."""
        self._file.check()

    def close(self) -> None:
        """Let another service have the database."""
        self._file.close()
