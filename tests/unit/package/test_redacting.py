"""Rules applied to batches: what is delivered, what is counted, what is refused."""

import pyarrow as pa
import pytest

from rightful.errors import ExportError, PackageError, SourceRefused
from rightful.package.redacting import Owner, Redactor, plan
from rightful.package.schema import Column, ColumnKind, Redaction
from rightful.package.serializer import Serializer
from rightful.package.third_parties import MAIL, PERSON, PHONE
from rightful.subject.own import Own

ANN = Own({"mail": ("ann@contoso.example",), "id": ("00010203-0405-0607-0809-0a0b0c0d0e0f",), "employee_id": ("17",)})
BOB = Own({"mail": ("bob@contoso.example",)})
SECRET = bytes(range(32))


def lines(rule: Redaction, kind: ColumnKind, values: pa.Array, counts: list[tuple[int, int]] | None = None) -> tuple[list[str], list[int]]:
    """Return the delivered lines of a column, and what was counted."""
    planned = plan([Column(name="a", kind=ColumnKind.INT), Column(name="b", kind=kind)], {"b": rule}, source_name="s")
    redactor = Redactor(planned, [Owner(ANN, SECRET), Owner(BOB, bytes(32))])
    batch = pa.RecordBatch.from_arrays([pa.array(range(len(values)), pa.int64()), values], names=["a", "b"])
    delivered, [number] = redactor.apply(batch, counts or [(0, len(values))])
    written = Serializer(planned.columns).lines(delivered).decode().splitlines()
    return [line.partition(',"b":')[2][:-1] for line in written], list(number)


def test_each_owner_keeps_their_own() -> None:
    values = pa.array(["ann@contoso.example", "bob@contoso.example", None, "ann@contoso.example", "bob@contoso.example"])
    for rule, placeholder in (("others", PERSON), ("mails_and_phones", MAIL)):
        written, counts = lines(rule, ColumnKind.TEXT, values, [(0, 3), (1, 2)])  # type: ignore[arg-type]  # a rule's name
        assert written == ['"ann@contoso.example"', f'"{placeholder}"', "null", f'"{placeholder}"', '"bob@contoso.example"']
        assert counts == [0, 1, 0, 1, 0]


@pytest.mark.parametrize("type_", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())], ids=str)
@pytest.mark.parametrize("rule", ["others", "mails_and_phones", "hash"])
def test_text_in_every_layout_also_in_the_middle_of_an_array(type_: pa.DataType, rule: Redaction) -> None:
    texts = ["x", None, "ann@contoso.example", "carl@x.example", "y"]
    values = pa.array(texts).cast(type_) if not pa.types.is_dictionary(type_) else pa.array(texts).dictionary_encode()
    assert lines(rule, ColumnKind.TEXT, values.slice(1, 3)) == lines(rule, ColumnKind.TEXT, pa.array(texts[1:4]))


def test_column_of_nulls_stays_so() -> None:
    for rule in ("others", "mails_and_phones", "hash"):
        assert lines(rule, ColumnKind.TEXT, pa.nulls(2)) == (["null", "null"], [0, 0])


def test_numbers_and_ids_that_name_people() -> None:
    assert lines("others", ColumnKind.INT, pa.array([17, 18, None])) == (['"17"', f'"{PERSON}"', "null"], [0, 1, 0])
    ids = pa.array([bytes(range(16)), bytes(16)], pa.binary(16))
    assert lines("others", ColumnKind.UUID, ids)[0] == ['"00010203-0405-0607-0809-0a0b0c0d0e0f"', f'"{PERSON}"']


def test_json_is_searched_in_its_strings_and_else_stands_as_it_did() -> None:
    document = r'{"b" : 1.50, "a":["bob\u0040x.example", "caf\u00e9", 12345678], "ann@contoso.example": null, "carl@x.example":"ann@contoso.example"}'
    written, counts = lines("mails_and_phones", ColumnKind.JSON, pa.array([document, "12345678", '"0171 7654321"', "null"]))
    assert written == [document.replace(r"bob\u0040x.example", MAIL).replace("carl@x.example", MAIL), "12345678", f'"{PHONE}"', "null"]
    assert counts == [2, 0, 1, 0]
    written, counts = lines("others", ColumnKind.JSON, pa.array([document]))
    assert written == [document.replace(r"bob\u0040x.example", PERSON).replace(r"caf\u00e9", PERSON).replace("carl@x.example", MAIL)]
    assert counts == [3]


def test_json_with_half_of_a_surrogate_pair() -> None:
    written, _ = lines("mails_and_phones", ColumnKind.JSON, pa.array([r'["\ud800", "\udfff bob@x.example"]']))
    assert written == [rf'["\ud800", "\udfff {MAIL}"]']


def test_text_that_is_no_json_stops_the_read() -> None:
    for rule in ("others", "mails_and_phones"):
        with pytest.raises(PackageError, match="no JSON") as caught:
            lines(rule, ColumnKind.JSON, pa.array(['{"a": "bob@x.example"']))
        assert caught.value.code == "ValueNotJson"


def test_lists_structs_and_maps_are_searched() -> None:
    type_ = pa.list_(pa.struct([("mail", pa.string()), ("age", pa.int32()), ("more", pa.map_(pa.string(), pa.bool_()))]))
    values = pa.array([[{"mail": "ann@contoso.example", "age": 1, "more": [("carl@x.example", True)]}, {"mail": None}], None, []], type_)
    written, counts = lines("others", ColumnKind.NESTED, values.slice(0, 3))
    assert written == [
        f'[{{"mail":"ann@contoso.example","age":1,"more":[["{PERSON}",true]]}},{{"mail":null,"age":null,"more":null}}]',
        "null",
        "[]",
    ]
    assert counts == [1, 0, 0]
    assert lines("mails_and_phones", ColumnKind.NESTED, values)[0][0] == written[0].replace(PERSON, MAIL)


@pytest.mark.parametrize("rule", ["others", "mails_and_phones"])
@pytest.mark.parametrize(
    "inner",
    [pa.binary(), pa.date32(), pa.decimal128(9, 2), pa.uuid(), pa.int64(), pa.bool_(), pa.struct([("id", pa.int64()), ("n", pa.null())])],
    ids=str,
)
def test_lists_of_what_is_no_text_are_refused(rule: Redaction, inner: pa.DataType) -> None:
    with pytest.raises(PackageError, match="no rule can search") as caught:
        lines(rule, ColumnKind.NESTED, pa.nulls(1, pa.list_(inner)))
    assert caught.value.code == "RedactionInvalid"
    assert lines(rule, ColumnKind.NESTED, pa.array([[None], []], pa.list_(pa.null())))[0] == ["[null]", "[]"]
    assert lines("hash", ColumnKind.NESTED, pa.array([[]], pa.list_(pa.int8())))[1] == [1]


def test_hash_is_equal_for_equal_values_of_one_package_alone() -> None:
    values = pa.array(["17", "18", "17", None, "", "17"])
    written, counts = lines("hash", ColumnKind.TEXT, values, [(0, 5), (1, 1)])
    assert written[0] == written[2]
    assert len({*written}) == 5
    assert written[3] == "null"
    assert counts == [1, 1, 1, 0, 1, 1]
    assert {len(text) for text in written if text != "null"} == {66}
    assert lines("hash", ColumnKind.INT, pa.array([17]))[0] == [written[0]]  # from table to table, whatever the column's type
    assert lines("hash", ColumnKind.TIMESTAMP, pa.array([0], pa.timestamp("us")))[1] == [1]


def test_dropped_column_is_gone_and_counted() -> None:
    planned = plan([Column(name="a", kind=ColumnKind.INT), Column(name="b", kind=ColumnKind.FLOAT)], {"b": "drop"}, source_name="s")
    batch = pa.RecordBatch.from_arrays([pa.array([1, 2]), pa.array([0.5, None])], names=["a", "b"])
    delivered, [counts] = Redactor(planned, [Owner(ANN, SECRET)]).apply(batch, [(0, 2)])
    assert Serializer(planned.columns).lines(delivered) == b'{"a":1}\n{"a":2}\n'
    assert list(counts) == [1, 0]


def test_delivered_columns_say_by_which_rule() -> None:
    columns = [Column(name=name, kind=kind) for name, kind in (("a", ColumnKind.DATE), ("b", ColumnKind.JSON), ("c", ColumnKind.INT))]
    planned = plan(columns, {"a": "hash", "b": "others"}, source_name="s")
    assert [(column.name, column.kind, column.redaction) for column in planned.columns] == [
        ("a", ColumnKind.TEXT, "hash"),
        ("b", ColumnKind.JSON, "others"),
        ("c", ColumnKind.INT, None),
    ]


@pytest.mark.parametrize(
    ("rules", "said"),
    [({"nmae": "drop"}, "no column 'nmae'"), ({"name": "hash", "b": "others"}, "kind bytes"), ({"c": "mails_and_phones"}, "kind int")],
)
def test_rule_that_cannot_be_applied_is_refused(rules: dict[str, Redaction], said: str) -> None:
    columns = [Column(name=name, kind=kind) for name, kind in (("name", ColumnKind.TEXT), ("b", ColumnKind.BYTES), ("c", ColumnKind.INT))]
    with pytest.raises(SourceRefused, match=said) as caught:
        plan(columns, rules, source_name="s")
    assert (caught.value.code, caught.value.concerns_everybody) == ("RedactionInvalid", True)
    assert caught.value.hint


def test_column_that_is_not_in_the_batch_is_refused() -> None:
    planned = plan([Column(name="a", kind=ColumnKind.TEXT)], {"a": "drop"}, source_name="s")
    with pytest.raises(ExportError, match="missing"):
        Redactor(planned, [Owner(ANN, SECRET)]).apply(pa.RecordBatch.from_arrays([pa.array(["x"])], names=["b"]), [(0, 1)])
