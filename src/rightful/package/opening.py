"""Finds out whether what lies somewhere is a package's folder, its ZIP file, or the folder that its ZIP file lies in."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rightful.errors import ConfigurationError, PackageError
from rightful.ids import is_guid
from rightful.package import request_info
from rightful.package.bagit import BAGIT_PATH, TAG_MANIFEST_PATH
from rightful.package.packed_file import LocalFile, StoredFile
from rightful.package.readers import FolderReader, PackageReader, ReadableInParts, ReadableStorage, StorageReader
from rightful.package.zip_reader import ZipReader

ZIP = ".zip"
ROOT_MARKS = (request_info.PATH, BAGIT_PATH, TAG_MANIFEST_PATH)
"""Entries of which one at least lies in the root of each package."""
_LARGEST_REQUEST_INFO = 65_536


@contextmanager
def open_local(path: Path) -> Iterator[PackageReader]:
    """Open a package for as long as the block lasts; raises `PackageError`."""
    packed = path if path.is_file() else _packed(path)
    if packed is None:
        yield FolderReader(path)
        return
    with closing(ZipReader(LocalFile(packed), ROOT_MARKS)) as reader:
        yield reader


@contextmanager
def open_stored(storage: ReadableInParts, prefix: str = "") -> Iterator[PackageReader]:
    """Open a package in a storage location for as long as the block lasts.

    Args:
        storage: the location.
        prefix: the folder that the package or its ZIP file lies in, or the ZIP file; empty: the only package that is there.

    Raises:
        PackageError: there is none.
        ConfigurationError: there are several.
        StorageError: the location does not answer, or does not let us read.
    """
    prefix = prefix.rstrip("/") or _find_prefix(storage)
    packed = _packed_there(storage, prefix)
    if packed is None:
        yield StorageReader(storage, prefix)
        return
    with closing(ZipReader(packed, ROOT_MARKS)) as reader:
        yield reader


def operation_of(reader: PackageReader) -> str:
    """Return which operation a package says to be of; nothing where it cannot be read there, or is damaged. `StorageError` passes."""
    content = b""
    try:
        for chunk in reader.read(request_info.PATH):
            content += chunk
            if len(content) > _LARGEST_REQUEST_INFO:
                return ""
    except OSError:
        return ""
    return request_info.operation_of(content)


def _packed_name(operation_id: str) -> str:
    """Return what the ZIP file is called that a package lies in, beside its RequestInfo.json."""
    return f"{operation_id}{ZIP}"


def _packed(folder: Path) -> Path | None:
    """Return the ZIP file of a package whose RequestInfo.json lies in a folder, None where the package is the folder itself."""
    if not folder.is_dir() or (folder / TAG_MANIFEST_PATH).exists():
        return None
    operation_id = operation_of(FolderReader(folder))
    packed = folder / _packed_name(operation_id)
    return packed if is_guid(operation_id) and packed.is_file() else None


def _packed_there(storage: ReadableInParts, prefix: str) -> StoredFile | None:
    """Return the ZIP file that a prefix names, or that lies in its folder; None where the package is the folder itself."""
    if prefix.endswith(ZIP):
        path = prefix
    else:
        operation_id = operation_of(StorageReader(storage, prefix))
        folder = f"{prefix}/" if prefix else ""
        path = f"{folder}{_packed_name(operation_id)}"
        if not is_guid(operation_id) or _is_there(storage, f"{folder}{TAG_MANIFEST_PATH}"):
            return None
    if not _is_there(storage, path):  # asked of it alone: a listing may be long
        if path == prefix and not any(storage.list(f"{prefix}/")):
            raise PackageError(f"there is no {prefix} in the storage location", hint="see what lies there")
        return None
    size_bytes = next((size for each, size in storage.list(path) if each == path), 0)
    return StoredFile(storage.read_at, path, size_bytes)


def _is_there(storage: ReadableInParts, path: str) -> bool:
    try:
        storage.read_at(path, 0, 1)
    except FileNotFoundError:
        return False
    return True


def _find_prefix(storage: ReadableStorage) -> str:
    """Return where the only package lies: in a folder, or in a ZIP file without one."""
    tops: dict[str, None] = {}
    packed: list[str] = []
    for path, _ in storage.list(""):
        if path in ROOT_MARKS:
            return ""
        top, _, rest = path.partition("/")
        if rest in ROOT_MARKS:
            tops[top] = None
        elif path.endswith(ZIP) and not rest:
            packed.append(path)
    found = [*tops] or packed
    if len(found) == 1:
        return found[0]
    if not found:
        raise PackageError("the container holds no package", hint="check the URL; --prefix names a folder or a ZIP file in it")
    raise ConfigurationError(
        f"the container holds {len(found)} packages", code="PrefixNeeded", hint=f"say which with --prefix: {', '.join(found)}"
    )
