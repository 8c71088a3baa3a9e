"""A service that stands by: another one works on the store, and this one takes over when that ends."""

from collections.abc import Callable
from typing import NoReturn

from rightful.audit.record import NOBODY, Actor
from rightful.errors import ServiceUnavailable
from rightful.export.interface import Note, SubmitRequest, Unready
from rightful.export.preview import Preview
from rightful.identity.model import Caller
from rightful.ids import OperationId, TenantId
from rightful.operation.model import DataPolicyOperation
from rightful.store.values import ListQuery
from rightful.subject.model import DataSubject, SubjectKind


class Standby:
    """Takes nothing and looks nothing up, and says so; see `export.interface.Exports`."""

    def __init__(self, *, passes_on: Callable[[], bool] = lambda: False) -> None:
        self._passes_on = passes_on

    def unready(self) -> Unready | None:
        """Send callers to the one that works, unless their requests are passed on to it."""
        return None if self._passes_on() else Unready.STANDBY

    def find_user(self, tenant_id: TenantId, key: str) -> DataSubject | None:
        """Refuse."""
        del tenant_id, key
        _refuse()

    def find_inbound_profile(self, tenant_id: TenantId, user_id: str) -> DataSubject | None:
        """Refuse."""
        del tenant_id, user_id
        _refuse()

    def list_inbound_profiles(self, tenant_id: TenantId) -> tuple[DataSubject, ...]:
        """Refuse."""
        del tenant_id
        _refuse()

    def submit(self, request: SubmitRequest) -> DataPolicyOperation:
        """Refuse."""
        del request
        _refuse()

    def preview(self, subject: DataSubject) -> Preview:
        """Refuse."""
        del subject
        _refuse()

    def get(self, tenant_id: TenantId, operation_id: OperationId, visible: frozenset[SubjectKind]) -> DataPolicyOperation | None:
        """Refuse."""
        del tenant_id, operation_id, visible
        _refuse()

    def list(self, query: ListQuery) -> tuple[DataPolicyOperation, ...]:
        """Refuse."""
        del query
        _refuse()

    def count(self, query: ListQuery) -> int:
        """Refuse."""
        del query
        _refuse()

    def cancel(self, tenant_id: TenantId, operation_id: OperationId, by: Actor = NOBODY) -> None:
        """Refuse."""
        del tenant_id, operation_id, by
        _refuse()

    def resume(
        self, tenant_id: TenantId, operation_id: OperationId, storage_location: str | None, by: Actor = NOBODY
    ) -> DataPolicyOperation:
        """Refuse."""
        del tenant_id, operation_id, storage_location, by
        _refuse()

    def decide(self, caller: Caller, operation_id: OperationId, *, is_approved: bool, by: Actor = NOBODY) -> DataPolicyOperation:
        """Refuse."""
        del caller, operation_id, is_approved, by
        _refuse()

    def forget(self, tenant_id: TenantId, operation_id: OperationId, by: Actor = NOBODY) -> None:
        """Refuse."""
        del tenant_id, operation_id, by
        _refuse()

    def extend(self, tenant_id: TenantId, operation_id: OperationId, reason: str, by: Actor = NOBODY) -> DataPolicyOperation:
        """Refuse."""
        del tenant_id, operation_id, reason, by
        _refuse()

    def note(self, note: Note) -> None:
        """Record nothing: nobody was shown anything here."""

    def note_unauthenticated(self, address: str, code: str) -> None:
        """Count nothing."""


def _refuse() -> NoReturn:
    raise ServiceUnavailable("This service stands by: another one works on the store", hint="send it to that one; /readyz says which it is")
