"""Trees in Azure Blob Storage and S3, for `files`, by obstore.

An object's name is its path: there are no folders, and no links. All objects of one person are listed in one go (a few requests, each of a
thousand or more) and sorted by segments, so that the order is the same in each store.

obstore cannot speak of names that have an empty segment, `.` or `..`: a listing with one in it fails as a whole, and so does the source,
since nothing may be left out without a word. It cuts a slash from a name's end, and then cannot read it.

How a store is opened, and what its errors mean, stands in `object_store`.
"""

import errno
import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NoReturn

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, PreconditionError, UnauthenticatedError
from obstore.store import ObjectStore

from rightful.connectors.file_tree import CHUNK_BYTES, ENDLESS, IsWanted, Patience, TreeFile, TreeSkip, changed, order
from rightful.connectors.object_store import azure_store, etag_of, listing_error, s3_store, status_of, unavailable
from rightful.connectors.sorted_listing import SortedListing
from rightful.connectors.tree_place import RemoteRoot
from rightful.errors import SourceUnavailable

if TYPE_CHECKING:  # they exist for type checkers alone
    from obstore import GetResult, ObjectMeta

_PAGE = 1000
_SECOND = 1_000_000_000


def open_azure(root: RemoteRoot) -> "ObjectTree":
    """Return a tree in a container of Azure Blob Storage."""
    store, prefix = azure_store(root)
    return ObjectTree(root, store, prefix)


def open_s3(root: RemoteRoot) -> "ObjectTree":
    """Return a tree in a bucket of S3, or of what speaks like it."""
    store, prefix = s3_store(root)
    return ObjectTree(root, store, prefix)


class ObjectTree:
    """Objects whose names begin alike. It is its own visit: nothing is held."""

    def __init__(self, root: RemoteRoot, store: ObjectStore, prefix: Sequence[str]) -> None:
        self._source_name = root.source_name
        self._allow_empty = root.allow_empty
        self._store = store
        self._prefix = tuple(prefix)

    def close(self) -> None:
        """Do nothing: obstore keeps connections of its own."""

    @contextmanager
    def visit(self) -> Iterator["ObjectTree"]:
        """See that something is there."""
        if next(self._list(()), None) is None and not self._allow_empty:
            raise SourceUnavailable("the root holds nothing", source_name=self._source_name, hint="correct url, or set allow_empty: true")
        yield self

    def walk(
        self, folder: Sequence[str], *, after: Sequence[bytes], is_wanted: IsWanted, patience: Patience = ENDLESS
    ) -> Generator[TreeFile | TreeSkip]:
        """Yield the objects below a folder."""
        cut = len(self._key(folder, "")) if (*self._prefix, *folder) else 0
        last = list(after)
        with closing(SortedListing(self._listed(folder, cut, patience), self._source_name)) as found:
            for twins, following in _by_name(found):
                path = twins[0].path
                # A "folder", as portals and Hadoop make them.
                is_marker = following.startswith(f"{path}/") and not any(twin.size_bytes for twin in twins)
                if order(path) < last or is_marker or not _is_wanted(path, is_wanted):
                    continue
                told = self._told(folder, twins) if not patience.is_over() else iter(twins)
                yield from (item for item in told if order(item.path) > last)

    def _listed(self, folder: Sequence[str], cut: int, patience: Patience) -> Iterator[TreeFile]:
        """List until half of the patience is over: to sort and count takes about as long again."""
        for meta in self._list(folder):
            if patience.is_over(share=0.5):
                return
            yield _file(meta, meta["path"][cut:])

    def _told(self, folder: Sequence[str], twins: Sequence[TreeFile]) -> Iterator[TreeFile | TreeSkip]:
        """Tell of what has one path in the listing's eyes: `name`, `name/`, or both."""
        path = twins[0].path
        if len(twins) == 1 and twins[0].size_bytes:
            yield twins[0]
            return
        readable = self._head(folder, path)  # None where it is a marker for a folder with nothing in it: `name/`
        if readable is not None:
            yield readable
        for twin in twins:
            if twin.size_bytes and (readable is None or twin.stamp != readable.stamp):
                yield TreeSkip(f"{path}/", "its name ends in a slash, which cannot be read")

    def read(self, folder: Sequence[str], found: TreeFile) -> Iterator[bytes]:
        """Yield an object's content, from one request."""
        key = self._key(folder, found.path)
        try:
            result = obstore.get(self._store, key)
            if _stamp(result.meta) != found.stamp:
                raise changed()
            yield from self._chunks(result, found)
        except FileNotFoundError:
            raise changed() from None
        except (BaseError, ValueError) as error:
            self._raise(error)
        if found.size_bytes > CHUNK_BYTES:
            now = self._head(folder, found.path)
            if now is None or now.stamp != found.stamp:
                raise changed()

    def _chunks(self, result: "GetResult", found: TreeFile) -> Iterator[bytes]:
        left = found.size_bytes
        for buffer in result.stream(min_chunk_size=CHUNK_BYTES // 4):
            left -= len(buffer)
            if left < 0:
                break
            for start in range(0, len(buffer), CHUNK_BYTES):
                yield bytes(buffer[start : start + CHUNK_BYTES])
        if left:
            raise changed()

    def look(self, folder: Sequence[str], found: TreeFile) -> TreeFile | TreeSkip | None:
        """Look at an object again."""
        try:
            now = self._head(folder, found.path)
            if now is not None or not found.size_bytes:
                return now
            # Is it gone, or does its name end in a slash, which a listing does not show?
            is_listed = any(meta["path"] == self._key(folder, found.path) for meta in self._list((*folder, *found.path.split("/")[:-1])))
        except OSError as error:
            return TreeSkip(found.path, error.strerror or "cannot be read")
        return TreeSkip(found.path, "its name ends in a slash, which cannot be read") if is_listed else None

    def _head(self, folder: Sequence[str], path: str) -> TreeFile | None:
        try:
            return _file(obstore.head(self._store, self._key(folder, path)), path)
        except FileNotFoundError:
            return None
        except (BaseError, ValueError) as error:
            self._raise(error)

    def _key(self, folder: Sequence[str], path: str) -> str:
        return "/".join((*self._prefix, *folder, path))

    def _list(self, folder: Sequence[str]) -> "Iterator[ObjectMeta]":
        prefix = "/".join((*self._prefix, *folder))
        try:
            for page in obstore.list(self._store, prefix or None, chunk_size=_PAGE):
                yield from page
        except (BaseError, ValueError, FileNotFoundError) as error:
            raise listing_error(error, self._source_name) from None

    def _raise(self, error: Exception) -> NoReturn:
        """Raise what an error with one object means; credentials that expired are no fault of the object's."""
        if isinstance(error, PreconditionError):
            raise changed() from None
        status = status_of(error)
        if isinstance(error, PermissionDeniedError | UnauthenticatedError) or status in {401, 403}:
            next(self._list(()), None)  # raises where the source as a whole is refused
            raise OSError(errno.EACCES, "permission denied") from None
        if 400 <= status < 500 and status not in {408, 429}:  # noqa: PLR2004 - HTTP's classes
            raise OSError(errno.EIO, f"the store refuses to give it: HTTP {status}") from None
        raise unavailable(status, self._source_name) from None


def _by_name(found: Iterable[TreeFile]) -> Iterator[tuple[list[TreeFile], str]]:
    """Yield the objects of one path together, with the path that follows."""
    groups = (list(group) for _, group in itertools.groupby(found, key=lambda file: file.path))
    before: list[TreeFile] = []
    for group in groups:
        if before:
            yield before, group[0].path
        before = group
    if before:
        yield before, ""


def _file(meta: "ObjectMeta", path: str) -> TreeFile:
    modified_ns = int(meta["last_modified"].timestamp()) * _SECOND
    return TreeFile(path, meta["size"], modified_ns, _stamp(meta), etag=etag_of(meta))


def _stamp(meta: "ObjectMeta") -> tuple[int | str, ...]:
    # Whole seconds: a listing may have fractions where an object's own answer has none.
    return meta["size"], int(meta["last_modified"].timestamp()), etag_of(meta)


def _is_wanted(path: str, is_wanted: IsWanted) -> bool:
    """Say whether an object is wanted, and each folder that its name speaks of."""
    slash = path.find("/")
    while slash >= 0:
        if not is_wanted(path[:slash], True):  # noqa: FBT003 - by position, as every walk does
            return False
        slash = path.find("/", slash + 1)
    return is_wanted(path, False)  # noqa: FBT003 - likewise
