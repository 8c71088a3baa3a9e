"""The contract of a connector: how one kind of system is searched for a *set* of data subjects.

Rules:
* A connector is built by name, from its settings, where it runs; everything that crosses this seam is a plain value.
* `plan` splits the search into partitions that can be read independently, in any order, by different processes. What it returns
  depends on the source alone, never on how many processors there are, so that packages are the same everywhere.
* `read` reads one partition for a set of subjects in one pass over the source. Rows of one subject keep the same order every time
  the source has not changed. It yields one `ReadHeader` first, then `Rows`, `FileItem` and `SkippedItem` as they come.
* Nothing that does not belong to one of the subjects is ever yielded. The caller checks this again, row by row.
* Memory is bounded: a batch holds at most about 8 MiB, whatever a subject has.
* A connector raises `SourceUnavailable` (worth another try) or `SourceRefused` (is not), and nothing else. Closing the generator
  early releases what it holds.
* Methods are called from any thread; two `read` calls of one connector may run side by side.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import msgspec
import pyarrow as pa

from rightful.package.schema import Column
from rightful.subject.model import IdentifiedSubject

SUBJECT_COLUMN = "\x1fsubject"
"""Hidden int32 column of every batch: the index, in the set that was given to `read`, of the subject a row belongs to."""

KEY_COLUMN = "\x1fkey"
"""Hidden column with the source's unique ordering key, where it has one: rows of a subject come in ascending order of it.

Integers, texts or bytes; a struct of these where the key is of several columns, the first of which counts most."""

MATCH_PREFIX = "\x1fmatch:"
"""Hidden columns with the values that a row was matched by, where they are not among the visible columns."""


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """One independently readable piece of a source, for the whole set."""

    number: int
    """0, 1, 2, … without gaps."""
    spec: str = ""
    """What the connector needs to find it again (JSON, its own form); the same for every set of subjects. Empty only where there is one
    partition: that is planned anew at each attempt."""
    rows: int | None = None
    """Estimated rows for ONE subject of average size, None where nothing is known."""
    size_bytes: int | None = None
    """Estimated bytes as above; for files, the sum of their sizes where it is cheap to know."""


class MatchColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column of the batch that holds the identifier a row was found by; of several, one must match."""

    batch_column: str
    identifier_kind: str
    is_number: bool = False
    """Whether the column holds decimal numbers, so that an identifier is compared as one: `7` is 7.00."""
    over: tuple[str, ...] = ()
    """Names of the sources that a row is reached over by it, nearest first: the last one's row has it. Empty where the row itself has."""


class ReadHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What a read is about to yield."""

    columns: tuple[Column, ...] = ()
    """Visible columns in order; none for a source of files."""
    match: tuple[MatchColumn, ...] = ()
    """What the independent check compares, for rows. Empty only for sources of files."""
    searched: str = ""
    """What was searched, for the ledger: a query with placeholders, a path template. No identifier values."""
    left_out: tuple[str, ...] = ()
    """Rows that are not read at all by the source's own settings, each as `column < value`, or with another sign between."""
    third_parties: tuple[str, ...] = ()
    """Columns that name others by their nature, as a message's sender and recipients: these are not looked through for others."""
    in_subject_order: bool = False
    """Whether all rows of a subject come before the first of the next one; else they are gathered in a spool."""
    has_key: bool = False
    """Whether batches carry KEY_COLUMN, so that the read can go on after a cursor."""
    key: tuple[str, ...] = ()
    """Visible columns whose values together name a record in the source, as long as it is there; none where nothing does."""
    is_cursor_lost: bool = False
    """Whether it cannot be told any more what comes after the cursor that was given: the read starts again, without one."""


class Rows(msgspec.Struct, frozen=True):
    """A batch of at most about 8 MiB; visible columns as in the header, then hidden ones."""

    batch: pa.RecordBatch


class ItemChanged(OSError):
    """A file is no longer what its `FileItem` says: `open` will never succeed. `FileItem.renew` looks at it again."""


class FileItem(msgspec.Struct, frozen=True, kw_only=True):
    """One file of one subject, opened only when its content is asked for."""

    subject: int
    path: str
    """Its path in the source below the subject's root, `/` between segments, as it is (lone surrogates included)."""
    root: str
    """The subject's root as the source has it, for the independent check (`rightful.subject.folders`): what the template in the header's
    `searched` stands for with one of the subject's identifiers. A source without folders gives the owner that it names for the file, by
    a template of its own making (`owner/{mail}`). No file is delivered without."""
    size_bytes: int
    modified_ns: int | None = None
    """When it was last changed, in nanoseconds since 1970-01-01 UTC, where the source knows; for the ledger."""
    mode: int | None = None
    """Its permission bits, where the source has them; for the ledger."""
    open: Callable[[], Iterator[bytes]]
    """Starts reading at the beginning, in chunks of at most 1 MiB, together exactly `size_bytes`; may be called again.

    Raises `ItemChanged` where the file changed, any other `OSError` as it happens: then the item is unreadable. Raises `SourceError` where
    the source as a whole is at fault: then nothing is skipped."""
    renew: Callable[[], "FileItem | SkippedItem | None"] | None = None
    """Looks at the file again after `ItemChanged`: as it is now, None where it is gone. Not every source can."""


class SkippedItem(msgspec.Struct, frozen=True, kw_only=True):
    """Something of the subject that could not be read; ends up in the ledger, never silently."""

    subject: int
    path: str
    reason: str
    """One sentence without personal data: "permission denied", "not a regular file"."""


Item = Rows | FileItem | SkippedItem


class Cursor(msgspec.Struct, frozen=True):
    """Where a read can go on: after this key (rows) or this path (files)."""

    after: int | str | bytes | tuple[int | str | bytes, ...]
    """A tuple where the key is a struct."""


def cursor_after(key: object) -> Cursor | None:
    """Return the cursor behind a value of KEY_COLUMN (a struct's is a dict); None where it has none."""
    if isinstance(key, dict):
        parts = tuple(key.values())
        return Cursor(parts) if all(isinstance(part, int | str | bytes) for part in parts) else None
    return Cursor(key) if isinstance(key, int | str | bytes) else None


class Connector(Protocol):
    """Reads one configured source."""

    def check(self) -> None:
        """Raise `SourceError` where the source cannot be read as configured: reachable, tables and columns there, read right given."""
        ...

    def plan(self, subjects: Sequence[IdentifiedSubject]) -> tuple[Partition, ...]:
        """Return the partitions to read, at least one. Cheap: looks at statistics, not at content."""
        ...

    def read(
        self, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        """Yield the header, then what the partition holds on the subjects.

        With a cursor (only for a single subject, only where the header says `has_key` or the source is files) everything up to
        and including it is left out. Rows may come in any order of subjects; a connector that can, brings subject after subject.
        """
        ...

    def close(self) -> None:
        """Release connections; the connector is not used afterwards."""
        ...


@runtime_checkable
class Advising(Protocol):
    """The ability to say what would make reads quicker."""

    def advice(self) -> tuple[str, ...]:
        """Return what the operator could do, in a few words each; nothing where reads are as quick as they can be."""
        ...


@runtime_checkable
class Entitled(Protocol):
    """The ability to say what the account that reads may do beside reading."""

    def excess(self) -> tuple[str, ...]:
        """Return what it may do with what it reads, a word or two each (`INSERT`); nothing where that is none, or cannot be told."""
        ...


@runtime_checkable
class Doubting(Protocol):
    """The ability to say what looks as if records could be missing, though nothing failed."""

    def doubts(self) -> tuple[str, ...]:
        """Return what was noticed since it was built, a sentence each, without personal data; nothing where all is well."""
        ...


@runtime_checkable
class Interruptible(Protocol):
    """The ability to end at once: a source that asks to wait for half a minute must not hold up a service that stops."""

    def interrupt(self) -> None:
        """End reads that are under way, from any thread and at once, with `SourceUnavailable`; only `close` is called afterwards."""
        ...


@runtime_checkable
class Attributing(Protocol):
    """The ability to say whose rows are that do not say it themselves, but those of other sources that they are reached over."""

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of the identifiers that rows are found by, in whichever source; quick to ask."""
        ...

    def owners(self, kind: str, columns: Sequence[str], values: Sequence[str]) -> list[int]:
        """Return to how many people each value belongs that any of the columns may hold, in rows of all times.

        Whoever a row names counts, itself or where it is reached over; a row that names nobody may be anybody's, and counts as one.
        Raises `SourceUnavailable` where it cannot be counted in time.
        """
        ...


@runtime_checkable
class Scanning(Protocol):
    """The ability to share: a read goes over the whole source, and costs about the same for many subjects as for one."""

    @property
    def is_scan(self) -> bool | None:
        """Whether it does so as it is configured; None where that is not known yet; quick to ask."""
        ...


class Moment(Protocol):
    """One moment of a system, held so that several reads are of it, whatever changes meanwhile."""

    @property
    def is_shared(self) -> bool:
        """Whether reads of it may run side by side; else one begins when the one before has ended."""
        ...

    @property
    def is_lost(self) -> bool:
        """Whether nothing can be read at it any more: the connection that held it broke, say."""
        ...

    def close(self) -> None:
        """Let go of it, from any thread; never raises."""
        ...


@runtime_checkable
class Holding(Protocol):
    """The ability to read all sources of one system as of one moment."""

    @property
    def system(self) -> str:
        """Equal for sources of one system, whose moments can be used by each of them. It may hold a password."""
        ...

    def hold(self, limit_s: float) -> Moment | None:
        """Hold this moment, for at most about so long; None where the system cannot. Raises what `read` raises."""
        ...

    def read_at(
        self, moment: Moment, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        """Read as `read` does, what was there at a moment of this system."""
        ...


class Amount(msgspec.Struct, frozen=True):
    """A number of rows, bytes or files."""

    count: int
    is_exact: bool = False
    """Whether it was counted; else it comes from statistics or a sample, or counting was given up."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """How much one subject has in a source; None where nothing is known."""

    rows: Amount | None = None
    size_bytes: Amount | None = None
    """As delivered: of rows the JSON lines, of files what is in them."""
    files: Amount | None = None


@runtime_checkable
class Estimating(Protocol):
    """The ability to say how much subjects have without reading it."""

    def estimate(self, subjects: Sequence[IdentifiedSubject], *, limit_s: float) -> tuple[Estimate, ...]:
        """Return an estimate for each subject, in order; of what `read` finds for them, over all partitions.

        No value of a subject's leaves the source: indexes and statistics are asked, listings looked at, a match column counted at most.
        Where that takes longer than about `limit_s`, in all, it is given up for what is known by then. Raises what `read` raises.
        """
        ...


@runtime_checkable
class Describing(Protocol):
    """The ability to say within a time limit what a read begins with; for connectors whose plan may take long."""

    def describe(self, *, limit_s: float) -> ReadHeader:
        """Return the header of a read for nobody. Raises `SourceError`: `SourceUnavailable` where it takes longer than about `limit_s`."""
        ...


def estimate(connector: Connector, subjects: Sequence[IdentifiedSubject], *, limit_s: float) -> tuple[Estimate, ...]:
    """Ask a connector how much subjects have; of one without the ability nothing is known."""
    if isinstance(connector, Estimating):
        return connector.estimate(subjects, limit_s=limit_s)
    return (Estimate(),) * len(subjects)
