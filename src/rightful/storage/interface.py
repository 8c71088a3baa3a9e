"""The contract of a storage location: write-only, create-only entries.

Rules:
* `put` creates an entry and never overwrites. It returns what happened as a value: `WRITTEN`, or `ALREADY_THERE` where an entry lies
  at the path; an implementation that can read back tells a different content by raising `EntryConflict`.
* An entry becomes visible whole or not at all, and never before its last chunk was given: whoever gives the chunks can see to it, while
  they are asked for the last one, that what the entry is stands written down. It is durable once `sync` has returned.
* `StorageUnavailable` is worth another try of the same call; `StorageRefused` is not; nothing else is raised.
* Reading, listing and deleting are abilities of their own: most SAS URLs can only write. So is joining.
* Calls come from any thread, several at once.
"""

import enum
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from rightful.leash import Leash


class Put(enum.Enum):
    """What a `put` found."""

    WRITTEN = "written"
    ALREADY_THERE = "already_there"


class Properties(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about a storage location."""

    max_entry_bytes: int
    """The largest entry that can be put."""
    is_remote: bool = False
    """Whether a put mostly waits for the network, so that several side by side take little longer than one."""
    origin: str = ""
    """Scheme, host and port: what does not answer for one location there, does not for others. Empty for what has none."""


class Storage(Protocol):
    """One container (or local folder) that entries are put into; paths are relative to its root, `/` between segments."""

    @property
    def properties(self) -> Properties:
        """What this location can do."""
        ...

    def put(self, path: str, chunks: Iterable[bytes], *, size_bytes: int) -> Put:
        """Create an entry from chunks (in order, together exactly `size_bytes`; else `ValueError` and nothing becomes visible)."""
        ...

    def sync(self) -> None:
        """Make every entry put so far, by any thread, durable and visible under its path."""
        ...

    def close(self) -> None:
        """Release connections; not used afterwards."""
        ...


@runtime_checkable
class Reading(Protocol):
    """The ability to read entries back."""

    def read(self, path: str) -> Iterator[bytes]:
        """Yield an entry's content in chunks of at most 1 MiB; raises `FileNotFoundError` where there is none."""
        ...


@runtime_checkable
class ReadingAt(Protocol):
    """The ability to read parts of entries, and no more than these."""

    def read_at(self, path: str, start: int, length: int) -> bytes:
        """Return so many bytes, one at least and some MiB at most, from a place on; fewer, or none, only where the entry ends.

        Raises `FileNotFoundError` where there is none.
        """
        ...


@runtime_checkable
class Listing(Protocol):
    """The ability to list entries."""

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield (path, size in bytes) of every entry whose path starts with the prefix, sorted by path."""
        ...


@runtime_checkable
class Deleting(Protocol):
    """The ability to delete what was put."""

    def delete(self, folder: str) -> None:
        """Delete all visible entries below a folder (without `/` at its end), durably; nothing happens where there is none."""
        ...


@runtime_checkable
class Removing(Protocol):
    """The ability to delete single entries."""

    def remove(self, path: str) -> bool:
        """Delete an entry, and the folders that are empty then; False where there is none, or where that cannot be told."""
        ...


@runtime_checkable
class Leashed(Protocol):
    """The ability to end at once what is being sent."""

    def on(self, leash: Leash) -> Storage:
        """Return the same location for calls that end when the leash is pulled, with `StorageRefused`; it is not to be closed."""
        ...


@runtime_checkable
class Joining(Protocol):
    """The ability to make an entry of pieces that were put before: in any order, by several processes, and long ago."""

    def put_piece(self, path: str, name: str, chunks: Sequence[bytes]) -> Put:
        """Put a piece, of at least one byte, for the entry at a path; it replaces what had its name. Nobody takes it for an entry.

        It is durable once `sync` has returned. All names of one entry are hexadecimal and of one length. `ALREADY_THERE`, and nothing is
        put, where an entry lies at the path and the location lets nothing be added to it: a container with an immutability policy.
        """
        ...

    def join(self, path: str, names: Sequence[str], *, size_bytes: int) -> Put:
        """Create an entry of its pieces in this order, which have `size_bytes` together; pieces that are not named are dropped.

        `ALREADY_THERE` where an entry lies at the path; the pieces may be gone then. `EntryConflict` where it can be told that it is
        another one.
        """
        ...


@runtime_checkable
class Marking(Protocol):
    """The ability to mark a container as used by an append blob (GRAPH-42, `strict`)."""

    def put_append(self, path: str, content: bytes) -> Put:
        """Create an append blob with this content, only if there is none."""
        ...

    def append(self, path: str, content: bytes, *, at: int) -> Put:
        """Append to such a blob if it is just `at` bytes long; `ALREADY_THERE` where it is not."""
        ...


@runtime_checkable
class Hurrying(Protocol):
    """The ability to end requests in time, for somebody who waits for them."""

    def within(self, seconds: float) -> Storage:
        """Return the same location for calls that are over within so many seconds from now, all together; it is not to be closed."""
        ...
