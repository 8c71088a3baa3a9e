"""Entry names, by example."""

import tracemalloc

import pytest

from rightful.errors import PackageError
from rightful.package.paths import EntryNamer, is_cut, original_of, part_path, revised_path


def name(path: str) -> str:
    return EntryNamer("OneDrive", "onedrive").name(path).removeprefix("data/OneDrive/onedrive/")


def test_parts_are_numbered_by_partition_part_and_revision() -> None:
    assert part_path("Shop", "orders", 0, 7) == "data/Shop/orders/part-00000-00007.jsonl"
    assert part_path("Shop", "orders", 2, 7, 1) == "data/Shop/orders/part-00002-00007.r1.jsonl"
    assert part_path("My/Shop", "Orders", 2, 7, extension="csv") == "data/My=2FShop/=4Frders/part-00002-00007.csv"


@pytest.mark.parametrize(
    ("original", "expected"),
    [
        ("Documents/a.docx", "Documents/a.docx"),
        ("Fotos/été 2024.jpg", "Fotos/été 2024.jpg"),
        ("写真/👩‍👩‍👧.png", "写真/👩‍👩‍👧.png"),
        ("-rf", "-rf"),
        ("a=b", "a=3Db"),
        ("100%.txt", "100=25.txt"),
        ("a\nb", "a=0Ab"),
        ("10:30", "10=3A30"),
        ("CON", "=43ON"),
        ("com1.txt", "=63om1.txt"),
        ("console", "console"),
        ("ends.", "ends=2E"),
        ("ends ", "ends=20"),
        (" starts", "=20starts"),
        ("..", ".=2E"),
        (".", "=2E"),
        (".profile", ".profile"),
        ("a//b", "a/=_/b"),
        ("\udcff\udcfe.bin", "=FF=FE.bin"),
        ("exe\u202etxt", "exe=E2=80=AEtxt"),
        ("part-00000-00000.jsonl", "=70art-00000-00000.jsonl"),
        ("x/part-00000-00000.jsonl", "x/part-00000-00000.jsonl"),
        ("party.txt", "party.txt"),
    ],
)
def test_only_what_is_unsafe_is_escaped(original: str, expected: str) -> None:
    assert name(original) == expected
    assert original_of("data/OneDrive/onedrive/" + expected) == original


def test_names_that_differ_in_case_or_normal_form_only_are_told_apart() -> None:
    namer = EntryNamer("P", "s")
    names = [namer.name(text) for text in ("a/Report", "a/report", "a/rePort", "A/x", "a/x", "é", "e\u0301")]
    assert names == [f"data/P/s/{text}" for text in ("a/Report", "a/=72eport", "a/re=50ort", "A/x", "a/=78", "é", "=65\u0301")]


def test_a_file_that_is_another_ones_folder_is_told_apart() -> None:
    namer = EntryNamer("P", "s")
    assert [namer.name(text) for text in ("a", "a/b", "c/d/e", "c/d")] == [
        f"data/P/s/{text}" for text in ("a", "=61/=62", "c/d/e", "c/=64")
    ]


def test_a_long_name_is_cut_and_keeps_its_extension_and_folder() -> None:
    long = "Documents/" + "とても長い名前" * 20 + ".docx"
    cut = name(long)
    assert cut.startswith("Documents/とても長い名前")
    assert cut.endswith(".docx")
    assert is_cut("data/OneDrive/onedrive/" + cut)
    assert name(long.replace("Doc", "doc")) != cut
    with pytest.raises(PackageError):
        original_of("data/OneDrive/onedrive/" + cut)


def test_files_of_a_long_folder_stay_together() -> None:
    namer = EntryNamer("P", "s")
    folders = {namer.name(f"{'é' * 200}/{n}").rpartition("/")[0] for n in range(3)}
    assert len(folders) == 1


def test_a_deep_path_is_flattened() -> None:
    deep = "/".join(["d"] * 400) + "/x.txt"
    assert name(deep).count("/") < 250
    assert is_cut("data/OneDrive/onedrive/" + name(deep))
    assert name(deep) != name("d/" + deep)


def test_a_name_of_255_bytes_stays() -> None:
    assert name("n" * 251 + ".txt") == "n" * 251 + ".txt"
    assert len(revised_path("data/P/s/" + "n" * 251 + ".txt", 3).rpartition("/")[2]) <= 255


def test_a_revision_keeps_the_extension() -> None:
    assert revised_path("data/P/s/a/b.tar.gz", 2) == "data/P/s/a/b.tar==r2.gz"
    assert original_of("data/P/s/a/b.tar==r2.gz") == "a/b.tar.gz"


@pytest.mark.parametrize("path", ["data/P/s", "data/P/s/a=b", "README.txt", "data/P/s/=4"])
def test_what_is_no_files_entry_has_no_original(path: str) -> None:
    with pytest.raises(PackageError):
        original_of(path)


def test_names_take_little_memory() -> None:
    namer = EntryNamer("P", "s")
    tracemalloc.start()
    for number in range(20_000):
        namer.name(f"folder/file {number}.txt")
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held / 20_000 < 48
