"""What somebody at the machine itself does by the command line, and the service cannot record."""

import os

from rightful.audit.record import OK, Action, Actor, AuditRecord, Target, record
from rightful.clock import Clock, to_microseconds
from rightful.config.model import Config
from rightful.errors import ExportError
from rightful.ids import OperationId, SubjectId, TenantId, is_guid
from rightful.package.verify import PackageState
from rightful.store.place import place_of

_OUTCOMES = {
    PackageState.WHOLE: OK,
    PackageState.DAMAGED: "PackageDamaged",
    PackageState.SEALED: OK,
    PackageState.INCOMPLETE: "PackageIncomplete",
}
INTERRUPTED = "Interrupted"
"""The outcome of what somebody broke off."""


def operator() -> Actor:
    """Return who runs this process, as the machine numbers its accounts; behind sudo, who called it."""
    number = os.getuid()
    behind = "" if number else os.environ.get("SUDO_UID", "")
    return Actor(object_id=f"os:{int(behind) if behind.isdecimal() else number}")


def _outcome(ended: PackageState | BaseException) -> str:
    match ended:
        case PackageState():
            return _OUTCOMES[ended]
        case KeyboardInterrupt():
            return INTERRUPTED
        case ExportError():
            return ended.code
        case OSError():
            return "SystemRefused"
        case _:
            return "InternalError"


def record_verification(config: Config, operation_id: str, ended: PackageState | BaseException, clock: Clock) -> None:
    """Record that a package was checked, with what was found or what broke the check off.

    `operation_id` is what the package says. Raises what `Place.append` raises.
    """
    known = operation_id.lower() if is_guid(operation_id.lower()) else ""

    def make(tenant_id: TenantId, subject_id: SubjectId) -> AuditRecord:
        return record(
            operator(),
            tenant_id=tenant_id,
            time_us=to_microseconds(clock.now()),
            action=Action.VERIFY,
            outcome=_outcome(ended),
            target=Target.OPERATION,
            target_id=known,
            subject_id=subject_id,
        )

    place_of(config.store, config.store_path).append(OperationId(known), make)


def record_store(config: Config, action: Action, clock: Clock) -> None:
    """Record what was done to the store itself; raises what `audit_beside.append` raises."""

    def make(tenant_id: TenantId, subject_id: SubjectId) -> AuditRecord:
        return record(
            operator(),
            tenant_id=tenant_id,
            time_us=to_microseconds(clock.now()),
            action=action,
            outcome=OK,
            target=Target.SERVICE,
            subject_id=subject_id,
        )

    place_of(config.store, config.store_path).append(OperationId(""), make)
