"""Scans Parquet files with polars, and says whose each row is.

Nothing is converted unless it is exact: files whose schemas differ are read with the narrowest types that hold all their values, and what
has no such type is refused. Columns that a file does not have are null there. Errors name a file by its path in the lake, never a value.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from itertools import groupby
from pathlib import Path

import msgspec
import polars as pl
import pyarrow as pa

from rightful.connectors.interface import MATCH_PREFIX, SUBJECT_COLUMN
from rightful.connectors.lake_batches import batches, exhaust
from rightful.connectors.lake_files import LakeFile, hive_values, is_unchanged, shown_path
from rightful.connectors.lake_types import SchemaClash, common_type, merge
from rightful.database.identifying import Form, searched
from rightful.errors import SourceError, SourceRefused, SourceUnavailable
from rightful.package.schema import Column
from rightful.package.serializer import kind_of
from rightful.subject.model import IdentifiedSubject

_MAX_BATCH_BYTES = 8 << 20
_FILE = "\x1ffile"
_PLACE = "\x1fplace"
_VALUE = "\x1fvalue"
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,39}")
_FAULTS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.lib.ArrowException, OSError)
"""A panic in polars is a BaseException; here it becomes one of ours."""

Schema = Mapping[str, pl.DataType]


class LakeSchema(msgspec.Struct, frozen=True, kw_only=True):
    """What the files of a lake have together."""

    types: dict[str, pl.DataType]
    """Of every column, match columns too, in the order in which they first appear; Null for those that are never read."""
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
        return bytes(_arrow_schema(self.types).serialize())


class LakeScan:
    """Reads files below one root. Safe to use from several threads."""

    def __init__(self, source_name: str, root: Path, match: Mapping[str, str], exclude: Sequence[str]) -> None:
        self._source_name = source_name
        self._root = root
        self._match = dict(match)
        self._exclude = frozenset(exclude)
        self._unread = self._exclude - self._match.keys()
        self._footers: dict[LakeFile, Schema] = {}
        self._readable: set[pl.DataType] = set()
        """Types that turned out to have a form in Arrow."""

    # -- schemas --------------------------------------------------------------------------------------------------------
    def survey(self, files: Sequence[LakeFile]) -> LakeSchema:
        """Read the footers of files that were not read before, and find what they have together."""
        known = self._footers
        merged: dict[str, pl.DataType] = {}
        footers: dict[LakeFile, Schema] = {}
        shared: dict[tuple[tuple[str, str], ...], Schema] = {}
        for file in files:
            schema = known.get(file) or self._footer(file)
            key = tuple((name, repr(dtype)) for name, dtype in schema.items())
            if key not in shared:
                shared[key] = schema
                merged = self._merge(merged, schema, file)
            footers[file] = shared[key]
        self._footers = footers
        self._add_hive(merged, files, footers)
        return self._schema(merged)

    def unpack(self, packed: bytes) -> LakeSchema:
        """Turn back what `LakeSchema.pack` made."""
        empty = pa.ipc.read_schema(pa.py_buffer(packed)).empty_table()
        frame = pl.from_arrow(empty)
        assert isinstance(frame, pl.DataFrame)
        return self._schema(dict(frame.schema))

    def _schema(self, types: dict[str, pl.DataType]) -> LakeSchema:
        visible = {name: dtype for name, dtype in types.items() if name not in self._exclude}
        columns = []
        for field in _arrow_schema(visible):
            try:
                columns.append(Column(name=field.name, kind=kind_of(field), source_type=str(field.type)))
            except ValueError as error:  # an interval or a union
                raise self._refused(f"column {field.name!r} is of type {field.type}, which has no written form", "exclude it") from error
        return LakeSchema(types=types, columns=tuple(columns))

    def _footer(self, file: LakeFile) -> Schema:
        if not _is_utf8(file.path):
            raise self._refused("the name of a file is not UTF-8", "rename it")
        if not all(_is_utf8(name) and _is_utf8(value or "") for name, value in hive_values(file.path).items()):
            raise self._refused(f"{self._shown(file)!r} lies in a folder whose name is not UTF-8 where its %XX are decoded", "rename it")
        try:
            schema = _scan([self._root / file.path]).collect_schema()
        except _FAULTS as error:
            raise self._explain(error, [file]) from error
        present = [column for column in self._match if column in schema]
        if not present and not any(column in self._match for column in hive_values(file.path)):
            raise self._refused(
                f"{self._shown(file)!r} has none of the columns of match", "correct match, or narrow url down to files that have them"
            )
        for column in present:
            if not (schema[column].is_integer() or common_type(schema[column], pl.String()) == pl.String()):
                raise self._refused(
                    f"column {column!r} of {self._shown(file)!r} is of type {schema[column]}", "match takes texts and integers"
                )
        if any(name.startswith("\x1f") for name in schema):
            raise self._refused(f"{self._shown(file)!r} has a column whose name begins with a control character", "rename it")
        for column, dtype in schema.items():
            if column not in self._unread and not self._is_readable(dtype):
                raise self._refused(
                    f"column {column!r} of {self._shown(file)!r} is of type {dtype}, which cannot be read exactly",
                    "exclude it, or write it as another type",
                )
        return schema

    def _is_readable(self, dtype: pl.DataType) -> bool:
        """Say whether a type can be delivered: decimals of 256 bits, integers of 128, and structs with two equal names can not."""
        if dtype not in self._readable:
            try:
                [field] = _arrow_schema({"": dtype})
            except _FAULTS:
                return False
            if _has_twins(field.type):
                return False
            self._readable.add(dtype)
        return True

    def _merge(self, merged: dict[str, pl.DataType], schema: Schema, file: LakeFile) -> dict[str, pl.DataType]:
        try:
            return merge(merged, {name: pl.Null() if name in self._unread else dtype for name, dtype in schema.items()})
        except SchemaClash as clash:
            raise self._refused(
                f"column {clash.column!r} is {clash.found} in {self._shown(file)!r} and {clash.known} before it: no type holds both",
                "write one of them anew, exclude the column, or make two sources of them",
            ) from clash

    def _add_hive(self, merged: dict[str, pl.DataType], files: Sequence[LakeFile], footers: Mapping[LakeFile, Schema]) -> None:
        """Add the columns that stand in folders' names alone, as text."""
        names = {frozenset(hive_values(file.path)) for file in files}
        if len(names) > 1:
            raise self._refused("some folders are named column=value and others are not, or with other columns", "make two sources of them")
        for name in hive_values(files[0].path):
            holders = sum(name in footers[file] for file in files)
            if 0 < holders < len(files):
                raise self._refused(f"column {name!r} stands in folders' names, and in some of the files too", "make two sources of them")
            if not holders:
                merged[name] = pl.String()

    # -- rows -----------------------------------------------------------------------------------------------------------
    def rows(
        self, files: Sequence[LakeFile], schema: LakeSchema, subjects: Sequence[IdentifiedSubject], *, is_counted: bool = False
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of all subjects, in the order of the files, each with its subject's index; only that where they are counted."""
        wanted = {column: _wanted(kind, subjects) for column, kind in self._match.items()}
        if not any(wanted.values()):
            return
        output = {MATCH_PREFIX + column: column for column in self._match} if is_counted else self._output(schema)
        known = self._footers  # another thread may put others in its place at any moment
        footers = {file: known.get(file) or self._footer(file) for file in files}
        if len(footers) > sum(file in known for file in footers):
            self._footers = {**known, **footers}
        for (types, _), group in groupby(files, key=lambda file: (tuple(footers[file].items()), self._hive_match(file, footers[file]))):
            yield from self._group(list(group), dict(types), schema, wanted, output, len(subjects))

    def head(self, file: LakeFile, schema: LakeSchema, count: int) -> Iterator[pa.RecordBatch]:
        """Yield a file's first rows, visible columns alone; what stands in folders' names is null."""
        types = self._footers.get(file) or self._footer(file)
        wanted = [_read_as(name, name, types.get(name), schema.types[name]) for name in schema.names]
        try:
            yield from _arrow_batches(_scan([self._root / file.path]).head(count).select(wanted).collect())
        except _FAULTS as error:
            raise self._explain(error, [file]) from error

    def _hive_match(self, file: LakeFile, types: Schema) -> tuple[tuple[str, str | None], ...]:
        """Return the values of match columns that stand in a file's folders: files that are scanned together have the same."""
        return tuple((name, value) for name, value in hive_values(file.path).items() if name in self._match and name not in types)

    def _output(self, schema: LakeSchema) -> dict[str, str]:
        """Return what each column of a batch is read from: visible ones, then match columns that are excluded."""
        hidden = {MATCH_PREFIX + column: column for column in self._match if column in self._exclude}
        return {name: name for name in schema.names} | hidden

    def _group(  # noqa: PLR0917  # private, called once
        self,
        files: list[LakeFile],
        types: Schema,
        schema: LakeSchema,
        wanted: Mapping[str, Mapping[str, Sequence[int]]],
        output: Mapping[str, str],
        count: int,
    ) -> Iterator[pa.RecordBatch]:
        """Scan files of one schema, and of one value of each match column that stands in folders' names."""
        constants = dict(self._hive_match(files[0], types))
        owners = {column: _owners(values, types.get(column, pl.Null())) for column, values in wanted.items() if column not in constants}
        owners |= {
            column: _owners({k: v for k, v in wanted[column].items() if k == value}, pl.String()) for column, value in constants.items()
        }
        owners = {column: pairs for column, pairs in owners.items() if pairs.height}
        if not owners:
            return
        query = partial(self._query, types=types, schema=schema, owners=owners, constants=constants, output=output)
        try:
            with closing(batches(query(files))) as found:
                for frame in found:
                    for part in _attributed(frame, owners, output, schema, count):
                        yield from _arrow_batches(part)
        except _FAULTS as error:
            raise self._explain(error, files, query) from error

    def _query(
        self,
        files: Sequence[LakeFile],
        *,
        types: Schema,
        schema: LakeSchema,
        owners: Mapping[str, pl.DataFrame],
        constants: Mapping[str, str | None],
        output: Mapping[str, str],
    ) -> pl.LazyFrame:
        """Find the rows of all owners, with columns and types as the lake has them together."""
        hive = [name for name in hive_values(files[0].path) if name not in types]
        rows = _scan([self._root / file.path for file in files], include_file_paths=_FILE if hive else None)
        if not owners.keys() & constants.keys():
            rows = rows.filter(pl.any_horizontal([_is_one_of(column, pairs[_VALUE], types[column]) for column, pairs in owners.items()]))
        for name in hive:
            rows = rows.with_columns(_from_folders(name, {str(self._root / file.path): hive_values(file.path)[name] for file in files}))
        here = dict(types) | dict.fromkeys(hive, pl.String())
        return rows.select(_read_as(name, source, here.get(source), schema.types[source]) for name, source in output.items())

    # -- faults ---------------------------------------------------------------------------------------------------------
    def _explain(
        self, error: BaseException, files: Sequence[LakeFile], query: Callable[[Sequence[LakeFile]], pl.LazyFrame] | None = None
    ) -> SourceError:
        """Find out which file is at fault. The texts of polars are kept out: they may hold values."""
        if not is_unchanged(self._root, files):
            return SourceUnavailable(
                "the lake changed while it was read", source_name=self._source_name, code="SourceChanged", hint="try again later"
            )
        for file in files:
            try:
                for frame in (_scan([self._root / file.path]).drop(self._unread, strict=False), *([query([file])] if query else [])):
                    exhaust(frame)
            except PermissionError:
                return self._refused(f"{self._shown(file)!r} may not be read", "give the service's user the right to read it")
            except OSError:
                return SourceUnavailable(
                    f"{self._shown(file)!r} cannot be read now", source_name=self._source_name, hint="see that its disk is well"
                )
            except _FAULTS as fault:
                return self._refused(
                    f"{self._shown(file)!r} is damaged or no Parquet file ({type(fault).__name__})", "restore it, or take it away"
                )
        return self._refused(
            f"polars could not read the lake ({type(error).__name__})", "see whether polars reads these files, and report this"
        )

    def _shown(self, file: LakeFile) -> str:
        """Name a file: folders that are named after people are shown without their names."""
        return shown_path(file.path, self._match)

    def _refused(self, message: str, hint: str) -> SourceRefused:
        return SourceRefused(message, source_name=self._source_name, hint=hint, concerns_everybody=True)


def _is_utf8(text: str) -> bool:
    return text.isprintable() or not any("\ud800" <= character <= "\udfff" for character in text)


def _scan(paths: list[Path], *, include_file_paths: str | None = None) -> pl.LazyFrame:
    """Read files as they are: their names are no patterns, and what their folders say is added by ourselves."""
    return pl.scan_parquet(paths, glob=False, hive_partitioning=False, include_file_paths=include_file_paths)


def _wanted(kind: str, subjects: Sequence[IdentifiedSubject]) -> dict[str, list[int]]:
    """Return which subjects have an identifier, by each spelling that is searched for in databases too."""
    found: dict[str, dict[int, None]] = {}
    for index, subject in enumerate(subjects):
        for value in searched(kind, subject.values(kind), Form.TEXT):
            found.setdefault(value, {})[index] = None
    return {value: list(indexes) for value, indexes in found.items()}


def _owners(wanted: Mapping[str, Sequence[int]], dtype: pl.DataType) -> pl.DataFrame:
    """Return (value, subject) pairs, values in the column's type. A text that is no integer as it would be written matches no integer."""
    values: dict[str | int, Sequence[int]] = {}
    if dtype.is_integer():
        bits = int(re.sub(r"\D", "", str(dtype)))
        low, high = (-1 << (bits - 1), (1 << (bits - 1)) - 1) if dtype.is_signed_integer() else (0, (1 << bits) - 1)
        values.update({int(value): who for value, who in wanted.items() if _INTEGER.fullmatch(value) and low <= int(value) <= high})
    elif not isinstance(dtype, pl.Null):
        values.update(wanted)
    pairs = [(value, index) for value, indexes in values.items() for index in indexes]
    return pl.DataFrame(
        [
            pl.Series(_VALUE, [value for value, _ in pairs], dtype=dtype if dtype.is_integer() else pl.String()),
            pl.Series(SUBJECT_COLUMN, [index for _, index in pairs], dtype=pl.Int32()),
        ]
    )


def _is_one_of(column: str, values: pl.Series, dtype: pl.DataType) -> pl.Expr:
    found = pl.col(column).cast(pl.String) if isinstance(dtype, pl.Categorical | pl.Enum) else pl.col(column)
    unique = values.unique()
    return found.eq(unique[0]) if len(unique) == 1 else found.is_in(unique.implode())


def _from_folders(name: str, by_file: Mapping[str, str | None]) -> pl.Expr:
    old, new = pl.Series(list(by_file), dtype=pl.String), pl.Series(list(by_file.values()), dtype=pl.String)
    return pl.col(_FILE).replace_strict(old, new, return_dtype=pl.String).alias(name)


def _read_as(name: str, source: str, found: pl.DataType | None, wanted: pl.DataType) -> pl.Expr:
    """Read a column in the lake's type: as it is, cast where that is exact, or null where the file does not have it."""
    if found is None:
        return pl.lit(None, dtype=wanted).alias(name)
    if found == wanted:
        return pl.col(source).alias(name)
    if isinstance(found, pl.Datetime) and isinstance(wanted, pl.Datetime) and found.time_zone != wanted.time_zone:
        return pl.col(source).dt.convert_time_zone(wanted.time_zone or "UTC").cast(wanted).alias(name)
    return pl.col(source).cast(wanted, strict=True).alias(name)


def _attributed(
    frame: pl.DataFrame, owners: Mapping[str, pl.DataFrame], output: Mapping[str, str], schema: LakeSchema, count: int
) -> Iterator[pl.DataFrame]:
    """Give each row its subject's index: a row of two subjects stands twice, one that matches a subject by two columns once.

    No frame has more rows than there were, so that what many subjects share takes no more memory than what one has.
    """
    if count == 1:
        yield frame.with_columns(pl.lit(0, dtype=pl.Int32).alias(SUBJECT_COLUMN))
        return
    names = {source: name for name, source in output.items()}
    places = frame.with_row_index(_PLACE)
    pairs = [
        places.select(_PLACE, pl.col(names[column]).alias(_VALUE)).join(
            pairs.with_columns(pl.col(_VALUE).cast(schema.types[column])), on=_VALUE, how="inner"
        )
        for column, pairs in owners.items()
    ]
    found = pl.concat([pair.select(_PLACE, SUBJECT_COLUMN) for pair in pairs]).unique().sort(_PLACE, SUBJECT_COLUMN)
    for part in found.iter_slices(frame.height):
        yield frame[part[_PLACE]].with_columns(part[SUBJECT_COLUMN])


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
