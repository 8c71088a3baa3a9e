"""Who works on what: sets of reads and packages to finish, leased and fenced by owner and attempt."""

import json
from collections.abc import Collection
from typing import Any

from rightful.audit.record import Action
from rightful.clock import Clock, SetBack
from rightful.ids import TenantId
from rightful.operation.model import SUBMIT_AGAIN, Failure
from rightful.store import rows
from rightful.store.connection import Connection, Row
from rightful.store.deaths import LONGEST_PAUSE_S, SUSPECTED
from rightful.store.records import Records
from rightful.store.transactions import Transactions
from rightful.store.values import FinishSet, ReadSet, Scan

_BEFORE = ("free_expired_reads", "free_expired_operations", "wake_reads", "wake_operations")
_ALL = frozenset({*_BEFORE, "end_unapproved"})
_EXPIRED = Failure(code="approvalExpired", message=f"nobody approved the export in time; {SUBMIT_AGAIN}")


class Claiming(Records):
    """Hands work out, and takes it back."""

    def __init__(self, file: Transactions, clock: Clock) -> None:
        super().__init__(file, clock)
        self._last_tenant = ""
        """Whose turn it was; tenants take turns."""
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
        now = self._now()
        lease = {"owner": owner, "lease_until": now + int(lease_s * 1e6)}
        limits = (limit, limit if suspects is None else suspects)
        set_back_us = self._set_back.look()
        # What waits is moved first, where the clock was set back: what is due then is not known before.
        due = _ALL if set_back_us else self._file.read(lambda connection: self._due(connection, now))
        if not due:
            return None

        def task(connection: Connection) -> ReadSet | FinishSet | None:
            self._prepare(connection, now, due, set_back_us)
            tenant_id = self._next_tenant(connection, "next_tenant_to_finish", passing_over)
            if tenant_id is not None:
                return self._claim_finish(connection, lease, limits, tenant_id)
            # What has waited for company long enough first; then, since nothing else is there to do, what has not.
            for is_idle in (False, True) if scans else (True,):
                if (claim := self._claim_next(connection, lease, limits, passing_over, scans, now, is_idle)) is not None:
                    return claim
            return None

        claim = self._file.write(task)
        if set_back_us:
            self._set_back.settle(set_back_us)
        return claim

    def _prepare(self, connection: Connection, now: int, due: Collection[str], set_back_us: int) -> None:
        """Let go of what nobody holds any more, and wake what has waited long enough."""
        if set_back_us:  # what waits for another try would wait by so much longer
            for name in ("move_waits_of_reads", "move_waits_of_operations"):
                connection.run(self._sql[name], {"by": set_back_us})
        for name in _BEFORE:
            if name in due:
                connection.run(self._sql[name], {"now": now})
        if "end_unapproved" in due:
            self._end_unapproved(connection, now)

    def _due(self, connection: Connection, now: int) -> frozenset[str]:
        """Return what is to be done now, nothing where there is nothing to claim either."""
        (row,) = connection.rows(self._sql["due"], {"now": now})
        return frozenset(name for name, is_due in row.items() if is_due)

    def _claim_next(  # noqa: PLR0917  # private, called once
        self,
        connection: Connection,
        lease: dict[str, Any],
        limits: tuple[int, int],
        passing_over: Collection[TenantId],
        scans: Collection[Scan],
        now: int,
        is_idle: bool,  # noqa: FBT001  # as above
    ) -> ReadSet | None:
        """Claim reads of the next tenant that has any to be claimed: so many, of those that may be what kills the service so many."""
        passed = set(passing_over)
        while (tenant_id := self._next_tenant(connection, "next_tenant", passed)) is not None:
            own = {scan.source_name: scan for scan in scans if scan.tenant_id == tenant_id}
            gathering = [name for name, scan in own.items() if self._is_gathering(connection, scan, now, is_idle=is_idle)]
            row = self._one(connection, "first_pending", tenant_id=tenant_id, gathering=json.dumps(gathering))
            if row is not None:
                self._last_tenant = tenant_id
                most = own[row["source_name"]].limit if row["source_name"] in own else limits[0]
                most = min(most, limits[1]) if row["deaths"] >= SUSPECTED else most
                return self._claim_reads(connection, lease, most, tenant_id, now, row)
            passed.add(tenant_id)
        return None

    def _end_unapproved(self, connection: Connection, now: int) -> None:
        parameters = {"now": now, "failure": rows.to_json(_EXPIRED)}
        for ended in connection.rows(self._sql["end_unapproved"], parameters):
            self._record(connection, Action.FAIL, _EXPIRED.code, ended["id"], (ended["tenant_id"], ended["subject_id"]))

    def _is_gathering(self, connection: Connection, scan: Scan, now: int, *, is_idle: bool) -> bool:
        row = self._one(connection, "waiting_for_scan", tenant_id=scan.tenant_id, source_name=scan.source_name)
        if row is None or row["since"] is None or now - row["since"] >= scan.window_s * 1e6:
            return False
        return not is_idle or bool(row["is_being_read"])

    def _next_tenant(self, connection: Connection, name: str, passing_over: Collection[TenantId]) -> TenantId | None:
        """Return the first tenant that a statement finds after the one that was served last, all around."""
        for after, last in ((self._last_tenant, None), ("", self._last_tenant)):
            row = self._one(connection, name, tenant_id=after)
            while row is not None and row["tenant_id"] is not None and (last is None or row["tenant_id"] <= last):
                if row["tenant_id"] not in passing_over:
                    return TenantId(row["tenant_id"])
                row = self._one(connection, name, tenant_id=row["tenant_id"])
        return None

    def _claim_finish(self, connection: Connection, lease: dict[str, Any], limits: tuple[int, int], tenant_id: TenantId) -> FinishSet:
        """Claim the oldest packages to finish; those that may be what kills the service apart from others."""
        found = connection.rows(self._sql["finishable"], {"tenant_id": tenant_id, "most": limits[0]})
        is_suspected = bool(found) and found[0]["deaths"] >= SUSPECTED
        found = [row for row in found if (row["deaths"] >= SUSPECTED) is is_suspected][: limits[is_suspected]]
        leased = [self._one(connection, "lease_operation", id=row["id"], **lease) for row in found]
        return FinishSet(tenant_id=tenant_id, operations=tuple(rows.claimed_operation(row) for row in leased if row is not None))

    def _claim_reads(  # noqa: PLR0917  # private, called once
        self, connection: Connection, lease: dict[str, Any], limit: int, tenant_id: TenantId, now: int, row: Row
    ) -> ReadSet:
        """Claim this read, and those that can share its scan."""
        operation_ids = [row["operation_id"]]
        if row["is_fresh"]:
            key = {name: row[name] for name in ("source_name", "partition", "spec_digest", "alone")}
            key |= {"suspected": SUSPECTED, "is_suspected": int(row["deaths"] >= SUSPECTED)}
            same = connection.rows(self._sql["same_scan"], {"tenant_id": tenant_id, "most": limit, **key})
            operation_ids = [each["operation_id"] for each in same]
        started = {each["id"]: each for each in self._start(connection, operation_ids, now)}
        place = {"source_name": row["source_name"], "partition": row["partition"]}
        found = connection.rows(self._sql["lease_reads"], {"ids": json.dumps(operation_ids), **place, **lease})
        leased = {each["operation_id"]: each for each in found}
        # In the order in which they were accepted, which RETURNING does not keep. Pending reads belong to operations that have not ended.
        claimed = [each for each in operation_ids if each in started and each in leased]
        return ReadSet(
            tenant_id=tenant_id,
            **place,
            reads=tuple(rows.claimed_read(leased[each]) for each in claimed),
            operations=tuple(rows.claimed_operation(started[each]) for each in claimed),
        )

    def _start(self, connection: Connection, operation_ids: list[str], now: int) -> list[Row]:
        """Have operations run: by one statement for all, since in a savepoint each further one costs SQLite more than the one before."""
        found = connection.rows(self._sql["running_operations"], {"ids": json.dumps(operation_ids)})
        running = {each["id"] for each in found}
        others = [each for each in operation_ids if each not in running]
        if others:
            found += connection.rows(self._sql["start_operations"], {"ids": json.dumps(others), "now": now})
        return found

    def heartbeat(self, owner: str, *, lease_s: float) -> None:
        """Extend every lease of the owner, and let what was erased since the last time go for good."""
        parameters = {"owner": owner, "lease_until": self._now() + int(lease_s * 1e6)}

        def task(connection: Connection) -> None:
            connection.run(self._sql["extend_reads"], parameters)
            connection.run(self._sql["extend_operations"], parameters)

        self._file.write(task)
        self._file.erase()

    def release_all(self, owner: str | None = None, *, has_died: bool = False) -> None:
        """End the leases of an owner, or all; where it has died, count that."""

        def task(connection: Connection) -> None:
            if has_died:
                self._count_deaths(connection, owner)
            connection.run(self._sql["release_reads"], {"owner": owner})
            connection.run(self._sql["release_operations"], {"owner": owner})
            if owner is None:
                connection.run(self._sql["pace_anew"], {"now": self._now()})

        self._file.write(task)

    def _count_deaths(self, connection: Connection, owner: str | None) -> None:
        """Count a death for all that was held: what was held with others is suspected, and no more."""
        (row,) = connection.rows(self._sql["count_held"], {"owner": owner})
        parameters = {"owner": owner, "suspected": SUSPECTED}
        if row["held"] == 1:
            for name in ("count_deaths_alone_of_reads", "count_deaths_alone_of_operations"):
                connection.run(self._sql[name], {**parameters, "now": self._now(), "longest_s": LONGEST_PAUSE_S})
        for name in ("suspect_reads", "suspect_operations"):
            connection.run(self._sql[name], parameters)
