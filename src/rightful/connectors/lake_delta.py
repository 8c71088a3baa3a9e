"""Delta tables: their log says which files a version consists of, deltalake reads the log, and polars the files.

A version never changes: a read is planned for one and reads that one, whatever is committed meanwhile, until a vacuum takes its files away.
Rows that a deletion vector marks as deleted are left out by their number. What a reader would have to know besides (columns that have other
names in the files than in the table, and whatever is added to the format later) refuses the table.

polars' own scan of Delta tables is not used: it finds no files below a folder with a blank in its name (polars 2.1.0), and has no parts.
"""

import math
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from urllib.parse import unquote

import deltalake
import polars as pl
import pyarrow as pa
from deltalake.exceptions import DeltaError, DeltaProtocolError, TableNotFoundError

from rightful.connectors.file_tree import order
from rightful.connectors.lake_faults import LakeFaults
from rightful.connectors.lake_files import LakeFile, LakePlace
from rightful.connectors.lake_hunt import Hunt, Schema
from rightful.connectors.lake_tables import LakeTable, TableFormat

_KNOWN_FEATURES = frozenset({"columnMapping", "deletionVectors", "timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"})
"""Of which columnMapping is only known where it is not in use."""
_LAST_READER_VERSION = 3
_PARTITION = "partition."


class DeltaLake(LakeTable):
    """A table, in a folder or below a prefix."""

    def __init__(self, files: LakePlace, uri: str, name: str, faults: LakeFaults) -> None:
        """`files` are all that lie there, deleted ones and the log too."""
        super().__init__(files)
        self._uri = uri
        self._name = name
        self._faults = faults
        self._known: tuple[int, deltalake.DeltaTable] | None = None

    def files(self, until_s: float = math.inf) -> list[LakeFile]:
        """List the files of the latest version, by the bytes of their paths' segments."""
        del until_s  # a table knows its files
        table = self._open(None)
        with self._explained():
            actions = pa.table(table.get_add_actions(flatten=True))
        names = [name for name in actions.column_names if name.startswith(_PARTITION)]
        columns = [actions.column(name).to_pylist() for name in ("path", "size_bytes", "modification_time", *names)]
        columns_of = [name.removeprefix(_PARTITION) for name in names]
        found = []
        for path, size, modified_ms, *values in zip(*columns, strict=True):
            if "://" in path or {"", ".", ".."} & set(unquote(path).split("/")):
                raise self._faults.refused(
                    "the table has files that lie outside of it (a shallow clone)", "name the table that they belong to"
                )
            partition = tuple((name, _text(value)) for name, value in zip(columns_of, values, strict=True))
            found.append(LakeFile(unquote(path), size, modified_ms * 1_000_000, f"{table.version()}", partition))
        return sorted(found, key=lambda file: order(file.path))

    def is_unchanged(self, files: Sequence[LakeFile]) -> bool:
        """Say whether all files are still there."""
        return self.are_there(files)

    def said(self, files: Sequence[LakeFile]) -> str:
        """Return the table's name and version."""
        return f"{self._name} at version {files[0].etag if files else self._open(None).version()}"

    def schema(self, version: str) -> pl.Schema:
        """Return the columns that the table has by its log."""
        table = self._open(int(version))
        with self._explained():
            return pl.Schema(table.schema())

    def deleted(self, version: str) -> dict[str, pl.Series]:
        """Return the numbers of deleted rows, by the paths of the files that have some."""
        table = self._open(int(version))
        with self._explained():
            if "deletionVectors" not in (table.protocol().reader_features or ()):
                return {}
            vectors = pl.DataFrame(pa.table(table.deletion_vectors()))
            known = {unquote(path) for path in pa.table(table.get_add_actions()).column("path").to_pylist()}
        found = {}
        for uri, kept in zip(vectors["filepath"], vectors["selection_vector"], strict=True):
            path = uri.removeprefix(f"{table.table_uri.rstrip('/')}/")
            fitting = {path, unquote(path)} & known
            if len(fitting) != 1:
                raise self._faults.refused(
                    "it cannot be told which file of the table some deleted rows are in", "let it be rewritten (OPTIMIZE)"
                )
            found[fitting.pop()] = kept.not_().arg_true()
        return found

    def _open(self, version: int | None) -> deltalake.DeltaTable:
        known = self._known
        if known is not None and known[0] == version:
            return known[1]
        options = {key: str(value) for key, value in (self.storage_options or {}).items() if not key.startswith("retry_")}
        with self._explained():
            table = deltalake.DeltaTable(self._uri, version=version, storage_options=options or None)
            self._check(table)
        self._known = (table.version(), table)
        return table

    def _check(self, table: deltalake.DeltaTable) -> None:
        protocol = table.protocol()
        unknown = sorted(set(protocol.reader_features or ()) - _KNOWN_FEATURES)
        if protocol.min_reader_version > _LAST_READER_VERSION:
            unknown.append(f"reader version {protocol.min_reader_version}")
        if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
            unknown.append("columnMapping")
        if unknown:
            raise self._faults.refused(
                f"the table needs a reader that knows {', '.join(unknown)}", "write it without, or export it as Parquet files"
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say what deltalake says, without the addresses in it. A panic in it is a BaseException."""
        try:
            yield
        except TableNotFoundError:
            raise self._faults.refused("there is no Delta table at url", "correct url: it is the folder that _delta_log lies in") from None
        except (DeltaError, OSError) as error:
            if isinstance(error, DeltaProtocolError) or "Unsupported" in str(error):
                raise self._faults.refused("the table needs a reader that knows more than deltalake", "install a later deltalake") from None
            raise self._faults.unavailable(
                f"the table's log cannot be read ({type(error).__name__})", "see that it is whole, and that the right to read it is given"
            ) from None
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            raise self._faults.refused("deltalake cannot read what lies at url", "see whether it reads it, and report this") from None


class DeltaFormat(TableFormat):
    """Reads the Parquet files of a table."""

    def __init__(self, table: DeltaLake, faults: LakeFaults, unread: Collection[str]) -> None:
        super().__init__(table, faults, unread)
        self._table = table
        self._deleted: tuple[str, dict[str, pl.Series]] = ("", {})
        self._int96: dict[str, frozenset[str]] = {}
        """By path: columns of times that a file, which never changes, has in an old form, in which no zone can be said."""

    def schema(self, file: LakeFile) -> Schema:
        """Read a file's footer. Spark writes times in an old form (INT96), without their zone: of them the table says what they are."""
        found, stated = dict(super().schema(file)), self._table.schema(file.etag)
        old = [name for name, dtype in found.items() if dtype == pl.Datetime("ns") and isinstance(stated.get(name), pl.Datetime)]
        if old:
            self._int96[file.path] = frozenset(old)
        return found | {name: stated[name] for name in old}

    def _rows(self, files: Sequence[LakeFile], **options: str | None) -> pl.LazyFrame:
        """Scan files; microseconds are all that the table's times have."""
        stated = self._table.schema(files[0].etag)
        zoned = [
            pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone(getattr(stated[name], "time_zone", None))
            for name in self._int96.get(files[0].path, ())
        ]
        return self._scan(files, **options).with_columns(zoned)

    def folder_type(self, name: str, file: LakeFile) -> pl.DataType:
        """Return the table's own type where a text becomes a value of it without doubt."""
        dtype = self._table.schema(file.etag).get(name, pl.String())
        return dtype if dtype.is_integer() or dtype == pl.Date else pl.String()

    def find(self, files: Sequence[LakeFile], hunt: Hunt) -> Generator[pl.DataFrame]:
        """Scan the files without the rows that deletion vectors mark."""
        deleted = self._deleted_of(files[0].etag)
        yield from self._find_undeleted(files, hunt, deleted=deleted, form=lambda file: self._int96.get(file.path))

    def _deleted_of(self, version: str) -> dict[str, pl.Series]:
        if self._deleted[0] != version:
            self._deleted = (version, self._table.deleted(version))
        return self._deleted[1]


def _text(value: object) -> str | None:
    """Return a partition's value as Delta's log has it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return value.isoformat() if isinstance(value, date) else str(value)
