"""Scans a lake's files, and says whose each row is.

Nothing is converted unless it is exact: files whose schemas differ are read with the narrowest types that hold all their values, and what
has no such type is refused. Columns that a file does not have are null there. Errors name a file by its path in the lake, never a value.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import msgspec
import polars as pl
import pyarrow as pa

from rightful.connectors.interface import MATCH_PREFIX
from rightful.connectors.lake_faults import LakeFaults
from rightful.connectors.lake_files import LakeFile
from rightful.connectors.lake_format import LakeFormat
from rightful.connectors.lake_hunt import Hunt, Meter, Schema, owners_of, read_as, wanted
from rightful.connectors.lake_parquet import FAULTS
from rightful.connectors.lake_types import SchemaClash, common_type, merge
from rightful.connectors.time_window import ALWAYS, Window
from rightful.package.schema import Column, ColumnKind
from rightful.package.serializer import kind_of
from rightful.subject.model import IdentifiedSubject

_MAX_BATCH_BYTES = 8 << 20


class LakeSchema(msgspec.Struct, frozen=True, kw_only=True):
    """What the files of a lake have together."""

    types: dict[str, pl.DataType]
    """Of every column, match columns too, in the order in which they first appear; Null for those that are never read."""
    verbatim: frozenset[str]
    """Columns that hold JSON documents."""
    columns: tuple[Column, ...]
    """Visible ones."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the visible columns."""
        return tuple(column.name for column in self.columns)

    @property
    def all_names(self) -> frozenset[str]:
        """Names of all columns, excluded ones too."""
        return frozenset(self.types)

    def pack(self) -> bytes:
        """Serialize the types; `LakeScan.unpack` turns them back."""
        schema = _arrow_schema(self.types).with_metadata({"verbatim": msgspec.json.encode(sorted(self.verbatim))})
        return bytes(schema.serialize())


class LakeScan:
    """Reads files of one lake. Safe to use from several threads."""

    def __init__(self, faults: LakeFaults, files: LakeFormat, match: Mapping[str, str], exclude: Sequence[str], time: str) -> None:
        self._faults = faults
        self._format = files
        self._match = dict(match)
        self._exclude = frozenset(exclude)
        self._time = time
        self._unread = self._exclude - self._match.keys()
        self._footers: dict[LakeFile, Schema] = {}
        self._readable: set[pl.DataType] = set()
        """Types that turned out to have a form in Arrow."""

    # -- schemas --------------------------------------------------------------------------------------------------------
    def survey(self, files: Sequence[LakeFile], until_s: float = math.inf) -> LakeSchema:
        """Read the schemas of files that were not read before, until a time of the monotonic clock, and find what they have together."""
        known = self._footers
        merged: dict[str, pl.DataType] = {}
        footers: dict[LakeFile, Schema] = {}
        shared: dict[tuple[tuple[str, str], ...], Schema] = {}
        for file in files:
            if time.monotonic() >= until_s:
                self._footers = {**known, **footers}  # the next one goes on from here
                raise self._faults.unavailable(
                    "looking at the lake's files takes longer than there is time for now", "a read has all the time it needs"
                )
            schema = known.get(file) or self._footer(file)
            key = tuple((name, repr(dtype)) for name, dtype in schema.items())
            if key not in shared:
                shared[key] = schema
                merged = self._merge(merged, schema, file)
            footers[file] = shared[key]
        self._footers = footers
        texts = {name for name, dtype in merged.items() if dtype == pl.String and name not in self._match}
        self._add_hive(merged, files, footers)
        return self._schema(merged, frozenset(texts) if self._format.verbatim else frozenset())

    def unpack(self, packed: bytes) -> LakeSchema:
        """Turn back what `LakeSchema.pack` made."""
        schema = pa.ipc.read_schema(pa.py_buffer(packed))
        frame = pl.from_arrow(schema.empty_table())
        assert isinstance(frame, pl.DataFrame)
        verbatim = msgspec.json.decode((schema.metadata or {}).get(b"verbatim", b"[]"), type=frozenset[str])
        return self._schema(dict(frame.schema), verbatim)

    def _schema(self, types: dict[str, pl.DataType], verbatim: frozenset[str]) -> LakeSchema:
        visible = {name: dtype for name, dtype in types.items() if name not in self._exclude}
        columns = []
        for field in _arrow_schema(visible):
            try:
                kind = ColumnKind.JSON if field.name in verbatim else kind_of(field)
            except ValueError as error:  # an interval or a union
                raise self._faults.refused(
                    f"column {field.name!r} is of type {field.type}, which has no written form", "exclude it"
                ) from error
            columns.append(Column(name=field.name, kind=kind, source_type="json" if field.name in verbatim else str(field.type)))
        return LakeSchema(types=types, verbatim=verbatim, columns=tuple(columns))

    def _footer(self, file: LakeFile) -> Schema:
        shown = self._faults.shown(file)
        if not _is_utf8(file.path):
            raise self._faults.refused("the name of a file is not UTF-8", "rename it")
        if not all(_is_utf8(name) and _is_utf8(value or "") for name, value in file.folders.items()):
            raise self._faults.refused(f"{shown} lies in a folder whose name is not UTF-8 where its %XX are decoded", "rename it")
        schema = self._format.schema(file)
        present = [column for column in self._match if column in schema]
        if not present and not any(column in self._match for column in file.folders):
            raise self._faults.refused(
                f"{shown} has none of the columns of match", "correct match, or narrow url down to files that have them"
            )
        for column in present:
            if not (schema[column].is_integer() or common_type(schema[column], pl.String()) == pl.String()):
                raise self._faults.refused(f"column {column!r} of {shown} is of type {schema[column]}", "match takes texts and integers")
        if any(name.startswith("\x1f") for name in schema):
            raise self._faults.refused(f"{shown} has a column whose name begins with a control character", "rename it")
        for column, dtype in schema.items():
            if column not in self._unread and not self._is_readable(dtype):
                raise self._faults.refused(
                    f"column {column!r} of {shown} is of type {dtype}, which cannot be read exactly",
                    "exclude it, or write it as another type",
                )
        return schema

    def _is_readable(self, dtype: pl.DataType) -> bool:
        """Say whether a type can be delivered: decimals of 256 bits, integers of 128, and structs with two equal names can not."""
        if dtype not in self._readable:
            try:
                [field] = _arrow_schema({"": dtype})
            except FAULTS:
                return False
            if _has_twins(field.type):
                return False
            self._readable.add(dtype)
        return True

    def _merge(self, merged: dict[str, pl.DataType], schema: Schema, file: LakeFile) -> dict[str, pl.DataType]:
        try:
            return merge(merged, {name: pl.Null() if name in self._unread else dtype for name, dtype in schema.items()})
        except SchemaClash as clash:
            raise self._faults.refused(
                f"column {clash.column!r} is {clash.found} in {self._faults.shown(file)} and {clash.known} before it: no type holds both",
                "write one of them anew, exclude the column, or make two sources of them",
            ) from clash

    def _add_hive(self, merged: dict[str, pl.DataType], files: Sequence[LakeFile], footers: Mapping[LakeFile, Schema]) -> None:
        """Add the columns that stand in folders' names alone, as text."""
        names = {frozenset(file.folders) for file in files}
        if len(names) > 1:
            raise self._faults.refused(
                "some folders are named column=value and others are not, or with other columns", "make two sources of them"
            )
        for name in files[0].folders:
            holders = sum(name in footers[file] for file in files)
            if 0 < holders < len(files):
                raise self._faults.refused(
                    f"column {name!r} stands in folders' names, and in some of the files too", "make two sources of them"
                )
            if not holders:
                merged[name] = self._format.folder_type(name, files[0])

    # -- rows -----------------------------------------------------------------------------------------------------------
    def rows(
        self,
        files: Sequence[LakeFile],
        schema: LakeSchema,
        subjects: Sequence[IdentifiedSubject],
        *,
        window: Window = ALWAYS,
        is_counted: bool = False,
        meter: Meter | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of all subjects, in the order of the files, each with its subject's index; only that where they are counted."""
        looked_for = {column: wanted(kind, subjects) for column, kind in self._match.items()}
        if not any(looked_for.values()):
            return
        output = {MATCH_PREFIX + column: column for column in self._match} if is_counted else self._output(schema)
        known = self._footers  # another thread may put others in its place at any moment
        footers = {file: known.get(file) or self._footer(file) for file in files}
        if len(footers) > sum(file in known for file in footers):
            self._footers = {**known, **footers}
        for (types, constants), group in groupby(
            files, key=lambda file: (tuple(footers[file].items()), self._hive_match(file, footers[file]))
        ):
            owners = _owners(dict(types), dict(constants), looked_for)
            if owners:
                hunt = Hunt(
                    types=dict(types),
                    lake=schema.types,
                    output=output,
                    owners=owners,
                    constants=dict(constants),
                    count=len(subjects),
                    meter=meter,
                )
                group_files = list(group)
                yield from self._found(group_files, self._windowed(hunt, window, group_files[0]))

    def _windowed(self, hunt: Hunt, window: Window, file: LakeFile) -> Hunt:
        dtype = hunt.types.get(self._time)
        if window.is_open or dtype is None:  # then folders say it, or these files do not
            return hunt
        if not isinstance(dtype, pl.Date | pl.Datetime):
            raise self._faults.refused(
                f"column {self._time!r} of {self._faults.shown(file)} is of type {dtype}, by which no window can be applied",
                "state its type in types (date, timestamp, timestamp_tz), or leave window out",
            )
        return msgspec.structs.replace(hunt, time=self._time, window=window)

    def _found(self, files: Sequence[LakeFile], hunt: Hunt) -> Iterator[pa.RecordBatch]:
        for frame in self._format.find(files, hunt):
            try:
                for part in hunt.attributed(frame):
                    yield from _arrow_batches(part)
            except FAULTS as error:
                raise self._faults.refused(f"the rows found have no form in Arrow ({type(error).__name__})", "report this") from error

    def head(self, file: LakeFile, schema: LakeSchema, count: int) -> Iterator[pa.RecordBatch]:
        """Yield a file's first rows, visible columns alone; what stands in folders' names is null."""
        types = self._footers.get(file) or self._footer(file)
        rows = self._format.head(file, types, schema.names, count)
        yield from _arrow_batches(rows.select(read_as(name, name, types.get(name), schema.types[name]) for name in schema.names))

    def look(self, file: LakeFile, count: int) -> tuple[tuple[str, ...], dict[str, list[str]]]:
        """Return a file's columns, and the texts and integers in its first rows, by column."""
        types = self._format.schema(file)
        names = [name for name, dtype in types.items() if dtype.is_integer() or dtype == pl.String]
        rows = self._format.head(file, types, names, count)
        found = {name: rows[name].drop_nulls().to_list() for name in names}
        if self._format.verbatim:
            found = {name: [msgspec.json.decode(document) for document in documents] for name, documents in found.items()}
        return tuple(types), {name: [str(value) for value in values if isinstance(value, str | int)] for name, values in found.items()}

    def _hive_match(self, file: LakeFile, types: Schema) -> tuple[tuple[str, str | None], ...]:
        """Return the values of match columns that stand in a file's folders: files that are scanned together have the same."""
        return tuple((name, value) for name, value in file.folders.items() if name in self._match and name not in types)

    def _output(self, schema: LakeSchema) -> dict[str, str]:
        """Return what each column of a batch is read from: visible ones, then match columns that are excluded."""
        hidden = {MATCH_PREFIX + column: column for column in self._match if column in self._exclude}
        return {name: name for name in schema.names} | hidden


def _owners(
    types: Schema, constants: Mapping[str, str | None], looked_for: Mapping[str, Mapping[str, Sequence[int]]]
) -> dict[str, pl.DataFrame]:
    owners = {column: owners_of(values, types.get(column, pl.Null())) for column, values in looked_for.items() if column not in constants}
    owners |= {
        column: owners_of({k: v for k, v in looked_for[column].items() if k == value}, pl.String()) for column, value in constants.items()
    }
    return {column: pairs for column, pairs in owners.items() if pairs.height}


def _is_utf8(text: str) -> bool:
    return text.isprintable() or not any("\ud800" <= character <= "\udfff" for character in text)


def _arrow_batches(frame: pl.DataFrame) -> Iterator[pa.RecordBatch]:
    # A frame has a chunk for each row group that something was found in, a few rows each; everything after this costs by the batch.
    for batch in frame.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches():
        yield from _bounded(batch)


def _bounded(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if batch.nbytes <= _MAX_BATCH_BYTES or batch.num_rows == 1:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _bounded(batch.slice(0, half))
    yield from _bounded(batch.slice(half))


def _has_twins(dtype: pa.DataType) -> bool:
    """Say whether a struct, at any depth, has two fields of one name: polars panics over some of them, and drops a value of others."""
    fields = [dtype.field(number) for number in range(dtype.num_fields)]
    return len({field.name for field in fields}) < len(fields) or any(_has_twins(field.type) for field in fields)


def _arrow_schema(types: Schema) -> pa.Schema:
    return pl.DataFrame(schema=dict(types)).to_arrow(compat_level=pl.CompatLevel.oldest()).schema
