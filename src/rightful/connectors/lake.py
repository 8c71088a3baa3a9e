"""The connector `lake`: files of rows, searched for a set of subjects in one scan.

Here stands what a read is made of; `lake_local` lists the files, `lake_scan` reads them (and imports polars, which takes a while).

A lake changes while it is read. A plan lists every file with its size and time; files that come later wait for the next request. Where a
planned file has changed or gone, a lake of one partition is simply listed anew by the read; one of several cannot be, since rows may have
moved from one partition to another: `SourceUnavailable` with the code `SourceChanged`. A change during a read is noticed at its end.
"""

import base64
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple
from urllib.parse import unquote

import msgspec

from rightful.connectors.interface import MATCH_PREFIX, Amount, Cursor, Estimate, Item, MatchColumn, Partition, ReadHeader, Rows
from rightful.connectors.lake_faults import LakeFaults
from rightful.connectors.lake_files import LakeFile, LakePlace, divide
from rightful.connectors.lake_local import LocalLake
from rightful.connectors.lake_settings import CsvSettings, IcebergSettings, format_problems, iceberg_problems
from rightful.connectors.local_paths import PATTERN_HINT, has_wildcard, local_path, local_url_problem, pattern_problem
from rightful.connectors.time_window import ALWAYS, Window, WindowSettings, resolve, window_problems
from rightful.connectors.tree_place import OBJECT_STORES, ObjectAccess, TreePlace, place_problems, remote_root
from rightful.errors import ConfigurationError, SourceRefused, SourceUnavailable
from rightful.setting_problem import SettingProblem, refuse
from rightful.spelling import did_you_mean
from rightful.subject.model import IdentifiedSubject

if TYPE_CHECKING:
    from rightful.connectors.lake_format import LakeFormat
    from rightful.connectors.lake_scan import LakeScan, LakeSchema
    from rightful.connectors.lake_text import TextReader

MIB = 1 << 20
_SEEN_S = 10.0
_TABLES = {"delta": ("Delta", "deltalake", "_delta_log"), "iceberg": ("Iceberg", "pyiceberg", "metadata")}
"""Formats whose url is a folder: what they are called, the library that each needs, and what lies in the folder."""


class LakeSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parquet, CSV or JSON lines files that hold rows of many people."""

    url: str
    """`file:///srv/activity/**/*.parquet`, or a path relative to the configuration's folder; `az://account/container/activity/**/*.parquet`,
    `s3://bucket/activity/**/*.parquet`. `**` stands for any number of folders."""
    match: dict[str, str]
    """Column: identifier kind. Of several columns either may match. Texts and integers."""
    format: Literal["parquet", "csv", "jsonl", "delta", "iceberg"] = "parquet"
    """What the files are. `csv` and `jsonl` may be compressed: `.gz`, `.zst`. Of `delta` and `iceberg` url is a table's folder."""
    types: dict[str, str] = {}
    """Columns of `csv` and `jsonl` that are read as another type than text or document: `int`, `float`, `bool`, `decimal(12, 2)`, `date`,
    `timestamp`, `timestamp_tz`, `text`."""
    csv: CsvSettings = CsvSettings()
    """How CSV files are written."""
    iceberg: IcebergSettings = IcebergSettings()
    """Where it stands which metadata of an Iceberg table is current."""
    exclude: tuple[str, ...] = ()
    """Columns that are left out."""
    time: str = ""
    """The column that says when a row's event happened; must be there. `window` is about it."""
    window: WindowSettings = WindowSettings()
    """Only rows of this time are delivered, and those that have none. Default: all."""
    access: ObjectAccess = ObjectAccess()
    """How an object store is reached; nothing of it is for local files."""
    allow_empty: bool = False
    """Whether a lake without files is normal; else it is refused."""
    partition_mib: Annotated[int, msgspec.Meta(ge=1)] = 4096
    """How many MiB of files make one read, and what is read again where one dies. Changes how parts are numbered."""

    @property
    def place(self) -> TreePlace:
        """Where the lake is."""
        return TreePlace(url=self.url, access=self.access, allow_empty=self.allow_empty)


def _open_files(source_name: str, settings: LakeSettings, faults: LakeFaults, folder: Path) -> LakePlace:
    scheme, is_table = settings.place.scheme, settings.format in _TABLES
    if not scheme:
        path = local_path(settings.url, Path() if not is_table else folder)
        return LocalLake(source_name, Path("**"), path) if is_table else LocalLake(source_name, path, folder)
    try:
        from rightful.connectors.lake_objects import ObjectLake  # noqa: PLC0415 - needs an optional library
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"url begins with {scheme}://, for which the library {error.name} is not installed", hint="install rightful[object-stores]"
        ) from error
    return ObjectLake(remote_root(source_name, settings.place, ("**",) if is_table else ()), scheme, faults)


def _pattern_problem(url: str) -> str:
    _, is_address, path = url.partition("://")
    pattern = unquote(path) if is_address else url
    return pattern_problem(pattern) if pattern.strip("/") else ""  # an empty one is told as a URL


class _Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What a partition's spec holds."""

    files: tuple[LakeFile, ...]
    of: int
    """How many partitions the plan has."""
    window: Window = ALWAYS
    schema: str
    """The whole lake's Arrow schema, serialized, in base64; the same in each partition."""


class _Seen(NamedTuple):
    """What a lake was when it was looked at last, on nobody's behalf."""

    at_s: float
    window: Window
    files: Sequence[LakeFile]
    schema: "LakeSchema | None"


class LakeConnector:
    """Reads a lake with polars. Rows come file by file in the order of their paths, and within a file as they stand."""

    Settings = LakeSettings
    is_scan = True

    def __init__(self, source_name: str, settings: LakeSettings, *, siblings: Mapping[str, msgspec.Struct], folder: Path) -> None:
        refuse(source_name, self.problems(source_name, settings, siblings=siblings, folder=folder))
        self._source_name = source_name
        self._settings = settings
        self._faults = LakeFaults(source_name, settings.match)
        self._files = _open_files(source_name, settings, self._faults, folder)
        kind = settings.format
        if kind in _TABLES and find_spec(library := _TABLES[kind][1]) is None:
            raise ConfigurationError(
                f"format is {kind}, for which the library {library} is not installed", hint=f"install rightful[{kind}]"
            )
        self._folder = folder
        self._seen: _Seen | None = None

    @staticmethod
    def found_by(settings: LakeSettings, match: Mapping[str, str]) -> LakeSettings:
        """Search by other columns; see `connectors.registry.FindsBy`."""
        return msgspec.structs.replace(settings, match=dict(match), window=WindowSettings())

    @staticmethod
    def problems(
        source_name: str, settings: LakeSettings, *, siblings: Mapping[str, msgspec.Struct | None], folder: Path
    ) -> Iterator[SettingProblem]:
        """Yield what the configuration alone shows; see `connectors.registry.FindsProblems`."""
        del source_name, siblings
        yield from place_problems(settings.place, OBJECT_STORES)
        if not settings.place.scheme and not local_url_problem(settings.url) and local_path(settings.url, folder) == Path("/"):
            yield ("url",), "names no file", "write a pattern behind the folder, such as **/*.parquet"
        if settings.format not in _TABLES and (wrong := _pattern_problem(settings.url)):
            yield ("url",), wrong, PATTERN_HINT
        if settings.format in _TABLES and any(map(has_wildcard, settings.url.split("/"))):
            name, _, inside = _TABLES[settings.format]
            yield (
                ("url",),
                f"is a pattern, and a table of {name} is one folder",
                f"name the folder that {inside} lies in; it has no *, ? or [",
            )
        if settings.format in {"parquet", *_TABLES} and settings.access.ca:
            yield ("access", "ca"), "is not known to what reads Parquet", "let the system trust it, or set SSL_CERT_FILE for the service"
        if not settings.match:
            yield ("match",), "names no column: it does not say whose a row is", "write for instance match: {user_id: upn}"
        yield from window_problems(settings.window, settings.time)
        yield from format_problems(settings.format, settings.types, settings.csv, settings.match)
        yield from iceberg_problems(settings.format, settings.iceberg)

    @cached_property
    def _scan(self) -> "LakeScan":
        from rightful.connectors.lake_scan import LakeScan  # noqa: PLC0415  # polars takes 0.1 s to import

        return LakeScan(self._faults, self._reading[1], self._settings.match, self._settings.exclude, self._settings.time)

    @property
    def _place(self) -> LakePlace:
        return self._reading[0]

    @cached_property
    def _reading(self) -> "tuple[LakePlace, LakeFormat]":
        """Where the files are, and how they are read. The modules import polars, which takes 0.1 s, or optional libraries."""
        settings, unread = self._settings, set(self._settings.exclude) - self._settings.match.keys()
        if settings.format == "parquet":
            from rightful.connectors.lake_parquet import ParquetFormat  # noqa: PLC0415

            return self._files, ParquetFormat(self._files, self._faults, unread)
        name = settings.url.rstrip("/").rpartition("/")[2]
        if settings.format == "delta":
            from rightful.connectors.lake_delta import DeltaFormat, DeltaLake  # noqa: PLC0415

            table = DeltaLake(self._files, self._files.location(LakeFile("", 0, 0)), name, self._faults)
            return table, DeltaFormat(table, self._faults, unread)
        if settings.format == "iceberg":
            from rightful.connectors.lake_iceberg import IcebergLake  # noqa: PLC0415
            from rightful.connectors.lake_iceberg_format import IcebergFormat  # noqa: PLC0415
            from rightful.connectors.lake_iceberg_metadata import CurrentMetadata  # noqa: PLC0415

            current = CurrentMetadata(self._files, settings.iceberg, self._folder, self._faults)
            iceberg = IcebergLake(self._files, current, name, self._faults)
            return iceberg, IcebergFormat(iceberg, self._faults, unread)
        from rightful.connectors.lake_text import TextFormat  # noqa: PLC0415

        unconverted = unread - {settings.time} | settings.match.keys()
        types = {column: word for column, word in settings.types.items() if column not in unconverted}
        return self._files, TextFormat(self._files, self._faults, self._reader, types)

    @cached_property
    def _reader(self) -> "TextReader":
        if self._settings.format == "csv":
            from rightful.connectors.lake_csv import CsvReader  # noqa: PLC0415  # likewise

            return CsvReader(self._settings.csv)
        from rightful.connectors.lake_jsonl import JsonLinesReader  # noqa: PLC0415  # likewise

        return JsonLinesReader(self._settings.match, self._settings.types, self._settings.exclude)

    def check(self) -> None:
        """Raise `SourceError` where files cannot be listed, their schemas do not go together or a configured column is not there."""
        _, schema = self._survey(self._window_now())
        if schema is None:
            return
        known = [*schema.names, *self._settings.exclude]
        for column in (*self._settings.exclude, *self._settings.types, *filter(None, [self._settings.time])):
            if column not in schema.all_names:
                hint = did_you_mean(column, known) or f"there are: {', '.join(known)}"
                raise SourceRefused(f"there is no column {column!r}", source_name=self._source_name, hint=hint)

    def plan(self, subjects: Sequence[IdentifiedSubject]) -> tuple[Partition, ...]:
        """List the files and read their footers (once for each file); divide them by their sizes."""
        del subjects
        window = self._window_now()
        files, schema = self._survey(window)
        runs = divide(files, self._settings.partition_mib * MIB)
        packed = base64.b64encode(schema.pack()).decode() if schema else ""
        specs = [msgspec.json.encode(_Spec(files=run, of=len(runs), window=window, schema=packed)).decode() for run in runs]
        return tuple(Partition(number=number, spec=spec) for number, spec in enumerate(specs))

    def read(
        self, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        """Scan a partition once for all subjects; no scan where none of them has an identifier of a matching kind.

        There is no key: a read that broke starts again, and brings the same rows in the same order.
        """
        del cursor
        spec = msgspec.json.decode(partition.spec, type=_Spec)
        files, schema = self._planned(spec, is_for_anybody=bool(subjects))
        yield self._header(files, schema, spec.window)
        if schema is None or not subjects:
            return
        for batch in self._scan.rows(files, schema, subjects, window=spec.window):
            yield Rows(batch)
        if not self._place.is_unchanged(files):
            raise self._faults.changed()

    def estimate(self, subjects: Sequence[IdentifiedSubject], *, limit_s: float) -> tuple[Estimate, ...]:
        """Count by the match columns alone, in as many files as there is time for; see `lake_estimate`."""
        from rightful.connectors.lake_estimate import sample  # noqa: PLC0415  # polars takes 0.1 s to import

        window = self._window_now()
        until_s = time.monotonic() + limit_s
        try:
            files, schema = self._just_seen(window) or self._survey(window, until_s=until_s)
        except SourceUnavailable:
            if time.monotonic() < until_s:
                raise
            return (Estimate(),) * len(subjects)
        if schema is None:
            return (Estimate(rows=Amount(0, is_exact=True), size_bytes=Amount(0, is_exact=True)),) * len(subjects)
        return sample(self._scan, files, schema, subjects, window=window, limit_s=max(0.0, until_s - time.monotonic()))

    def describe(self, *, limit_s: float) -> ReadHeader:
        """List the files and read their schemas; an estimate that follows at once looks at the same files."""
        window = self._window_now()
        files, schema = self._survey(window, until_s=time.monotonic() + limit_s)
        self._seen = _Seen(time.monotonic(), window, files, schema)
        return self._header(files, schema, window)

    def look(self, count: int) -> tuple[tuple[str, ...], dict[str, list[str]]]:
        """Return the columns of the last file, and the texts and integers in its first rows, by column: for proposing what to match by."""
        files = self._place.files()
        if not files:
            raise SourceRefused("no file fits url", source_name=self._source_name, hint="correct it: `**` stands for any number of folders")
        return self._scan.look(files[-1], count)

    def close(self) -> None:
        """Do nothing: nothing outlives a read."""

    def _planned(self, spec: _Spec, *, is_for_anybody: bool) -> "tuple[Sequence[LakeFile], LakeSchema | None]":
        if not is_for_anybody or self._place.is_unchanged(spec.files):
            return spec.files, self._scan.unpack(base64.b64decode(spec.schema)) if spec.schema else None
        if spec.of == 1:
            return self._survey(spec.window)
        raise self._faults.changed("the lake changed after it was planned")

    def _window_now(self) -> Window:
        return resolve(self._settings.window, datetime.now(UTC))

    def _in_window(self, files: Sequence[LakeFile], window: Window) -> list[LakeFile]:
        """Leave out the files that lie in folders named after another time; nothing of them is read, no footer either."""
        days = [file.folders.get(self._settings.time) for file in files]
        try:
            return [file for file, day in zip(files, days, strict=True) if window.is_open or day is None or window.holds_day(day)]
        except ValueError:
            raise self._faults.refused(
                f"a folder's name says {self._settings.time}= and no day behind it", "name folders like 2026-01-31, or leave window out"
            ) from None

    def _just_seen(self, window: Window) -> "tuple[Sequence[LakeFile], LakeSchema | None] | None":
        seen = self._seen
        is_fresh = seen is not None and time.monotonic() - seen.at_s < _SEEN_S and seen.window == window
        return (seen.files, seen.schema) if seen is not None and is_fresh else None

    def _survey(self, window: Window, *, until_s: float = math.inf) -> "tuple[Sequence[LakeFile], LakeSchema | None]":
        """List the lake as it is now, and what its files' schemas are together (None: there are no files, and that is allowed)."""
        files = self._place.files(until_s)
        if not files:
            if self._settings.allow_empty or self._settings.format in _TABLES:  # a table without rows is a table all the same
                return files, None
            raise SourceRefused("no file fits url", source_name=self._source_name, hint="correct url, or set allow_empty: true")
        inside = self._in_window(files, window)
        return inside, self._scan.survey(inside, until_s) if inside else None

    def _header(self, files: Sequence[LakeFile], schema: "LakeSchema | None", window: Window) -> ReadHeader:
        match = tuple(
            MatchColumn(batch_column=MATCH_PREFIX + column if column in self._settings.exclude else column, identifier_kind=kind)
            for column, kind in self._settings.match.items()
        )
        asked = " or ".join(f"{column} in {{{kind}}}" for column, kind in self._settings.match.items())
        searched = f"{self._place.said(files)} where {asked if window.is_open else f'({asked})'}{window.said(self._settings.time)}"
        left_out = window.left_out(self._settings.time)
        return ReadHeader(columns=schema.columns if schema else (), match=match, searched=searched, left_out=left_out)
