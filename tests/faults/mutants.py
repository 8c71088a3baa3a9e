"""Planted bugs: each breaks one rule of the store, of a worker or of a storage location, and the simulation has to find each."""

# ruff: noqa: ARG002, ARG004 - what is overridden has its arguments, and a bug asks for fewer

from collections.abc import Generator, Sequence
from typing import Any

import msgspec
from tests.faults.simulation import Container, Steps, Worker, content_of

from rightful.audit.record import NOBODY, Action, Actor, Target
from rightful.audit.start import ChainStart
from rightful.ids import OperationId, TenantId
from rightful.operation.model import Failure, OperationStatus
from rightful.store.values import (
    Checkpoint,
    ClaimedOperation,
    ClaimedRead,
    Completion,
    Entry,
    FinishSet,
    Intent,
    NewRead,
    Purged,
    PurgeLimits,
    ReadSet,
    Repeat,
)
from rightful.testing.memory_store import MemoryStore
from rightful.testing.memory_store.rows import OperationRow, ReadRow


# -- leases -----------------------------------------------------------------------------------------------------------------
class ReadsNotFenced(MemoryStore):
    """Whoever worked on a read once may write for it, also when it is somebody else's by now."""

    def _our_read(self, claimed: ClaimedRead, owner: str) -> ReadRow | None:
        row = self._operations.get(claimed.operation_id)
        own = [] if row is None else row.reads
        return next((read for read in own if (read.source_name, read.partition) == (claimed.source_name, claimed.partition)), None)


class FinishingNotFenced(MemoryStore):
    """Whoever came to finish may end the operation, whatever became of it meanwhile."""

    def _our_finishing(self, claimed: ClaimedOperation, owner: str) -> OperationRow | None:
        return self._operations.get(claimed.operation_id)


class ClaimedTwice(MemoryStore):
    """A read that was claimed can be claimed again at once."""

    def claim(self, owner: str, **more: Any) -> ReadSet | FinishSet | None:
        claim = super().claim(owner, **more)
        for read in claim.reads if isinstance(claim, ReadSet) else ():
            for row in self._operations[read.operation_id].reads:
                if (row.source_name, row.partition) == (read.source_name, read.partition):
                    row.state = "pending"
        return claim


class LeasesNeverEnd(MemoryStore):
    """What a dead worker had claimed stays its own."""

    @staticmethod
    def _is_expired(read: ReadRow, now: int) -> bool:
        return False


class LeasesOfAllExtended(MemoryStore):
    """A heartbeat extends the leases of the dead too."""

    def heartbeat(self, owner: str, *, lease_s: float) -> None:
        for row in self._open.values():
            for each in {read.owner for read in row.reads} | {row.owner}:
                if each is not None:
                    super().heartbeat(each, lease_s=lease_s)


class LeaseKept(MemoryStore):
    """What is complete stays leased."""

    def _complete(self, completion: Completion, owner: str) -> bool:
        is_ours = super()._complete(completion, owner)
        if is_ours:
            self._operations[completion.operation.operation_id].owner = owner
        return is_ours


# -- the audit trail --------------------------------------------------------------------------------------------------------
class FailureNotRecorded(MemoryStore):
    """An operation fails without a record."""

    def _record(self, action: Action, outcome: str, row: OperationRow, by: Actor = NOBODY) -> None:
        if action is not Action.FAIL:
            super()._record(action, outcome, row, by)


class CancelNotRecorded(MemoryStore):
    """Somebody cancels without a record."""

    def _record(self, action: Action, outcome: str, row: OperationRow, by: Actor = NOBODY) -> None:
        if action is not Action.CANCEL:
            super()._record(action, outcome, row, by)


class ResumeRecordedTwice(MemoryStore):
    """A resume has two records."""

    def _record(self, action: Action, outcome: str, row: OperationRow, by: Actor = NOBODY) -> None:
        for _ in range(1 + (action is Action.RESUME)):
            super()._record(action, outcome, row, by)


class ChainBroken(MemoryStore):
    """A record of a cancel takes the place of the one before it."""

    def _record(self, action: Action, outcome: str, row: OperationRow, by: Actor = NOBODY) -> None:
        if action is Action.CANCEL:
            self._chains[row.intent.tenant_id].pop()
        super()._record(action, outcome, row, by)


# -- status, progress, secrets ----------------------------------------------------------------------------------------------
class ProgressFalls(MemoryStore):
    """A retry sets the progress back."""

    def retry(self, reads: Sequence[ClaimedRead], **more: Any) -> None:
        super().retry(reads, **more)
        for read in reads:
            self._operations[read.operation_id].progress = 0.0


class LocationKept(MemoryStore):
    """The location of what has failed is not erased."""

    def fail(self, operation_id: OperationId, failure: Failure, **more: Any) -> bool:
        row = self._operations[operation_id]
        before, has_failed = row.sealed_location, super().fail(operation_id, failure, **more)
        row.sealed_location = before
        return has_failed


class EndedTwice(MemoryStore):
    """What is complete can be cancelled."""

    def fail(self, operation_id: OperationId, failure: Failure, **more: Any) -> bool:
        row = self._operations[operation_id]
        if more.get("by") is not None and row.status is OperationStatus.COMPLETE:
            row.status = OperationStatus.RUNNING
        return super().fail(operation_id, failure, **more)


class NoCause(MemoryStore):
    """Nobody is told why an operation failed."""

    def fail(self, operation_id: OperationId, failure: Failure, **more: Any) -> bool:
        return super().fail(operation_id, msgspec.structs.replace(failure, code=""), **more)


class EntriesKept(MemoryStore):
    """What the store knew of the entries stays when the operation is complete."""

    def _complete(self, completion: Completion, owner: str) -> bool:
        row = self._operations[completion.operation.operation_id]
        before = row.entries
        is_ours = super()._complete(completion, owner)
        row.entries = before
        return is_ours


class ReadsOfFailedGoOn(MemoryStore):
    """Reads of what was cancelled can be claimed."""

    def fail(self, operation_id: OperationId, failure: Failure, **more: Any) -> bool:
        has_failed = super().fail(operation_id, failure, **more)
        for read in self._operations[operation_id].reads:
            read.state = "pending" if read.state == "held" else read.state
        return has_failed


# -- purging ----------------------------------------------------------------------------------------------------------------
class OpenPurged(MemoryStore):
    """A purge goes by when an operation was submitted, and takes one that has not ended."""

    def _purgeable(self, limits: PurgeLimits) -> list[OperationRow]:
        before = limits.operations_before
        return [
            row for row in self._operations.values() if before is not None and row.status is not None and row.intent.submitted_at < before
        ]


class FailedPurgedEarly(MemoryStore):
    """A request that failed goes while it may have to be answered."""

    def purge_operations(self, limits: PurgeLimits, **more: Any) -> Purged:
        return super().purge_operations(msgspec.structs.replace(limits, received_before=self._clock.now()), **more)


class ReceiptPurgedEarly(MemoryStore):
    """A receipt goes with its operation, before its own time."""

    def _purge(self, row: OperationRow, limits: PurgeLimits) -> None:
        super()._purge(row, msgspec.structs.replace(limits, receipts_before=self._clock.now()))


class ReceiptsKept(MemoryStore):
    """A receipt is never purged."""

    def purge_receipts(self, limits: PurgeLimits, **more: Any) -> int:
        return 0


class PurgeNotRecorded(MemoryStore):
    """Operations are purged without a record."""

    def _record_purge(self, tenant_id: TenantId, target: Target, number: int, by: Actor, target_id: str = "") -> None:
        if target is not Target.OPERATIONS:
            super()._record_purge(tenant_id, target, number, by, target_id)


class ChainCutTooFar(MemoryStore):
    """One record more goes than the start of the chain says."""

    def purge_records(self, start: ChainStart, **more: Any) -> int:
        return super().purge_records(msgspec.structs.replace(start, seq=start.seq + 1), **more)


# -- requests and reads -----------------------------------------------------------------------------------------------------
class RepeatForgotten(MemoryStore):
    """A request that is sent again is another one."""

    def begin(self, intent: Intent, *, may_be_new: bool = True) -> Repeat | None:
        return super().begin(msgspec.structs.replace(intent, repeat_keys=(), container_key=intent.operation_id), may_be_new=may_be_new)


class SourceForgotten(MemoryStore):
    """The last source is not read."""

    def promote(self, operation_id: OperationId, reads: Sequence[NewRead], entries: Sequence[Entry], **more: Any) -> Any:
        return super().promote(operation_id, reads[:-1], entries, **more)


class PartitionNotCounted(MemoryStore):
    """An operation does not wait for the partitions that planning found."""

    def _split(self, claimed: ClaimedRead, partitions: Sequence[NewRead], owner: str) -> bool:
        before = self._operations[claimed.operation_id].open_reads
        is_ours = super()._split(claimed, partitions, owner)
        self._operations[claimed.operation_id].open_reads = before
        return is_ours


class CheckpointForgotten(MemoryStore):
    """Where a read goes on is lost with its lease."""

    def _wake(self, now: int) -> None:
        leased = [read for row in self._open.values() for read in row.reads if read.state == "leased"]
        super()._wake(now)
        for read in leased:
            if read.state == "pending":
                read.next_part = 0


class CheckpointOfOneLost(MemoryStore):
    """A checkpoint that ends a read does not keep its entry."""

    def _checkpoint(self, checkpoint: Checkpoint, owner: str) -> bool:
        entries = () if checkpoint.is_done else checkpoint.entries
        return super()._checkpoint(msgspec.structs.replace(checkpoint, entries=entries), owner)


# -- workers ----------------------------------------------------------------------------------------------------------------
class CheckpointBeforePut(Worker):
    """A part is put down as done before it is put."""

    def deliver(
        self, read: ClaimedRead, operation: ClaimedOperation, number: int, parts: int, *, may_be_there: bool
    ) -> Generator[None, None, bool]:
        content = self.content(read, operation, number)
        self.checkpoint(read, number, parts, self.entry(read, number, content, "done"))  # type: ignore[arg-type] # its value
        yield
        yield from self.put(operation.prefix + f"data/Product/{read.source_name}/part-{read.partition:05}-{number:05}", content)
        yield from self.sync()
        return True


class CheckpointBeforeSync(Worker):
    """A part is put down as done before it is synced."""

    def sync(self) -> Steps:
        if self.sim.chance.random() < 0.5:
            yield from super().sync()


class UnansweredTakenForDone(Worker):
    """A put that got no answer counts as done."""

    def put(self, path: str, content: bytes) -> Generator[None, None, bool]:
        if self.sim.fails(0.05):
            yield
            return True
        return (yield from super().put(path, content))


class SomebodyElses(Worker):
    """What belongs to the first person of a set goes to all of them."""

    first = ""

    def read(self, claim: ReadSet) -> Steps:
        self.first = claim.operations[0].subject_id
        yield from super().read(claim)

    def content(self, read: ClaimedRead, operation: ClaimedOperation, number: int) -> bytes:
        return content_of(self.first, read.source_name, read.partition, number)


class LastPartForgotten(Worker):
    """A read is done one part too early, where it goes on after a failure."""

    def read_one(self, read: ClaimedRead, operation: ClaimedOperation, parts: int) -> Steps:
        yield from super().read_one(read, operation, max(1, parts - 1) if read.attempt > 1 and not read.next_part else parts)


# -- storage locations ------------------------------------------------------------------------------------------------------
class TornByKill(Container):
    """What was put and not synced lies there half after a kill."""

    def lose(self, who: str) -> None:
        for path, content in self._pending.pop(who, {}).items():
            self.entries.setdefault(path, content[: len(content) // 2])


class SyncForgets(Container):
    """Of what several have put, only one's counts."""

    def sync(self, who: str) -> None:
        super().sync(who)
        for other in self._pending.values():
            other.clear()


STORES: tuple[type[MemoryStore], ...] = (
    ReadsNotFenced,
    FinishingNotFenced,
    ClaimedTwice,
    LeasesNeverEnd,
    LeasesOfAllExtended,
    LeaseKept,
    FailureNotRecorded,
    CancelNotRecorded,
    ResumeRecordedTwice,
    ChainBroken,
    ProgressFalls,
    LocationKept,
    EndedTwice,
    NoCause,
    EntriesKept,
    ReadsOfFailedGoOn,
    RepeatForgotten,
    SourceForgotten,
    PartitionNotCounted,
    CheckpointForgotten,
    CheckpointOfOneLost,
    OpenPurged,
    FailedPurgedEarly,
    ReceiptPurgedEarly,
    ReceiptsKept,
    PurgeNotRecorded,
    ChainCutTooFar,
)
WORKERS: tuple[type[Worker], ...] = (
    CheckpointBeforePut,
    CheckpointBeforeSync,
    UnansweredTakenForDone,
    SomebodyElses,
    LastPartForgotten,
)
CONTAINERS: tuple[type[Container], ...] = (TornByKill, SyncForgets)
MUTANTS: dict[str, dict[str, type]] = {
    **{each.__name__: {"store_type": each} for each in STORES},
    **{each.__name__: {"worker_type": each} for each in WORKERS},
    **{each.__name__: {"container_type": each} for each in CONTAINERS},
}
