"""Whatever files are called, each is one table's, and a table's pattern takes no other's."""

import glob

from hypothesis import given
from hypothesis import strategies as st

from rightful.connectors.local_paths import path_matcher
from rightful.sources.proposing import names_of
from rightful.sources.row_files import RowTable, tables_of

STEMS = st.text(st.sampled_from("ab019-_ .[]*?!^é客"), min_size=1, max_size=8).filter(lambda stem: not stem.startswith("."))
NAMES = st.builds(str.__add__, STEMS, st.sampled_from([".csv", ".csv.gz", ".jsonl", ".parquet", ".CSV"]))


def taken(table: RowTable, names: list[str]) -> list[str]:
    fits = path_matcher([f"./{table.pattern}"])
    return [name for name in names if fits(f"./{name}")]


@given(columns=st.dictionaries(NAMES, st.sampled_from([("a",), ("b",)]), min_size=1, max_size=8))
def test_each_file_is_of_one_table_with_its_columns(columns: dict[str, tuple[str, ...]]) -> None:
    names = sorted(columns)
    tables = list(tables_of(names, columns, is_by_person=False))
    files = [taken(table, names) for table in tables]
    assert sorted(name for each in files for name in each) == names
    for table, each in zip(tables, files, strict=True):
        assert table.last == each[-1]
        assert len({columns[name] for name in each}) == 1
        assert len(each) == 1 or "[0-9]*" in table.pattern


@given(names=st.sets(NAMES, min_size=1, max_size=8))
def test_files_that_are_named_after_people_are_all_read(names: set[str]) -> None:
    tables = list(tables_of(sorted(names), {}, is_by_person=True))
    assert {name for table in tables for name in taken(table, sorted(names))} == names
    assert not any(glob.escape(name) == table.pattern for table in tables for name in names), "no person's name"


@given(words=st.lists(st.sampled_from(["a", "a_2", "b", ""]), min_size=1, max_size=6))
def test_sources_have_different_names(words: list[str]) -> None:
    names = names_of("shop", words)
    assert len(set(names)) == len(words)
