"""Lakes on local disks."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from rightful.connectors.lake_files import LakeFile, NoRegularFile, is_unchanged, list_files, split_glob
from rightful.errors import SourceRefused, SourceUnavailable


class LocalLake:
    """Files that fit a pattern."""

    storage_options: dict[str, str | int] | None = None

    def __init__(self, source_name: str, path: Path, folder: Path) -> None:
        self._source_name = source_name
        self._glob = split_glob(path, folder)
        self._pattern = self._glob.pattern

    def files(self, until_s: float = math.inf) -> list[LakeFile]:
        """List the files that are there now."""
        del until_s  # a disk answers soon
        try:
            self._glob.root.stat()
            return list_files(self._glob)
        except NoRegularFile:
            raise SourceRefused(
                "something that fits url is no regular file",
                source_name=self._source_name,
                hint="take the pipe, device or folder away, or narrow url down to files",
            ) from None
        except PermissionError as error:
            raise SourceRefused(
                "a folder of the lake may not be listed", source_name=self._source_name, hint="give the service's user the right to read it"
            ) from error
        except OSError as error:
            raise SourceUnavailable(
                "the lake's folder cannot be listed",
                source_name=self._source_name,
                hint="see that its file system is mounted and url is right",
            ) from error

    def is_unchanged(self, files: Sequence[LakeFile]) -> bool:
        """Look at each file's size and time."""
        return is_unchanged(self._glob.root, files)

    def said(self, files: Sequence[LakeFile]) -> str:
        """Return the pattern."""
        del files
        return self._pattern

    def location(self, file: LakeFile) -> str:
        """Return its path."""
        return str(self._glob.root / file.path)

    def open(self, file: LakeFile) -> BinaryIO:
        """Open a file."""
        path = self._glob.root / file.path
        return open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")  # noqa: PTH123 -- it may have become a pipe

    def tail(self, file: LakeFile, count: int) -> bytes:
        """Read a file's end."""
        with self.open(file) as stream:
            stream.seek(max(0, file.size_bytes - count))
            return stream.read(count)
