"""What becomes of reads and of operations: entries, checkpoints, failures, ends."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from rightful.audit.record import NOBODY, OK, Action, Actor
from rightful.clock import from_microseconds, to_microseconds
from rightful.ids import OperationId, SubjectId, TenantId
from rightful.operation import progress
from rightful.operation.model import DataPolicyOperation, Failure
from rightful.store import rows
from rightful.store.connection import Connection, ConstraintBroken
from rightful.store.looking import Looking
from rightful.store.values import Checkpoint, ClaimedOperation, ClaimedRead, Completion, Entry, EventKind, NewRead, SourceOutcome

_Place = tuple[OperationId, str, int]
"""A read: its operation, source and partition."""
_AT_ONCE = 64
"""Operations whose reads are looked at together, all of each: a lake has hundreds of partitions, and a checkpoint thousands of people."""


class Delivering(Looking):
    """Keeps what was delivered; whoever has lost a lease changes nothing."""

    def split(self, reads: Sequence[ClaimedRead], partitions: Sequence[NewRead], *, owner: str) -> tuple[OperationId, ...]:
        """Put down what planning found for each of the claimed reads."""

        def task(connection: Connection) -> tuple[OperationId, ...]:
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
                connection.run(self._sql["count_reads"], {"id": read.operation_id, "more": more})
            return tuple(lost)

        return self._file.write(task)

    def estimate(self, operation_id: OperationId, source_name: str, *, rows: int | None, size_bytes: int | None) -> None:
        """Put down how much a subject has."""
        parameters = {"operation_id": operation_id, "source_name": source_name, "rows": rows, "bytes": size_bytes}

        def task(connection: Connection) -> None:
            connection.run(self._sql["estimate_reads"], parameters)

        self._file.write(task)

    def stage(
        self, entries: Sequence[Entry], *, owner: str, reads: Sequence[ClaimedRead] = (), finishing: Sequence[ClaimedOperation] = ()
    ) -> tuple[OperationId, ...]:
        """Put down entries before they are put."""

        def task(connection: Connection) -> tuple[OperationId, ...]:
            ours = self._ours(connection, reads, owner)
            lost = {each.operation_id for each in reads if _place(each) not in ours}
            lost |= {each.operation_id for each in finishing if not self._is_ours(connection, each, owner)}
            put = [rows.entry_parameters(entry) for entry in entries if entry.operation_id not in lost]
            connection.run_each(self._sql["put_entry"], put)
            return tuple(lost)

        return self._file.write(task)

    def _is_ours(self, connection: Connection, claimed: ClaimedRead | ClaimedOperation, owner: str) -> bool:
        match claimed:
            case ClaimedRead():
                return bool(self._ours(connection, [claimed], owner))
            case ClaimedOperation():
                found = self._one(connection, "is_our_finishing", id=claimed.operation_id, owner=owner, attempt=claimed.attempt)
                return found is not None

    def _ours(self, connection: Connection, reads: Iterable[ClaimedRead], owner: str) -> frozenset[_Place]:
        """Return which reads are still the owner's; those of a claim are all of one source and partition, and asked about at once."""
        claimed: defaultdict[tuple[str, int], dict[OperationId, int]] = defaultdict(dict)
        for read in reads:
            claimed[read.source_name, read.partition][read.operation_id] = read.attempt
        found: set[_Place] = set()
        for (source_name, partition), attempts in claimed.items():
            parameters = {"ids": json.dumps(list(attempts)), "source_name": source_name, "partition": partition, "owner": owner}
            held = ((OperationId(row["operation_id"]), row["attempt"]) for row in connection.rows(self._sql["our_reads"], parameters))
            found.update((operation_id, source_name, partition) for operation_id, attempt in held if attempt == attempts[operation_id])
        return frozenset(found)

    def entries(self, operation_id: OperationId, source_name: str | None = None, partition: int | None = None) -> tuple[Entry, ...]:
        """Return entries, ordered by source, partition, number and revision."""
        parameters = {"operation_id": operation_id, "source_name": source_name, "partition": partition}
        return self._file.read(lambda connection: tuple(map(rows.entry, connection.rows(self._sql["entries"], parameters))))

    def first_entries(self, operation_ids: Collection[OperationId]) -> tuple[Entry, ...]:
        """Return the entries of packages themselves, operation by operation."""
        parameters = {"ids": json.dumps(sorted(operation_ids))}
        return self._file.read(lambda connection: tuple(map(rows.entry, connection.rows(self._sql["first_entries"], parameters))))

    def checkpoint(self, checkpoints: Sequence[Checkpoint], *, owner: str) -> tuple[OperationId, ...]:
        """Put down how far reads are."""

        def task(connection: Connection) -> tuple[OperationId, ...]:
            ours = self._come_further(connection, checkpoints, owner)
            if ours:
                self._put_entries(connection, ours)
                for start in range(0, len(ours), _AT_ONCE):
                    self._advance(connection, ours[start : start + _AT_ONCE])
            held = {_place(each.read) for each in ours}
            return tuple(each.read.operation_id for each in checkpoints if _place(each.read) not in held)

        return self._file.write(task)

    def _come_further(self, connection: Connection, checkpoints: Sequence[Checkpoint], owner: str) -> Sequence[Checkpoint]:
        """Put down where reads are; return those that are still the owner's: of others nothing is put down."""
        statement = self._sql["checkpoint"]
        if len(checkpoints) == 1:  # as most come: whether it is still ours need not be asked before
            return checkpoints if connection.run(statement, _checkpoint_parameters(checkpoints[0], owner)) else ()
        held = self._ours(connection, [each.read for each in checkpoints], owner)
        ours = [each for each in checkpoints if _place(each.read) in held]
        if ours:
            connection.run_each(statement, [_checkpoint_parameters(each, owner) for each in ours])
        return ours

    def _put_entries(self, connection: Connection, checkpoints: Sequence[Checkpoint]) -> None:
        """Put down which entries count now."""
        runs = [
            (run, {**_named(each.read), "first": run[0].number, "last": run[-1].number})
            for each in checkpoints
            for run in _runs(each.entries[: each.as_staged])
        ]
        changed = [entry for each in checkpoints for entry in each.entries[each.as_staged :]]
        statement = self._sql["count_entries"]
        if runs and connection.run_each(statement, [parameters for _, parameters in runs]) != sum(len(run) for run, _ in runs):
            for run, parameters in runs:  # of one of them the store does not hold all
                if connection.run(statement, parameters) != len(run):
                    changed += run
        connection.run_each(self._sql["put_entry"], [rows.entry_parameters(entry) for entry in changed])

    def _advance(self, connection: Connection, checkpoints: Sequence[Checkpoint]) -> None:
        """Put down how far operations are."""
        known: defaultdict[OperationId, list[progress.ReadProgress]] = defaultdict(list)
        ids = json.dumps([each.read.operation_id for each in checkpoints])
        for row in connection.rows(self._sql["reads_of"], {"ids": ids}):
            read = progress.ReadProgress(
                is_done=bool(row["is_done"]),
                rows=row["rows"],
                estimated_rows=row["estimated_rows"],
                size_bytes=row["size_bytes"],
                estimated_bytes=row["estimated_bytes"],
            )
            known[OperationId(row["operation_id"])].append(read)
        now = self._now()
        advanced = [
            {
                "id": each.read.operation_id,
                "progress": progress.percent(known[each.read.operation_id]),
                "now": now,
                "done": int(each.is_done),
                "was_put": each.was_put,
            }
            for each in checkpoints
        ]
        connection.run_each(self._sql["advance"], advanced)

    def retry(
        self,
        reads: Sequence[ClaimedRead],
        *,
        owner: str,
        at: datetime,
        waiting_for: Failure | None = None,
        group: int = 0,
        is_failure: bool = True,
    ) -> None:
        """Give reads back for a later try."""

        def task(connection: Connection) -> None:
            for read in reads:
                parameters = {"at": to_microseconds(at), "group": group, "unread": int(not is_failure)}
                parameters["failed"] = int(is_failure and waiting_for is None and not group)
                parameters |= _fence(read, owner)
                if connection.run(self._sql["retry_read"], parameters):
                    self._wait_for(connection, read.operation_id, waiting_for)

        self._file.write(task)

    def _wait_for(self, connection: Connection, operation_id: OperationId, waiting_for: Failure | None) -> None:
        if waiting_for is None:
            return
        now = self._now()
        waits = self._one(connection, "wait_for", id=operation_id, waiting_for=rows.to_json(waiting_for), now=now)
        if waits is not None and waits["waiting_since"] == now:  # it has only just begun to
            self._announce(connection, EventKind.WAITING, TenantId(waits["tenant_id"]), operation_id, waiting_for.code)

    def waiting_since(self, operation_id: OperationId) -> datetime | None:
        """Return since when an operation waits for somebody."""
        row = self._file.read(lambda connection: self._one(connection, "waiting_since", id=operation_id))
        return None if row is None or row["waiting_since"] is None else from_microseconds(row["waiting_since"])

    def outcomes(self, operation_id: OperationId) -> tuple[SourceOutcome, ...]:
        """Return what is known of each read."""
        parameters = {"operation_id": operation_id}
        return self._file.read(lambda connection: tuple(map(rows.outcome, connection.rows(self._sql["outcomes"], parameters))))

    def retry_finish(
        self, operation: ClaimedOperation, *, owner: str, at: datetime, waiting_for: Failure | None = None, is_failure: bool = True
    ) -> None:
        """Give an operation back that could not be finished now."""

        def task(connection: Connection) -> None:
            parameters = {"id": operation.operation_id, "owner": owner, "attempt": operation.attempt, "at": to_microseconds(at)}
            if connection.run(self._sql["retry_finish"], {**parameters, "has_failed": int(is_failure)}):
                self._wait_for(connection, operation.operation_id, waiting_for)

        self._file.write(task)

    def complete(self, completions: Sequence[Completion], *, owner: str) -> tuple[OperationId, ...]:
        """End operations as complete."""
        at = self._now()

        def task(connection: Connection) -> tuple[OperationId, ...]:
            lost: list[OperationId] = []
            ended: dict[OperationId, tuple[TenantId, SubjectId]] = {}
            for completion in completions:
                operation_id = completion.operation.operation_id
                parameters = {
                    "id": operation_id,
                    "owner": owner,
                    "attempt": completion.operation.attempt,
                    "package": rows.to_json(completion.package),
                    "sealed_fingerprints": completion.sealed_fingerprints,
                    "at": at,
                }
                if not connection.run(self._sql["complete"], parameters):
                    lost.append(operation_id)
                    continue
                ended[operation_id] = (completion.operation.tenant_id, completion.operation.subject_id)
            connection.run_each(self._sql["forget_entries"], [{"operation_id": each} for each in ended])
            connection.run_each(self._sql["forget_reads"], [{"operation_id": each, "nothing": b""} for each in ended])
            self._record_each(connection, Action.COMPLETE, OK, ended)
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

        def task(connection: Connection) -> bool:
            if claimed is not None and not self._is_ours(connection, claimed, owner):
                return False
            ended = self._one(connection, "fail", id=operation_id, failure=rows.to_json(failure), at=self._now())
            if ended is None:
                return False
            connection.run(self._sql["hold_reads"], {"operation_id": operation_id, "source_name": failure.source_name})
            action, outcome = (Action.FAIL, failure.code) if by is None else (Action.CANCEL, OK)
            self._record(connection, action, outcome, operation_id, rows.whose(ended), by=by or NOBODY)
            return True

        return self._file.write(task)

    def working_on(self, operation_id: OperationId) -> ClaimedOperation | None:
        """Return what work on an operation knows of it."""
        row = self._file.read(lambda connection: self._one(connection, "working_on", id=operation_id))
        return None if row is None else rows.claimed_operation(row)

    def begin_removal(self, operation_id: OperationId, *, is_begun: bool = True) -> bool:
        """Put down that what a failed operation has written is being deleted, or take that back."""
        parameters = {"id": operation_id, "removal": int(is_begun)}
        return bool(self._file.write(lambda connection: connection.run(self._sql["begin_removal"], parameters)))

    def forget_entries(self, entries: Sequence[Entry]) -> None:
        """Put down that entries are deleted."""

        def task(connection: Connection) -> None:
            for entry in entries:
                parameters = rows.entry_parameters(entry)
                names = ("operation_id", "source_name", "partition", "number", "revision")
                connection.run(self._sql["forget_entry"], {name: parameters[name] for name in names})

        self._file.write(task)

    def resume(
        self, tenant_id: TenantId, operation_id: OperationId, *, sealed_location: bytes, by: Actor = NOBODY
    ) -> DataPolicyOperation | None:
        """Lead a failed or waiting operation back to running."""

        def task(connection: Connection) -> DataPolicyOperation | None:
            parameters = {"id": operation_id, "tenant_id": tenant_id, "sealed_location": sealed_location, "now": self._now()}
            resumed = self._one(connection, "relocate", **parameters)
            if resumed is None:
                resumed = self._one(connection, "resume_operation", **parameters)
                if resumed is None:
                    return None
                connection.run(self._sql["resume_reads"], {"operation_id": operation_id})
            self._record(connection, Action.RESUME, OK, operation_id, rows.whose(resumed), by=by)
            return self._get(connection, tenant_id, operation_id)

        try:
            return self._file.write(task, tenant_id)
        except ConstraintBroken:  # a newer operation of the same caller, subject and container has not ended
            return None


def _runs(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Return entries whose numbers follow one another together."""
    runs: list[list[Entry]] = []
    for entry in entries:
        if runs and entry.number == runs[-1][-1].number + 1:
            runs[-1].append(entry)
        else:
            runs.append([entry])
    return runs


def _checkpoint_parameters(checkpoint: Checkpoint, owner: str) -> dict[str, Any]:
    return {
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


def _place(read: ClaimedRead) -> _Place:
    return read.operation_id, read.source_name, read.partition


def _named(read: ClaimedRead) -> dict[str, Any]:
    return {"operation_id": read.operation_id, "source_name": read.source_name, "partition": read.partition}


def _fence(read: ClaimedRead, owner: str) -> dict[str, Any]:
    return {**_named(read), "owner": owner, "attempt": read.attempt}
