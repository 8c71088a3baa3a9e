"""The Parquet files of an Iceberg table, read as the table says that they are."""

from collections.abc import Collection, Generator, Sequence

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from rightful.connectors.lake_faults import LakeFaults
from rightful.connectors.lake_files import LakeFile
from rightful.connectors.lake_hunt import Hunt, Schema
from rightful.connectors.lake_iceberg import IcebergLake, Snapshot
from rightful.connectors.lake_iceberg_columns import Column, Unmapped, columns_of
from rightful.connectors.lake_parquet import FAULTS
from rightful.connectors.lake_tables import TableFormat

_FOOTER_BYTES = 1 << 16
_FRAME_BYTES = 8
"""A Parquet file ends with the length of its footer and `PAR1`."""


class IcebergFormat(TableFormat):
    """Reads the files of a table."""

    def __init__(self, table: IcebergLake, faults: LakeFaults, unread: Collection[str]) -> None:
        super().__init__(table, faults, unread)
        self._table = table
        self._columns: dict[tuple[str, str, str], list[Column]] = {}
        """By snapshot, what a footer says, and the partition's values where the file lacks them: files of one form share one list."""
        self._columns_of: dict[LakeFile, list[Column]] = {}

    def schema(self, file: LakeFile) -> Schema:
        """Read a file's footer."""
        try:
            return self._rows([file]).collect_schema()
        except FAULTS as error:
            raise self._explain(error, [file]) from error

    def find(self, files: Sequence[LakeFile], hunt: Hunt) -> Generator[pl.DataFrame]:
        """Scan the files that may hold something, without the rows that were deleted."""
        snapshot = self._table.snapshot(files[0].etag)
        kept = snapshot.may_hold(files, hunt)
        yield from self._find_undeleted(kept, hunt, deleted=self._deleted(snapshot, kept), form=lambda file: id(self._form(file)))

    def _rows(self, files: Sequence[LakeFile], **options: str | None) -> pl.LazyFrame:
        """Scan files of one form, with the table's names."""
        extra = [pl.col(name) for name in options.values() if name]
        columns = [
            pl.col(column.source).alias(column.name) if column.source and column.name in self._unread else column.read
            for column in self._form(files[0])
        ]
        return self._scan(files, **options).select([*columns, *extra])

    def _form(self, file: LakeFile) -> list[Column]:
        known = self._columns_of.get(file)
        if known is not None:
            return known
        footer, snapshot = self._footer(file), self._table.snapshot(file.etag)
        constants = snapshot.constants_of(file.path)
        said = footer.to_string(show_schema_metadata=False, show_field_metadata=True)
        known = self._columns.get((file.etag, said, "")) or self._columns.get((file.etag, said, repr(constants)))
        if known is None:
            try:
                known = columns_of(
                    footer, self._scan([file]).collect_schema(), snapshot.schema, snapshot.metadata.name_mapping(), constants
                )
            except Unmapped as error:
                raise self._faults.refused(f"{self._faults.shown(file)} {error}", "have the table's data files rewritten") from None
            self._columns[file.etag, said, "" if all(column.source for column in known) else repr(constants)] = known
        self._columns_of[file] = known
        return known

    def _footer(self, file: LakeFile) -> pa.Schema:
        """Read a footer alone: polars says nothing of the ids in it."""
        tail = self._table.tail(file, _FOOTER_BYTES)
        size = int.from_bytes(tail[-_FRAME_BYTES:-4], "little") + _FRAME_BYTES
        if size > len(tail):
            tail = self._table.tail(file, size)
        return pq.read_schema(pa.BufferReader(tail))

    def _deleted(self, snapshot: Snapshot, files: Sequence[LakeFile]) -> dict[str, pl.Series]:
        """Return the numbers of deleted rows, by the paths of those of these files that have some."""
        about: dict[str, tuple[LakeFile, dict[str, str]]] = {}
        for file in files:
            for data in snapshot.deletes_of(file.path):
                listed = snapshot.files.listed(data.file_path)
                about.setdefault(data.file_path, (listed, {}))[1][snapshot.data[file.path].data_file.file_path] = file.path
        found: dict[str, list[pl.Series]] = {}
        for listed, names in about.values():
            try:
                rows = self._scan([listed]).filter(pl.col("file_path").is_in(list(names))).select("file_path", "pos").collect()
            except FAULTS as error:
                raise self._explain(error, [listed]) from error
            for (name,), part in rows.partition_by("file_path", as_dict=True).items():
                found.setdefault(names[str(name)], []).append(part["pos"])
        return {path: pl.concat(parts).unique() for path, parts in found.items()}
