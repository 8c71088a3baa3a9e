"""Whatever surrounds it and however it is written, what names somebody else is found, and what is one's own or nobody's is not."""

import html
import json
import uuid
from urllib.parse import quote, urlencode

import polars as pl
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from rightful.package.leak_cells import FEW_BYTES
from rightful.package.leaks import Finding, LeakSearch
from rightful.package.name_index import build
from rightful.package.schema import Column, ColumnKind

PEOPLE = [
    {"id": (str(uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 & (2**128 - 1))),), "upn": (name,), "no": (f"E{number:06}",)}
    for number, name in enumerate(
        ("ann@contoso.example", "b.o'hara@contoso.example", "c_x.example#EXT#@contoso.example", "åsa@contoso.example"), 1
    )
]
INDEX = build((kind, values) for person in PEOPLE for kind, values in person.items())
FORMS = {
    "id": (
        str,
        str.upper,
        lambda text: text.replace("-", ""),
        lambda text: f"{{{text}}}",
        lambda text: f"urn:uuid:{text}",
        lambda text: "id%3D" + text.replace("-", ""),
        lambda text: "\\u003d" + text.replace("-", "") + "%",
    ),
    "upn": (
        str,
        str.upper,
        lambda text: f"mailto:{text}",
        lambda text: f"X <{text}>",
        lambda text: text.replace("@", "%40"),
        lambda text: f"mailto%3A{quote(text, safe='')}",
        lambda text: f"https://x.example/?{urlencode({'to': f'Any Name {text}', 'x': '1'})}",
        lambda text: quote(quote(text, safe=""), safe=""),
        lambda text: json.dumps({"to": f"hello\n{text}\r\n"}),
        lambda text: json.dumps(json.dumps([f"\t{text}"])),
        lambda text: quote(json.dumps({"to": text}), safe=""),
        lambda text: "".join(f"\\u{ord(character):04x}" for character in text),
        lambda text: html.escape(f"<{text}>").replace("@", "&#64;"),
        lambda text: html.escape(html.escape(f"<{text}>")).encode("ascii", "xmlcharrefreplace").decode(),
        lambda text: json.dumps({"html": f"<p>{html.escape(text)}</p>"}),
        lambda text: f"a+{text}",
        lambda text: f"#{text}",
        lambda text: f"https://x.example/p?a=1#{text}",
        lambda text: quote(f"x#{text}", safe=""),
        lambda text: f"+#{text}",
    ),
}
around = st.text(st.sampled_from(' ,;\n()<>"日本xyz.'), max_size=6)
shapes = st.sampled_from(["text", "json", "member", "list", "struct", "map"])


def column(shape: str, texts: list[str]) -> tuple[ColumnKind, pa.Array]:
    match shape:
        case "json":
            return ColumnKind.JSON, pa.array([json.dumps([1, {"a": text}]) for text in texts])
        case "member":
            return ColumnKind.JSON, pa.array([json.dumps({text: None}, ensure_ascii=False) for text in texts])
        case "list":
            return ColumnKind.NESTED, pa.array([[None, text] for text in texts], pa.list_(pa.string()))
        case "struct":
            return ColumnKind.NESTED, pa.array([{"a": [{"b": text}]} for text in texts])
        case "map":
            return ColumnKind.NESTED, pa.array([[("k", text)] for text in texts], pa.map_(pa.string(), pa.string()))
        case _:
            return ColumnKind.TEXT, pa.array(texts)


def found(shape: str, texts: list[str], owner: int) -> set[tuple[str, int]]:
    kind, values = column(shape, texts)
    batch, counts = pa.RecordBatch.from_arrays([values], names=["c"]), [(0, len(texts))]
    several: list[list[Finding]] = []
    for few_bytes in (FEW_BYTES, -1):  # one by one, and all at once
        search = LeakSearch([Column(name="c", kind=kind)], INDEX, [PEOPLE[owner]], few_bytes=few_bytes)
        several.append(search.find(batch, counts))
        assert search.is_clear((batch, search.columns)) == (not several[-1])
    assert several[0] == several[1]
    return {(each.kind, each.row) for each in several[0]}


@settings(max_examples=300)
@given(st.data())
def test_every_planted_name_is_found_and_no_own_one(data: st.DataObject) -> None:
    owner, named = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
    kind = data.draw(st.sampled_from(["id", "upn"]))
    form = data.draw(st.sampled_from(FORMS[kind]))
    before, after, shape = data.draw(around), data.draw(around), data.draw(shapes)
    planted = f"{before} {form(PEOPLE[named][kind][0])} {after}"
    rows = data.draw(st.lists(around, max_size=4))
    place = data.draw(st.integers(0, len(rows)))
    texts = [*rows[:place], planted, *rows[place:]]
    assert found(shape, texts, owner) == (set() if owner == named else {(kind, place)})


strange = st.text(st.sampled_from('a\u212a\u0130\u017f\u00e5A\u030a09.-@%&;#64\\u\uff20\ufe6b \t\n\x0b\x1c\x85\xa0\u2028{}"'), max_size=40)


@given(st.lists(strange, min_size=1, max_size=8), st.sets(strange, min_size=1, max_size=4), shapes)
def test_few_texts_are_looked_through_like_many(texts: list[str], names: set[str], shape: str) -> None:
    kind, values = column(shape, [*texts, *names])
    index = build([("upn", sorted(names))])
    batch = pa.RecordBatch.from_arrays([values], names=["c"])
    several = [
        LeakSearch([Column(name="c", kind=kind)], index, [{}], called={"c": ["upn"]}, few_bytes=few_bytes).find(
            batch, [(0, batch.num_rows)]
        )
        for few_bytes in (FEW_BYTES, -1)
    ]
    assert several[0] == several[1]


whose = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.sampled_from(["id", "upn", "no"])), min_size=1, max_size=80)


@given(cells=whose, is_called=st.booleans())
def test_whose_few_names_are_is_told_like_that_of_many(*, cells: list[tuple[int, int, str]], is_called: bool) -> None:
    people = [
        {"id": [f"{number:08x}-0000-4000-8000-000000000000"], "upn": [f"p{number}@x.example"], "no": [str(40 + number)]}
        for number in range(5)
    ]
    people[4]["upn"] += people[3]["no"]  # of two kinds, and of two people
    index = build([(kind, [value for person in people for value in person[kind]]) for kind in ("id", "upn", "no")])
    cells.sort(key=lambda cell: cell[0])
    batch = pa.RecordBatch.from_arrays([pa.array([people[named][kind][-1] for _, named, kind in cells])], names=["c"])
    counts = [(owner, sum(cell[0] == owner for cell in cells)) for owner in range(4)]
    called = {"c": ["no"]} if is_called else {}
    several = [
        LeakSearch([Column(name="c", kind=ColumnKind.TEXT)], index, people[:4], called=called, few_bytes=few_bytes).find(batch, counts)
        for few_bytes in (FEW_BYTES, -1)
    ]
    assert several[0] == several[1]
    others = {number for number, (owner, named, kind) in enumerate(cells) if kind == "id" and owner != named}
    assert sum(each.rows for each in several[0] if each.kind == "id") == len(others)


@given(known=st.sets(st.integers(0, 60), min_size=1), asked=st.sets(st.integers(0, 90), min_size=30), with_weak=st.booleans())
def test_names_are_found_a_few_at_a_time_like_many(*, known: set[int], asked: set[int], with_weak: bool) -> None:
    index = build([("no", [str(number) for number in known]), ("code", [str(number) for number in known if number % 2])])
    texts = pl.DataFrame({"text": [str(number) for number in asked]}).with_columns(pl.col("text").alias("form"))
    few = [row for start in range(0, texts.height, 5) for row in index.named(texts.slice(start, 5), with_weak=with_weak).rows()]
    many = index.named(pl.concat([texts] * 40), with_weak=with_weak)
    assert sorted(few * 40) == sorted(many.rows())


written = st.one_of(
    strange,
    st.from_regex(r"\A[ {]?[0-9a-fA-F]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}[}\n]?\Z"),
    st.from_regex(r"\A0*[0-9]{0,3}(\.0*)?\n?\Z"),
)


@given(st.lists(written, max_size=6))
def test_few_people_have_the_names_that_each_of_many_has(names: list[str]) -> None:
    one, many = ({"id": names[:2], "upn": names[2:]} for _ in range(2))
    few = INDEX.own([one])
    among = INDEX.own([many, *({"id": (str(number),)} for number in range(600))])
    assert sorted(few.unique().rows()) == sorted(row for row in among.rows() if row[0] == 0)


@given(st.lists(st.uuids(), min_size=1, max_size=20), shapes, st.sampled_from(FORMS["id"]))
def test_ids_of_nobody_are_no_finding(ids: list[uuid.UUID], shape: str, form: object) -> None:
    assert callable(form)
    assert found(shape, [form(str(each)) for each in ids], 0) == set()


NUMBERS = build([("no", [str(number) for number in range(100, 110)]), ("customer", [f"{number:06}" for number in range(105, 115)])])
WRITTEN = (
    str,
    lambda number: f"{number:09}",
    lambda number: f"{number}.00",
    lambda number: f"{number:07}.",
    lambda number: f" {number}\n",
)


@given(st.integers(95, 120), st.integers(95, 120), st.sampled_from(WRITTEN), st.sampled_from(["no", "customer"]))
def test_numbers_are_found_in_every_spelling_by_the_kind_that_their_column_is_called_like(
    own: int, named: int, form: object, kind: str
) -> None:
    assert callable(form)
    search = LeakSearch([Column(name="c", kind=ColumnKind.TEXT)], NUMBERS, [{kind: (str(own),)}], called={"c": [kind]})
    found = search.find(pa.RecordBatch.from_pydict({"c": ["x", form(named)]}), [(0, 2)])
    is_name = named in (range(100, 110) if kind == "no" else range(105, 115))
    assert [(each.kind, each.row) for each in found] == ([(kind, 1)] if is_name and own != named else [])
