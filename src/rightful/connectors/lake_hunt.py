"""Whose rows are looked for in a lake, and how each row that was found gets its owner."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property, reduce
from operator import add, and_
from zoneinfo import ZoneInfo

import msgspec
import polars as pl

from rightful.connectors.interface import SUBJECT_COLUMN
from rightful.connectors.lake_files import LakeFile
from rightful.connectors.time_window import ALWAYS, Window
from rightful.database.identifying import Form, searched
from rightful.subject.model import IdentifiedSubject

FILE = "\x1ffile"
_PLACE = "\x1fplace"
_VALUE = "\x1fvalue"
_COUNT = "\x1fcount"
_MOST_PAIRS = 1_000_000
"""Of rows and subjects, joined at a time: 12 bytes each, some times over."""
_COMPARED = 8
"""Up to so many values are compared one by one: polars leaves out row groups by their statistics for that, and not for a list. It costs a
tenth more where nothing can be left out (2 million texts, 8 values: 32 ms for 30)."""
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,39}")

Schema = Mapping[str, pl.DataType]


class Meter:
    """Counts what is read of files that are read as a stream, and says after each block whether it is enough."""

    def __init__(self, is_enough: Callable[[], bool]) -> None:
        self._is_enough = is_enough
        self.read_bytes = 0
        self.is_cut = False

    def is_over(self) -> bool:
        """Ask whether it is enough, and remember that it was."""
        self.is_cut = self.is_cut or self._is_enough()
        return self.is_cut


class Hunt(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What is looked for in files of one schema, and of one value of each match column that stands in their folders' names."""

    types: Schema
    """Of the files' own columns."""
    lake: Schema
    """What the lake has them as."""
    output: Mapping[str, str]
    """What each column that comes out is read from."""
    owners: Mapping[str, pl.DataFrame]
    """Pairs of value and subject, for each match column in which somebody is looked for."""
    constants: Mapping[str, str | None]
    """Values of match columns that stand in folders' names."""
    count: int
    """How many subjects there are."""
    time: str = ""
    """The column that the window is about, where it is one of the files' own."""
    meter: Meter | None = None
    """Ends the reading of files early, where they can be cut."""
    window: Window = ALWAYS
    """Rows outside of it are left out; those that have no time are not."""

    @cached_property
    def values(self) -> dict[str, pl.Series] | None:
        """Which values are looked for in columns of the files; None where every row is somebody's."""
        if self.owners.keys() & self.constants.keys():
            return None
        return {column: pairs[_VALUE].unique() for column, pairs in self.owners.items()}

    def matching(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Leave out the rows that are nobody's."""
        if self.values is None:
            return rows
        return rows.filter(pl.any_horizontal([_is_one_of(column, found, self.types[column]) for column, found in self.values.items()]))

    def rows(self, rows: pl.LazyFrame, files: Mapping[str, LakeFile]) -> pl.LazyFrame:
        """Find the rows of all owners, with columns and types as the lake has them together.

        `files` are those that `rows` come from, by what the column FILE calls them; of a single file rows need not have that column.
        """
        rows = self.matching(rows)
        if self.time and not self.window.is_open:
            rows = rows.filter(_within(self.time, self.types[self.time], self.window))
        first, *others = files.values()
        here = dict(self.types)
        for name in (name for name in first.folders if name not in self.types):
            by_file = {key: file.folders[name] for key, file in files.items()}
            text = _from_folders(by_file) if others else pl.lit(first.folders[name], pl.String)
            here[name] = self.lake.get(name, pl.String())
            rows = rows.with_columns(_valued(text, here[name]).alias(name))
        return rows.select(read_as(name, source, here.get(source), self.lake[source]) for name, source in self.output.items())

    def attributed(self, frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Give each row its subject's index: a row of two subjects stands twice, one that matches a subject by two columns once.

        No frame has more rows than there were, so that what many subjects share takes no more memory than what one has.
        """
        if self.count == 1:
            yield frame.with_columns(pl.lit(0, dtype=pl.Int32).alias(SUBJECT_COLUMN))
            return
        for some in self._cut(frame):
            places = some.with_row_index(_PLACE)
            pairs = [self._values(places, column).join(pairs, on=_VALUE, how="inner") for column, pairs in self._typed.items()]
            found = pl.concat([pair.select(_PLACE, SUBJECT_COLUMN) for pair in pairs]).unique().sort(_PLACE, SUBJECT_COLUMN)
            for part in found.iter_slices(frame.height):
                yield some[part[_PLACE]].with_columns(part[SUBJECT_COLUMN])

    @cached_property
    def _typed(self) -> dict[str, pl.DataFrame]:
        return {column: pairs.with_columns(pl.col(_VALUE).cast(self.lake[column])) for column, pairs in self.owners.items()}

    @cached_property
    def _sharing(self) -> dict[str, pl.DataFrame]:
        """How many subjects have each value."""
        return {column: pairs.group_by(_VALUE).len(_COUNT) for column, pairs in self._typed.items()}

    @cached_property
    def _most_shared(self) -> int:
        return sum(max(counts[_COUNT].to_list(), default=0) for counts in self._sharing.values())

    def _values(self, places: pl.DataFrame, column: str) -> pl.DataFrame:
        name = next(name for name, source in self.output.items() if source == column)
        return places.select(_PLACE, pl.col(name).alias(_VALUE))

    def _cut(self, frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """Cut a frame so that the pairs of a row and one of its subjects are few at a time: a value may be shared by very many."""
        if frame.height * self._most_shared <= _MOST_PAIRS:
            yield frame
            return
        places = frame.with_row_index(_PLACE)
        each = [
            self._values(places, column).join(counts, on=_VALUE, how="left", maintain_order="left")
            for column, counts in self._sharing.items()
        ]
        pairs = reduce(add, (counted[_COUNT].fill_null(0).cast(pl.Int64) for counted in each)).to_list()
        start, held = 0, 0
        for place, count in enumerate(pairs):
            if place > start and held + count > _MOST_PAIRS:
                yield frame.slice(start, place - start)
                start, held = place, 0
            held += count
        yield frame.slice(start)


def wanted(kind: str, subjects: Sequence[IdentifiedSubject]) -> dict[str, list[int]]:
    """Return which subjects have an identifier, by each spelling that is searched for in databases too."""
    found: dict[str, dict[int, None]] = {}
    for index, subject in enumerate(subjects):
        for value in searched(kind, subject.values(kind), Form.TEXT):
            found.setdefault(value, {})[index] = None
    return {value: list(indexes) for value, indexes in found.items()}


def owners_of(wanted: Mapping[str, Sequence[int]], dtype: pl.DataType) -> pl.DataFrame:
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
    if len(values) > _COMPARED:
        return found.is_in(values.implode())
    return pl.any_horizontal([found.eq(value) for value in values])


def _within(column: str, dtype: pl.DataType, window: Window) -> pl.Expr:
    """Compare a column with a window, in its own type, so that the statistics of row groups are used; nothing is cast."""
    found, limits = pl.col(column), []
    if isinstance(dtype, pl.Datetime):
        zone = ZoneInfo(dtype.time_zone) if dtype.time_zone else None
        since, until = (
            moment and (moment.astimezone(zone) if zone else moment.replace(tzinfo=None)) for moment in (window.since, window.until)
        )
        limits += [found >= pl.lit(since, dtype=dtype)] if since else []
        limits += [found < pl.lit(until, dtype=dtype)] if until else []
    else:
        limits += [found >= window.since.date()] if window.since else []
        limits += [found <= (window.until - timedelta(microseconds=1)).date()] if window.until else []
    return found.is_null() | reduce(and_, limits)


def _literal(moment: datetime, dtype: pl.Datetime) -> pl.Expr:
    """Return a moment in a column's own zone; a column without one is taken for UTC."""
    return pl.lit(moment.astimezone(ZoneInfo(dtype.time_zone)) if dtype.time_zone else moment.replace(tzinfo=None), dtype=dtype)


def _from_folders(by_file: Mapping[str, str | None]) -> pl.Expr:
    old, new = pl.Series(list(by_file), dtype=pl.String), pl.Series(list(by_file.values()), dtype=pl.String)
    return pl.col(FILE).replace_strict(old, new, return_dtype=pl.String)


def _valued(text: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return a text as what a table says that it is: a text, an integer or a day."""
    return text.str.to_date("%Y-%m-%d", strict=True) if dtype == pl.Date else text.cast(dtype, strict=True)


def read_as(name: str, source: str, found: pl.DataType | None, wanted: pl.DataType) -> pl.Expr:
    """Read a column in the lake's type: as it is, cast where that is exact, or null where the file does not have it."""
    if found is None:
        return pl.lit(None, dtype=wanted).alias(name)
    if found == wanted:
        return pl.col(source).alias(name)
    if isinstance(found, pl.Datetime) and isinstance(wanted, pl.Datetime) and found.time_zone != wanted.time_zone:
        return pl.col(source).dt.convert_time_zone(wanted.time_zone or "UTC").cast(wanted).alias(name)
    return pl.col(source).cast(wanted, strict=True).alias(name)
