"""What the store keeps sealed about reads and entries, as values."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from rightful.config.model import SourceConfig
from rightful.connectors.interface import Cursor, Partition
from rightful.ids import OperationId, TenantId
from rightful.package.activity import Activity
from rightful.package.forms import Form
from rightful.package.ledger import LeakCheck, RedactedColumn
from rightful.package.schema import Column
from rightful.sealing import Sealer
from rightful.store.values import ClaimedRead, Entry, NewRead
from rightful.subject.model import IdentifiedSubject

PACKAGE = ""
"""The source name of entries that belong to the package itself."""


PLAN = OperationId("plan")
"""What sealed plans are bound to instead of an operation."""


SECRET_BYTES = 32


class Packed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an entry lies in the pieces of a ZIP file."""

    crc32: int
    packed_bytes: int
    is_deflated: bool = False
    writer: str
    """Names who put the pieces: two that put the same entry never replace each other's."""
    piece: int
    """The number of the piece that has the entry's header."""
    piece_bytes: int
    offset: int = 0
    """Where in that piece the header begins."""
    blocks: int = 0
    """How many pieces follow that hold nothing but the entry's content, numbered just before `piece`; none where the piece has that too."""


class EntryRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Names of one entry or skipped item; they may be personal."""

    key: str
    """Names the entry within its read: its first path, or the skipped item."""
    path: str = ""
    """The entry's path in the package; empty for a skipped item."""
    origin: bytes = b""
    """The item's own path in the source, where it is a file; bytes, since a file name need not be text."""
    is_copy: bool = False
    """Whether it has in another form what another entry has."""
    reason: str = ""
    """Why an item was skipped, or what replaces a superseded entry."""
    modified_ns: int | None = None
    """When the file was last changed, as its source said; as `mode` for the ledger alone."""
    mode: int | None = None
    is_changed: bool | None = None
    """Of a file of a difference: whether the earlier operation had one of its path; None of anything else."""
    shows: int = 0
    """How many records a shard has; 0 where a version put it down that made one for each part."""
    activity: Activity | None = None
    """When the records are from that a shard has; None where no column says so."""
    packed: Packed | None = None
    """Where it lies, once it counts, in a package that is a ZIP file."""
    content: bytes = b""
    """Of RequestInfo.json alone, for such a package: it lies in the ZIP file too."""
    secret: bytes = b""
    """Random, of the operation: kept with its first entry, RequestInfo.json, and forgotten with all entries when it is complete."""
    shown_by: str = ""
    """Likewise, in hex: only who has read START-HERE.html may load what it shows (`package.viewer.shards`)."""
    sealing: bytes = b""
    """Likewise: what the names and keys of a sealed package are made from. In no other package, unlike `secret`."""


class ReadUnder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a source's settings are when it is read."""

    digest: str = ""
    """Keyed (`SealedPlans.under`); empty: not known, by an earlier version."""
    columns: tuple[str, ...] = ()
    """That are not read."""
    paths: tuple[str, ...] = ()
    """Patterns of those that are not read."""
    connector: str = ""
    """What reads it; empty as `digest`, as is `product`."""
    product: str = ""
    """Under which it is filed. A read that goes on is filed as it was begun, whatever the settings say now: what it brings lies in one
    folder."""


class ReadRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a read found out besides its rows."""

    columns: tuple[Column, ...] = ()
    """As they are delivered."""
    forms: tuple[Form, ...] = (Form.JSONL,)
    """In which its rows are delivered."""
    redacted: tuple[RedactedColumn, ...] = ()
    """What the operator's rules withheld, in the entries that are done."""
    filled: tuple[str, ...] | None = None
    """Columns that hold anything (`package.filled`), in order; None where an earlier version, which did not look, read some of it."""
    leaks: LeakCheck | None = None
    """What the rows in these entries were looked through for; None of a source without rows."""
    searched: str = ""
    left_out: tuple[str, ...] = ()
    """Rows that were not read at all by the source's own settings; see `ReadHeader.left_out`."""
    identifiers: dict[str, int] = {}
    """How many identifiers of each kind were searched for."""
    refused: dict[str, dict[str, int]] = {}
    """Of these kinds: how many identifiers were too weak to be searched for, by `subject.model.Weakness`."""
    searched_for: str = ""
    """Keyed digest of these identifiers (`Sealed.digest`); they may be others when the read goes on."""
    settings: ReadUnder = ReadUnder()
    """The source's; they may be others when the read goes on."""
    key: tuple[str, ...] = ()
    """The columns that name a record in its fingerprint; none where all that it holds does."""
    fingerprints: int | None = None
    """How many fingerprints in its log are of what lies before its cursor; None where none are put down."""
    seen: int | None = None
    """How many rows lie before its cursor, those too that a difference leaves out; None: as many as were delivered."""
    moments: tuple[datetime, ...] = ()
    """The moments of the source that its rows are of, where it can tell: several where it went on later."""
    started_at: datetime | None = None
    ended_at: datetime | None = None


class SealedPlans:
    """Seals what connectors planned for one tenant: operations that share a scan share its plan."""

    def __init__(self, sealer: Sealer, tenant_id: TenantId) -> None:
        self._sealer = sealer
        self._place = (tenant_id, PLAN)

    def read(self, source_name: str, partition: Partition) -> NewRead:
        """Make a read of a partition."""
        spec = partition.spec.encode()
        return NewRead(
            source_name=source_name,
            partition=partition.number,
            spec_digest=self._sealer.digest(spec),
            sealed_spec=self._sealer.seal(spec, *self._place),
            estimated_rows=partition.rows,
            estimated_bytes=partition.size_bytes,
        )

    def partition(self, read: ClaimedRead) -> Partition:
        """Make the partition of a read again."""
        return Partition(number=read.partition, spec=self._sealer.open(read.sealed_spec, *self._place).decode())

    def under(self, source: SourceConfig) -> ReadUnder:
        """Return what a source's settings are; of a value of a third party's own type the name of the type counts."""
        written = msgspec.msgpack.encode(source.settings, enc_hook=lambda value: type(value).__name__, order="deterministic")
        return ReadUnder(
            digest=self._sealer.digest(written),
            columns=source.unread_columns,
            paths=source.unread_paths,
            connector=source.connector,
            product=source.product,
        )


class Sealed:
    """Seals records for one operation and opens them again."""

    def __init__(self, sealer: Sealer, tenant_id: TenantId, operation_id: OperationId) -> None:
        self._sealer = sealer
        self._place = (tenant_id, operation_id)

    def entry(self, record: EntryRecord) -> bytes:
        """Seal the names of an entry."""
        return self._seal(record)

    def open_entry(self, sealed: bytes) -> EntryRecord:
        """Open the names of an entry."""
        return msgspec.msgpack.decode(self._sealer.open(sealed, *self._place), type=EntryRecord)

    def secret(self, entries: Iterable[Entry]) -> bytes:
        """Return the secret of the operation; empty where a version accepted it that made none."""
        own = (self.open_entry(entry.sealed) for entry in entries if entry.source_name == PACKAGE and entry.partition == 0)
        return next((record.secret for record in own), b"")

    def new_shown_by(self, subject_id: str) -> str:
        """Make what `shown_by` of the operation's first entry is: the same in all packages of a person, known to nobody who has no key."""
        return self._sealer.digest(f"shards of {self._place[0]}/{subject_id}".encode())

    def shown_by(self, entries: Iterable[Entry]) -> str:
        """Return it; empty where a version accepted the operation that made none."""
        own = (self.open_entry(entry.sealed) for entry in entries if entry.source_name == PACKAGE and entry.partition == 0)
        return next((record.shown_by for record in own), "")

    def sealing(self, entries: Iterable[Entry]) -> bytes:
        """Return the operation's sealing secret; empty where its package is not sealed."""
        own = (self.open_entry(entry.sealed) for entry in entries if entry.source_name == PACKAGE and entry.partition == 0)
        return next((record.sealing for record in own), b"")

    def digest(self, kinds: Iterable[str], subject: IdentifiedSubject) -> str:
        """Return what is equal where a subject has the same identifiers of these kinds (of all, where none is named), in whatever order."""
        pairs = sorted({(kind, value) for kind in tuple(kinds) or subject.identifiers for value in subject.values(kind)})
        return self._sealer.digest(msgspec.msgpack.encode(pairs))

    def read(self, record: ReadRecord) -> bytes:
        """Seal what a read found out."""
        return self._seal(record)

    def open_read(self, sealed: bytes | None) -> ReadRecord:
        """Open what a read found out; an empty record where nothing was put down."""
        if sealed is None:
            return ReadRecord()
        return msgspec.msgpack.decode(self._sealer.open(sealed, *self._place), type=ReadRecord)

    def cursor(self, cursor: Cursor) -> bytes:
        """Seal a cursor: it may hold a path or a key."""
        return self._sealer.seal(msgspec.msgpack.encode(cursor.after), *self._place)

    def open_cursor(self, sealed: bytes) -> Cursor:
        """Open a cursor."""
        # Untyped: msgspec decodes no union of text and bytes, though MessagePack tells them apart.
        after = msgspec.msgpack.decode(self._sealer.open(sealed, *self._place))
        after = tuple(after) if isinstance(after, list) else after
        assert isinstance(after, int | str | bytes | tuple)
        return Cursor(after)

    def location(self, text: str) -> bytes:
        """Seal a storage location with its signature."""
        return self._sealer.seal(text.encode(), *self._place)

    def open_location(self, sealed: bytes) -> str:
        """Open a storage location."""
        return self._sealer.open(sealed, *self._place).decode()

    def _seal(self, record: msgspec.Struct) -> bytes:
        return self._sealer.seal(msgspec.msgpack.encode(record), *self._place)
