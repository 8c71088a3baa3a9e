"""Whatever columns are called and hold, those are found that hold anything, however the lines are cut."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from rightful.package.filled import Filled
from rightful.package.schema import Column, ColumnKind

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=4) | st.sampled_from(["a", ",", ":", '":', "null", "doc", "[]"])
EMPTY: st.SearchStrategy[object] = st.sampled_from([None, "", [], {}])
FLAT = (
    EMPTY | st.integers(-9, 9) | st.booleans() | st.text(st.characters(codec="utf-8"), max_size=6) | NAMES.map(lambda name: f'"{name}":1,')
)
DEEP = st.recursive(FLAT, lambda each: st.lists(each, max_size=3) | st.dictionaries(NAMES, each, max_size=3), max_leaves=6)


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, (str, list, dict)) and not value)


@given(st.lists(NAMES, unique=True, min_size=1, max_size=5), st.data())
def test_columns_with_a_value_are_found(names: list[str], data: st.DataObject) -> None:
    is_deep = {name: data.draw(st.booleans()) for name in names}
    columns = [Column(name=name, kind=ColumnKind.JSON if is_deep[name] else ColumnKind.TEXT) for name in names]
    row = st.fixed_dictionaries({name: DEEP if is_deep[name] else FLAT for name in names})
    rows = data.draw(st.lists(row, max_size=8))
    labelled = data.draw(st.sets(st.sampled_from(names)))
    filled, found = Filled(columns, labelled), frozenset[str]()
    cut = data.draw(st.integers(0, len(rows)))
    for piece in (rows[:cut], rows[cut:]):
        found = filled.look(b"".join(msgspec.json.encode(row) + b"\n" for row in piece), found)
    held = {name for name in names if not all(_is_empty(row[name]) for row in rows)}
    assert found & labelled == held & labelled
    assert bool(found - labelled) == bool(held - labelled)
    assert found <= held
