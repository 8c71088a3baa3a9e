"""Search of rows that are about to be delivered for what names other people than their owner.

It goes over the values that the serializer gets, after redaction, a few thousand rows at once: texts, UUIDs, the texts in JSON, in lists
and in structs, bytes of a UUID's length. A GUID and an address are found wherever they stand in a text, any other name where it is a whole
one, and a weak one in columns alone that are called what names of its kind are called; in these, numbers are looked into too.

Nothing of this is shared with the queries that found the rows, nor with the check that each row is its owner's: that one looks at match
columns, this one at all others.
"""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from rightful.package.cells import is_textual, plain
from rightful.package.name_index import GUID, NameIndex, guid_form, plain_forms
from rightful.package.schema import Column, ColumnKind
from rightful.package.serializer import find_column

_GUID_BYTES = 16
_GUID_DIGITS = 32
_AT_SIGNS = r"@|%40|&#0{0,6}64;|&#x0{0,6}40;|&commat;|[\x{FF20}\x{FE6B}]"
"""@, and how URLs, HTML and other scripts write it, in lower case."""
_ESCAPED = {"%23": "#", "%2b": "+"}
"""What else a URL escapes of an address."""
_EDGE = r"""'"`*_~=.,;:!?/\|-"""
"""What stands beside an address and belongs to the text."""
_ADDRESSES = (
    r"[^\s<>()\[\]{},;:\"|\\@]+@[^\s<>()\[\]{},;:\"|\\@]+",
    r"[\p{L}\p{M}\p{N}.+'#_%-]+@[\p{L}\p{M}\p{N}.-]+",
    r"[a-z0-9.+#_-]+@[a-z0-9.-]+",
)
"""Characters that may be an address: all but what separates words; letters and digits of any script; ASCII's alone, as beside Chinese."""
_PLAIN_ADDRESS = r"\A[a-z0-9][a-z0-9._-]*@[a-z0-9.-]*[a-z0-9]\z"
"""A whole text that is an address and hides no other."""
_STRING = r'"(?:[^"\\]|\\.)*"'
_SEARCHED = frozenset({ColumnKind.TEXT, ColumnKind.UUID, ColumnKind.JSON, ColumnKind.NESTED, ColumnKind.BYTES})
_NUMBERS = frozenset({ColumnKind.INT, ColumnKind.DECIMAL})

Way = tuple[str, ...]
"""Names of members, each in the one before."""

_Cells = tuple[pa.Array, pa.Array]
"""Texts, and the row that each is of."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Names of others in one column of one owner's rows."""

    owner: int
    column: str
    kind: str
    row: int
    """The first one, in the batch."""
    rows: int
    """How many, in the batch."""


class LeakSearch:
    """Looks into batches of one source, whose rows belong to several owners."""

    def __init__(
        self,
        columns: Sequence[Column],
        index: NameIndex,
        identifiers: Sequence[Mapping[str, Sequence[str]]],
        *,
        aside: Collection[str] = (),
        parts_aside: Mapping[str, Sequence[Way]] | None = None,
        called: Mapping[str, Collection[str]] | None = None,
    ) -> None:
        """Take the columns as they are delivered, and what names each owner.

        Args:
            columns: of the batches.
            index: everybody's names.
            identifiers: of each owner, by kind; none of these is ever found.
            aside: columns that rightly name others.
            parts_aside: {column of JSON: ways to members that do}; a way goes through lists, into each element.
            called: {column: kinds} of those that are called what names of these kinds are called.
        """
        self._index = index
        self._called = called or {}
        self._parts_aside = parts_aside or {}
        self.columns = tuple(
            column
            for column in columns
            if column.name not in aside and (column.kind in _SEARCHED or (column.kind in _NUMBERS and column.name in self._called))
        )
        self._own = index.own(identifiers)
        self._only = self._own["hash"].implode() if len(identifiers) == 1 else None

    def find(self, batch: pa.RecordBatch, counts: Sequence[tuple[int, int]]) -> list[Finding]:
        """Return what names others in a batch.

        Args:
            batch: rows that lie owner by owner.
            counts: (number of the owner, how many rows), in the rows' order.
        """
        cells = {column.name: _cells(column, plain(find_column(batch, column.name))) for column in self.columns}
        cells = {name: found for name, found in cells.items() if len(found[0])}
        if not cells or self._index.is_empty:
            return []
        hits = self._hits(_series(pa.concat_arrays([texts for texts, _ in cells.values()])).unique())
        if not hits.height:
            return []
        found = self._others(hits, cells, counts)
        if any(each.column in self._parts_aside for each in found):
            # Rare enough to look again, without what rightly names others.
            cells |= {name: self._rest(batch, name, ways) for name, ways in self._parts_aside.items() if name in cells}
            found = self._others(hits, cells, counts)
        return found

    @staticmethod
    def _rest(batch: pa.RecordBatch, name: str, ways: Sequence[Way]) -> _Cells:
        """Return the strings of a column of JSON but for what lies on these ways."""
        documents = plain(find_column(batch, name)).to_pylist()
        rests = [None if text is None else _without(text, ways) for text in documents]
        texts, rows = _texts(pa.array(rests, pa.large_string()), pa.array(range(len(rests)), pa.uint32()))
        return _strings(texts, rows)

    def _hits(self, texts: pl.Series) -> pl.DataFrame:
        """Return (text, hash, kind, is_weak) of texts that are or hold a name; where there is one owner, none of its own."""
        whole = pl.DataFrame({"text": texts, "form": plain_forms(texts)})
        found = self._index.named(pl.concat([whole, *_within(whole)]))
        return found if self._only is None or not found.height else found.filter(~found["hash"].is_in(self._only))

    def _others(self, hits: pl.DataFrame, cells: Mapping[str, _Cells], counts: Sequence[tuple[int, int]]) -> list[Finding]:
        """Find the cells of hits, leave out what is their owner's own or too weak for its column, and sum the rest up."""
        owners = pl.Series([owner for owner, rows in counts for _ in range(rows)], dtype=pl.Int32)
        found: list[Finding] = []
        for name, (texts, rows) in cells.items():
            kinds = sorted(self._called.get(name, ()))
            meant = hits.filter(~pl.col("is_weak") | pl.col("kind").is_in(kinds))
            frame = pl.DataFrame({"text": _series(texts), "row": _series(rows)}).join(meant, on="text")
            owned = frame.with_columns(owners.gather(frame["row"]).alias("owner"))
            others = owned.join(self._own, on=["owner", "hash"], how="anti")
            summed = others.group_by("owner", "kind").agg(pl.col("row").min(), pl.col("row").n_unique().alias("rows"))
            found += (Finding(column=name, **each) for each in summed.iter_rows(named=True))
        return sorted(found, key=lambda each: (each.row, each.column, each.kind))


def _within(whole: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Yield (text, form) of GUIDs and addresses in texts, whose own forms are given."""
    form = pl.col("form")
    long = whole.filter(form.str.len_bytes() >= _GUID_DIGITS)
    if long.height:
        yield long.with_columns(form.str.extract_all(GUID)).explode("form").drop_nulls().with_columns(guid_form(form))
    named = whole.filter(form.str.contains(_AT_SIGNS) & ~form.str.contains(_PLAIN_ADDRESS))
    if named.height:
        named = named.with_columns(form.str.replace_all(_AT_SIGNS, "@").str.replace_many(_ESCAPED))
        yield named
        for pattern in _ADDRESSES:
            found = named.with_columns(form.str.extract_all(pattern)).explode("form").drop_nulls()
            yield found.with_columns(form.str.strip_chars(_EDGE))


def _cells(column: Column, values: pa.Array) -> _Cells:
    """Return all that is looked into, of a nested value each text in it."""
    rows = pa.array(range(len(values)), pa.uint32())
    if column.kind is ColumnKind.NESTED:
        leaves = [_texts(*each) for each in _leaves(values, rows)]
        return (pa.concat_arrays([texts for texts, _ in leaves]), pa.concat_arrays([of for _, of in leaves])) if leaves else _NONE
    found = _texts(values, rows)
    return _strings(*found) if column.kind is ColumnKind.JSON else found


_NONE: _Cells = (pa.array([], pa.large_string()), pa.array([], pa.uint32()))


def _texts(values: pa.Array, rows: pa.Array) -> _Cells:
    """Return plain values as texts, without NULL; nothing of those that are no text, number or bytes of a GUID's length."""
    types = pa.types
    is_binary = types.is_fixed_size_binary(values.type) or types.is_binary(values.type)
    is_binary = is_binary or types.is_large_binary(values.type) or types.is_binary_view(values.type)
    if is_textual(values.type) or types.is_integer(values.type) or types.is_decimal(values.type):
        values = values.cast(pa.large_string())
    elif is_binary:
        values = values.cast(pa.binary() if types.is_fixed_size_binary(values.type) else pa.large_binary())
    else:
        return _NONE
    wanted = pc.equal(pc.binary_length(values), _GUID_BYTES) if is_binary else values.is_valid()
    values, rows = values.filter(wanted), rows.filter(wanted)
    if not is_binary:
        return values, rows
    guids = values.to_pylist()  # in network order, or as Windows and its directories write them
    both = [guid.hex() for guid in guids] + [uuid.UUID(bytes_le=guid).hex for guid in guids]
    return pa.array(both, pa.large_string()), pa.concat_arrays([rows, rows])


def _strings(documents: pa.Array, rows: pa.Array) -> _Cells:
    """Return the strings in JSON documents, names of members too."""
    frame = pl.DataFrame({"text": _series(documents), "row": _series(rows)})
    found = frame.with_columns(pl.col("text").str.extract_all(_STRING)).explode("text").drop_nulls()
    texts = found["text"].str.slice(1).str.head(-1)
    is_escaped = texts.str.contains("\\", literal=True)
    if is_escaped.any():
        escaped = [_decoded(text) for text in found["text"].filter(is_escaped)]
        texts = texts.scatter(is_escaped.arg_true(), pl.Series(escaped, dtype=pl.String))
    return texts.to_arrow(compat_level=pl.CompatLevel.oldest()), found["row"].to_arrow()


def _without(document: str, ways: Sequence[Way]) -> str:
    """Return a JSON document without the members on these ways; one that is none as it is: the serializer says so."""
    try:
        value = msgspec.json.decode(document)
    except (msgspec.DecodeError, RecursionError):
        return document
    for way in ways:
        _prune(value, way)
    return msgspec.json.encode(value).decode()


def _prune(value: object, way: Way) -> None:
    if isinstance(value, list):
        for each in value:
            _prune(each, way)
    elif isinstance(value, dict):
        if len(way) == 1:
            value.pop(way[0], None)
        elif way[0] in value:
            _prune(value[way[0]], way[1:])


def _series(array: pa.Array) -> pl.Series:
    series = pl.from_arrow(array)
    assert isinstance(series, pl.Series)
    return series


def _decoded(string: str) -> str:
    try:
        return str(msgspec.json.decode(string, type=str))
    except msgspec.DecodeError:
        return string  # no JSON: the serializer says so


def _leaves(values: pa.Array, rows: pa.Array) -> Iterator[_Cells]:
    """Yield the values in lists, structs and maps that hold no others, each with the rows that they are of."""
    values, types = plain(values), pa.types
    if not types.is_nested(values.type):
        yield values, rows
    elif types.is_struct(values.type):
        valid = values.is_valid()
        values, rows = values.filter(valid), rows.filter(valid)
        for each in values.flatten():
            yield from _leaves(each, rows)
    elif types.is_map(values.type):
        key, item = values.type.key_field.with_name("key"), values.type.item_field.with_name("value")
        yield from _leaves(values.cast(pa.map_(key, item)).cast(pa.list_(pa.struct([key, item]))), rows)
    else:
        yield from _leaves(pc.list_flatten(values), rows.take(pc.list_parent_indices(values)))
