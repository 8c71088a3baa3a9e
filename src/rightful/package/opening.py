"""Finds out whether what lies on this machine is a package's folder, its ZIP file, or the folder that its ZIP file lies in."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rightful.ids import is_guid
from rightful.package import request_info
from rightful.package.bagit import BAGIT_PATH, TAG_MANIFEST_PATH
from rightful.package.readers import FolderReader, PackageReader
from rightful.package.zip_reader import ZipReader

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


def packed_name(operation_id: str) -> str:
    """Return what the ZIP file is called that a package lies in, beside its RequestInfo.json."""
    return f"{operation_id}.zip"


def _packed(folder: Path) -> Path | None:
    """Return the ZIP file of a package whose RequestInfo.json lies in a folder, None where the package is the folder itself."""
    if not folder.is_dir() or (folder / TAG_MANIFEST_PATH).exists():
        return None
    operation_id = operation_of(FolderReader(folder))
    packed = folder / packed_name(operation_id)
    return packed if is_guid(operation_id) and packed.is_file() else None
