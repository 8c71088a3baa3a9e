"""What engines do with claims, whichever they are: lease them, keep them, give them back."""

import threading
import uuid
from datetime import datetime

import structlog

from rightful.faults import describe
from rightful.store.interface import Store
from rightful.store.values import FinishSet, ReadSet

_log = structlog.get_logger(__name__)

SET_SIZE = 256
GIVING_WAY_SIZE = 64
LEASE_S = 60.0
IDLE_S = 0.5
FAULT_PAUSE_S = 1.0


def new_owner() -> str:
    """Make a name for one run of one process."""
    return uuid.uuid4().hex


def keep(store: Store, owner: str, stopping: threading.Event) -> None:
    """Extend all that the owner holds, until the engine stops."""
    while not stopping.wait(LEASE_S / 4):
        try:
            store.heartbeat(owner, lease_s=LEASE_S)
        except Exception as error:  # noqa: BLE001 - without this thread every lease would run out while its work goes on
            _log.error("leases could not be extended", error=describe(error))


def give_back(store: Store, claim: ReadSet | FinishSet, *, owner: str, at: datetime, is_failure: bool = True) -> None:
    """Give a claim back, to be tried again not before a time; what of it is done, or no longer the owner's, stays as it is."""
    if isinstance(claim, ReadSet):
        store.retry(claim.reads, owner=owner, at=at, is_failure=is_failure)
    else:
        for operation in claim.operations:
            store.retry_finish(operation, owner=owner, at=at, is_failure=is_failure)
