"""Lakes in Azure Blob Storage and S3: listed by obstore, read by polars (Parquet) or obstore (text).

An object is known by its size, time and ETag. Text is asked for by its ETag; polars cannot be told one, so that a lake is listed again at
the end of a read, and one that changed meanwhile is read again.
"""

import io
import math
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO, cast

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, PreconditionError, UnauthenticatedError

from rightful.connectors.file_tree import order
from rightful.connectors.lake_faults import LakeFaults
from rightful.connectors.lake_files import LakeFile, is_hidden
from rightful.connectors.local_paths import has_wildcard, path_matcher
from rightful.connectors.object_store import DEFAULT_REGION, azure_endpoint, azure_store, etag_of, listing_error, s3_store, status_of
from rightful.connectors.tree_place import RemoteRoot
from rightful.errors import SourceError

if TYPE_CHECKING:  # it exists for type checkers alone
    from obstore import ObjectMeta

_PAGE = 1000
_MOST_OBJECTS = 1_000_000
"""About 300 bytes of memory each."""
_SECOND = 1_000_000_000
_CHUNK_BYTES = 1 << 20


class ObjectLake:
    """Objects whose names fit a pattern."""

    def __init__(self, root: RemoteRoot, scheme: str, faults: LakeFaults) -> None:
        self._source_name = root.source_name
        self._faults = faults
        if scheme == "az":
            self._store, segments = azure_store(root)
            self._address = f"az://{root.segments[0]}/"
            self.storage_options: dict[str, str | int] | None = _azure_options(root)
        else:
            self._store, segments = s3_store(root)
            self._address = f"s3://{root.host}/"
            self.storage_options = _s3_options(root)
        first = next((number for number, segment in enumerate(segments) if has_wildcard(segment)), len(segments) - 1)
        self._prefix = "".join(f"{segment}/" for segment in segments[: max(0, first)])
        self._pattern = "/".join(segments[max(0, first) :])
        self._fits = path_matcher([f"./{self._pattern}"])

    def files(self, until_s: float = math.inf) -> list[LakeFile]:
        """List the objects that are there now; one whose name is no pattern is asked for alone."""
        if self._pattern and not has_wildcard(self._pattern):
            return self._single()
        found = []
        for number, meta in enumerate(self._list()):
            if number % _PAGE == 0 and time.monotonic() >= until_s:
                raise self._faults.unavailable(
                    "listing the objects takes longer than there is time for now", "a read has all the time it needs"
                )
            path = meta["path"][len(self._prefix) :]
            if self._fits(f"./{path}") and not is_hidden(path, self._pattern):
                found.append(_file(meta, path))
                if len(found) > _MOST_OBJECTS:
                    raise self._faults.refused(f"more than {_MOST_OBJECTS:,} objects fit url", "make several sources of them")
        return sorted(found, key=lambda file: order(file.path))

    def is_unchanged(self, files: Sequence[LakeFile]) -> bool:
        """List the objects again."""
        now = {file.path: file for file in self.files()}
        return all(now.get(file.path) == file for file in files)

    def said(self, files: Sequence[LakeFile]) -> str:
        """Return the pattern."""
        del files
        return self._pattern

    def location(self, file: LakeFile) -> str:
        """Return its address. Nothing in it is escaped: polars takes names as they are."""
        return self._address + self._prefix + file.path

    def open(self, file: LakeFile) -> BinaryIO:
        """Ask for an object, as it was listed."""
        return cast("BinaryIO", io.BufferedReader(_ObjectStream(self._chunks(file)), _CHUNK_BYTES))

    def tail(self, file: LakeFile, count: int) -> bytes:
        """Ask for an object's end."""
        start = max(0, file.size_bytes - count)
        try:
            return bytes(obstore.get_range(self._store, self._prefix + file.path, start=start, end=file.size_bytes))
        except FileNotFoundError:
            raise self._faults.changed() from None
        except (BaseError, ValueError) as error:
            raise self._error(error, file) from None

    def _chunks(self, file: LakeFile) -> Iterator[bytes]:
        left = file.size_bytes
        try:
            result = obstore.get(self._store, self._prefix + file.path, options={"if_match": f'"{file.etag}"'} if file.etag else {})
            for buffer in result.stream(min_chunk_size=_CHUNK_BYTES // 4):
                left -= len(buffer)
                yield bytes(buffer)
        except (FileNotFoundError, PreconditionError):
            raise self._faults.changed() from None
        except (BaseError, ValueError) as error:
            raise self._error(error, file) from None
        if left:
            raise self._faults.changed()

    def _single(self) -> list[LakeFile]:
        try:
            return [_file(obstore.head(self._store, self._prefix + self._pattern), self._pattern)]
        except FileNotFoundError:
            next(self._list(), None)  # raises where there is no such container
            return []
        except (BaseError, ValueError) as error:
            raise listing_error(error, self._source_name) from None

    def _list(self) -> "Iterator[ObjectMeta]":
        try:
            for page in obstore.list(self._store, self._prefix or None, chunk_size=_PAGE):
                yield from page
        except (BaseError, ValueError, FileNotFoundError) as error:
            raise listing_error(error, self._source_name) from None

    def _error(self, error: Exception, file: LakeFile) -> SourceError:
        status = status_of(error)
        if isinstance(error, PermissionDeniedError | UnauthenticatedError) or status in {401, 403}:
            return self._faults.refused(f"{self._faults.shown(file)} may not be read", "give the right to read it, or correct access")
        return listing_error(error, self._source_name)


class _ObjectStream(io.RawIOBase):
    """What comes in pieces, as a stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override] # what BufferedReader gives
        """Fill a buffer with what there is next."""
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = memoryview(chunk)
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def _file(meta: "ObjectMeta", path: str) -> LakeFile:
    return LakeFile(path, meta["size"], int(meta["last_modified"].timestamp()) * _SECOND, etag_of(meta))


def _azure_options(root: RemoteRoot) -> dict[str, str | int]:
    return _options(root, account_name=root.host, account_key=root.access.account_key, azure_endpoint=azure_endpoint(root))


def _s3_options(root: RemoteRoot) -> dict[str, str | int]:
    access = root.access
    return _options(
        root,
        aws_access_key_id=access.access_key_id,
        aws_secret_access_key=access.secret_access_key,
        aws_session_token=access.session_token,
        aws_endpoint_url=access.endpoint,
        aws_region=access.region or DEFAULT_REGION,
    )


def _options(root: RemoteRoot, **given: str) -> dict[str, str | int]:
    """Return what polars is told. It asks for many pieces of each file, of which one may fail: so it tries twice more."""
    client = {"allow_http": "true"} if root.access.endpoint.startswith("http://") else {}
    tries = {"max_retries": 2, "retry_init_backoff_ms": 200, "retry_timeout_ms": 10_000}
    return {**{key: value for key, value in given.items() if value}, **client, **tries, "connect_timeout": "10s", "timeout": "300s"}
