"""Operations as callers see them."""

import json
from collections.abc import Collection
from datetime import datetime

import msgspec

from rightful.clock import to_microseconds
from rightful.ids import OperationId, TenantId
from rightful.operation import progress
from rightful.operation.model import ApprovalState, DataPolicyOperation, OperationStatus, SourceProgress, Written
from rightful.store import listing_sql, rows
from rightful.store.connection import Connection, Row
from rightful.store.records import Records
from rightful.store.values import ListQuery


class Looking(Records):
    """Finds operations and tells how far they are."""

    def get(self, tenant_id: TenantId, operation_id: OperationId) -> DataPolicyOperation | None:
        """Return an operation with its sources' progress."""
        return self._file.read(lambda connection: self._get(connection, tenant_id, operation_id), tenant_id)

    def _get(
        self, connection: Connection, tenant_id: TenantId, operation_id: OperationId, sources: tuple[SourceProgress, ...] | None = None
    ) -> DataPolicyOperation | None:
        """Return an operation; `sources`: the progress of its sources, where that is known."""
        row = self._one(connection, "get_operation", id=operation_id, tenant_id=tenant_id)
        if row is None:
            return None
        if sources is None:
            sources = tuple(rows.source(each) for each in connection.rows(self._sql["sources_of"], {"operation_id": operation_id}))
        found = rows.operation(row, sources, *self._left(connection, row))
        if found.status is not OperationStatus.FAILED or row["prefix"].endswith(".zip/"):  # pieces of a ZIP file are no entries
            return found
        left = connection.rows(self._sql["left_of"], {"operation_id": operation_id})[0]
        written = Written(entries=left["entries"], size_bytes=left["size_bytes"], prefix=row["prefix"])
        return msgspec.structs.replace(found, left=written) if written.entries else found

    def _left(self, connection: Connection, row: Row) -> tuple[int, float | None]:
        """Return Retry-After, and how many seconds are left where that is known."""
        if row["status"] not in {OperationStatus.NOT_STARTED, OperationStatus.RUNNING}:
            return 0, None
        if row["approval"] == ApprovalState.WAITING:
            return progress.LARGEST_RETRY_AFTER_S, None
        if row["started_at"] is None:
            first = self._one(connection, "first_waiting")
            ahead = row["seq"] - first["seq"] if first is not None and first["seq"] is not None else 0
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

    def ended(self, operation_ids: Collection[OperationId]) -> frozenset[OperationId]:
        """Return which of these operations have ended, or are not known."""
        if not operation_ids:
            return frozenset()
        parameters = {"ids": json.dumps(sorted(operation_ids))}
        found = self._file.read(lambda connection: connection.rows(self._sql["still_open"], parameters))
        return frozenset(operation_ids).difference(row["id"] for row in found)

    def list(self, query: ListQuery) -> tuple[DataPolicyOperation, ...]:
        """Return operations, without their sources."""
        if not query.subject_kinds:
            return ()
        text, values = listing_sql.page(query, self._file.hints)

        def task(connection: Connection) -> tuple[DataPolicyOperation, ...]:
            found = connection.rows(text, values)
            return tuple(rows.operation(row, (), *self._left(connection, row)) for row in found)

        return self._file.read(task, query.tenant_id)

    def unanswered(
        self, tenant_id: TenantId, *, received_from: datetime, received_to: datetime, limit: int
    ) -> tuple[DataPolicyOperation, ...]:
        """Return what is not answered yet of what was received within a time."""
        parameters = {
            "tenant_id": tenant_id,
            "received_from": to_microseconds(received_from),
            "received_to": to_microseconds(received_to),
            "most": limit,
        }
        return self._file.read(
            lambda connection: tuple(map(rows.operation, connection.rows(self._sql["unanswered"], parameters))), tenant_id
        )

    def count(self, query: ListQuery) -> int:
        """Count what a query finds."""
        if not query.subject_kinds:
            return 0
        text, values = listing_sql.selection(query, self._file.hints)
        found = self._file.read(lambda connection: connection.rows(f"SELECT count(*) AS found {text}", values), query.tenant_id)
        return int(found[0]["found"])
