"""Whatever surrounds it and however it is written, what names somebody else is found, and what is one's own or nobody's is not."""

import json
import uuid

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from rightful.package.leaks import LeakSearch
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
    "id": (str, str.upper, lambda text: text.replace("-", ""), lambda text: f"{{{text}}}", lambda text: f"urn:uuid:{text}"),
    "upn": (str, str.upper, lambda text: f"mailto:{text}", lambda text: f"X <{text}>", lambda text: text.replace("@", "%40")),
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
    search = LeakSearch([Column(name="c", kind=kind)], INDEX, [PEOPLE[owner]])
    return {(each.kind, each.row) for each in search.find(pa.RecordBatch.from_arrays([values], names=["c"]), [(0, len(texts))])}


@settings(max_examples=150)
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


@given(st.lists(st.uuids(), min_size=1, max_size=20), shapes, st.sampled_from(FORMS["id"]))
def test_ids_of_nobody_are_no_finding(ids: list[uuid.UUID], shape: str, form: object) -> None:
    assert callable(form)
    assert found(shape, [form(str(each)) for each in ids], 0) == set()
