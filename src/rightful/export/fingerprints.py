"""What is kept of an export so that a later one can bring the difference alone, and how the two are compared in the end."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial

import msgspec
import structlog

from rightful.errors import ConfigurationError, InvalidRequest, OperationError
from rightful.export.records import ReadRecord
from rightful.export.tracking import Bases, Earlier, Tracker, lost
from rightful.ids import OperationId, TenantId, is_guid
from rightful.operation.model import SUBMIT_AGAIN, OperationStatus
from rightful.package.difference import Comparison, Counts, Named, Since, SourceChanges, cut, format_list, may_hide
from rightful.package.fingerprint import fingerprint_key
from rightful.sealing import Sealer
from rightful.store.fingerprint_folder import FingerprintFolder, FingerprintsLost, Section
from rightful.store.interface import Store
from rightful.store.values import ClaimedOperation, ClaimedRead, SourceOutcome
from rightful.subject.model import DataSubject

_log = structlog.get_logger(__name__)

Reads = Sequence[tuple[SourceOutcome, ReadRecord]]


class KeptSource(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one source."""

    section: Section
    key: tuple[str, ...] = ()
    """The columns that name its records."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of an operation, besides its file; sealed in the store."""

    secret: bytes
    """The operation's: what its fingerprints and hashes were made with, so that a later one makes the same."""
    policy_sha256: str
    software: str
    sources: dict[str, KeptSource]


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """A difference."""

    since: Since
    named: Callable[[], Iterator[bytes]]
    """gone.jsonl, in chunks; from the beginning with each call."""


class Fingerprints:
    """Keeps and compares; used from any thread."""

    def __init__(self, store: Store, sealer: Sealer, folder: FingerprintFolder) -> None:
        self._store = store
        self._sealer = sealer
        self._folder = folder

    def kept(self, tenant_id: TenantId, operation_id: OperationId) -> Kept | None:
        """Return what is kept of a complete operation, None where nothing is, or not all of it."""
        sealed = self._store.fingerprints(tenant_id, operation_id)
        if sealed is None or not self._folder.has_index(operation_id):
            return None
        try:
            return msgspec.msgpack.decode(self._sealer.open(sealed, tenant_id, operation_id), type=Kept)
        except (ConfigurationError, msgspec.MsgspecError):
            return None

    def check(self, since: object, subject: DataSubject) -> None:
        """Raise `InvalidRequest` unless a later export of a subject can be compared with this operation.

        What there is not, what is not complete and what is another person's are told alike.
        """
        operation_id = parse_since(since)
        earlier = None if operation_id is None else self._store.get(subject.tenant_id, operation_id)
        is_theirs = (
            earlier is not None
            and (earlier.subject_kind, earlier.subject_id) == (subject.kind, subject.subject_id)
            and earlier.status is OperationStatus.COMPLETE
            and earlier.package is not None
            and bool(earlier.package.receipt_sha256)
        )
        if earlier is None or not is_theirs:
            raise InvalidRequest(
                "since does not name a complete export of this person",
                code="SinceUnknown",
                hint="give the id of an operation of theirs that is complete; without since all is exported",
                target="since",
            )
        if self.kept(subject.tenant_id, earlier.operation_id) is None:
            raise not_kept()

    def bases(self) -> Bases:
        """Return room for what a set of reads is compared with."""
        return Bases(self._folder)

    def tracker(self, operation: ClaimedOperation, read: ClaimedRead, secret: bytes, bases: Bases) -> Tracker:
        """Return what follows a read; raises `OperationError` where it is to be compared with what is no longer kept."""
        earlier = None
        if operation.since is not None:
            before = self._kept_before(operation).sources.get(read.source_name)
            earlier = Earlier(operation.since, None if before is None else before.section, bases)
        log = self._folder.log(operation.operation_id, read.source_name, read.partition)
        return Tracker(log, fingerprint_key(secret), earlier)

    def index(
        self, operation: ClaimedOperation, reads: Mapping[str, Reads], *, secret: bytes, policy_sha256: str, software: str
    ) -> Kept | None:
        """Put the fingerprints of all reads in order; None where some were not put down, or are lost.

        Raises `OperationError` for a difference, which cannot do without.
        """
        counts = {name: [(outcome.partition, record.fingerprints) for outcome, record in several] for name, several in reads.items()}
        known = {name: [(number, count) for number, count in each if count is not None] for name, each in counts.items()}
        sections = None
        if known == counts:  # else an export that began before fingerprints were wanted
            with suppress(FingerprintsLost):
                sections = self._folder.write_index(operation.operation_id, known.items())
        if sections is None:
            if operation.since is not None:
                raise OperationError(
                    "the fingerprints of what was read are no longer there: the difference cannot be told",
                    code="CheckpointLost",
                    hint=SUBMIT_AGAIN,
                )
            _log.warning("no later export can be compared with this one: fingerprints are missing", operation=operation.operation_id)
            return None
        return Kept(
            secret=secret,
            policy_sha256=policy_sha256,
            software=software,
            sources={
                name: KeptSource(section=sections[name], key=next((record.key for _, record in several if record.key), ()))
                for name, several in reads.items()
            },
        )

    def compare(self, operation: ClaimedOperation, now: Kept) -> Compared:
        """Compare an operation with the one that it is the difference to."""
        assert operation.since is not None
        then = self._kept_before(operation)
        earlier = self._store.get(operation.tenant_id, operation.since)
        if earlier is None or earlier.package is None:
            raise lost()
        names = [*now.sources, *(name for name in then.sources if name not in now.sources)]
        # Once: what is named is read again for its digest, and again when it is put.
        comparisons = {name: Comparison() for name in now.sources}
        compared = (
            (name, self._compared(operation, then.sources.get(name), source, comparisons[name])) for name, source in now.sources.items()
        )
        self._folder.write_named(operation.operation_id, format_list(compared))
        since = Since(
            operation_id=operation.since,
            receipt_sha256=earlier.package.receipt_sha256,
            is_policy_same=then.policy_sha256 == now.policy_sha256,
            is_software_same=then.software == now.software,
            fingerprint_key=fingerprint_key(now.secret),
            sources={name: _changes(then.sources.get(name), now.sources.get(name), comparisons.get(name)) for name in names},
        )
        return Compared(since=since, named=partial(self._named, operation.operation_id))

    def _named(self, operation_id: OperationId) -> Iterator[bytes]:
        try:
            yield from self._folder.read_named(operation_id)
        except FingerprintsLost:
            raise lost() from None

    def seal(self, operation: ClaimedOperation, kept: Kept) -> bytes:
        """Return what the store keeps of an operation."""
        return self._sealer.seal(msgspec.msgpack.encode(kept), operation.tenant_id, operation.operation_id)

    def tidy(self, operation_id: OperationId, *, is_kept: bool) -> None:
        """Remove what is no longer needed of an operation that is complete."""
        if is_kept:
            self._folder.remove_logs(operation_id)
        else:
            self._folder.remove(operation_id)

    def _kept_before(self, operation: ClaimedOperation) -> Kept:
        assert operation.since is not None
        kept = self.kept(operation.tenant_id, operation.since)
        if kept is None:
            raise lost()
        return kept

    def _compared(self, operation: ClaimedOperation, then: KeptSource | None, now: KeptSource, comparison: Comparison) -> Iterator[Named]:
        assert operation.since is not None
        try:
            before = self._folder.read_section(operation.since, then.section) if then is not None else b""
            after = self._folder.read_section(operation.operation_id, now.section)
        except FingerprintsLost:
            raise lost() from None
        yield from comparison.run(cut(before), cut(after), is_partial=may_hide(cut(before), cut(after)))


def _changes(then: KeptSource | None, now: KeptSource | None, comparison: Comparison | None) -> SourceChanges:
    if now is None or comparison is None:  # not searched any more: who can say what is gone
        return SourceChanges(records=Counts(), files=Counts(), is_searched=False)
    return SourceChanges(records=comparison.records, files=comparison.files, key=now.key, was_searched=then is not None)


def parse_since(since: object) -> OperationId | None:
    """Return the operation that `since` names; None where it is no id of one."""
    return OperationId(since.lower()) if isinstance(since, str) and is_guid(since.lower()) else None


def not_kept() -> InvalidRequest:
    """Return the error for an export that nothing is kept of."""
    return InvalidRequest(
        "nothing is kept of that export to compare with",
        code="SinceNotKept",
        hint="ask for all, without since; export.compare_days says for how long fingerprints are kept",
        target="since",
    )
