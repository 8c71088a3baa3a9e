"""What the surfaces (`graph/`) may ask of the service.

Methods block (storage and databases are asked) and are called from worker threads. They raise `RequestError`s for what is the caller's
fault, `SourceError` where a directory does not answer. Whoever calls them has authorized the caller before.
"""

import enum
from datetime import date, datetime
from typing import Protocol

import msgspec

from rightful.audit.record import NOBODY, Action, Actor, Target
from rightful.export.preview import Preview
from rightful.identity.model import Caller
from rightful.ids import OperationId, TenantId
from rightful.operation.model import DataPolicyOperation
from rightful.store.values import ListQuery
from rightful.subject.model import DataSubject, SubjectKind
from rightful.traces import SpanPlace


class SubmitRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An authorized wish to export one subject."""

    caller: Caller
    subject: DataSubject
    storage_location: object
    """As it came in the body; anything but a usable string is refused with StorageLocationInvalid."""
    since: object = None
    """The earlier operation to bring only the difference to, as it came in the body; None where all is to be brought."""
    client_request_id: str = ""
    """As the caller sent it; empty where it was made here (then it names no repeat)."""
    received: datetime | date | None = None
    """When the person's request was received: a moment, or a day; None where the request does not say."""
    language: str = ""
    """Of the package, one of `language.OFFERED`; empty where the request does not say."""
    recipient: str = ""
    """The public key of age to seal the package to; empty where the request names none."""
    passphrase: str = ""
    """What is to open the package; a secret, kept nowhere."""
    idempotency_key: str = ""
    actor: Actor = NOBODY
    """The caller in ids, and where the call came from, for the record."""
    place: SpanPlace | None = None
    """Where the span of the request stands that asks for it; None where it is not traced."""

    def __repr__(self) -> str:
        """Leave the storage location out: it may hold a signature."""
        return f"SubmitRequest({self.caller.key})"


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller looked at, or was refused: what changes nothing, and so is recorded a little later (export.audit_trail)."""

    actor: Actor
    tenant_id: TenantId
    """The caller's."""
    action: Action
    outcome: str
    """`ok`, or the code of the error that was answered."""
    target: Target
    target_id: str = ""
    """As the caller named it; what is no GUID is recorded as a keyed digest, since it may be a name."""
    subject_id: str = ""
    """Whose data, where that is known."""


class Unready(enum.StrEnum):
    """Why the service cannot take work now; says nothing else, since it is told to anybody."""

    STORE = "store"
    """The store cannot be written."""
    ENGINE = "engine"
    """Nothing works on what is accepted."""
    STOPPING = "stopping"
    STANDBY = "standby"
    """Another service works on the store; this one takes over when that ends."""


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
        table of storage locations, with `SinceUnknown` or `SinceNotKept` where there is nothing to compare with, `Throttled` where too much
        is queued, `Conflict` where an export of the subject to the container has not ended and was asked for with another `since`.
        """
        ...

    def preview(self, subject: DataSubject) -> Preview:
        """Say what an export of a subject would find, without reading it; nothing is changed anywhere.

        Raises `NotFound` where the directory no longer knows the subject, `SourceError` where it does not answer; what a source cannot
        say is told in the preview.
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

    def cancel(self, tenant_id: TenantId, operation_id: OperationId, by: Actor = NOBODY) -> None:
        """End an operation as failed with code `cancelled`; raises `Conflict` where it has ended, `NotFound` where there is none."""
        ...

    def resume(
        self, tenant_id: TenantId, operation_id: OperationId, storage_location: str | None, by: Actor = NOBODY
    ) -> DataPolicyOperation:
        """Lead a failed or waiting operation back to running.

        `storage_location` brings a new SAS for the same container; None is enough for named accounts. Raises `Conflict` where the
        operation is neither failed nor waiting, `InvalidRequest` where a location is needed or names another container.
        """
        ...

    def decide(self, caller: Caller, operation_id: OperationId, *, is_approved: bool, by: Actor = NOBODY) -> DataPolicyOperation:
        """Approve an operation that waits for a second administrator, or reject it, which ends it; the same again changes nothing.

        Raises `Forbidden` where the caller is no person or asked for the export, `Conflict` where the operation waits for no approval,
        `NotFound` where there is none.
        """
        ...

    def extend(self, tenant_id: TenantId, operation_id: OperationId, reason: str, by: Actor = NOBODY) -> DataPolicyOperation:
        """Extend the time to answer a request, once, as the tenant's regulation allows; the caller tells the person.

        Raises `InvalidRequest` where the reason is none of the regulation's, `Conflict` where the time is over, was extended before, or
        cannot be, or the operation is complete, `NotFound` where there is none.
        """
        ...

    def forget(self, tenant_id: TenantId, operation_id: OperationId, by: Actor = NOBODY) -> None:
        """Erase what is kept of a complete operation to compare later ones with; nothing happens where nothing is.

        Raises `NotFound` where there is no such operation, `Conflict` where one that has not ended is compared with it.
        """
        ...

    def note(self, note: Note) -> None:
        """Record what a caller looked at or was refused: durable within `audit_trail.FLUSH_S`, not yet when this returns.

        Every surface does so for every call of a known caller that is not recorded with the change that it makes (submit, cancel,
        resume). Raises `StoreFault` where earlier notes could not be written for so long that there is no room for more.
        """
        ...

    def note_unauthenticated(self, address: str, code: str) -> None:
        """Count a call that proved no caller, from an address, and answered with the code of an error."""
        ...
