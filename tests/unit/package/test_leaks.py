"""What names others in rows, in whatever form, and what does not."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from rightful.package.leaks import Called, Finding, LeakSearch
from rightful.package.name_index import build
from rightful.package.schema import Column, ColumnKind

ANN = {
    "id": ("aaaaaaaa-0000-4000-8000-000000000001",),
    "upn": ("ann@contoso.example",),
    "mail": ("shared@contoso.example",),
    "no": ("E10001",),
}
BOB = {"id": ("bbbbbbbb-0000-4000-8000-000000000002",), "upn": ("Bob.O'Brien@contoso.example",), "no": ("1002",)}
CAT = {"id": ("cccccccc-0000-4000-8000-000000000003",), "upn": ("shared@contoso.example",), "no": ("E10003", "cat")}
ASA = {"id": ("user-0004",), "upn": ("a\u030asa_fabrikam.example#EXT#@contoso.example",), "no": ("anna",)}
PEOPLE: Sequence[Mapping[str, Sequence[str]]] = (ANN, BOB, CAT, ASA)
INDEX = build((kind, values) for person in PEOPLE for kind, values in person.items() if kind != "mail")
BOBS_ID = UUID(BOB["id"][0])


def search(
    columns: Mapping[str, tuple[ColumnKind, pa.Array]], *, owners: Sequence[Mapping[str, Sequence[str]]] = (ANN,), **said: Any
) -> list[Finding]:
    batch = pa.RecordBatch.from_arrays([array for _, array in columns.values()], names=list(columns))
    said_columns = [Column(name=name, kind=kind) for name, (kind, _) in columns.items()]
    rows = batch.num_rows // len(owners)
    return LeakSearch(said_columns, INDEX, owners, **said).find(batch, [(number, rows) for number in range(len(owners))])


def texts(*values: str | None, **said: Any) -> list[tuple[str, int]]:
    return [(each.kind, each.row) for each in search({"c": (ColumnKind.TEXT, pa.array(values, pa.string()))}, **said)]


@pytest.mark.parametrize(
    "text",
    [
        BOB["id"][0],
        BOB["id"][0].upper(),
        BOB["id"][0].replace("-", ""),
        f"{{{BOB['id'][0]}}}",
        f"urn:uuid:{BOB['id'][0]}",
        f"https://graph.example/users/{BOB['id'][0]}/messages?x=1",
        f"see {BOB['id'][0].upper()}, please",
    ],
)
def test_object_id_is_found_wherever_it_stands(text: str) -> None:
    assert texts(None, "", text) == [("id", 2)]


@pytest.mark.parametrize(
    "text",
    [
        "bob.o'brien@contoso.example",
        "BOB.O'BRIEN@CONTOSO.EXAMPLE",
        " bob.o'brien@contoso.example\n",
        "mailto:Bob.O'Brien@contoso.example?subject=x",
        "Bob <bob.o'brien@contoso.example>",
        "ask 'bob.o'brien@contoso.example'.",
        "ann@contoso.example;bob.o'brien@contoso.example;x@y.example",
        "bob.o'brien%40contoso.example",
        "bob.o'brien&#64;contoso.example",
        "bob.o'brien\uff20contoso.example",
        "请联系 bob.o'brien@contoso.example。",
    ],
)
def test_address_is_found_wherever_it_stands(text: str) -> None:
    assert texts(None, text, "") == [("upn", 1)]


@pytest.mark.parametrize(
    "text",
    [
        "\u00e5sa_fabrikam.example#ext#@contoso.example",
        "a\u030asa_fabrikam.example#EXT#@contoso.example",
        "https://x.example/?u=%C3%A5sa_fabrikam.example%23EXT%23%40contoso.example".replace("%C3%A5", "\u00e5"),
        "(\u00c5SA_fabrikam.example#EXT#@contoso.example)",
    ],
)
def test_address_of_a_guest_is_found(text: str) -> None:
    assert texts(text) == [("upn", 0)]


@pytest.mark.parametrize(
    "text",
    [
        "#bob.o'brien@contoso.example",
        "##BOB.O'BRIEN@contoso.example",
        "ask #bob.o'brien@contoso.example, please",
        "https://x.example/people?a=1#bob.o'brien@contoso.example",
        "x#ann@contoso.example#bob.o'brien@contoso.example",
        "cc#ext#bob.o'brien@contoso.example",
        "请看#bob.o'brien@contoso.example",
        "https://x.example/p%23bob.o%27brien%40contoso.example",
        r"\u0023bob.o'brien@contoso.example",
        "a+b#bob.o'brien@contoso.example",
        "a#bob+b#bob.o'brien&#64;contoso.example",
    ],
)
def test_address_is_found_behind_a_hash(text: str) -> None:
    assert texts(None, text, "") == [("upn", 1)]


@pytest.mark.parametrize("before", ["#", "https://x.example/p#", "see+#", "%23", "tag#x "])
def test_address_of_a_guest_is_found_behind_a_hash(before: str) -> None:
    assert texts(f"{before}\u00e5sa_fabrikam.example#EXT#@contoso.example") == [("upn", 0)]


@pytest.mark.parametrize("text", ["{}", "#{}", "<{}>", "mailto:{}", "{}#{}", "q=%23{}", "https://x.example/#{}"])
def test_own_address_of_a_guest_holds_nobody_elses(text: str) -> None:
    guest = {"upn": ("ann_fabrikam.example#EXT#@contoso.example",)}
    others = (
        "ext@contoso.example",
        "ann@fabrikam.example",
        "@contoso.example",
        "ext#@contoso.example",
        "ann_fabrikam.example@contoso.example",
    )
    index = build([("upn", [*guest["upn"], *others])])
    batch = pa.RecordBatch.from_pydict({"c": [text.format(*guest["upn"] * 2)]})
    assert LeakSearch([Column(name="c", kind=ColumnKind.TEXT)], index, [guest]).find(batch, [(0, 1)]) == []


@pytest.mark.parametrize(
    "text",
    [
        "Ann <ann@contoso.example>, shared@contoso.example",  # her own, the latter a mail of hers that is somebody's name too
        f"{ANN['id'][0].upper()} E10001 e10001",
        "xbob.o'brien@contoso.example.org",
        "the number E10003 in a text",
        "cat",
        "1002",
        "bbbbbbbb-0000-4000-8000-000000000003",
        "b" * 32,
    ],
)
def test_what_is_ones_own_or_nobodys_is_no_finding(text: str) -> None:
    assert texts(text) == []


def test_other_names_are_found_where_they_are_whole_cells() -> None:
    assert texts("E10003", " e10003 ", "user-0004", "E100030", "-E10003") == [("no", 0), ("id", 2)]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (ColumnKind.TEXT, pa.array(["1002", " cat", None, "x"])),
        (ColumnKind.INT, pa.array([1002, 1003], pa.int32())),
        (ColumnKind.DECIMAL, pa.array([Decimal(1002), None], pa.decimal128(30, 0))),
        (ColumnKind.DECIMAL, pa.array([Decimal(1002), None], pa.decimal256(60, 0))),
        (ColumnKind.DECIMAL, pa.array(["1002", "7.5"])),
    ],
)
def test_weak_names_are_found_in_columns_that_are_called_so(kind: ColumnKind, values: pa.Array) -> None:
    assert search({"c": (kind, values)}) == []
    assert [each.kind for each in search({"c": (kind, values)}, called={"c": ["no"]})] == ["no"]
    assert search({"c": (kind, values)}, called={"c": ["upn"]}) == []


_BOB = "bob.o'brien@contoso.example"
_PAIR = pa.map_(pa.string(), pa.string())


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (ColumnKind.UUID, pa.array([None, BOBS_ID.bytes], pa.binary(16))),
        (ColumnKind.UUID, pa.array([None, str(BOBS_ID).upper()])),
        (ColumnKind.BYTES, pa.array([None, BOBS_ID.bytes], pa.binary_view())),
        (ColumnKind.UUID, pa.ExtensionArray.from_storage(pa.uuid(), pa.array([None, BOBS_ID.bytes], pa.binary(16)))),
        (ColumnKind.BYTES, pa.array([b"x" * 16, BOBS_ID.bytes])),
        (ColumnKind.BYTES, pa.array([b"x" * 16, BOBS_ID.bytes_le])),
        (ColumnKind.TEXT, pa.array([None, _BOB]).dictionary_encode()),
        (ColumnKind.TEXT, pa.array([None, _BOB], pa.string_view())),
        (ColumnKind.JSON, pa.array(["{}", json.dumps({"a": [1, {"b": f"to {_BOB}"}]})])),
        (ColumnKind.JSON, pa.array(["[]", json.dumps({_BOB: 1})])),
        (ColumnKind.JSON, pa.array(["null", '["bob.o\\u0027brien\\u0040contoso.example"]'])),
        (ColumnKind.JSON, pa.array(["1", json.dumps('a "quoted" \\ ' + _BOB)])),
        (ColumnKind.JSON, pa.array(["1", '{"no": "E10003"}'])),
        (ColumnKind.NESTED, pa.array([[], ["x", _BOB]])),
        (ColumnKind.NESTED, pa.array([[], [None, _BOB]], pa.large_list(pa.string()))),
        (ColumnKind.NESTED, pa.array([["x", "y"], ["x", _BOB]], pa.list_(pa.string(), 2))),
        (ColumnKind.NESTED, pa.array([None, {"a": {"b": [_BOB]}}, {"a": None}])),
        (ColumnKind.NESTED, pa.array([[], [("k", _BOB)]], _PAIR)),
        (ColumnKind.NESTED, pa.array([None, [(_BOB, None)]], _PAIR)),
        (ColumnKind.NESTED, pa.array([[{"x": [[]]}], [{"x": [["a"], [_BOB]]}]])),
        (ColumnKind.NESTED, pa.array([[b"y"], [BOBS_ID.bytes]])),
    ],
)
def test_names_are_found_in_every_kind_of_column(kind: ColumnKind, values: pa.Array) -> None:
    for piece in (values, pa.concat_arrays([values, values]).slice(1, len(values))):
        [found] = search({"n": (ColumnKind.INT, pa.array(range(len(piece)))), "c": (kind, piece)})
        assert (found.column, found.rows, piece[found.row].as_py()) == ("c", 1, values[1].as_py())


def test_nobody_is_named_in_columns_of_other_kinds() -> None:
    columns = {
        "f": (ColumnKind.FLOAT, pa.array([1002.0])),
        "b": (ColumnKind.BOOL, pa.array([True])),
        "e": (ColumnKind.NESTED, pa.array([{}], pa.struct([]))),
        "u": (ColumnKind.TEXT, pa.array([None], pa.null())),
        "l": (ColumnKind.NESTED, pa.array([None], pa.list_(pa.int8()))),
    }
    assert search(columns) == []
    assert search({"a": (ColumnKind.TEXT, pa.array([], pa.string()))}) == []


def test_each_owner_has_own_names_and_others_are_found() -> None:
    values = [_BOB, ANN["upn"][0], _BOB, ANN["upn"][0], "x", _BOB]
    found = search({"c": (ColumnKind.TEXT, pa.array(values)), "d": (ColumnKind.TEXT, pa.array(values))}, owners=(ANN, BOB))
    assert [(each.owner, each.column, each.row, each.rows) for each in found] == [
        (0, "c", 0, 2),
        (0, "d", 0, 2),
        (1, "c", 3, 1),
        (1, "d", 3, 1),
    ]


def test_columns_and_members_that_rightly_name_others_are_not_looked_into() -> None:
    document = {"to": [{"who": _BOB}, {"who": "x"}], "from": {"who": _BOB}}
    columns = {"to": (ColumnKind.TEXT, pa.array([_BOB])), "record": (ColumnKind.JSON, pa.array([json.dumps(document)]))}
    assert len(search(columns)) == 2
    assert [each.column for each in search(columns, aside={"to"})] == ["record"]
    assert [each.column for each in search(columns, aside={"to"}, parts_aside={"record": [("to", "who")]})] == ["record"]
    assert [each.column for each in search(columns, aside={"to"}, parts_aside={"record": [("to",), ("from", "who", "x")]})] == ["record"]
    assert search(columns, aside={"to"}, parts_aside={"record": [("to", "who"), ("from",), ("no", "such")]}) == []


def test_text_that_is_no_json_is_looked_into_all_the_same() -> None:
    columns = {"c": (ColumnKind.JSON, pa.array([f'["{_BOB}", "\\q', None]))}
    assert len(search(columns)) == 1
    assert len(search(columns, parts_aside={"c": [("to",)]})) == 1


def test_index_says_how_much_it_knows_and_names_nobody() -> None:
    assert (INDEX.people, INDEX.is_everybody) == (4, True)
    assert (INDEX.counts(is_weak=False), INDEX.counts(is_weak=True)) == ({"id": 4, "upn": 4, "no": 2}, {"no": 3})
    assert repr(INDEX) == "NameIndex()"
    empty = build([])
    assert (empty.people, empty.is_empty, empty.counts(is_weak=False)) == (0, True, {})
    column = [Column(name="c", kind=ColumnKind.TEXT)]
    assert LeakSearch(column, empty, [ANN]).find(pa.RecordBatch.from_pydict({"c": [_BOB]}), [(0, 1)]) == []


def test_index_is_full_at_its_bound_and_says_so() -> None:
    few = build((("id", [f"user-{number:04}" for number in range(start, start + 10)]) for start in range(0, 50, 10)), most=25)
    assert (few.people, few.is_everybody) == (25, False)
    assert not build([("id", [f"user-{number:04}" for number in range(10)])], most=4).is_everybody


def test_address_without_a_dot_is_found_wherever_it_stands() -> None:
    index = build([("upn", ["anna@corp"])])
    batch = pa.RecordBatch.from_pydict({"c": ["mail to anna@corp please", "anna@corp"]})
    [found] = LeakSearch([Column(name="c", kind=ColumnKind.TEXT)], index, [{}]).find(batch, [(0, 2)])
    assert (found.kind, found.rows) == ("upn", 2)


def test_name_of_two_people_is_known_once_and_one_of_two_kinds_is_of_both() -> None:
    index = build([("id", ["a@x.example", "A@X.example", "", " ", "?"]), ("upn", ["a@x.example"])])
    assert (index.people, index.counts(is_weak=False)) == (1, {"id": 1, "upn": 1})
    batch = pa.RecordBatch.from_pydict({"c": ["a@x.example"]})
    [found] = LeakSearch([Column(name="c", kind=ColumnKind.TEXT)], index, [{}]).find(batch, [(0, 1)])
    assert found.kind in {"id", "upn"}


@pytest.mark.parametrize("kinds", [("customer", "no"), ("no", "customer")])
def test_weak_name_of_two_kinds_is_found_in_columns_of_either(kinds: tuple[str, str]) -> None:
    index = build((kind, ["10042"]) for kind in kinds)
    batch = pa.RecordBatch.from_pydict({"c": ["10042"]})
    for kind in kinds:
        [found] = LeakSearch([Column(name="c", kind=ColumnKind.TEXT)], index, [{}], called={"c": [kind]}).find(batch, [(0, 1)])
        assert found.kind == kind


@pytest.mark.parametrize(
    "text",
    [
        '{"note": "hello\\nbob.o\'brien@contoso.example"}',
        r"\\t" + "bob.o'brien@contoso.example",
        r"\u003cbob.o'brien@contoso.example\u003e",
        r"bob.o\u0027brien\u0040contoso.example",
        r"to=bob.o\x27brien\x40contoso.example",
        "mailto%3Abob.o%27brien%40contoso.example",
        "mailto%253Abob.o%2527brien%2540contoso.example",
        "?q=write+to+bob.o%27brien%40contoso.example+now",
        "q=a+bob.o'brien@contoso.example",
        "x%5Cu003cbob.o'brien@contoso.example",
        "&lt;bob.o'brien&amp;#64;contoso.example&gt;",
        "&lt;bob.o&#x27;brien@contoso.example&gt;",
        "<a href=&quot;mailto:bob.o&amp;#39;brien%40contoso.example&quot;>",
        "<td>&nbsp;bob&period;o&apos;brien&commat;contoso&#46;example</td>",
    ],
)
def test_address_is_found_behind_escapes(text: str) -> None:
    assert texts(None, text, "") == [("upn", 1)]


@pytest.mark.parametrize(
    "text",
    [
        r"a\u030asa_fabrikam.example#ext#@contoso.example",
        "?u=a%CC%8Asa_fabrikam.example%23EXT%23%40contoso.example",
        "%C3%85sa_fabrikam.example%23EXT%23@contoso.example",
        "&aring;sa_fabrikam.example#EXT#@contoso.example",
        "&#xC5;sa_fabrikam.example&#35;EXT&num;&#64;contoso.example",
    ],
)
def test_letters_beyond_ascii_are_found_behind_escapes(text: str) -> None:
    assert texts(text) == [("upn", 0)]


@pytest.mark.parametrize("before", ["%3d", "%3D", r"\u003d", r"\x3d", "ab", "f"])
@pytest.mark.parametrize("after", ["", " ", "z", "-", "%26"])
def test_object_id_without_hyphens_is_found_right_after_hex_digits(before: str, after: str) -> None:
    assert texts(f"user{before}{BOB['id'][0].replace('-', '')}{after}") == [("id", 0)]
    assert texts(f"user{before}{ANN['id'][0].replace('-', '')}{after}") == []


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (ColumnKind.TEXT, pa.array(["x", "1002.00"])),
        (ColumnKind.TEXT, pa.array(["x", "0001002"])),
        (ColumnKind.DECIMAL, pa.array([None, Decimal("1002.00")], pa.decimal128(30, 2))),
        (ColumnKind.FLOAT, pa.array([1002.5, 1002.0])),
        (ColumnKind.FLOAT, pa.array([float("nan"), 1002.0], pa.float32())),
        (ColumnKind.NESTED, pa.array([None, [1002.0]])),
    ],
)
def test_numbers_are_found_however_they_are_written(kind: ColumnKind, values: pa.Array) -> None:
    [found] = search({"c": (kind, values)}, called={"c": ["no"]})
    assert (found.kind, found.row) == ("no", 1)
    assert search({"c": (kind, values)}, owners=(BOB,), called={"c": ["no"]}) == []
    assert search({"c": (kind, values)}) == []


MEMBERS = Called([["employee", "no"]], lambda name: ["no"] if name.lower().replace("_", "").endswith("employeeno") else [])


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (ColumnKind.JSON, pa.array(['{"a": 1002}', '{"employee_no": 1002}'])),
        (ColumnKind.JSON, pa.array([None, '{"x": [{"managerEmployeeNo" : "1002"}]}'])),
        (ColumnKind.JSON, pa.array(["{}", '{"employee_no": [7, "0001002"]}'])),
        (ColumnKind.JSON, pa.array(['{"employee_no": null}', '{"employee_no": 1002.0}'])),
        (ColumnKind.NESTED, pa.array([{"employee_no": None}, {"employee_no": 1002}])),
        (ColumnKind.NESTED, pa.array([{"a": [{"employee_no": ["x"]}]}, {"a": [{"employee_no": ["y", "1002"]}]}])),
    ],
)
def test_weak_names_are_found_in_members_that_are_called_so(kind: ColumnKind, values: pa.Array) -> None:
    assert search({"c": (kind, values)}) == []
    [found] = search({"c": (kind, values)}, members=MEMBERS)
    assert (found.column, found.kind, found.row, found.rows) == ("c", "no", 1, 1)
    assert search({"c": (kind, values)}, owners=(BOB,), members=MEMBERS) == []


def test_members_that_rightly_name_others_are_not_looked_into_for_weak_names_either() -> None:
    columns = {"c": (ColumnKind.JSON, pa.array(['{"approver": {"employee_no": 1002}, "employee_no": 10001}']))}
    assert len(search(columns, members=MEMBERS)) == 1
    assert search(columns, members=MEMBERS, parts_aside={"c": [("approver", "employee_no")]}) == []


def test_columns_repeat_themselves_where_few_of_their_values_are_distinct() -> None:
    columns = {"few": pa.array(["a", None] * 40), "many": pa.array([str(number) for number in range(80)]), "json": pa.array(["{}"] * 80)}
    kinds = {"few": ColumnKind.TEXT, "many": ColumnKind.TEXT, "json": ColumnKind.JSON}
    looking = LeakSearch([Column(name=name, kind=kinds[name]) for name in columns], INDEX, [ANN])
    assert [column.name for column in looking.repetitive(pa.RecordBatch.from_pydict(columns))] == ["few"]


def test_rows_are_clear_where_nothing_is_looked_into_or_nobody_is_known() -> None:
    batch = pa.RecordBatch.from_pydict({"c": pa.array([None, BOB["id"][0]], pa.string())})
    column = Column(name="c", kind=ColumnKind.TEXT)
    looking = LeakSearch([column], INDEX, [ANN])
    assert not looking.is_clear((batch, looking.columns))
    assert not looking.is_clear((batch.slice(0, 1), looking.columns), (batch, looking.columns))
    assert looking.is_clear((batch.slice(0, 1), looking.columns))
    assert looking.is_clear((batch, ()))
    assert looking.is_clear()
    assert LeakSearch([column], INDEX, [BOB]).is_clear((batch, [column]))
    assert LeakSearch([column], build([]), [ANN]).is_clear((batch, [column]))
