"""A folder of exported tables is told from one with people's folders, and its files from each other."""

import os
from pathlib import Path

import pytest

from rightful.errors import ConfigurationError
from rightful.sources import row_files, survey
from rightful.sources.row_files import RowFiles, RowTable


def laid(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("" if "empty" in name else "mail\nann@contoso.example\n")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("users.csv", "csv"),
        ("USERS.CSV", "csv"),
        ("users.csv.gz", "csv"),
        ("users.jsonl.zst", "jsonl"),
        ("users.ndjson", "jsonl"),
        ("users.parquet", "parquet"),
        ("users.parquet.gz", ""),
        ("users.csv.txt", ""),
        ("users", ""),
    ],
)
def test_a_file_s_name_says_its_format(name: str, kind: str) -> None:
    assert row_files.format_of(name) == kind


def test_a_folder_with_more_folders_than_files_of_rows_has_one_for_each_person(tmp_path: Path) -> None:
    laid(tmp_path / "all", "ann/a.csv", "ben/a.csv", "index.csv", "empty.csv")
    assert survey.connector_of("all", tmp_path) == "files"
    laid(tmp_path / "all", "users.csv", ".hidden.csv")
    os.mkfifo(tmp_path / "all" / "pipe.csv")
    assert survey.connector_of("all", tmp_path) == "lake"
    assert row_files.look(tmp_path / "all") == RowFiles(("index.csv", "users.csv"), 4)


def test_more_files_than_can_be_looked_at_are_refused(tmp_path: Path) -> None:
    laid(tmp_path, *(f"{number}.csv" for number in range(1_001)))
    with pytest.raises(ConfigurationError, match="more than 1,000 files"):
        row_files.look(tmp_path)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"users.csv": "a", "orders.csv": "b"}, [("users", "users.csv"), ("orders", "orders.csv")]),
        ({"users.csv": "a", "orders.csv": "a"}, [("users", "users.csv"), ("orders", "orders.csv")]),
        ({"part-0.csv": "a", "part-1.csv": "a"}, [("part", "part-[0-9]*.csv")]),
        ({"log 2026-01-31.csv.gz": "a", "log 2026-02-01.csv.gz": "a"}, [("log", "log [0-9]*.csv.gz")]),
        ({"1.csv": "a", "2.csv": "a"}, [("", "[0-9]*.csv")]),
        ({"t1.csv": "a", "t2.csv": "b"}, [("t1", "t1.csv"), ("t2", "t2.csv")]),
        ({"t1.csv": "a", "t2.csv": "a", "t3x.csv": "a"}, [("t1", "t1.csv"), ("t2", "t2.csv"), ("t3x", "t3x.csv")]),
        ({"a[1].csv": "a", "a[2].csv": "a"}, [("a", "a[[][0-9]*].csv")]),
        ({"a*.csv": "a"}, [("a", "a[*].csv")]),
    ],
)
def test_files_of_one_table_have_its_columns_and_its_name(columns: dict[str, str], expected: list[tuple[str, str]]) -> None:
    found = row_files.tables_of(list(columns), {name: (each,) for name, each in columns.items()}, is_by_person=False)
    assert [(table.name, table.pattern) for table in found] == expected


def test_files_that_are_named_after_people_are_one_table() -> None:
    found = row_files.tables_of(["ann.csv", "ben.csv"], {}, is_by_person=True)
    assert list(found) == [RowTable("", "*.csv", "ben.csv")]
