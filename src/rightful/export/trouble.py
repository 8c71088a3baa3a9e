"""What becomes of work that could not be done: tried again, waits for somebody, or fails its operation."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import compress

import msgspec
import structlog

from rightful import traces
from rightful.clock import Clock
from rightful.config.model import ExportSettings
from rightful.errors import ExportError, SourceError, SourceUnavailable, StorageError, StorageRefused, StorageUnavailable
from rightful.export.identities import Identities
from rightful.faults import describe, reason_of
from rightful.operation.model import Failure
from rightful.store.interface import Store
from rightful.store.values import ClaimedOperation, ClaimedRead, FinishSet, ReadSet

_log = structlog.get_logger(__name__)

_LONGEST_RETRY_S = 300.0
_FIRST_STORAGE_RETRY_S = 2.0
_LONGEST_STORAGE_RETRY_S = 30.0
DIED_CODE = "ServiceDied"
_WHY_DIED = (
    "see in its log, or the system's, what ended it (memory? a crash in a library?), mend that or leave what it is about out of the source,"
    " then resume"
)
_PARTS = 4
"""Into so many a set is cut that could not be read: one of 10,000 is found by as many passes as with halves, all by a third fewer."""


def failure_of(error: BaseException, source_name: str = "") -> Failure:
    """Say in the caller's words what went wrong; an unforeseen error gives its type alone, and what the system says (no space left)."""
    if isinstance(error, SourceError):
        return Failure(code=error.code, message=_sentence(error), source_name=error.source_name)
    if isinstance(error, ExportError):
        return Failure(code=error.code, message=_sentence(error), source_name=source_name)
    return Failure(code="InternalError", message=f"an unforeseen error ({reason_of(error)}) stopped the work", source_name=source_name)


def _sentence(error: ExportError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message


class Trouble:
    """Decides and puts down what becomes of reads and operations that ran into an error, as long as they are still ours."""

    def __init__(self, store: Store, clock: Clock, identities: Identities, owner: str) -> None:
        self._store = store
        self._clock = clock
        self._identities = identities
        self._owner = owner

    def fail(self, operation: ClaimedOperation, failure: Failure, claimed: ClaimedRead | ClaimedOperation) -> None:
        """End an operation as failed, on account of one of its reads or of its finishing."""
        traces.ended_badly(operation.operation_id, failure.code)
        if self._store.fail(operation.operation_id, failure, owner=self._owner, claimed=claimed):
            _log.warning("operation failed", operation_id=operation.operation_id, code=failure.code, source=failure.source_name)
            self._identities.forget(operation.operation_id)

    def source(
        self,
        operations: Sequence[ClaimedOperation],
        reads: Sequence[ClaimedRead],
        error: BaseException,
        settings: ExportSettings,
        *,
        is_shared: bool,
    ) -> None:
        """Deal with a source that could not be read, for each of these reads; `is_shared` where another's data may be at fault."""
        if not isinstance(error, ExportError):
            _log.error("unforeseen error in a read", error=describe(error))
        suspects: list[ClaimedRead] = []
        for operation, read in zip(operations, reads, strict=True):
            may_retry = _may_retry(error, read) and read.failures + 1 < settings.attempts
            if not may_retry and is_shared and not (isinstance(error, SourceError) and error.concerns_everybody):
                traces.ended_badly(operation.operation_id, failure_of(error).code)
                suspects.append(read)
            elif may_retry:
                traces.ended_badly(operation.operation_id, failure_of(error).code)
                wait_s = min(_LONGEST_RETRY_S, settings.retry_s * 2.0**read.failures)
                self._store.retry([read], owner=self._owner, at=self._clock.now() + timedelta(seconds=wait_s))
                _log.info("read is tried again", operation_id=operation.operation_id, source=read.source_name, wait_s=wait_s)
            else:
                self.fail(operation, failure_of(error, read.source_name), read)
        # Whatever it is, it may be the data of one of the pass: the others must not fail with it.
        size = -(-len(suspects) // _PARTS)
        for start in range(0, len(suspects), size or 1):
            part = suspects[start : start + size]
            self._store.retry(part, owner=self._owner, at=self._clock.now(), group=secrets.randbits(62) + 1)

    def without_deadly(self, claim: ReadSet | FinishSet) -> ReadSet | FinishSet:
        """Give up what of a claim the service has died of, beyond doubt; return the rest."""
        claimed: Sequence[ClaimedRead | ClaimedOperation] = claim.reads if isinstance(claim, ReadSet) else claim.operations
        is_kept = [not each.deaths.are_proof for each in claimed]
        if all(is_kept):
            return claim
        for operation, each in zip(claim.operations, claimed, strict=True):
            if each.deaths.are_proof:
                self.fail(operation, _died_of(each), each)
        operations = tuple(compress(claim.operations, is_kept))
        if isinstance(claim, FinishSet):
            return msgspec.structs.replace(claim, operations=operations)
        return msgspec.structs.replace(claim, operations=operations, reads=tuple(compress(claim.reads, is_kept)))

    def storage_of_read(self, operation: ClaimedOperation, read: ClaimedRead, error: StorageError, settings: ExportSettings) -> None:
        """Deal with a storage location that did not take what a read found."""
        if self._is_hopeless(operation, error, settings):
            self.fail(operation, failure_of(error), read)
        else:
            traces.ended_badly(operation.operation_id, error.code)
            self._store.retry([read], owner=self._owner, at=self._later(operation, error), waiting_for=failure_of(error))

    def finishing(self, operation: ClaimedOperation, error: Exception, settings: ExportSettings) -> None:
        """Deal with a package that could not be finished."""
        if not isinstance(error, ExportError):
            _log.error("unforeseen error in finishing", operation_id=operation.operation_id, error=describe(error))
        if not isinstance(error, StorageError) or self._is_hopeless(operation, error, settings):
            self.fail(operation, failure_of(error), operation)
        else:
            traces.ended_badly(operation.operation_id, error.code)
            self._store.retry_finish(operation, owner=self._owner, at=self._later(operation, error), waiting_for=failure_of(error))

    def _later(self, operation: ClaimedOperation, error: StorageError) -> datetime:
        """Return when to try again: soon after a wait has begun, since most are short, and the less often the longer it lasts."""
        now, since = self._clock.now(), self._store.waiting_since(operation.operation_id)
        waited_s = 0.0 if since is None else (now - since).total_seconds()
        wait_s = min(_LONGEST_STORAGE_RETRY_S, max(_FIRST_STORAGE_RETRY_S, waited_s / 2))
        if isinstance(error, StorageUnavailable) and error.retry_after_s:
            wait_s = error.retry_after_s
        return now + timedelta(seconds=wait_s)

    def _is_hopeless(self, operation: ClaimedOperation, error: StorageError, settings: ExportSettings) -> bool:
        """Whether waiting is useless, or has lasted long enough (DESIGN rule 8)."""
        is_curable = error.is_curable if isinstance(error, StorageRefused) else isinstance(error, StorageUnavailable)
        since = self._store.waiting_since(operation.operation_id) if is_curable else None
        return not is_curable or (since is not None and self._clock.now() - since > timedelta(hours=settings.wait_h))


def _died_of(claimed: ClaimedRead | ClaimedOperation) -> Failure:
    """Say that the service died of a read, or of the end of a package."""
    what, name = "finished this package", ""
    if isinstance(claimed, ClaimedRead):
        what, name = "read this source for this person", claimed.source_name
    message = f"the service died each time that it {what} and did nothing else, for more than an hour; {_WHY_DIED}"
    return Failure(code=DIED_CODE, message=message, source_name=name)


def _may_retry(error: BaseException, read: ClaimedRead) -> bool:
    """Whether another try can bring something else. What was planned from files that are gone by now stays as it was planned."""
    if isinstance(error, SourceUnavailable):
        return error.code != "SourceChanged" or not read.spec_digest
    return not isinstance(error, ExportError)
