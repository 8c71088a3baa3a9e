"""Columns of everything that Arrow can bring, with the values that are hard to write: what properties of packages are tried on."""

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pyarrow as pa
from hypothesis import strategies as st

from rightful.package.schema import Column, ColumnKind

Values = st.SearchStrategy[object]


def integers(bits: int, *, signed: bool = True) -> Values:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return st.one_of(st.integers(low, high), st.sampled_from([low, high, 0]))


TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", "\x00", "\x1f\x7f\x80", "\u2028\u2029", "👩‍👩‍👧 \uffff", '"\\/\b\f\n\r\t', "null", "<!--", "é\u0301"]),
)
FLOATS = st.one_of(
    st.floats(),
    st.sampled_from([0.0, -0.0, 5e-324, 2.2250738585072014e-308, 1e16, 9999999999999998.0, 1e15, 1e-5, 1e-7, 1e22, 0.1, 1.7e308]),
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS)
JSON_DOCUMENTS = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6)
JSON_TEXTS = st.one_of(
    JSON_DOCUMENTS.map(lambda value: msgspec.json.encode(value).decode()),
    JSON_DOCUMENTS.map(lambda value: msgspec.json.format(msgspec.json.encode(value), indent=2).decode()),
    st.sampled_from(["1e400", "123456789012345678901234567890.10", '"\\ud800"', '{"a":1,"a":2}', "[" * 1200 + "]" * 1200, "null"]),
)


def decimals(precision: int, scale: int) -> Values:
    """Any digits that the type can hold; built digit by digit, since arithmetic would round to 28 of them."""
    return st.integers(-(10**precision) + 1, 10**precision - 1).map(lambda n: Decimal((int(n < 0), tuple(map(int, str(abs(n)))), -scale)))


def from_integers(type_: pa.DataType, width: pa.DataType) -> Callable[[list[object]], pa.Array]:
    return lambda values: pa.array(values, width).view(type_)


# From PostgreSQL the integers about the last of the samples are infinities, wrapped around.
DAYS = st.one_of(st.integers(-719_162, 2_932_896), integers(32), st.integers(-2_147_472_693, -2_147_472_690))
MICROS = st.one_of(
    st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999),
    integers(64),
    st.integers(-9_222_425_352_054_775_810, -9_222_425_352_054_775_807),
)
KINDS: dict[str, tuple[ColumnKind, Values, Callable[[list[object]], pa.Array]]] = {}


def kind(name: str, kind_: ColumnKind, values: Values, build: Callable[[list[object]], pa.Array] | pa.DataType) -> None:
    make = build if callable(build) else (lambda items: pa.array(items, build))
    KINDS[name] = (kind_, values, make)


K = ColumnKind
kind("bool", K.BOOL, st.booleans(), pa.bool_())
for size in (8, 16, 32, 64):
    kind(f"int{size}", K.INT, integers(size), getattr(pa, f"int{size}")())
    kind(f"uint{size}", K.INT, integers(size, signed=False), getattr(pa, f"uint{size}")())
kind("float64", K.FLOAT, FLOATS, pa.float64())
kind("float32", K.FLOAT, st.floats(width=32), pa.float32())
kind("float16", K.FLOAT, st.floats(width=16), pa.float16())
for precision, scale in ((10, 2), (38, 0), (38, 38), (5, 5)):
    kind(f"decimal128_{precision}_{scale}", K.DECIMAL, decimals(precision, scale), pa.decimal128(precision, scale))
kind("decimal128_negative", K.DECIMAL, decimals(5, -2), pa.decimal128(5, -2))
for precision, scale in ((76, 0), (76, 30)):
    kind(f"decimal256_{precision}_{scale}", K.DECIMAL, decimals(precision, scale), pa.decimal256(precision, scale))
kind("decimal_text", K.DECIMAL, st.decimals().filter(lambda d: not d.is_snan()).map(str), pa.string())
for text in ("string", "large_string", "string_view"):
    kind(text, K.TEXT, TEXTS, getattr(pa, text)())
kind("dictionary", K.TEXT, TEXTS, lambda items: pa.array(items, pa.string()).dictionary_encode())
kind("run_ends", K.TEXT, TEXTS, lambda items: pa.compute.run_end_encode(pa.array(items, pa.string())))
kind("nothing", K.TEXT, st.none(), pa.null())
kind("date32", K.DATE, DAYS, from_integers(pa.date32(), pa.int32()))
kind("date64", K.DATE, st.integers(-719_162, 2_932_896).map(lambda d: d * 86_400_000), from_integers(pa.date64(), pa.int64()))
for zone, kind_ in ((None, K.TIMESTAMP), ("UTC", K.TIMESTAMP_TZ), ("Europe/Berlin", K.TIMESTAMP_TZ), ("+09:00", K.TIMESTAMP_TZ)):
    kind(f"timestamp_us_{zone}", kind_, MICROS, from_integers(pa.timestamp("us", zone), pa.int64()))
    for unit in ("s", "ms", "ns"):
        kind(
            f"timestamp_{unit}_{zone}",
            kind_,
            integers(64) | st.integers(-(10**9), 10**9).map(lambda n: n * 1000),
            from_integers(pa.timestamp(unit, zone), pa.int64()),
        )
kind("time32_s", K.TIME, st.integers(0, 86_400), from_integers(pa.time32("s"), pa.int32()))
kind("time32_ms", K.TIME, st.integers(0, 86_400_000), from_integers(pa.time32("ms"), pa.int32()))
kind("time64_us", K.TIME, st.integers(0, 86_400_000_000), from_integers(pa.time64("us"), pa.int64()))
kind(
    "time64_ns",
    K.TIME,
    st.integers(0, 86_400_000_000_000) | st.integers(0, 86_399_999_999).map(lambda us: us * 1000),
    from_integers(pa.time64("ns"), pa.int64()),
)
kind(
    "uuid",
    K.UUID,
    st.uuids().map(lambda value: value.bytes),
    lambda items: pa.ExtensionArray.from_storage(pa.uuid(), pa.array(items, pa.binary(16))),
)
kind("uuid_bytes", K.UUID, st.uuids().map(lambda value: value.bytes), pa.binary(16))
kind("uuid_text", K.UUID, st.uuids().map(lambda value: str(value).upper()), pa.string())
for name in ("binary", "large_binary", "binary_view"):
    kind(name, K.BYTES, st.binary(max_size=20), getattr(pa, name)())
kind("fixed_binary", K.BYTES, st.binary(min_size=5, max_size=5), pa.binary(5))
kind("json", K.JSON, JSON_TEXTS, pa.string())
kind("json_extension", K.JSON, JSON_TEXTS, lambda items: pa.ExtensionArray.from_storage(pa.json_(), pa.array(items, pa.string())))
MAPS = st.lists(st.tuples(TEXTS, st.none() | integers(64)), max_size=3)
kind("list", K.NESTED, st.lists(st.none() | TEXTS, max_size=3), pa.list_(pa.string()))
kind("large_list", K.NESTED, st.lists(st.none() | integers(64), max_size=3), pa.large_list(pa.int64()))
kind("list_view", K.NESTED, st.lists(st.none() | integers(64), max_size=3), pa.list_view(pa.int64()))
kind("fixed_list", K.NESTED, st.lists(integers(8), min_size=2, max_size=2), pa.list_(pa.int8(), 2))
kind("map", K.NESTED, MAPS, pa.map_(pa.string(), pa.int64()))
STRUCT = pa.struct([("a", pa.list_(pa.map_(pa.string(), pa.int64()))), ("b", pa.struct([("c", pa.bool_()), ("d", pa.string())]))])
STRUCTS = st.fixed_dictionaries(
    {
        "a": st.none() | st.lists(st.none() | MAPS, max_size=2),
        "b": st.none() | st.fixed_dictionaries({"c": st.none() | st.booleans(), "d": TEXTS}),
    }
)
kind("struct", K.NESTED, STRUCTS, STRUCT)


@st.composite
def batches(draw: st.DrawFn, *, names: st.SearchStrategy[str] = TEXTS, wrapped: bool = False) -> tuple[list[Column], pa.RecordBatch]:
    """Some columns of some rows, cut out of longer arrays so that every offset is met."""
    rows, before, after = draw(st.integers(0, 6)), draw(st.integers(0, 3)), draw(st.integers(0, 2))
    columns, arrays = [], []
    for name in draw(st.lists(names, min_size=1, max_size=5, unique=True)):
        kind_, values, build = KINDS[draw(st.sampled_from(sorted(KINDS)))]
        total = before + rows + after
        items = draw(st.lists(st.none() | values, min_size=total, max_size=total))
        columns.append(Column(name=name, kind=kind_, is_wrapped=wrapped and draw(st.booleans())))
        arrays.append(build(items).slice(before, rows))
    hidden = pa.array(range(rows), pa.int32())
    schema = pa.schema(
        [pa.field(column.name, array.type) for column, array in zip(columns, arrays, strict=True)] + [pa.field("\x1fsubject", pa.int32())]
    )
    return columns, pa.RecordBatch.from_arrays([*arrays, hidden], schema=schema)
