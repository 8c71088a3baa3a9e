"""What Delta and Iceberg tables have in common: their files lie in a place of the lake, and some rows in them were deleted."""

from collections.abc import Callable, Generator, Mapping, Sequence
from itertools import groupby
from typing import BinaryIO

import polars as pl

from rightful.connectors.lake_files import LakeFile, LakePlace
from rightful.connectors.lake_hunt import Hunt
from rightful.connectors.lake_parquet import ParquetFormat

_NUMBER = "\x1fnumber"


class LakeTable:
    """A table, in a folder or below a prefix. Its files are reached as those of the place where it lies."""

    def __init__(self, files: LakePlace) -> None:
        """`files` are all that lie there, deleted ones and the table's log or metadata too."""
        self._files = files
        self.storage_options = files.storage_options

    def are_there(self, files: Sequence[LakeFile]) -> bool:
        """Say whether files of the table still lie there, as large as they were: none of them is ever changed."""
        sizes = {file.path: file.size_bytes for file in self._files.files()} if files else {}
        return all(sizes.get(file.path) == file.size_bytes for file in files)

    def location(self, file: LakeFile) -> str:
        """Return what polars calls a file."""
        return self._files.location(file)

    def open(self, file: LakeFile) -> BinaryIO:
        """Open a file."""
        return self._files.open(file)

    def tail(self, file: LakeFile, count: int) -> bytes:
        """Read a file's end."""
        return self._files.tail(file, count)


class TableFormat(ParquetFormat):
    """Reads the Parquet files of a table."""

    def _find_undeleted(
        self, files: Sequence[LakeFile], hunt: Hunt, *, deleted: Mapping[str, pl.Series], form: Callable[[LakeFile], object]
    ) -> Generator[pl.DataFrame]:
        """Scan runs of files of one form without deleted rows at once, and each file with some alone.

        `deleted` has the numbers of such rows by the paths of their files.
        """
        for (name, _), run in groupby(files, key=lambda file: (file.path if file.path in deleted else "", form(file))):
            if not name:
                yield from self._find_all(list(run), hunt)
            else:
                [file] = run
                yield from self._without(file, deleted[name], hunt)

    def _without(self, file: LakeFile, deleted: pl.Series, hunt: Hunt) -> Generator[pl.DataFrame]:
        def query(files: Sequence[LakeFile]) -> pl.LazyFrame:
            rows = self._rows(files, row_index_name=_NUMBER).filter(pl.col(_NUMBER).is_in(deleted.implode()).not_())
            return hunt.rows(rows, {"": file})

        yield from self._run(query, [file])
