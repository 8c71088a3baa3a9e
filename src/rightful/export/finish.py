"""Finishes packages: every read is done, what is left is the ledger, the manifests and the word `complete`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from rightful import __version__
from rightful.clock import Clock
from rightful.errors import EntryConflict, OperationError, StorageError
from rightful.export import layout, zipping
from rightful.export.brought import THERE, Reads, gather
from rightful.export.cancelling import Leashes, leashed
from rightful.export.fingerprints import Compared, Fingerprints, Kept
from rightful.export.identities import Identities
from rightful.export.putting import Putter, sync_each
from rightful.export.recipients import sealed_for
from rightful.export.records import PACKAGE, EntryRecord, Sealed
from rightful.export.runtime import TenantRuntime
from rightful.export.side_by_side import SideBySide
from rightful.export.terms import TermsOf
from rightful.export.trouble import Trouble
from rightful.export.zipping import ZipStorage
from rightful.identity.permissions import asked_by
from rightful.ids import TenantId
from rightful.leash import Leash, working
from rightful.operation.model import SUBMIT_AGAIN, PackageTotals
from rightful.package import bagit, closing, ledger, receipt
from rightful.package.datapackage import SourceTitle
from rightful.package.digest import Digest
from rightful.package.minisign import SigningKey
from rightful.package.viewer.shards import call_of
from rightful.sealing import Sealer
from rightful.storage.interface import Storage
from rightful.storage.registry import Storages
from rightful.storage.sealing import SealingStorage
from rightful.store.interface import Store
from rightful.store.values import ClaimedOperation, Completion, Entry, EntryState, FinishSet, StoreFault

_CLOSING_PARTITION = 1
"""Partition 0 holds RequestInfo.json, this one what closes the package."""

_GROUP_ENTRIES = 4096
"""Packages are finished together until they have so many entries: what is in memory of one does not multiply with their number."""

_SOFTWARE = f"Rightful {__version__}"


class _Ending(msgspec.Struct, frozen=True, kw_only=True):
    """The end of one package, ready to be put."""

    operation: ClaimedOperation
    leash: Leash
    location: Storage
    storage: Storage
    """Where its entries are put: the location, or the ZIP file in it."""
    documents: tuple[closing.Document, ...]
    new_entries: tuple[Entry, ...]
    """To be put down before the documents are put; none where an earlier attempt put the same down."""
    totals: PackageTotals
    begun: zipping.Begun | None = None
    """What a ZIP file holds so far; None for a folder."""
    sealed_fingerprints: bytes | None = None
    """What is kept to compare later operations with, None where nothing is."""
    has_fingerprints: bool = False
    """Whether there are any of it in files."""


class Finisher:
    """Writes the end of packages and ends their operations; several at once share the last sync and the last commit."""

    def __init__(
        self,
        *,
        store: Store,
        storages: Storages,
        sealer: Sealer,
        clock: Clock,
        identities: Identities,
        trouble: Trouble,
        fingerprints: Fingerprints,
        leashes: Leashes,
        owner: str,
        side_by_side: SideBySide,
        keys: Mapping[TenantId, SigningKey],
    ) -> None:
        self._clock = clock
        self._keys = keys
        self._terms = TermsOf()
        self._store = store
        self._storages = storages
        self._sealer = sealer
        self._identities = identities
        self._trouble = trouble
        self._fingerprints = fingerprints
        self._leashes = leashes
        self._owner = owner
        self._side_by_side = side_by_side

    def run(self, claim: FinishSet, tenant: TenantRuntime) -> None:
        """Finish every operation of the set; what goes wrong is put down for that operation alone."""
        endings: list[_Ending] = []
        entries = 0
        for number, operation in enumerate(claim.operations, 1):
            prepared = list(self._prepare(operation, tenant))
            endings += prepared
            entries += sum(ending.totals.entries for ending in prepared)
            if entries >= _GROUP_ENTRIES or number == len(claim.operations):
                with working(ending.leash for ending in endings):
                    self._finish(endings, tenant)
                endings, entries = [], 0

    def _finish(self, endings: Sequence[_Ending], tenant: TenantRuntime) -> None:
        new = [entry for ending in endings for entry in ending.new_entries]
        lost = self._store.stage(new, owner=self._owner, finishing=[ending.operation for ending in endings])
        putter = Putter(self._clock)
        ours = [ending for ending in endings if ending.operation.operation_id not in lost]
        was_put = self._side_by_side.map(
            lambda ending: self._put(putter, ending, tenant), ours, is_remote=lambda ending: ending.location.properties.is_remote
        )
        written = [ending for ending, is_there in zip(ours, was_put, strict=True) if is_there]
        ended = self._sync(written, tenant)
        completions = [
            Completion(operation=ending.operation, package=ending.totals, sealed_fingerprints=ending.sealed_fingerprints)
            for ending in ended
        ]
        late = self._store.complete(completions, owner=self._owner)
        for ending in ended:
            operation_id = ending.operation.operation_id
            self._identities.forget(operation_id)
            if ending.has_fingerprints and operation_id not in late:
                self._fingerprints.tidy(operation_id, is_kept=ending.sealed_fingerprints is not None)

    def _prepare(self, operation: ClaimedOperation, tenant: TenantRuntime) -> Iterator[_Ending]:
        """Yield what is to be put; nothing where the operation cannot be finished."""
        sealed = Sealed(self._sealer, operation.tenant_id, operation.operation_id)
        try:
            opened = self._storages.open(sealed.open_location(operation.sealed_location), tenant.policy)
            leash = self._leashes.of(operation.operation_id)
            location = leashed(opened, leash)
            entries = self._store.entries(operation.operation_id)
            storage = sealed_for(operation, zipping.opened(location, operation.prefix, self._clock), lambda: entries, sealed)
            reads = self._reads(operation, sealed)
            kept = self._index(operation, tenant, reads, lambda: sealed.secret(entries))
            compared = self._fingerprints.compare(operation, kept) if operation.since is not None and kept is not None else None
            finished = self._finished(operation, tenant, sealed, entries, reads, compared)
            documents = closing.documents(finished)
            if isinstance(storage, SealingStorage):
                documents = (*documents, *_sealed_documents(operation, storage, finished, documents))
            ending = _ending(operation, leash, location, sealed, finished, documents, entries)
            is_kept = kept is not None and tenant.config.export.compare_days > 0
            yield msgspec.structs.replace(
                ending,
                storage=storage,
                begun=zipping.begin(_there(entries), sealed) if isinstance(storage, ZipStorage) else None,
                sealed_fingerprints=self._fingerprints.seal(operation, kept) if kept is not None and is_kept else None,
                has_fingerprints=kept is not None,
            )
        except StoreFault:
            raise
        except Exception as error:  # noqa: BLE001 - one operation that cannot be finished must not keep the others of its set
            self._trouble.finishing(operation, error, tenant.config.export)

    def _put(self, putter: Putter, ending: _Ending, tenant: TenantRuntime) -> bool:
        if isinstance(ending.storage, ZipStorage) and not ending.new_entries:
            ending.storage.may_be_made()
        for document in ending.documents:
            unput = putter.put(
                ending.operation,
                ending.storage,
                document.path,
                tuple(document.chunks()),
                size_bytes=document.digest.size_bytes,
                sha256=document.digest.sha256,
                may_be_there=not ending.new_entries,
            )
            if unput is None:
                continue
            if isinstance(unput.error, EntryConflict):
                # Who resumes must not take what lies there for what was staged.
                unknown = [msgspec.structs.replace(entry, sha256="") for entry in ending.new_entries]
                self._store.stage(unknown, owner=self._owner, finishing=[ending.operation])
            self._trouble.finishing(ending.operation, unput.error, tenant.config.export)
            return False
        return self._join(ending, tenant)

    def _join(self, ending: _Ending, tenant: TenantRuntime) -> bool:
        """Make the ZIP file, where the package is one; nothing of it can be seen before."""
        file = ending.storage
        if not isinstance(file, ZipStorage) or ending.begun is None:
            return True
        try:
            documents = [(document.path, document.digest.size_bytes) for document in ending.documents]
            if not file.end(ending.begun, documents, may_be_there=not ending.new_entries):
                raise EntryConflict("something else lies at the path of the package", hint="use a storage location that is empty")
        except StorageError as error:
            self._trouble.finishing(ending.operation, error, tenant.config.export)
            return False
        return True

    def _sync(self, endings: Sequence[_Ending], tenant: TenantRuntime) -> list[_Ending]:
        """Make what was put durable; return what is."""
        failed = sync_each((ending.storage for ending in endings), self._side_by_side)
        for ending in endings:
            if id(ending.storage) in failed:
                self._trouble.finishing(ending.operation, failed[id(ending.storage)], tenant.config.export)
        return [ending for ending in endings if id(ending.storage) not in failed]

    def _reads(self, operation: ClaimedOperation, sealed: Sealed) -> Reads:
        """Return what is known of the operation's reads, by source."""
        found: Reads = {}
        for outcome in self._store.outcomes(operation.operation_id):
            found.setdefault(outcome.source_name, []).append((outcome, sealed.open_read(outcome.sealed_outcome)))
        return found

    def _index(self, operation: ClaimedOperation, tenant: TenantRuntime, reads: Reads, secret: Callable[[], bytes]) -> Kept | None:
        """Put the operation's fingerprints in order, where they are wanted."""
        if operation.since is None and not tenant.config.export.compare_days:
            return None
        policy = self._terms(tenant.config, frozenset(reads)).policy_sha256
        return self._fingerprints.index(operation, reads, secret=secret(), policy_sha256=policy, software=_SOFTWARE)

    def _finished(  # noqa: PLR0917 - private, called once
        self,
        operation: ClaimedOperation,
        tenant: TenantRuntime,
        sealed: Sealed,
        entries: Sequence[Entry],
        outcomes: Reads,
        compared: Compared | None,
    ) -> closing.Finished:
        there = gather(entries, outcomes, tenant, sealed)
        ended_at = max((record.ended_at for record in there.records if record.ended_at is not None), default=operation.submitted_at)
        terms = self._terms(tenant.config, frozenset(outcomes))
        return closing.Finished(
            ledger=ledger.Ledger(
                operation_id=operation.operation_id,
                tenant_id=operation.tenant_id,
                subject_id=operation.subject_id,
                configured=tuple(outcomes),
                sources=there.records,
                submitted_at=operation.submitted_at,
                completed_at=ended_at,
                since=compared.since if compared is not None else None,
                asked_by=asked_by(operation.caller_key, operation.subject_id),
            ),
            named=compared.named if compared is not None else None,
            entries=there.payload,
            shards=there.shards,
            request_info=_request_info(entries),
            organization=tenant.config.name,
            language=operation.language,
            titles=_filed(terms.titles, there.records),
            labels=terms.labels,
            statement=tenant.config.statement,
            software_agent=_SOFTWARE,
            bagged_at=ended_at,
            has_viewer=tenant.config.export.viewer == "on",
            key=self._keys[operation.tenant_id],
            policy_sha256=terms.policy_sha256,
            previous=operation.previous_receipt,
            call=call_of(sealed.shown_by(entries)),
        )


def _filed(titles: Iterable[SourceTitle], records: Iterable[ledger.SourceRecord]) -> tuple[SourceTitle, ...]:
    """Return how sources are presented, under the product that each was filed under when it was read."""
    products = {record.source_name: record.product for record in records}
    named = ((title, products.get(title.source_name, title.product)) for title in titles)
    return tuple(title if title.product == product else msgspec.structs.replace(title, product=product) for title, product in named)


def _sealed_documents(
    operation: ClaimedOperation, storage: SealingStorage, finished: closing.Finished, documents: Sequence[closing.Document]
) -> tuple[closing.Document, ...]:
    """Return what ends a sealed package, after all that ends any."""
    return closing.sealed_documents(
        finished,
        documents,
        name_of=storage.name_of,
        key_file=operation.key_file,
    )


def _ending(  # noqa: PLR0917 - private, called once
    operation: ClaimedOperation,
    leash: Leash,
    location: Storage,
    sealed: Sealed,
    finished: closing.Finished,
    documents: tuple[closing.Document, ...],
    entries: Sequence[Entry],
) -> _Ending:
    """Put an ending together; a package that an earlier attempt began to close differently cannot be closed."""
    new = tuple(
        Entry(
            operation_id=operation.operation_id,
            source_name=PACKAGE,
            partition=_CLOSING_PARTITION,
            number=number,
            state=EntryState.STAGED,
            sealed=sealed.entry(EntryRecord(key=document.path, path=document.path)),
            sha256=document.digest.sha256,
            size_bytes=document.digest.size_bytes,
        )
        for number, document in enumerate(documents)
    )
    before = tuple(entry for entry in entries if entry.source_name == PACKAGE and entry.partition == _CLOSING_PARTITION)
    if any(not entry.sha256 for entry in before):
        raise EntryConflict(
            "something else lies at the path of an entry that closes the package", hint=f"{SUBMIT_AGAIN}, to an empty location"
        )
    if before and _unsealed(before) != _unsealed(new):
        raise OperationError(
            "the end of the package was begun with another version or configuration of the service and cannot be written again",
            code="PackageChanged",
            hint=SUBMIT_AGAIN,
        )
    there = (*finished.entries, *finished.shards)
    return _Ending(
        operation=operation,
        leash=leash,
        location=location,
        storage=location,
        documents=documents,
        new_entries=() if before else new,
        totals=PackageTotals(
            prefix=layout.shown(operation.prefix),
            entries=len(there) + len(documents) + 1,
            size_bytes=sum(entry.size_bytes for entry in there) + sum(document.digest.size_bytes for document in documents),
            manifest_sha256=_sha256(documents, bagit.MANIFEST_PATH),
            receipt_sha256=_sha256(documents, receipt.PATH),
        ),
    )


def _unsealed(entries: Sequence[Entry]) -> list[Entry]:
    """Return entries without what looks different each time that it is sealed; earlier versions did not put the paths down."""
    return [msgspec.structs.replace(entry, sealed=b"") for entry in entries]


def _there(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Yield the entries that lie in the storage location, but for what closes the package."""
    return (entry for entry in entries if entry.state in THERE and (entry.source_name, entry.partition) != (PACKAGE, _CLOSING_PARTITION))


def _sha256(documents: Sequence[closing.Document], path: str) -> str:
    return next(document.digest.sha256 for document in documents if document.path == path)


def _request_info(entries: Sequence[Entry]) -> Digest:
    for entry in entries:
        if entry.source_name == PACKAGE and entry.partition == 0:
            return Digest(sha256=entry.sha256, size_bytes=entry.size_bytes)
    raise OperationError("the store lost the package's first entry", code="CheckpointLost", hint=SUBMIT_AGAIN)
