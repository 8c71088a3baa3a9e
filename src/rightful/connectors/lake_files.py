"""Which files a lake consists of, and how they are divided into partitions. Looks at names, sizes and times alone."""

import math
import os
import stat
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote

import msgspec

from rightful.connectors.file_tree import order
from rightful.connectors.local_paths import has_wildcard, path_matcher

_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


class LakeFile(msgspec.Struct, frozen=True, array_like=True):
    """One file of the lake."""

    path: str
    """Below the folder that the listing starts from, `/` between segments."""
    size_bytes: int
    modified_ns: int
    etag: str = ""
    """Of an object in a store; of a table's file the version of the table that it is read from."""
    partition: tuple[tuple[str, str | None], ...] | None = None
    """Columns of which the whole file has one value, as text, where a table says it; else folders' names do."""

    @property
    def folders(self) -> dict[str, str | None]:
        """What is said of the whole file."""
        return hive_values(self.path) if self.partition is None else dict(self.partition)


class LakePlace(Protocol):
    """Where a lake lies. Its methods are called from any thread."""

    storage_options: dict[str, str | int] | None
    """What polars needs to know to read there."""

    def files(self, until_s: float = math.inf) -> list[LakeFile]:
        """List the files that are there now, in order; raises `SourceError`. What may take long ends at a time of the monotonic clock."""
        ...

    def is_unchanged(self, files: Sequence[LakeFile]) -> bool:
        """Say whether files that were listed before are still the same."""
        ...

    def said(self, files: Sequence[LakeFile]) -> str:
        """Say what is read, for the ledger: the pattern of the files, or a table and its version."""
        ...

    def location(self, file: LakeFile) -> str:
        """Return what polars calls a file."""
        ...

    def open(self, file: LakeFile) -> BinaryIO:
        """Open a file; raises `OSError` and `SourceError`."""
        ...

    def tail(self, file: LakeFile, count: int) -> bytes:
        """Read the last bytes of a file, fewer where it is shorter; raises as `open` does."""
        ...


class Glob(msgspec.Struct, frozen=True):
    """A pattern of files, split where its first wildcard stands."""

    root: Path
    """The folder that the listing starts from."""
    pattern: str
    """Of paths below it."""


def split_glob(path: Path, folder: Path = Path()) -> Glob:
    """Split a path with wildcards, or below a folder whose own name is no pattern; one without any names a single file."""
    parts = path.parts
    first = next((number for number, part in enumerate(parts) if has_wildcard(part)), len(parts) - 1)
    return Glob(folder / Path(*parts[:first]), "/".join(parts[first:]))


class NoRegularFile(Exception):
    """A pipe stands where a file should, which is waited for when it is opened, or a device, which may have no end, or a folder."""


def list_files(glob: Glob) -> list[LakeFile]:
    """Return the files that fit, ordered by the bytes of their paths' segments.

    As in a shell, a wildcard matches no name that begins with a dot, and links are followed. Raises `OSError` where a folder cannot be
    listed, and for a broken link, and `NoRegularFile`.
    """
    if not has_wildcard(glob.pattern):
        return [_stat(glob.root, glob.pattern)] if (glob.root / glob.pattern).exists() else []
    fits = path_matcher([f"./{glob.pattern}"])  # with a slash, so that the pattern starts at the root
    names = [path for path in _walk(glob.root) if fits(f"./{path}") and not is_hidden(path, glob.pattern)]
    return [_stat(glob.root, path) for path in sorted(names, key=order)]


def is_unchanged(root: Path, files: Sequence[LakeFile]) -> bool:
    """Say whether files that were listed before are still the same: there, as large and as old."""
    try:
        return all(_stat(root, file.path) == file for file in files)
    except (OSError, NoRegularFile):
        return False


def divide(files: Sequence[LakeFile], limit_bytes: int) -> list[tuple[LakeFile, ...]]:
    """Divide files, in order, into runs of at most `limit_bytes` (or one larger file); at least one run, even if it is empty."""
    runs: list[list[LakeFile]] = [[]]
    size = 0
    for file in files:
        if runs[-1] and size + file.size_bytes > limit_bytes:
            runs.append([])
            size = 0
        runs[-1].append(file)
        size += file.size_bytes
    return [tuple(run) for run in runs]


def hive_values(path: str) -> dict[str, str | None]:
    """Return what the folders' names of a path say (`year=2026/…`), as text, exactly as it is written there.

    Bytes that are no UTF-8 become lone surrogates.
    """
    pairs = [folder.partition("=") for folder in path.split("/")[:-1] if "=" in folder[1:]]
    return {_decoded(name): None if value == _HIVE_NULL else _decoded(value) for name, _, value in pairs}


def shown_path(path: str, hidden: Collection[str]) -> str:
    """Return a path for a message: where folders are named after the values of these columns, without the values."""
    *folders, name = path.split("/")
    return "/".join([*(_shown_folder(folder, hidden) for folder in folders), name])


def _shown_folder(folder: str, hidden: Collection[str]) -> str:
    column, equals, _ = folder.partition("=")
    return f"{column}=…" if equals and _decoded(column) in hidden else folder


def _decoded(text: str) -> str:
    return unquote(text, errors="surrogateescape")


def _walk(root: Path) -> Iterator[str]:
    """Yield the paths of all files below a folder; a folder that is its own ancestor by a link is entered once."""

    def fail(error: OSError) -> None:
        raise error

    for folder, folders, names in os.walk(root, onerror=fail, followlinks=True):
        here = "" if folder == str(root) else f"{os.path.relpath(folder, root)}/"
        ancestors = {_identity(parent) for parent in (Path(folder), *Path(folder).parents)}
        folders[:] = [name for name in folders if _identity(Path(folder, name)) not in ancestors]
        yield from (here + name for name in names)


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def is_hidden(path: str, pattern: str) -> bool:
    """Say whether a path has a name that begins with a dot, where the pattern has none."""
    return "/." in f"/{path}" and "/." not in f"/{pattern}"


def _stat(root: Path, path: str) -> LakeFile:
    found = (root / path).stat()
    if not stat.S_ISREG(found.st_mode):
        raise NoRegularFile
    return LakeFile(path, found.st_size, found.st_mtime_ns)
