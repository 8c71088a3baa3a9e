"""What the surfaces (`graph/`) may ask of the service.

Methods block (storage and databases are asked) and are called from worker threads. They raise `RequestError`s for what is the caller's
fault, `SourceError` where a directory does not answer. Whoever calls them has authorized the caller before.
"""

import enum
from typing import Protocol

import msgspec

from rightful.identity.model import Caller
from rightful.ids import OperationId, TenantId
from rightful.operation.model import DataPolicyOperation
from rightful.store.interface import ListQuery
from rightful.subject.model import DataSubject, SubjectKind


class SubmitRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An authorized wish to export one subject."""

    caller: Caller
    subject: DataSubject
    storage_location: object
    """As it came in the body; anything but a usable string is refused with StorageLocationInvalid."""
    client_request_id: str = ""
    """As the caller sent it; empty where it was made here (then it names no repeat)."""
    idempotency_key: str = ""


class Unready(enum.StrEnum):
    """Why the service cannot take work now; says nothing else, since it is told to anybody."""

    STORE = "store"
    """The store cannot be written."""
    ENGINE = "engine"
    """Nothing works on what is accepted."""
    STOPPING = "stopping"


class Exports(Protocol):
    """The service, as the wire sees it."""

    def unready(self) -> Unready | None:
        """Say why the service cannot take work now, None where it can. May be asked by anybody, as often as they like."""
        ...

    def find_user(self, tenant_id: TenantId, key: str) -> DataSubject | None:
        """Find a user by object id or user principal name."""
        ...

    def find_inbound_profile(self, tenant_id: TenantId, user_id: str) -> DataSubject | None:
        """Find an inbound shared user profile."""
        ...

    def list_inbound_profiles(self, tenant_id: TenantId) -> tuple[DataSubject, ...]:
        """Return all inbound shared user profiles of a tenant."""
        ...

    def submit(self, request: SubmitRequest) -> DataPolicyOperation:
        """Accept an export: the operation is durable, and its storage location is marked, when this returns.

        A request that repeats an earlier one (GRAPH-15) returns that one's operation. Raises `InvalidRequest` with the codes of GRAPH's
        table of storage locations, `Throttled` where too much is queued.
        """
        ...

    def get(self, tenant_id: TenantId, operation_id: OperationId, visible: frozenset[SubjectKind]) -> DataPolicyOperation | None:
        """Return an operation, None where there is none that this caller may see."""
        ...

    def list(self, query: ListQuery) -> tuple[DataPolicyOperation, ...]:
        """Return operations without their sources."""
        ...

    def count(self, query: ListQuery) -> int:
        """Return how many operations a query finds, wherever its page begins and ends."""
        ...

    def cancel(self, tenant_id: TenantId, operation_id: OperationId) -> None:
        """End an operation as failed with code `cancelled`; raises `Conflict` where it has ended, `NotFound` where there is none."""
        ...

    def resume(self, tenant_id: TenantId, operation_id: OperationId, storage_location: str | None) -> DataPolicyOperation:
        """Lead a failed or waiting operation back to running.

        `storage_location` brings a new SAS for the same container; None is enough for named accounts. Raises `Conflict` where the
        operation is neither failed nor waiting, `InvalidRequest` where a location is needed or names another container.
        """
        ...
