"""The texts of a batch's columns that are looked into for names: of JSON, lists, structs and maps each text in them."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import lru_cache

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from rightful.package.cells import is_textual, plain
from rightful.package.schema import Column, ColumnKind

_GUID_BYTES = 16
_STRING = r'"(?:[^"\\]|\\.)*"'
_ONE_BY_ONE = re.compile(_STRING)
_SCALAR = rf"{_STRING}|-?[0-9][0-9.eE+-]*"
FEW_BYTES = 16 * 1024
"""Texts of which looking one by one takes less than the calls of polars for all of them (some two milliseconds)."""
_MOST_EXACT = 2**53

Way = tuple[str, ...]
"""Names of members, each in the one before."""

Cells = tuple[pa.Array, pa.Array]
"""Texts, and the row that each is of."""

NOTHING: Cells = (pa.array([], pa.large_string()), pa.array([], pa.uint32()))


class Called:
    """Knows which members of documents hold names of which kinds, by what they are called."""

    def __init__(self, names: Collection[Sequence[str]], kinds_of: Callable[[str], Collection[str]]) -> None:
        """Take the words of each name that such a member's may end with, in lower case, and what says for sure."""
        words = sorted({r'[^"\\\p{L}\p{N}]*'.join(map(re.escape, name)) for name in names if name})
        self._member = rf'(?i)("[^"\\]*(?:{"|".join(words)})[^"\\\p{{L}}\p{{N}}]*")\s*:\s*({_SCALAR}|\[[^\[\]{{}}]*\])' if words else ""
        ends = {name[-1].lower() for name in names if name}
        self._ends = tuple(sorted(end.encode() for end in ends)) if all(map(str.isascii, ends)) else ()
        """The last words, of which a document has one if it has such a member; none where letters beyond ASCII may be written as others."""
        self._kinds_of = lru_cache(maxsize=4096)(lambda name: tuple(sorted(kinds_of(name))))

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._member)

    def _may_be_in(self, documents: pa.Array) -> bool:
        """Say no where no document can have such a member: a look at their bytes, in a hundredth of the time."""
        text = _bytes_of(documents).lower()
        return not self._ends or not text.isascii() or any(end in text for end in self._ends)

    def kinds(self, name: str) -> tuple[str, ...]:
        """Return the kinds that a member of this name holds."""
        return self._kinds_of(name) if self._member and name else ()

    def of_documents(self, documents: pa.Array, rows: pa.Array) -> Iterator[tuple[tuple[str, ...], Cells]]:
        """Yield what such members of JSON documents hold, kinds by kinds: texts and numbers, also several in a list."""
        if not self._member or not self._may_be_in(documents):
            return
        frame = pl.DataFrame({"text": series(documents), "row": series(rows)})
        found = frame.with_columns(pl.col("text").str.extract_all(self._member)).explode("text").drop_nulls()
        if not found.height:
            return
        found = found.with_columns(
            pl.col("text").str.extract(self._member, 1).str.strip_chars('"').alias("name"),
            pl.col("text").str.extract(self._member, 2).str.extract_all(_SCALAR).alias("text"),
        )
        for (name,), several in found.explode("text").drop_nulls().group_by("name", maintain_order=True):
            kinds = self.kinds(str(name))
            if kinds:
                values = [_decoded(text) if text.startswith('"') else text for text in several["text"]]
                yield kinds, (pa.array(values, pa.large_string()), several["row"].to_arrow())


def of_column(column: Column, values: pa.Array, called: Called, *, few_bytes: int = FEW_BYTES) -> Iterator[tuple[tuple[str, ...], Cells]]:
    """Yield all that is looked into, and the kinds of names that it is of by what a member is called."""
    rows = _numbers(1 << max(0, len(values) - 1).bit_length()).slice(0, len(values))
    if column.kind is ColumnKind.NESTED:
        for name, texts, of in _leaves(values, rows):
            yield called.kinds(name), _texts(texts, of)
    elif column.kind is ColumnKind.JSON:
        found = _texts(values, rows)
        yield (), strings(*found, few_bytes=few_bytes)
        yield from called.of_documents(*found)
    else:
        yield (), _texts(values, rows)


def _texts(values: pa.Array, rows: pa.Array) -> Cells:
    """Return plain values as texts, without NULL; nothing of those that are no text, number or bytes of a GUID's length."""
    types = pa.types
    is_binary = types.is_fixed_size_binary(values.type) or types.is_binary(values.type)
    is_binary = is_binary or types.is_large_binary(values.type) or types.is_binary_view(values.type)
    if types.is_floating(values.type):
        values, rows = _whole_numbers(values, rows)
    if is_textual(values.type) or types.is_integer(values.type) or types.is_decimal(values.type):
        values = values.cast(pa.large_string())
    elif is_binary:
        values = values.cast(pa.binary() if types.is_fixed_size_binary(values.type) else pa.large_binary())
    else:
        return NOTHING
    if not is_binary and not values.null_count:
        return values, rows
    wanted = pc.equal(pc.binary_length(values), _GUID_BYTES) if is_binary else values.is_valid()
    values, rows = values.filter(wanted), rows.filter(wanted)
    return _guids(values, rows) if is_binary else (values, rows)


@lru_cache(maxsize=32)
def _numbers(size: int) -> pa.Array:
    """Return the numbers of so many rows."""
    return pa.array(range(size), pa.uint32())


def _bytes_of(texts: pa.LargeStringArray) -> bytes:
    """Return the bytes of all texts, one after the other."""
    _, offsets, data = texts.buffers()
    if data is None or not len(texts):
        return b""
    places = memoryview(offsets).cast("q")
    return bytes(memoryview(data)[places[texts.offset] : places[texts.offset + len(texts)]])


def _whole_numbers(values: pa.Array, rows: pa.Array) -> Cells:
    values = values.cast(pa.float64())
    is_whole = pc.and_(pc.equal(pc.floor(values), values), pc.less(pc.abs(values), _MOST_EXACT)).fill_null(False)  # noqa: FBT003 - the value
    return values.filter(is_whole).cast(pa.int64()), rows.filter(is_whole)


def _guids(values: pa.Array, rows: pa.Array) -> Cells:
    """Return bytes as GUIDs: in network order, and as Windows and its directories write them."""
    distinct = values.dictionary_encode()
    found = distinct.dictionary.to_pylist()
    turned = [guid[3::-1] + guid[5:3:-1] + guid[7:5:-1] + guid[8:] for guid in found]
    both = (pa.array([guid.hex() for guid in found], pa.string()), pa.array([guid.hex() for guid in turned], pa.string()))
    texts = pa.concat_arrays([each.cast(pa.large_string()).take(distinct.indices) for each in both])
    return texts, pa.concat_arrays([rows, rows])


def strings(documents: pa.Array, rows: pa.Array, *, few_bytes: int = FEW_BYTES) -> Cells:
    """Return the strings in JSON documents, names of members too."""
    if documents.nbytes <= few_bytes:
        return _strings_one_by_one(documents, rows)
    frame = pl.DataFrame({"text": series(documents), "row": series(rows)})
    found = frame.with_columns(pl.col("text").str.extract_all(_STRING)).explode("text").drop_nulls()
    texts = found["text"].str.slice(1).str.head(-1)
    is_escaped = texts.str.contains("\\", literal=True)
    if is_escaped.any():
        escaped = [_decoded(text) for text in found["text"].filter(is_escaped)]
        texts = texts.scatter(is_escaped.arg_true(), pl.Series(escaped, dtype=pl.String))
    return texts.to_arrow(compat_level=pl.CompatLevel.oldest()), found["row"].to_arrow()


def _strings_one_by_one(documents: pa.Array, rows: pa.Array) -> Cells:
    found = [
        (_decoded(string) if "\\" in string else string[1:-1], row)
        for document, row in zip(documents.to_pylist(), rows.to_pylist(), strict=True)
        for string in _ONE_BY_ONE.findall(document)
    ]
    return pa.array([text for text, _ in found], pa.large_string()), pa.array([row for _, row in found], pa.uint32())


def without(document: str, ways: Sequence[Way]) -> str:
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


def series(array: pa.Array) -> pl.Series:
    """Return an Arrow array as polars has it."""
    made = pl.from_arrow(array)
    assert isinstance(made, pl.Series)
    return made


def _decoded(string: str) -> str:
    try:
        return str(msgspec.json.decode(string, type=str))
    except msgspec.DecodeError:
        return string  # no JSON: the serializer says so


def _leaves(values: pa.Array, rows: pa.Array, name: str = "") -> Iterator[tuple[str, pa.Array, pa.Array]]:
    """Yield the values in lists, structs and maps that hold no others, each with the name of its member and the rows that they are of."""
    values, types = plain(values), pa.types
    if not types.is_nested(values.type):
        yield name, values, rows
    elif types.is_struct(values.type):
        valid = values.is_valid()
        values, rows = values.filter(valid), rows.filter(valid)
        for field, each in zip(values.type, values.flatten(), strict=True):
            yield from _leaves(each, rows, field.name)
    elif types.is_map(values.type):
        key, item = values.type.key_field.with_name("key"), values.type.item_field.with_name("value")
        pairs = values.cast(pa.map_(key, item)).cast(pa.list_(pa.struct([key, item])))
        of = rows.take(pc.list_parent_indices(pairs))
        for each in pc.list_flatten(pairs).flatten():
            yield from _leaves(each, of, name)
    else:
        yield from _leaves(pc.list_flatten(values), rows.take(pc.list_parent_indices(values)), name)
