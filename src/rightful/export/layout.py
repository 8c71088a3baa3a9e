"""Where a package lies in its storage location, told from its operation's prefix alone.

A prefix is what stands before each entry's path: `{id}/` for a folder, `{id}/{id}.zip/` for a ZIP file, as if that were a folder; the
operation keeps it, whatever the setting says later. In `strict` both begin at the container's root: nothing, and `{id}.zip/`.
"""

from typing import Literal

from rightful.ids import OperationId
from rightful.package import request_info

Layout = Literal["folder", "zip"]

_ZIP = ".zip/"


def prefix_of(operation_id: OperationId, layout: Layout, *, is_at_root: bool) -> str:
    """Return the prefix of a new operation."""
    folder = "" if is_at_root else f"{operation_id}/"
    return f"{folder}{operation_id}{_ZIP}" if layout == "zip" else folder


def zip_path(prefix: str) -> str:
    """Return where the package's ZIP file lies; empty for a folder."""
    return prefix.removesuffix("/") if prefix.endswith(_ZIP) else ""


def request_info_path(prefix: str) -> str:
    """Return where RequestInfo.json lies, which marks the storage location: in the package's folder, or beside its ZIP file."""
    folder = prefix if not zip_path(prefix) else "".join(zip_path(prefix).rpartition("/")[:2])
    return folder + request_info.PATH


def is_at_root(prefix: str) -> bool:
    """Say whether the mark is in the container's root, where those of other operations would be too."""
    return request_info_path(prefix) == request_info.PATH


def shown(prefix: str) -> str:
    """Return where a package lies as it is told: the folder, with `/` at its end, or the ZIP file."""
    return zip_path(prefix) or prefix
