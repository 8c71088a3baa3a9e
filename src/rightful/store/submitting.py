"""How an operation comes to be, and to be approved."""

from collections.abc import Sequence

from rightful.audit.record import NOBODY, OK, Action, Actor
from rightful.clock import to_microseconds
from rightful.ids import OperationId, TenantId
from rightful.operation.deadline import Extension
from rightful.operation.model import DataPolicyOperation, Failure, SourceProgress, SourceState
from rightful.store import rows
from rightful.store.connection import Connection, Row
from rightful.store.looking import Looking
from rightful.store.values import BoundOperation, Entry, Intent, NewApproval, NewRead, Repeat, RepeatKey


class Submitting(Looking):
    """Keeps intents and promotes them; each request becomes one operation (GRAPH-15)."""

    def begin(self, intent: Intent, *, may_be_new: bool = True) -> Repeat | None:
        """Commit an intent, or return the request it repeats."""

        def task(connection: Connection) -> Repeat | None:
            found = self._find_repeat(connection, intent)
            if found is not None:
                if found["request_digest"] == intent.request_digest:
                    self._add_repeat_keys(connection, intent, found["id"])
                return Repeat(operation_id=found["id"], is_pending=found["status"] == "intent", request_digest=found["request_digest"])
            if not may_be_new:
                return None
            connection.run(
                self._sql["add_intent"],
                {
                    "id": intent.operation_id,
                    "tenant_id": intent.tenant_id,
                    "subject_id": intent.subject_id,
                    "subject_kind": intent.subject_kind.value,
                    "caller_key": intent.caller_key,
                    "by_application": int(intent.is_by_application),
                    "container_key": intent.container_key,
                    "request_digest": intent.request_digest,
                    "correlation_id": intent.correlation_id,
                    "storage_location": intent.storage_location,
                    "sealed_location": intent.sealed_location,
                    "prefix": intent.prefix,
                    "language": intent.language,
                    "recipient": intent.recipient,
                    "key_file": intent.key_file,
                    "submitted_at": to_microseconds(intent.submitted_at),
                    "received_at": None if intent.received_at is None else to_microseconds(intent.received_at),
                    "actor": rows.to_json(intent.actor),
                    "since": intent.since,
                },
            )
            self._add_repeat_keys(connection, intent, intent.operation_id)
            return None

        return self._file.write(task, intent.tenant_id)

    def _add_repeat_keys(self, connection: Connection, intent: Intent, operation_id: OperationId) -> None:
        """Let an intent's keys name an operation, where they name none that counts."""
        for key in intent.repeat_keys:
            if self._find_named(connection, intent, key) is None:
                parameters = {"caller_key": intent.caller_key, "repeat_key": key.text, "operation_id": operation_id}
                connection.run(self._sql["add_repeat_key"], parameters)

    def _find_named(self, connection: Connection, intent: Intent, key: RepeatKey) -> Row | None:
        since = self._now() - int(key.valid_s * 1e6)
        return self._one(
            connection,
            "find_repeat_key",
            caller_key=intent.caller_key,
            repeat_key=key.text,
            even_failed=key.is_binding,
            since=since,
        )

    def _find_repeat(self, connection: Connection, intent: Intent) -> Row | None:
        binding = [key for key in intent.repeat_keys if key.is_binding]
        others = [key for key in intent.repeat_keys if not key.is_binding]
        return (
            self._find_first(connection, intent, binding)
            or self._one(
                connection,
                "find_open",
                tenant_id=intent.tenant_id,
                caller_key=intent.caller_key,
                subject_id=intent.subject_id,
                subject_kind=intent.subject_kind.value,
                container_key=intent.container_key,
            )
            or self._find_first(connection, intent, others)
        )

    def _find_first(self, connection: Connection, intent: Intent, keys: Sequence[RepeatKey]) -> Row | None:
        return next((found for key in keys if (found := self._find_named(connection, intent, key)) is not None), None)

    def promote(
        self, operation_id: OperationId, reads: Sequence[NewRead], entries: Sequence[Entry], *, approval: NewApproval | None = None
    ) -> DataPolicyOperation | None:
        """Make an intent a visible operation."""
        wish = {
            "digest": approval and approval.digest,
            "until": approval and to_microseconds(approval.until),
            "waiting_for": rows.to_json(approval and approval.waiting_for),
        }
        names = dict.fromkeys(read.source_name for read in reads)
        sources = tuple(SourceProgress(source_name=name, state=SourceState.PENDING) for name in names)  # nobody has read anything yet

        def task(connection: Connection) -> DataPolicyOperation | None:
            promoted = self._one(connection, "promote", id=operation_id, open_reads=len(reads), now=self._now(), **wish)
            if promoted is None:
                return None
            for position, read in enumerate(reads):
                place = {"position": position, "operation_seq": promoted["seq"], "tenant_id": promoted["tenant_id"]}
                self._add_read(connection, operation_id, read, place)
            if approval is not None:
                connection.run(self._sql["hold_reads"], {"operation_id": operation_id, "source_name": ""})
            for entry in entries:
                connection.run(self._sql["put_entry"], rows.entry_parameters(entry))
            self._record(connection, Action.SUBMIT, OK, operation_id, rows.whose(promoted), by=rows.actor(promoted["actor"]))
            return self._get(connection, promoted["tenant_id"], operation_id, sources)

        return self._file.write(task)

    def extend(
        self, tenant_id: TenantId, operation_id: OperationId, extension: Extension, by: Actor = NOBODY
    ) -> DataPolicyOperation | None:
        """Put down that the time to answer a request was extended."""

        def task(connection: Connection) -> DataPolicyOperation | None:
            parameters = {"id": operation_id, "tenant_id": tenant_id, "extension": rows.to_json(extension)}
            extended = self._one(connection, "extend", **parameters)
            if extended is None:
                return None
            self._record(connection, Action.EXTEND, OK, operation_id, rows.whose(extended), by=by)
            return self._get(connection, tenant_id, operation_id)

        return self._file.write(task, tenant_id)

    def drop(self, operation_id: OperationId) -> None:
        """Delete an intent."""

        def task(connection: Connection) -> None:
            connection.run(self._sql["drop_repeat_keys"], {"id": operation_id})
            connection.run(self._sql["drop_intent"], {"id": operation_id})

        self._file.write(task)

    def intents(self) -> tuple[Intent, ...]:
        """Return the intents that were never promoted."""
        return self._file.read(lambda connection: tuple(map(rows.intent, connection.rows(self._sql["intents"]))))

    def count_open(self, tenant_id: TenantId) -> int:
        """Return how many operations have not ended, which the database counts as they begin and end."""
        row = self._file.read(lambda connection: self._one(connection, "count_open", tenant_id=tenant_id), tenant_id)
        return int(row["number"]) if row is not None else 0

    def decide(
        self, tenant_id: TenantId, operation_id: OperationId, *, decider_key: str, refusal: Failure | None, by: Actor = NOBODY
    ) -> DataPolicyOperation | None:
        """Give the approval that an operation waits for, or end it."""

        def task(connection: Connection) -> DataPolicyOperation | None:
            parameters = {
                "id": operation_id,
                "tenant_id": tenant_id,
                "by": decider_key,
                "failure": rows.to_json(refusal),
                "now": self._now(),
            }
            name, action = ("approve", Action.APPROVE) if refusal is None else ("reject", Action.REJECT)
            decided = self._one(connection, name, **parameters)
            if decided is None:
                return None
            if refusal is None:
                connection.run(self._sql["resume_reads"], {"operation_id": operation_id})
            self._record(connection, action, OK, operation_id, rows.whose(decided), by=by)
            return self._get(connection, tenant_id, operation_id)

        return self._file.write(task, tenant_id)

    def bound(self) -> tuple[BoundOperation, ...]:
        """Return the operations that have not ended and have to do with an approval."""
        return self._file.read(lambda connection: tuple(map(rows.bound, connection.rows(self._sql["bound"]))))
