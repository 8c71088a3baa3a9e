"""Plain text in the person's language: numbers, columns."""

import pytest

from rightful.package.texts import columns, texts


@pytest.mark.parametrize(
    ("language", "none", "one", "several"),
    [
        ("", "0 files", "1 file", "2 files"),
        ("en", "0 files", "1 file", "2 files"),
        ("de", "0 Dateien", "1 Datei", "2 Dateien"),
        ("es", "0 archivos", "1 archivo", "2 archivos"),
        ("fr", "0 fichier", "1 fichier", "2 fichiers"),
        ("ja", "ファイル 0 個", "ファイル 1 個", "ファイル 2 個"),
        ("zh-Hans", "0 个文件", "1 个文件", "2 个文件"),
    ],
)
def test_number_has_the_form_that_belongs_to_it(language: str, none: str, one: str, several: str) -> None:
    assert [texts("readme", language).count("{n} file", "{n} files", n) for n in range(3)] == [none, one, several]


@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("en", ["0", "999", "1,234", "12,345", "1,234,567", "1,234.5"]),
        ("de", ["0", "999", "1.234", "12.345", "1.234.567", "1.234,5"]),
        ("es", ["0", "999", "1234", "12.345", "1.234.567", "1234,5"]),
        ("fr", ["0", "999", "1\u202f234", "12\u202f345", "1\u202f234\u202f567", "1\u202f234,5"]),
        ("ja", ["0", "999", "1,234", "12,345", "1,234,567", "1,234.5"]),
        ("zh-Hans", ["0", "999", "1,234", "12,345", "1,234,567", "1,234.5"]),
    ],
)
def test_numbers_are_written_as_in_the_language(language: str, written: list[str]) -> None:
    said = texts("readme", language)
    assert [*(said.number(n) for n in (0, 999, 1234, 12_345, 1_234_567)), said.number(1234.5, 1)] == written


def test_values_are_not_looked_into() -> None:
    assert texts("readme", "de").say("{where}: {what}", where="{what}", what="{where}") == "{what}: {where}"


def test_columns_stand_above_each_other_in_wide_characters_too() -> None:
    assert columns((("ab", "1"), ("請求日時:", "2"), ("", "3"))) == ["ab        1", "請求日時: 2", "          3"]
    assert columns(()) == []
