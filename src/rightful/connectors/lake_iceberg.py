"""Iceberg tables: their metadata says which files a snapshot consists of, pyiceberg reads the metadata, and polars the files.

A snapshot never changes: a read is planned for one, and for the columns that the table had then, and reads those, whatever is committed
meanwhile, until the snapshot is expired. Rows that position deletes mark are left out by their number. A table is refused where a snapshot
has what would have to be known besides (deletion vectors, equality deletes, files of another kind than Parquet).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, timedelta

import msgspec
import polars as pl
from pyiceberg.exceptions import ValidationError
from pyiceberg.expressions import AlwaysTrue, And, BooleanExpression, GreaterThanOrEqual, In, IsNull, LessThan, LessThanOrEqual, Or
from pyiceberg.expressions.visitors import _InclusiveMetricsEvaluator, expression_evaluator, inclusive_projection
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestEntry, ManifestFile, read_manifest_list
from pyiceberg.schema import Schema as IcebergSchema
from pyiceberg.table.metadata import TableMetadata, TableMetadataUtil
from pyiceberg.table.snapshots import Snapshot as IcebergSnapshot
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import DateType, IcebergType, TimestampType, TimestamptzType

from rightful.connectors.file_tree import order
from rightful.connectors.lake_faults import LakeFaults
from rightful.connectors.lake_files import LakeFile, LakePlace
from rightful.connectors.lake_hunt import Hunt
from rightful.connectors.lake_iceberg_metadata import CurrentMetadata, TableFiles, document_of
from rightful.connectors.lake_tables import LakeTable
from rightful.errors import SourceError

_PATH_ID = 2147483546
"""The field of a position delete that names the file."""
_MARKER_BYTES = 16


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What is known of one snapshot, with the columns of one schema."""

    key: str
    metadata: TableMetadata
    schema: IcebergSchema
    files: TableFiles
    data: Mapping[str, ManifestEntry]
    """Files of rows, by their paths below url."""
    deletes: Sequence[ManifestEntry]
    """Files of position deletes."""

    def deletes_of(self, path: str) -> list[DataFile]:
        """Return the files of deletes that may be about a file of rows: those that are not older than it, and not about another alone."""
        rows = self.data[path]
        name, sequence = rows.data_file.file_path.encode(), rows.sequence_number or 0
        return [
            entry.data_file
            for entry in self.deletes
            if (entry.sequence_number or 0) >= sequence
            and (entry.data_file.lower_bounds or {}).get(_PATH_ID, name) <= name <= (entry.data_file.upper_bounds or {}).get(_PATH_ID, name)
        ]

    def constants_of(self, path: str) -> dict[int, object]:
        """Return the values that all rows of a file have by its partition, by the ids of the columns."""
        data = self.data[path].data_file
        fields = self.metadata.specs()[data.spec_id].fields
        return {
            field.source_id: data.partition[place] for place, field in enumerate(fields) if isinstance(field.transform, IdentityTransform)
        }

    def may_hold(self, files: Sequence[LakeFile], hunt: Hunt) -> list[LakeFile]:
        """Leave out the files whose partition or statistics say that they hold nothing of what is looked for."""
        wanted = _condition(hunt, self.schema)
        try:
            statistics = _InclusiveMetricsEvaluator(self.schema, wanted)
            partitions = {
                spec.spec_id: expression_evaluator(
                    IcebergSchema(*spec.partition_type(self.schema).fields),
                    inclusive_projection(self.schema, spec, case_sensitive=True)(wanted),
                    case_sensitive=True,
                )
                for spec in self.metadata.partition_specs
            }
        except (ValueError, TypeError, NotImplementedError):  # a column that partitions were made by, or a type, is gone
            return list(files)
        entries = [(file, self.data[file.path].data_file) for file in files]
        return [file for file, data in entries if statistics.eval(data) and partitions[data.spec_id](data.partition)]


class IcebergLake(LakeTable):
    """A table, in a folder or below a prefix."""

    def __init__(self, files: LakePlace, current: CurrentMetadata, name: str, faults: LakeFaults) -> None:
        """`files` are all that lie there, deleted ones and metadata too."""
        super().__init__(files)
        self._current = current
        self._name = name
        self._faults = faults
        self._known: Snapshot | None = None

    def files(self, until_s: float = math.inf) -> list[LakeFile]:
        """List the files of the current snapshot, by the bytes of their paths' segments."""
        del until_s  # a table knows its files
        found = self._load("")
        if found is None:
            return []
        names = sorted(found.data, key=order)
        return [LakeFile(path, found.data[path].data_file.file_size_in_bytes, 0, found.key, ()) for path in names]

    def is_unchanged(self, files: Sequence[LakeFile]) -> bool:
        """Say whether the snapshot is still known, and all files are still there."""
        if not files:
            return True
        if not self.are_there(files):
            return False
        try:
            return bool(self.snapshot(files[0].etag))
        except SourceError as error:
            if error.code == "SourceChanged":
                return False
            raise

    def said(self, files: Sequence[LakeFile]) -> str:
        """Return the table's name and snapshot."""
        if files:
            return f"{self._name} at snapshot {files[0].etag.partition('/')[0]}"
        found = self._load("")
        return f"{self._name} at snapshot {found.key.partition('/')[0]}" if found else f"{self._name} without a snapshot"

    def snapshot(self, key: str) -> Snapshot:
        """Return a snapshot by its key (`LakeFile.etag`); raises `SourceUnavailable` where it is gone."""
        known = self._known
        found = known if known is not None and known.key == key else self._load(key)
        if found is None:
            raise self._faults.changed("the table lost the snapshot that is read")
        return found

    def _load(self, key: str) -> Snapshot | None:
        """Read the metadata as it is now, and the manifests of a snapshot: the current one where no key is given."""
        with self._explained():
            files = TableFiles(self._files, self._faults)
            metadata = self._metadata(files)
            wanted, _, schema_id = key.partition("/")
            number = int(wanted) if key else metadata.current_snapshot_id
            found = metadata.snapshot_by_id(number) if number is not None else None
            schemas = {schema.schema_id: schema for schema in metadata.schemas}
            schema = schemas.get(int(schema_id) if key else metadata.current_schema_id)
            if found is None or schema is None:
                return None
            entries = [
                entry for manifest in _manifests(files, found) for entry in manifest.fetch_manifest_entry(files, discard_deleted=True)
            ]
            for entry in entries:
                self._check(entry.data_file)
        data = [entry for entry in entries if entry.data_file.content == DataFileContent.DATA]
        self._known = Snapshot(
            key=f"{number}/{schema.schema_id}",
            metadata=metadata,
            schema=schema,
            files=files,
            data={files.path_of(entry.data_file.file_path): entry for entry in data},
            deletes=[entry for entry in entries if entry.data_file.content == DataFileContent.POSITION_DELETES],
        )
        return self._known

    def _metadata(self, files: TableFiles) -> TableMetadata:
        document, written = document_of(self._files, self._current.find(files))
        files.location = written.location
        return TableMetadataUtil.parse_raw(document.decode())

    def _check(self, data: DataFile) -> None:
        if data.content == DataFileContent.EQUALITY_DELETES:
            problem, hint = (
                "equality deletes",
                "have it compacted (in Spark: CALL system.rewrite_data_files), or export it as Parquet files",
            )
        elif data.content == DataFileContent.POSITION_DELETES and data.file_format != FileFormat.PARQUET:
            problem, hint = f"deletes in files of {data.file_format}", "have it compacted (in Spark: CALL system.rewrite_data_files)"
        elif data.file_format != FileFormat.PARQUET:
            problem, hint = f"files of {data.file_format}", "have them rewritten as Parquet"
        elif data.key_metadata:
            problem, hint = "encrypted files", "export it as Parquet files"
        else:
            return
        raise self._faults.refused(f"the table has {problem}, which are not read", hint)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say what pyiceberg says, without the addresses in it."""
        try:
            yield
        except NotImplementedError:
            raise self._faults.refused("the table needs a reader that knows more than pyiceberg", "install a later pyiceberg") from None
        except OSError as error:
            raise self._faults.unavailable(
                f"the table's metadata cannot be read ({type(error).__name__})", "see that the right to read it is given"
            ) from None
        except (
            ValueError,
            TypeError,
            KeyError,
            EOFError,
            AttributeError,
            AssertionError,
            ValidationError,
        ) as error:  # what it says of a damaged file
            raise self._faults.refused(
                f"the table's metadata is damaged, or of a version that pyiceberg does not know ({type(error).__name__})",
                "see whether pyiceberg reads the table; if so, report this",
            ) from None


def _manifests(files: TableFiles, snapshot: IcebergSnapshot) -> Iterator[ManifestFile]:
    """Yield the manifests of a snapshot. pyiceberg does not always notice where a file was cut off: raises `EOFError` then."""
    listed = files.new_input(snapshot.manifest_list)
    with listed.open() as stream:
        content = stream.read()
    # Each block of an Avro file ends with the marker that its header ends with. A list without blocks is one of an empty table.
    has_blocks = content.count(content[-_MARKER_BYTES:]) > 1
    if not has_blocks and (snapshot.summary is None or snapshot.summary["total-data-files"] != "0"):
        raise EOFError
    for manifest in read_manifest_list(listed):
        if len(files.new_input(manifest.manifest_path)) != manifest.manifest_length:
            raise EOFError
        yield manifest


def _condition(hunt: Hunt, schema: IcebergSchema) -> BooleanExpression:
    """Return what a file must hold, as an expression of Iceberg; less than that where it has no way to say it."""
    types = {field.name: field.field_type for field in schema.fields if "." not in field.name}  # a.b would be b in a
    condition: BooleanExpression = AlwaysTrue()
    if hunt.values and hunt.values.keys() <= types.keys():
        first, *others = [_term(In, column, found.to_list()) for column, found in hunt.values.items()]
        condition = Or(first, *others) if others else first
    limits = [] if hunt.window.is_open or not hunt.time else _limits(hunt, types.get(hunt.time))
    if limits:
        condition = And(condition, Or(_term(IsNull, hunt.time), And(*limits) if len(limits) > 1 else limits[0]))
    return condition


def _limits(hunt: Hunt, dtype: IcebergType | None) -> list[BooleanExpression]:
    since, until, found = hunt.window.since, hunt.window.until, hunt.types[hunt.time]
    if isinstance(dtype, DateType) and found == pl.Date:
        last = until and until - timedelta(microseconds=1)
        return [
            *([_term(GreaterThanOrEqual, hunt.time, since.date().isoformat())] if since else []),
            *([_term(LessThanOrEqual, hunt.time, last.date().isoformat())] if last else []),
        ]
    if isinstance(dtype, TimestampType | TimestamptzType) and isinstance(found, pl.Datetime):
        zone = UTC if isinstance(dtype, TimestamptzType) else None
        return [
            *([_term(GreaterThanOrEqual, hunt.time, since.replace(tzinfo=zone).isoformat())] if since else []),
            *([_term(LessThan, hunt.time, until.replace(tzinfo=zone).isoformat())] if until else []),
        ]
    return []


def _term(kind: Callable[..., BooleanExpression], *parts: object) -> BooleanExpression:
    """Make an expression; the types of pyiceberg's constructors are those of pydantic's, which nobody calls."""
    return kind(*parts)
