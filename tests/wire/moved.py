"""A service in memory whose operations move on when somebody has looked at them."""

from collections.abc import Callable, Iterable

from rightful.ids import OperationId, TenantId
from rightful.operation.model import DataPolicyOperation
from rightful.subject.model import DataSubject, SubjectKind
from rightful.testing.memory_exports import MemoryExports


class MovedExports(MemoryExports):
    """After each look at an operation comes the next of `moves`, as long as there are any: whoever looks sees every state once."""

    def __init__(self, subjects: Iterable[DataSubject], *, accounts: Iterable[str] = ()) -> None:
        super().__init__(subjects, accounts=accounts)
        self.moves: list[Callable[[OperationId], None]] = []

    def get(self, tenant_id: TenantId, operation_id: OperationId, visible: frozenset[SubjectKind]) -> DataPolicyOperation | None:
        shown = super().get(tenant_id, operation_id, visible)
        if shown is not None and self.moves:
            self.moves.pop(0)(operation_id)
        return shown
