"""How a lake's files are divided, and what their folders say."""

from pathlib import Path

import pytest

from rightful.connectors.lake_files import Glob, LakeFile, divide, hive_values, split_glob


def test_a_glob_is_split_at_its_first_wildcard() -> None:
    assert split_glob(Path("/srv/lake/20*/x/*.parquet")) == Glob(Path("/srv/lake"), "20*/x/*.parquet")
    assert split_glob(Path("/srv/lake/**/*.parquet")) == Glob(Path("/srv/lake"), "**/*.parquet")
    assert split_glob(Path("/srv/lake/a.parquet")) == Glob(Path("/srv/lake"), "a.parquet")


def test_folder_that_a_relative_pattern_starts_from_is_no_pattern() -> None:
    assert split_glob(Path("lake/**/*.parquet"), Path("/srv/a[b]c*")) == Glob(Path("/srv/a[b]c*/lake"), "**/*.parquet")
    assert split_glob(Path("*.parquet"), Path("/srv/what?")) == Glob(Path("/srv/what?"), "*.parquet")
    assert split_glob(Path("/srv/lake/*.parquet"), Path("/etc")) == Glob(Path("/srv/lake"), "*.parquet")


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], [0]),
        ([5], [1]),
        ([50], [1]),
        ([5, 5], [2]),
        ([5, 6], [1, 1]),
        ([3, 3, 3, 3, 3], [3, 2]),
        ([50, 1, 50], [1, 1, 1]),
        ([0] * 9, [9]),
    ],
    ids=repr,
)
def test_files_are_divided_in_order_by_their_sizes(sizes: list[int], expected: list[int]) -> None:
    files = [LakeFile(str(number), size, 0) for number, size in enumerate(sizes)]
    runs = divide(files, 10)
    assert [len(run) for run in runs] == expected
    assert [file for run in runs for file in run] == files


def test_folders_say_values_as_text() -> None:
    assert hive_values("a=1/b=x%2Fy/c=__HIVE_DEFAULT_PARTITION__/d=/=e/f/g=h.parquet") == {"a": "1", "b": "x/y", "c": None, "d": ""}


def test_folders_whose_bytes_differ_say_different_values() -> None:
    assert len({hive_values(f"a={value}/x")["a"] for value in ("%FF", "%FE", "\ufffd", "%EF%BF%BD")}) == 3
