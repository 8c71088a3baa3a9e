"""The store in one SQLite file; a service has it for itself."""

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from rightful.audit.checkpoint import ChainCheckpoint
from rightful.audit.record import NOBODY, OK, Action, Actor, AuditRecord, Target, record
from rightful.clock import Clock, from_microseconds, to_microseconds
from rightful.ids import OperationId, SubjectId, TenantId
from rightful.operation import progress
from rightful.operation.model import ApprovalState, DataPolicyOperation, Failure, OperationStatus
from rightful.store import audit_chain, queries, rows, sqlite_listing
from rightful.store.interface import (
    BoundOperation,
    ChainEntry,
    ChainHead,
    Checkpoint,
    ClaimedOperation,
    ClaimedRead,
    Completion,
    Entry,
    FinishSet,
    Intent,
    ListQuery,
    NewApproval,
    NewRead,
    ReadSet,
    Repeat,
    RepeatKey,
    Scan,
    SourceOutcome,
)
from rightful.store.sqlite_file import SqliteFile

_EXPIRED = Failure(code="approvalExpired", message="nobody approved the export in time; submit it again")


class SqliteStore:
    """Keeps operations in a SQLite file; see `store.interface.Store` for what each method promises."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._sql = queries.load()
        self._file = SqliteFile(path)
        self._last_tenant = ""

    # -- submit ---------------------------------------------------------------------------------------------------------

    def begin(self, intent: Intent) -> Repeat | None:
        """Commit an intent, or return the request it repeats."""

        def task(connection: sqlite3.Connection) -> Repeat | None:
            found = self._find_repeat(connection, intent)
            if found is not None:
                if found["request_digest"] == intent.request_digest:
                    self._add_repeat_keys(connection, intent, found["id"])
                return Repeat(operation_id=found["id"], is_pending=found["status"] == "intent", request_digest=found["request_digest"])
            connection.execute(
                self._sql["add_intent"],
                {
                    "id": intent.operation_id,
                    "tenant_id": intent.tenant_id,
                    "subject_id": intent.subject_id,
                    "subject_kind": intent.subject_kind.value,
                    "caller_key": intent.caller_key,
                    "by_application": intent.is_by_application,
                    "container_key": intent.container_key,
                    "request_digest": intent.request_digest,
                    "correlation_id": intent.correlation_id,
                    "storage_location": intent.storage_location,
                    "sealed_location": intent.sealed_location,
                    "prefix": intent.prefix,
                    "submitted_at": to_microseconds(intent.submitted_at),
                    "actor": rows.to_json(intent.actor),
                },
            )
            self._add_repeat_keys(connection, intent, intent.operation_id)
            return None

        return self._file.write(task)

    def _add_repeat_keys(self, connection: sqlite3.Connection, intent: Intent, operation_id: OperationId) -> None:
        """Let an intent's keys name an operation, where they name none that counts."""
        for key in intent.repeat_keys:
            if self._find_named(connection, intent, key) is None:
                parameters = {"caller_key": intent.caller_key, "repeat_key": key.text, "operation_id": operation_id}
                connection.execute(self._sql["add_repeat_key"], parameters)

    def _find_named(self, connection: sqlite3.Connection, intent: Intent, key: RepeatKey) -> sqlite3.Row | None:
        since = self._now() - int(key.valid_s * 1e6)
        return self._one(connection, "find_repeat_key", caller_key=intent.caller_key, repeat_key=key.text, since=since)

    def _find_repeat(self, connection: sqlite3.Connection, intent: Intent) -> sqlite3.Row | None:
        for key in intent.repeat_keys:
            found = self._find_named(connection, intent, key)
            if found is not None:
                return found
        return self._one(
            connection,
            "find_open",
            tenant_id=intent.tenant_id,
            caller_key=intent.caller_key,
            subject_id=intent.subject_id,
            subject_kind=intent.subject_kind.value,
            container_key=intent.container_key,
        )

    def promote(
        self, operation_id: OperationId, reads: Sequence[NewRead], entries: Sequence[Entry], *, approval: NewApproval | None = None
    ) -> DataPolicyOperation | None:
        """Make an intent a visible operation."""
        wish = {
            "digest": approval and approval.digest,
            "until": approval and to_microseconds(approval.until),
            "waiting_for": rows.to_json(approval and approval.waiting_for),
        }

        def task(connection: sqlite3.Connection) -> DataPolicyOperation | None:
            promoted = self._one(connection, "promote", id=operation_id, open_reads=len(reads), now=self._now(), **wish)
            if promoted is None:
                return None
            for position, read in enumerate(reads):
                place = {"position": position, "operation_seq": promoted["seq"], "tenant_id": promoted["tenant_id"]}
                self._add_read(connection, operation_id, read, place)
            if approval is not None:
                connection.execute(self._sql["hold_reads"], {"operation_id": operation_id, "source_name": ""})
            for entry in entries:
                connection.execute(self._sql["put_entry"], rows.entry_parameters(entry))
            whose = (promoted["tenant_id"], promoted["subject_id"])
            self._record(connection, Action.SUBMIT, OK, operation_id, whose, by=rows.actor(promoted["actor"]))
            return self._get(connection, promoted["tenant_id"], operation_id)

        return self._file.write(task)

    def _add_read(self, connection: sqlite3.Connection, operation_id: OperationId, read: NewRead, place: Mapping[str, object]) -> int:
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
        return connection.execute(self._sql["add_read"], parameters).rowcount

    def drop(self, operation_id: OperationId) -> None:
        """Delete an intent."""

        def task(connection: sqlite3.Connection) -> None:
            connection.execute(self._sql["drop_repeat_keys"], {"id": operation_id})
            connection.execute(self._sql["drop_intent"], {"id": operation_id})

        self._file.write(task)

    def intents(self) -> tuple[Intent, ...]:
        """Return the intents that were never promoted."""
        return self._file.read(lambda connection: tuple(map(rows.intent, connection.execute(self._sql["intents"]))))

    def count_open(self, tenant_id: TenantId) -> int:
        """Return how many operations have not ended, which the database counts as they begin and end."""
        row = self._file.read(lambda connection: self._one(connection, "count_open", tenant_id=tenant_id))
        return int(row[0]) if row is not None else 0

    # -- approval -------------------------------------------------------------------------------------------------------

    def decide(
        self, tenant_id: TenantId, operation_id: OperationId, *, decider_key: str, refusal: Failure | None, by: Actor = NOBODY
    ) -> DataPolicyOperation | None:
        """Give the approval that an operation waits for, or end it."""

        def task(connection: sqlite3.Connection) -> DataPolicyOperation | None:
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
                connection.execute(self._sql["resume_reads"], {"operation_id": operation_id})
            self._record(connection, action, OK, operation_id, decided, by=by)
            return self._get(connection, tenant_id, operation_id)

        return self._file.write(task)

    def _end_unapproved(self, connection: sqlite3.Connection, now: int) -> None:
        parameters = {"now": now, "failure": rows.to_json(_EXPIRED)}
        for ended in connection.execute(self._sql["end_unapproved"], parameters).fetchall():
            self._record(connection, Action.FAIL, _EXPIRED.code, ended["id"], (ended["tenant_id"], ended["subject_id"]))

    def bound(self) -> tuple[BoundOperation, ...]:
        """Return the operations that have not ended and have to do with an approval."""
        return self._file.read(lambda connection: tuple(map(rows.bound, connection.execute(self._sql["bound"]))))

    # -- look -----------------------------------------------------------------------------------------------------------

    def get(self, tenant_id: TenantId, operation_id: OperationId) -> DataPolicyOperation | None:
        """Return an operation with its sources' progress."""
        return self._file.read(lambda connection: self._get(connection, tenant_id, operation_id))

    def _get(self, connection: sqlite3.Connection, tenant_id: TenantId, operation_id: OperationId) -> DataPolicyOperation | None:
        row = self._one(connection, "get_operation", id=operation_id, tenant_id=tenant_id)
        if row is None:
            return None
        sources = tuple(rows.source(each) for each in connection.execute(self._sql["sources_of"], {"operation_id": operation_id}))
        return rows.operation(row, sources, *self._left(connection, row))

    def _left(self, connection: sqlite3.Connection, row: sqlite3.Row) -> tuple[int, float | None]:
        """Return Retry-After, and how many seconds are left where that is known."""
        if row["status"] not in {OperationStatus.NOT_STARTED, OperationStatus.RUNNING}:
            return 0, None
        if row["approval"] == ApprovalState.WAITING:
            return progress.LARGEST_RETRY_AFTER_S, None
        if row["started_at"] is None:
            first = self._one(connection, "first_waiting")
            ahead = row["seq"] - first[0] if first is not None and first[0] is not None else 0
            return progress.retry_after_s(None, 0.0, ahead), None
        now = to_microseconds(self._clock.now())
        running_s = (now - row["started_at"]) / 1e6
        left_s = None
        if (stepped_at := row["progress_at"]) is not None:
            has_two = row["progress"] > row["progress_from"]
            pace = progress.Pace(
                made=row["progress"] - (row["progress_from"] if has_two else 0.0),
                in_s=(stepped_at - (row["progress_from_at"] if has_two else row["started_at"])) / 1e6,
                since_s=(now - stepped_at) / 1e6,
            )
            left_s = progress.left_s(row["progress"], pace)
        return progress.retry_after_s(left_s, running_s), left_s

    def list(self, query: ListQuery) -> tuple[DataPolicyOperation, ...]:
        """Return operations, without their sources."""
        if not query.subject_kinds:
            return ()
        text, values = sqlite_listing.page(query)

        def task(connection: sqlite3.Connection) -> tuple[DataPolicyOperation, ...]:
            found = connection.execute(text, values).fetchall()
            return tuple(rows.operation(row, (), *self._left(connection, row)) for row in found)

        return self._file.read(task)

    def count(self, query: ListQuery) -> int:
        """Count what a query finds."""
        if not query.subject_kinds:
            return 0
        text, values = sqlite_listing.selection(query)
        return int(self._file.read(lambda connection: connection.execute(f"SELECT count(*) {text}", values).fetchone()[0]))

    # -- work -----------------------------------------------------------------------------------------------------------

    def claim(
        self,
        owner: str,
        *,
        lease_s: float,
        limit: int,
        passing_over: Collection[TenantId] = (),
        scans: Collection[Scan] = (),
    ) -> ReadSet | FinishSet | None:
        """Lease operations to finish, else reads that share a scan key."""
        now = self._now()
        lease = {"owner": owner, "lease_until": now + int(lease_s * 1e6)}

        def task(connection: sqlite3.Connection) -> ReadSet | FinishSet | None:
            for name in ("free_expired_reads", "free_expired_operations", "wake_reads", "wake_operations"):
                connection.execute(self._sql[name], {"now": now})
            self._end_unapproved(connection, now)
            tenant_id = self._next_tenant(connection, "next_tenant_to_finish", passing_over)
            if tenant_id is not None:
                return self._claim_finish(connection, lease, limit, tenant_id)
            # What has waited for company long enough first; then, since nothing else is there to do, what has not.
            for is_idle in (False, True) if scans else (True,):
                if (claim := self._claim_next(connection, lease, limit, passing_over, scans, now, is_idle)) is not None:
                    return claim
            return None

        return self._file.write(task)

    def _claim_next(  # noqa: PLR0917  # private, called once
        self,
        connection: sqlite3.Connection,
        lease: dict[str, Any],
        limit: int,
        passing_over: Collection[TenantId],
        scans: Collection[Scan],
        now: int,
        is_idle: bool,  # noqa: FBT001  # as above
    ) -> ReadSet | None:
        """Claim reads of the next tenant that has any to be claimed."""
        passed = set(passing_over)
        while (tenant_id := self._next_tenant(connection, "next_tenant", passed)) is not None:
            own = {scan.source_name: scan for scan in scans if scan.tenant_id == tenant_id}
            gathering = [name for name, scan in own.items() if self._is_gathering(connection, scan, now, is_idle=is_idle)]
            row = self._one(connection, "first_pending", tenant_id=tenant_id, gathering=json.dumps(gathering))
            if row is not None:
                self._last_tenant = tenant_id
                most = own[row["source_name"]].limit if row["source_name"] in own else limit
                return self._claim_reads(connection, lease, most, tenant_id, now, row)
            passed.add(tenant_id)
        return None

    def _is_gathering(self, connection: sqlite3.Connection, scan: Scan, now: int, *, is_idle: bool) -> bool:
        row = self._one(connection, "waiting_for_scan", tenant_id=scan.tenant_id, source_name=scan.source_name)
        if row is None or row["since"] is None or now - row["since"] >= scan.window_s * 1e6:
            return False
        return not is_idle or bool(row["is_being_read"])

    def _next_tenant(self, connection: sqlite3.Connection, name: str, passing_over: Collection[TenantId]) -> TenantId | None:
        """Return the first tenant that a statement finds after the one that was served last, all around."""
        for after, last in ((self._last_tenant, None), ("", self._last_tenant)):
            row = self._one(connection, name, tenant_id=after)
            while row is not None and row[0] is not None and (last is None or row[0] <= last):
                if row[0] not in passing_over:
                    return TenantId(row[0])
                row = self._one(connection, name, tenant_id=row[0])
        return None

    def _claim_finish(self, connection: sqlite3.Connection, lease: dict[str, Any], limit: int, tenant_id: TenantId) -> FinishSet:
        found = connection.execute(self._sql["finishable"], {"tenant_id": tenant_id, "most": limit}).fetchall()
        leased = [self._one(connection, "lease_operation", id=row["id"], **lease) for row in found]
        return FinishSet(tenant_id=tenant_id, operations=tuple(rows.claimed_operation(row) for row in leased if row is not None))

    def _claim_reads(  # noqa: PLR0917  # private, called once
        self, connection: sqlite3.Connection, lease: dict[str, Any], limit: int, tenant_id: TenantId, now: int, row: sqlite3.Row
    ) -> ReadSet:
        """Claim this read, and those that can share its scan."""
        operation_ids = [row["operation_id"]]
        if row["is_fresh"]:
            key = {name: row[name] for name in ("source_name", "partition", "spec_digest")}
            same = connection.execute(self._sql["same_scan"], {"tenant_id": tenant_id, "most": limit, **key})
            operation_ids = [each["operation_id"] for each in same]
        reads: list[ClaimedRead] = []
        operations: list[ClaimedOperation] = []
        for operation_id in operation_ids:
            started = self._one(connection, "start_operation", id=operation_id, now=now)
            leased = self._one(
                connection, "lease_read", operation_id=operation_id, source_name=row["source_name"], partition=row["partition"], **lease
            )
            if started is None or leased is None:  # pragma: no cover - pending reads belong to operations that have not ended
                continue
            reads.append(rows.claimed_read(leased))
            operations.append(rows.claimed_operation(started))
        return ReadSet(
            tenant_id=tenant_id,
            source_name=row["source_name"],
            partition=row["partition"],
            reads=tuple(reads),
            operations=tuple(operations),
        )

    def heartbeat(self, owner: str, *, lease_s: float) -> None:
        """Extend every lease of the owner, and let what was erased since the last time go for good."""
        parameters = {"owner": owner, "lease_until": self._now() + int(lease_s * 1e6)}

        def task(connection: sqlite3.Connection) -> None:
            connection.execute(self._sql["extend_reads"], parameters)
            connection.execute(self._sql["extend_operations"], parameters)

        self._file.write(task)
        self._file.erase()

    def release_all(self, owner: str | None = None) -> None:
        """End the leases of an owner, or all."""

        def task(connection: sqlite3.Connection) -> None:
            connection.execute(self._sql["release_reads"], {"owner": owner})
            connection.execute(self._sql["release_operations"], {"owner": owner})
            if owner is None:
                connection.execute(self._sql["pace_anew"], {"now": self._now()})

        self._file.write(task)

    def split(self, reads: Sequence[ClaimedRead], partitions: Sequence[NewRead], *, owner: str) -> tuple[OperationId, ...]:
        """Put down what planning found for each of the claimed reads."""

        def task(connection: sqlite3.Connection) -> tuple[OperationId, ...]:
            lost: list[OperationId] = []
            first = partitions[0]
            for read in reads:
                own = self._one(
                    connection,
                    "set_plan",
                    spec_digest=first.spec_digest,
                    sealed_spec=first.sealed_spec,
                    estimated_rows=first.estimated_rows,
                    estimated_bytes=first.estimated_bytes,
                    partitions=len(partitions),
                    **_fence(read, owner),
                )
                if own is None:
                    lost.append(read.operation_id)
                    continue
                place = {name: own[name] for name in ("position", "operation_seq", "tenant_id")}
                others = partitions[1:]
                if own["own_estimate"]:
                    known = {"estimated_rows": own["estimated_rows"], "estimated_bytes": own["estimated_bytes"]}
                    others = [msgspec.structs.replace(each, **known) for each in others]
                more = sum(self._add_read(connection, read.operation_id, each, place) for each in others)
                connection.execute(self._sql["count_reads"], {"id": read.operation_id, "more": more})
            return tuple(lost)

        return self._file.write(task)

    def estimate(self, operation_id: OperationId, source_name: str, *, rows: int | None, size_bytes: int | None) -> None:
        """Put down how much a subject has."""
        parameters = {"operation_id": operation_id, "source_name": source_name, "rows": rows, "bytes": size_bytes}

        def task(connection: sqlite3.Connection) -> None:
            connection.execute(self._sql["estimate_reads"], parameters)

        self._file.write(task)

    def stage(
        self, entries: Sequence[Entry], *, owner: str, reads: Sequence[ClaimedRead] = (), finishing: Sequence[ClaimedOperation] = ()
    ) -> tuple[OperationId, ...]:
        """Put down entries before they are put."""

        def task(connection: sqlite3.Connection) -> tuple[OperationId, ...]:
            claimed: list[ClaimedRead | ClaimedOperation] = [*reads, *finishing]
            lost = {each.operation_id for each in claimed if not self._is_ours(connection, each, owner)}
            for entry in entries:
                if entry.operation_id not in lost:
                    connection.execute(self._sql["put_entry"], rows.entry_parameters(entry))
            return tuple(lost)

        return self._file.write(task)

    def _is_ours(self, connection: sqlite3.Connection, claimed: ClaimedRead | ClaimedOperation, owner: str) -> bool:
        match claimed:
            case ClaimedRead():
                found = self._one(connection, "is_our_read", **_fence(claimed, owner))
            case ClaimedOperation():
                found = self._one(connection, "is_our_finishing", id=claimed.operation_id, owner=owner, attempt=claimed.attempt)
        return found is not None

    def entries(self, operation_id: OperationId, source_name: str | None = None, partition: int | None = None) -> tuple[Entry, ...]:
        """Return entries, ordered by source, partition, number and revision."""
        parameters = {"operation_id": operation_id, "source_name": source_name, "partition": partition}
        return self._file.read(lambda connection: tuple(map(rows.entry, connection.execute(self._sql["entries"], parameters))))

    def checkpoint(self, checkpoints: Sequence[Checkpoint], *, owner: str) -> tuple[OperationId, ...]:
        """Put down how far reads are."""

        def task(connection: sqlite3.Connection) -> tuple[OperationId, ...]:
            return tuple(each.read.operation_id for each in checkpoints if not self._checkpoint(connection, each, owner))

        return self._file.write(task)

    def _checkpoint(self, connection: sqlite3.Connection, checkpoint: Checkpoint, owner: str) -> bool:
        parameters = {
            "next_part": checkpoint.next_part,
            "sealed_cursor": checkpoint.sealed_cursor,
            "rows": checkpoint.rows,
            "files": checkpoint.files,
            "size_bytes": checkpoint.size_bytes,
            "skipped": checkpoint.skipped,
            "duration_s": checkpoint.duration_s,
            "sealed_outcome": checkpoint.sealed_outcome,
            "is_done": checkpoint.is_done,
            "is_ahead": checkpoint.is_ahead,
            **_fence(checkpoint.read, owner),
        }
        if not connection.execute(self._sql["checkpoint"], parameters).rowcount:
            return False
        for entry in checkpoint.entries:
            connection.execute(self._sql["put_entry"], rows.entry_parameters(entry))
        operation_id = checkpoint.read.operation_id
        reads = [
            progress.ReadProgress(
                is_done=bool(row["is_done"]),
                rows=row["rows"],
                estimated_rows=row["estimated_rows"],
                size_bytes=row["size_bytes"],
                estimated_bytes=row["estimated_bytes"],
            )
            for row in connection.execute(self._sql["reads_of"], {"operation_id": operation_id})
        ]
        parameters = {
            "id": operation_id,
            "progress": progress.percent(reads),
            "now": self._now(),
            "done": int(checkpoint.is_done),
            "was_put": checkpoint.was_put,
        }
        connection.execute(self._sql["advance"], parameters)
        return True

    def retry(
        self, reads: Sequence[ClaimedRead], *, owner: str, at: datetime, waiting_for: Failure | None = None, alone: bool = False
    ) -> None:
        """Give reads back for a later try."""

        def task(connection: sqlite3.Connection) -> None:
            for read in reads:
                parameters = {"at": to_microseconds(at), "failed": int(waiting_for is None and not alone), "alone": alone}
                parameters |= _fence(read, owner)
                if connection.execute(self._sql["retry_read"], parameters).rowcount:
                    self._wait_for(connection, read.operation_id, waiting_for)

        self._file.write(task)

    def _wait_for(self, connection: sqlite3.Connection, operation_id: OperationId, waiting_for: Failure | None) -> None:
        if waiting_for is not None:
            parameters = {"id": operation_id, "waiting_for": rows.to_json(waiting_for), "now": self._now()}
            connection.execute(self._sql["wait_for"], parameters)

    def waiting_since(self, operation_id: OperationId) -> datetime | None:
        """Return since when an operation waits for somebody."""
        row = self._file.read(lambda connection: self._one(connection, "waiting_since", id=operation_id))
        return None if row is None or row[0] is None else from_microseconds(row[0])

    def outcomes(self, operation_id: OperationId) -> tuple[SourceOutcome, ...]:
        """Return what is known of each read."""
        parameters = {"operation_id": operation_id}
        return self._file.read(lambda connection: tuple(map(rows.outcome, connection.execute(self._sql["outcomes"], parameters))))

    def retry_finish(self, operation: ClaimedOperation, *, owner: str, at: datetime, waiting_for: Failure | None = None) -> None:
        """Give an operation back that could not be finished now."""

        def task(connection: sqlite3.Connection) -> None:
            parameters = {"id": operation.operation_id, "owner": owner, "attempt": operation.attempt, "at": to_microseconds(at)}
            if connection.execute(self._sql["retry_finish"], parameters).rowcount:
                self._wait_for(connection, operation.operation_id, waiting_for)

        self._file.write(task)

    def complete(self, completions: Sequence[Completion], *, owner: str) -> tuple[OperationId, ...]:
        """End operations as complete."""
        at = self._now()

        def task(connection: sqlite3.Connection) -> tuple[OperationId, ...]:
            lost: list[OperationId] = []
            for completion in completions:
                operation_id = completion.operation.operation_id
                parameters = {
                    "id": operation_id,
                    "owner": owner,
                    "attempt": completion.operation.attempt,
                    "package": rows.to_json(completion.package),
                    "at": at,
                }
                if not connection.execute(self._sql["complete"], parameters).rowcount:
                    lost.append(operation_id)
                    continue
                connection.execute(self._sql["forget_entries"], {"operation_id": operation_id})
                connection.execute(self._sql["forget_reads"], {"operation_id": operation_id})
                operation = completion.operation
                self._record(connection, Action.COMPLETE, OK, operation_id, (operation.tenant_id, operation.subject_id))
            return tuple(lost)

        return self._file.write(task)

    def fail(
        self,
        operation_id: OperationId,
        failure: Failure,
        *,
        owner: str = "",
        claimed: ClaimedRead | ClaimedOperation | None = None,
        by: Actor | None = None,
    ) -> bool:
        """End an operation as failed."""

        def task(connection: sqlite3.Connection) -> bool:
            if claimed is not None and not self._is_ours(connection, claimed, owner):
                return False
            ended = self._one(connection, "fail", id=operation_id, failure=rows.to_json(failure), at=self._now())
            if ended is None:
                return False
            connection.execute(self._sql["hold_reads"], {"operation_id": operation_id, "source_name": failure.source_name})
            action, outcome = (Action.FAIL, failure.code) if by is None else (Action.CANCEL, OK)
            self._record(connection, action, outcome, operation_id, ended, by=by or NOBODY)
            return True

        return self._file.write(task)

    def resume(
        self, tenant_id: TenantId, operation_id: OperationId, *, sealed_location: bytes, by: Actor = NOBODY
    ) -> DataPolicyOperation | None:
        """Lead a failed or waiting operation back to running."""

        def task(connection: sqlite3.Connection) -> DataPolicyOperation | None:
            parameters = {"id": operation_id, "tenant_id": tenant_id, "sealed_location": sealed_location, "now": self._now()}
            resumed = self._one(connection, "relocate", **parameters)
            if resumed is None:
                try:
                    resumed = self._one(connection, "resume_operation", **parameters)
                except sqlite3.IntegrityError:  # a newer operation of the same caller, subject and container has not ended
                    return None
                if resumed is None:
                    return None
                connection.execute(self._sql["resume_reads"], {"operation_id": operation_id})
            self._record(connection, Action.RESUME, OK, operation_id, resumed, by=by)
            return self._get(connection, tenant_id, operation_id)

        return self._file.write(task)

    def check(self) -> None:
        """Write the schema's number again: a page of the file, as any commit writes."""

        def task(connection: sqlite3.Connection) -> None:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            connection.execute(f"PRAGMA user_version = {int(version)}")

        self._file.write(task)

    # -- audit ----------------------------------------------------------------------------------------------------------

    def _record(
        self,
        connection: sqlite3.Connection,
        action: Action,
        outcome: str,
        operation_id: OperationId,
        whose: sqlite3.Row | tuple[TenantId, SubjectId],
        *,
        by: Actor = NOBODY,
    ) -> None:
        """Record what becomes of an operation, in the transaction that does it; `whose` is its tenant and its subject."""
        tenant_id, subject_id = whose
        made = record(
            by,
            tenant_id=tenant_id,
            time_us=self._now(),
            action=action,
            outcome=outcome,
            target=Target.OPERATION,
            target_id=operation_id,
            subject_id=subject_id,
        )
        audit_chain.append(connection, self._sql, (made,))

    def record(self, records: Sequence[AuditRecord]) -> None:
        """Append records to the chains of their tenants."""
        self._file.write(lambda connection: audit_chain.append(connection, self._sql, records))

    def chain(self, tenant_id: TenantId, *, after_seq: int = 0, limit: int = 1000) -> Sequence[ChainEntry]:
        """Return entries of a tenant's chain."""
        return self._file.read(lambda connection: audit_chain.page(connection, self._sql, tenant_id, after_seq=after_seq, limit=limit))

    def chain_head(self, tenant_id: TenantId) -> ChainHead | None:
        """Return how far a tenant's chain goes."""
        return self._file.read(lambda connection: audit_chain.head(connection, self._sql, tenant_id))

    def add_chain_checkpoint(self, checkpoint: ChainCheckpoint) -> None:
        """Keep a signed checkpoint of a chain."""
        self._file.write(lambda connection: audit_chain.add_checkpoint(connection, self._sql, checkpoint))

    def last_chain_checkpoint(self, tenant_id: TenantId) -> ChainCheckpoint | None:
        """Return the checkpoint of the latest record that has one."""
        return self._file.read(lambda connection: audit_chain.last_checkpoint(connection, self._sql, tenant_id))

    def close(self) -> None:
        """Close the file and give up its lock."""
        self._file.close()

    def _now(self) -> int:
        return to_microseconds(self._clock.now())

    def _one(self, connection: sqlite3.Connection, name: str, **parameters: object) -> sqlite3.Row | None:
        # fetchall ends the statement: an UPDATE … RETURNING that is not read to its end would stay open and block the commit.
        found = connection.execute(self._sql[name], parameters).fetchall()
        return found[0] if found else None


def _fence(read: ClaimedRead, owner: str) -> dict[str, Any]:
    return {
        "operation_id": read.operation_id,
        "source_name": read.source_name,
        "partition": read.partition,
        "owner": owner,
        "attempt": read.attempt,
    }
