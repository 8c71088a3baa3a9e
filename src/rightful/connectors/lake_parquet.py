"""Parquet files, read by polars: whole lists of them in one query."""

from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import closing

import polars as pl
import pyarrow as pa

from rightful.connectors.lake_batches import batches, exhaust
from rightful.connectors.lake_faults import LakeFaults
from rightful.connectors.lake_files import LakeFile, LakePlace
from rightful.connectors.lake_hunt import FILE, Hunt, Schema
from rightful.errors import SourceError

FAULTS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.lib.ArrowException, OSError)
"""A panic in polars is a BaseException; here it becomes one of ours."""


class ParquetFormat:
    """Reads Parquet files as they are: their names are no patterns, and what their folders say is added by ourselves."""

    verbatim = False

    def __init__(self, place: LakePlace, faults: LakeFaults, unread: Collection[str]) -> None:
        self._place = place
        self._faults = faults
        self._unread = unread

    def folder_type(self, name: str, file: LakeFile) -> pl.DataType:
        """Return text: folders' names say no type."""
        del name, file
        return pl.String()

    def schema(self, file: LakeFile) -> Schema:
        """Read a file's footer."""
        try:
            return self._scan([file]).collect_schema()
        except FAULTS as error:
            raise self._explain(error, [file]) from error

    def head(self, file: LakeFile, types: Schema, names: Sequence[str], count: int) -> pl.DataFrame:
        """Read its first row group."""
        try:
            return self._rows([file]).head(count).select([name for name in names if name in types]).collect()
        except FAULTS as error:
            raise self._explain(error, [file]) from error

    def find(self, files: Sequence[LakeFile], hunt: Hunt) -> Generator[pl.DataFrame]:
        """Scan all files at once."""
        yield from self._find_all(files, hunt)

    def _find_all(self, files: Sequence[LakeFile], hunt: Hunt) -> Generator[pl.DataFrame]:
        """Find in all rows of files of one form, at once."""

        def query(files: Sequence[LakeFile]) -> pl.LazyFrame:
            named = FILE if len(files) > 1 else None
            return hunt.rows(self._rows(files, include_file_paths=named), {self._place.location(file): file for file in files})

        yield from self._run(query, files)

    def _run(self, query: Callable[[Sequence[LakeFile]], pl.LazyFrame], files: Sequence[LakeFile]) -> Generator[pl.DataFrame]:
        try:
            with closing(batches(query(files))) as found:
                yield from found
        except FAULTS as error:
            raise self._explain(error, files, query) from error

    def _rows(self, files: Sequence[LakeFile], **options: str | None) -> pl.LazyFrame:
        """Scan files of one schema, as `schema` says that it is."""
        return self._scan(files, **options)

    def _scan(self, files: Sequence[LakeFile], *, include_file_paths: str | None = None, row_index_name: str | None = None) -> pl.LazyFrame:
        return pl.scan_parquet(
            [self._place.location(file) for file in files],
            glob=False,
            hive_partitioning=False,
            include_file_paths=include_file_paths,
            row_index_name=row_index_name,
            storage_options=self._place.storage_options,
            credential_provider=None,  # those of the machine where none are given, as obstore has them; not boto3's
        )

    def _explain(
        self, error: BaseException, files: Sequence[LakeFile], query: Callable[[Sequence[LakeFile]], pl.LazyFrame] | None = None
    ) -> SourceError:
        """Find out which file is at fault. The texts of polars are kept out: they may hold values."""
        if not self._place.is_unchanged(files):
            return self._faults.changed()
        if self._place.storage_options is not None and isinstance(error, OSError) and not isinstance(error, PermissionError):
            return self._faults.unavailable("an object of the lake cannot be read now", "see that the store is up, and reachable from here")
        for file in files:
            shown = self._faults.shown(file)
            try:
                for frame in (self._scan([file]).drop(self._unread, strict=False), *([query([file])] if query else [])):
                    exhaust(frame)
            except PermissionError:
                return self._faults.refused(f"{shown} may not be read", "give the right to read it")
            except OSError:
                return self._faults.unavailable(f"{shown} cannot be read now", "see that what it lies on is well")
            except FAULTS as fault:
                return self._faults.refused(
                    f"{shown} is damaged or no Parquet file ({type(fault).__name__})", "restore it, or take it away"
                )
        return self._faults.refused(
            f"polars could not read the lake ({type(error).__name__})", "see whether polars reads these files, and report this"
        )
