"""A process that queues many operations and works on them until it is killed: `python -m tests.faults.queue_of_many FOLDER NUMBER`.

It prints the id of each operation once it is accepted, and a line `working` before it begins to work.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.faults.ground import beside_main

from rightful.clock import SystemClock
from rightful.ids import OperationId, SubjectId, TenantId
from rightful.operation.model import PackageTotals
from rightful.store.interface import Store
from rightful.store.sqlite import SqliteStore
from rightful.store.values import Checkpoint, Completion, FinishSet, Intent, NewRead, ReadSet
from rightful.subject.model import SubjectKind

TENANT = TenantId("11111111-1111-1111-1111-111111111111")
TOTALS = PackageTotals(prefix="", entries=1, size_bytes=1, manifest_sha256="m")


def accept(store: Store, number: int) -> OperationId:
    """Accept one operation with one read."""
    operation_id = OperationId(f"00000000-0000-0000-0000-{number:012}")
    intent = Intent(
        operation_id=operation_id,
        tenant_id=TENANT,
        subject_id=SubjectId(str(number)),
        subject_kind=SubjectKind.USER,
        caller_key="caller",
        container_key="c",
        request_digest=str(number),
        correlation_id=operation_id,
        storage_location="Local",
        sealed_location=b"sealed",
        prefix=f"{operation_id}/",
        submitted_at=SystemClock().now(),
    )
    store.begin(intent)
    store.promote(operation_id, [NewRead(source_name="orders")], [])
    return operation_id


def work(store: Store, owner: str) -> bool:
    """Do one piece of work, False where there is none."""
    claim = store.claim(owner, lease_s=60, limit=200)
    if isinstance(claim, ReadSet):
        store.checkpoint([Checkpoint(read=read, next_part=1, rows=1, is_done=True) for read in claim.reads], owner=owner)
    if isinstance(claim, FinishSet):
        store.complete([Completion(operation=each, package=TOTALS) for each in claim.operations], owner=owner)
    return claim is not None


def main(arguments: Sequence[str]) -> None:
    """Queue, then work."""
    store = SqliteStore(Path(arguments[0]) / "store.db", SystemClock())
    for number in range(int(arguments[1])):
        print(accept(store, number), flush=True)  # noqa: T201 - the answer
    print("working", flush=True)  # noqa: T201 - the protocol
    while work(store, "killed"):
        pass


if __name__ == "__main__":
    beside_main(lambda: main(sys.argv[1:]))
