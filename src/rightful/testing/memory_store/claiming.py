"""Who works on what, in memory."""

from collections.abc import Collection, Iterator

from rightful.audit.record import Action
from rightful.clock import Clock, SetBack, to_microseconds
from rightful.ids import TenantId
from rightful.operation.model import SUBMIT_AGAIN, ApprovalState, Failure, OperationStatus
from rightful.package.receipt import PreviousReceipt
from rightful.store.deaths import SUSPECTED, pause_s
from rightful.store.values import FinishSet, ReadSet, Scan
from rightful.testing.memory_store.purging import Purging
from rightful.testing.memory_store.rows import OperationRow, ReadRow

_EXPIRED = Failure(code="approvalExpired", message=f"nobody approved the export in time; {SUBMIT_AGAIN}")


class Claiming(Purging):
    """Hands work out, and takes it back."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._last_tenant = ""
        self._set_back = SetBack(clock)

    def claim(
        self,
        owner: str,
        *,
        lease_s: float,
        limit: int,
        passing_over: Collection[TenantId] = (),
        scans: Collection[Scan] = (),
        suspects: int | None = None,
    ) -> ReadSet | FinishSet | None:
        """Lease operations to finish, else reads that share a scan key."""
        with self._guard:
            now = self._now()
            until = now + int(lease_s * 1e6)
            limits = (limit, limit if suspects is None else suspects)
            self._wake(now)
            self._end_unapproved(now)
            finishable = {row.intent.tenant_id for row in self._finishable()}
            tenant_id = self._next_tenant(finishable, passing_over)
            if tenant_id is not None:
                return self._claim_finish(owner, until, limits, tenant_id)
            for is_idle in (False, True) if scans else (True,):
                if (claim := self._claim_next(owner, until, limits, passing_over, scans, now, is_idle=is_idle)) is not None:
                    return claim
            return None

    def _wake(self, now: int) -> None:
        """Free what is leased no longer, and what has waited for long enough."""
        if set_back_us := self._set_back.look():
            self._move_waits(set_back_us)
        for row in self._open.values():
            if row.owner is not None and row.lease_until <= now:
                row.owner = None
            if row.not_before and row.not_before <= now:
                row.not_before = 0
            for read in row.reads:
                if read.state == "leased" and self._is_expired(read, now):
                    read.give_back()
                elif read.state == "pending" and read.not_before and read.not_before <= now:
                    read.not_before = 0

    def _move_waits(self, set_back_us: int) -> None:
        """Let what waits for another try wait no longer than it would have by a clock that was not set back."""
        for row in self._open.values():
            if row.not_before:
                row.not_before = max(1, row.not_before - set_back_us)
            for read in row.reads:
                if read.not_before:
                    read.not_before = max(1, read.not_before - set_back_us)
        self._set_back.settle(set_back_us)

    @staticmethod
    def _is_expired(read: ReadRow, now: int) -> bool:
        return read.lease_until <= now

    def _end_unapproved(self, now: int) -> None:
        waiting = [row for row in self._open.values() if row.approval is ApprovalState.WAITING and row.approval_until is not None]
        for row in waiting:
            if row.approval_until is not None and to_microseconds(row.approval_until) <= now:
                row.approval = ApprovalState.NOT_GIVEN
                row.end(OperationStatus.FAILED, now, _EXPIRED)
                self._ended(row)
                self._record(Action.FAIL, _EXPIRED.code, row)

    def _finishable(self) -> Iterator[OperationRow]:
        return (
            row
            for row in self._open.values()
            if row.status is OperationStatus.RUNNING and not row.open_reads and row.owner is None and not row.not_before
        )

    def _next_tenant(self, tenants: Collection[TenantId], passing_over: Collection[TenantId]) -> TenantId | None:
        """Return the first tenant after the one that was served last, all around."""
        able = sorted(tenants - frozenset(passing_over) if isinstance(tenants, set | frozenset) else set(tenants) - set(passing_over))
        return next((each for each in able if each > self._last_tenant), able[0] if able else None)

    def _claim_finish(self, owner: str, until: int, limits: tuple[int, int], tenant_id: TenantId) -> FinishSet:
        found = [row for row in self._finishable() if row.intent.tenant_id == tenant_id][: limits[0]]
        is_suspected = bool(found) and found[0].deaths >= SUSPECTED
        found = [row for row in found if (row.deaths >= SUSPECTED) is is_suspected][: limits[is_suspected]]
        for row in found:
            row.owner, row.lease_until, row.attempt = owner, until, row.attempt + 1
            if not row.is_receipt_settled:
                row.receipt_before, row.is_receipt_settled = self._receipt_before(row), True
        claimed = tuple(row.claimed(attempt=row.attempt, previous_receipt=row.receipt_before) for row in found)
        return FinishSet(tenant_id=tenant_id, operations=claimed)

    def _receipt_before(self, row: OperationRow) -> PreviousReceipt | None:
        whose = (row.intent.tenant_id, row.intent.subject_id)
        earlier = [
            (each.completed_at or 0, each.seq, each.intent.operation_id, each.package.receipt_sha256)
            for each in self._operations.values()
            if each.status is OperationStatus.COMPLETE
            and each.package is not None
            and each.package.receipt_sha256
            and (each.intent.tenant_id, each.intent.subject_id) == whose
        ]
        earlier += self._receipt_rows(*whose)
        if not earlier:
            return None
        _, _, operation_id, receipt_sha256 = max(earlier)
        return PreviousReceipt(operation_id=operation_id, receipt_sha256=receipt_sha256)

    def _claim_next(  # noqa: PLR0917  # private, called once
        self,
        owner: str,
        until: int,
        limits: tuple[int, int],
        passing_over: Collection[TenantId],
        scans: Collection[Scan],
        now: int,
        *,
        is_idle: bool,
    ) -> ReadSet | None:
        ready = self._ready()
        passed = set(passing_over)
        while (tenant_id := self._next_tenant(ready.keys(), passed)) is not None:
            own = {scan.source_name: scan for scan in scans if scan.tenant_id == tenant_id}
            gathering = {name for name, scan in own.items() if self._is_gathering(scan, ready[tenant_id], now, is_idle=is_idle)}
            first = min(
                (read for read in ready[tenant_id] if read.spec_digest or read.source_name not in gathering),
                key=lambda read: (read.operation_seq, read.position, read.partition),
                default=None,
            )
            if first is not None:
                self._last_tenant = tenant_id
                most = own[first.source_name].limit if first.source_name in own else limits[0]
                most = min(most, limits[1]) if first.deaths >= SUSPECTED else most
                return self._claim_reads(owner, until, most, tenant_id, now, first, ready[tenant_id])
            passed.add(tenant_id)
        return None

    def _ready(self) -> dict[TenantId, list[ReadRow]]:
        ready: dict[TenantId, list[ReadRow]] = {}
        for row in self._open.values():
            own = [read for read in row.reads if read.is_ready]
            if own:
                ready.setdefault(row.intent.tenant_id, []).extend(own)
        return ready

    def _is_gathering(self, scan: Scan, ready: list[ReadRow], now: int, *, is_idle: bool) -> bool:
        waiting = [read for read in ready if (read.source_name, read.partition, read.spec_digest) == (scan.source_name, 0, "")]
        if not waiting:
            return False
        oldest = self._operations[min(waiting, key=lambda read: read.operation_seq).operation_id]
        if now - to_microseconds(oldest.intent.submitted_at) >= scan.window_s * 1e6:
            return False
        own = (row for row in self._open.values() if row.intent.tenant_id == scan.tenant_id)
        is_being_read = any(read.state == "leased" and read.source_name == scan.source_name for row in own for read in row.reads)
        return not is_idle or is_being_read

    def _claim_reads(  # noqa: PLR0917  # private, called once
        self, owner: str, until: int, limit: int, tenant_id: TenantId, now: int, first: ReadRow, ready: list[ReadRow]
    ) -> ReadSet:
        """Claim this read, and those that can share its scan."""
        reads = [first]
        if first.sealed_cursor is None:
            key = _scan_key(first)
            same = [read for read in ready if read.sealed_cursor is None and _scan_key(read) == key]
            reads = sorted(same, key=lambda read: read.operation_seq)[:limit]
        rows = [self._operations[read.operation_id] for read in reads]
        for row in rows:
            row.status = OperationStatus.RUNNING
            row.started_at = now if row.started_at is None else row.started_at
        for read in reads:
            read.state, read.owner, read.lease_until, read.attempt = "leased", owner, until, read.attempt + 1
        return ReadSet(
            tenant_id=tenant_id,
            source_name=first.source_name,
            partition=first.partition,
            reads=tuple(read.claimed() for read in reads),
            operations=tuple(row.claimed() for row in rows),
        )

    def heartbeat(self, owner: str, *, lease_s: float) -> None:
        """Extend every lease of the owner."""
        with self._guard:
            until = self._now() + int(lease_s * 1e6)
            for row in self._open.values():
                if row.owner == owner:
                    row.lease_until = until
                for read in row.reads:
                    if read.state == "leased" and read.owner == owner:
                        read.lease_until = until

    def release_all(self, owner: str | None = None, *, has_died: bool = False) -> None:
        """End the leases of an owner, or all; where it has died, count that."""
        with self._guard:
            now = self._now()
            if has_died:
                self._count_deaths(owner, now)
            for row in self._open.values():
                if row.owner is not None and owner in {None, row.owner}:
                    row.owner = None
                for read in row.reads:
                    if read.state == "leased" and owner in {None, read.owner}:
                        read.give_back()
                if owner is None and row.status is OperationStatus.RUNNING:
                    row.started_at, row.progress_from, row.progress_from_at, row.progress_at = now, row.progress, now, None

    def _count_deaths(self, owner: str | None, now: int) -> None:
        """Count that an owner died with what it holds: beside others work is suspected, and no more."""
        held: list[ReadRow | OperationRow] = [row for row in self._open.values() if row.owner is not None and owner in {None, row.owner}]
        held += [read for row in self._open.values() for read in row.reads if read.state == "leased" and owner in {None, read.owner}]
        for each in held:
            if each.deaths < SUSPECTED:
                each.deaths += 1
            elif len(held) == 1:
                each.first_death_at = now if each.deaths == SUSPECTED else each.first_death_at
                each.last_death_at = min(now, each.lease_until)
                each.not_before = now + pause_s(each.deaths) * 1_000_000
                each.deaths += 1


def _scan_key(read: ReadRow) -> tuple[object, ...]:
    return read.source_name, read.partition, read.spec_digest, read.alone, read.deaths >= SUSPECTED
