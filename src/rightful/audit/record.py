r"""One record of the audit trail, its canonical bytes and its place in a chain. Pure.

The canonical form of a record is a JSON array as RFC 8785 writes it: no spaces, UTF-8, `\b \t \n \f \r \" \\` and `\u00xx` for what must
be escaped, whole numbers below 2**53. Reading it back gives the record, so two records never share their bytes. The hash of a record is
SHA-256 over the 32 bytes of the hash before it (zeros before the first) and these bytes (docs/reference/audit.md).
"""

import enum
import hashlib
import re
from typing import Literal

import msgspec

from rightful.ids import GUID, TenantId

SERVICE_CHAIN = TenantId("")
"""The chain of what belongs to no tenant."""
FIRST_HASH = bytes(32)
"""What stands before the first record."""
OK = "ok"
"""The outcome of what was done; every other outcome is the code of an error, or `repeated`."""
REPEATED = "repeated"
"""The outcome of a submit that named an earlier operation (GRAPH-15)."""

_GUID = re.compile(GUID, re.IGNORECASE)


class Action(enum.StrEnum):
    """What was done or tried."""

    SUBMIT = "submit"
    CANCEL = "cancel"
    RESUME = "resume"
    APPROVE = "approve"
    REJECT = "reject"
    EXTEND = "extend"
    """The time to answer a request was extended."""
    FORGET_FINGERPRINTS = "forgetFingerprints"
    """What was kept of an export to compare later ones with was erased on request."""
    PREVIEW = "preview"
    """Somebody looked at what an export would find."""
    READ_OPERATION = "readOperation"
    LIST_OPERATIONS = "listOperations"
    READ_PROFILE = "readProfile"
    LIST_PROFILES = "listProfiles"
    COMPLETE = "complete"
    FAIL = "fail"
    CALL = "call"
    """A call of a known caller that named nothing that can be done."""
    VERIFY = "verify"
    """`rightful verify --config` checked a package."""
    ROTATE_SEAL_KEY = "rotateSealKey"
    """`rightful rotate-seal-key` was carried out; more than one where it was interrupted and run again."""
    BACKUP_STORE = "backupStore"
    """`rightful store backup` copied the store."""
    RESTORE_STORE = "restoreStore"
    """`rightful store restore` put a backup in its place: the chain goes on from there."""
    MIGRATE_STORE = "migrateStore"
    """`rightful store migrate` copied the store into this database: the chain goes on from there."""
    PURGE = "purge"
    """What was kept long enough was erased, as `retention` says; `count` is how much."""
    AUTHENTICATE = "authenticate"
    """Calls that proved no caller, counted."""


class Target(enum.StrEnum):
    """What kind of thing it was done to."""

    OPERATION = "operation"
    OPERATIONS = "operations"
    USER = "user"
    INBOUND_PROFILE = "inboundProfile"
    INBOUND_PROFILES = "inboundProfiles"
    RECEIPTS = "receipts"
    AUDIT_RECORDS = "auditRecords"
    """Those of the chain itself; `target_id` is the number of the last one that is gone."""
    SERVICE = "service"


class Actor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who calls, and from where, in ids; nothing of it is set where the service acts by itself."""

    object_id: str = ""
    """Of who works at the machine itself: `os:` and the account's number there."""
    app_id: str = ""
    address: str = ""
    """The client's address as the socket saw it."""
    request_id: str = ""
    """As the answer carries it."""
    client_request_id: str = ""
    """`correlation` of what the client sent."""


NOBODY = Actor()
"""The service itself."""


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One record; the order of the fields is the order of its canonical form."""

    version: Literal[1] = 1
    tenant_id: TenantId
    """Whose chain: the caller's tenant, `SERVICE_CHAIN` for what belongs to none."""
    seq: int = 0
    """1, 2, 3, … in the chain; 0 until it is appended."""
    time_us: int
    """Microseconds since 1970-01-01 UTC."""
    action: Action
    outcome: str
    object_id: str
    app_id: str
    address: str
    request_id: str
    """Of alike calls the first ones', with spaces between."""
    client_request_id: str
    target: Target
    target_id: str
    subject_id: str
    """Whose data, where that is known."""
    count: int = 1
    """How many alike calls the record stands for; its ids are the first one's, but for `request_id`."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AuditRecord).decode


def record(
    by: Actor, *, tenant_id: TenantId, time_us: int, action: Action, outcome: str, target: Target, target_id: str = "", subject_id: str = ""
) -> AuditRecord:
    """Make a record of what somebody did."""
    return AuditRecord(
        tenant_id=tenant_id,
        time_us=time_us,
        action=action,
        outcome=outcome,
        object_id=by.object_id,
        app_id=by.app_id,
        address=by.address,
        request_id=by.request_id,
        client_request_id=by.client_request_id,
        target=target,
        target_id=target_id,
        subject_id=subject_id,
    )


def encode(value: AuditRecord) -> bytes:
    """Return the canonical bytes."""
    return _encode(value)


def decode(text: bytes | str) -> AuditRecord:
    """Read a record from its canonical bytes; raises `msgspec.ValidationError` or `DecodeError` where they are none."""
    return _decode(text)


def link(previous: bytes, canonical: bytes) -> bytes:
    """Return the hash of a record, given the hash before it and its canonical bytes."""
    return hashlib.sha256(previous + canonical).digest()


def correlation(client_request_id: str) -> str:
    """Return what is recorded of the id that a client gave its request.

    A GUID stands as it is. Anything else could be a mail address or a secret: its digest finds it again for whoever knows it.
    """
    if not client_request_id or _GUID.fullmatch(client_request_id):
        return client_request_id
    return f"sha256:{hashlib.sha256(client_request_id.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"
