"""Entry names: safe, unique, short enough, and turned back into what they were."""

import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from rightful.package.digest_table import DigestTable
from rightful.package.paths import MAX_PATH_BYTES, MAX_SEGMENT_BYTES, EntryNamer, is_cut, original_of, part_path, revised_path

WINDOWS_NAMES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³")}

awkward = st.sampled_from(
    ["", ".", "..", "CON", "con.txt", "NUL ", "a.", "a ", " a", "=", "=41", "==", "%41", "a\nb", "é", "e\u0301", "ß", "ss", "İ", "K", "\u017f", "각", "각",
     "A", "a", "part-00000-00000.jsonl", "PART-1", "part-00000-00000.r1.jsonl", "\udcff", "\udcc2\udc85", "\x85", "\ud800", "\u202e", "x" * 300, "é" * 200, "-rf", "~", "C:", "a\\b"]
)  # fmt: skip
segments = st.one_of(awkward, st.text(st.characters(), max_size=12), st.text("aAbB.= ", max_size=4))
paths = st.lists(segments, min_size=1, max_size=5).map("/".join)
many_paths = st.lists(paths, max_size=25)


def folded(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def assert_safe(entry_path: str) -> None:
    assert entry_path.startswith("data/OneDrive/onedrive/")
    assert len(entry_path.encode()) <= MAX_PATH_BYTES
    for segment in entry_path.split("/"):
        assert 0 < len(segment.encode()) <= MAX_SEGMENT_BYTES
        assert segment not in {".", ".."}
        assert not re.search(r'[\x00-\x1f\x7f-\x9f<>:"|?*\\%\u2028\u2029]', segment)
        assert segment == segment.strip()
        assert not segment.endswith(".")
        assert segment.split(".")[0].rstrip().casefold() not in WINDOWS_NAMES


@given(paths)
def test_a_name_is_safe_and_turns_back(path: str) -> None:
    entry_path = EntryNamer("OneDrive", "onedrive").name(path)
    assert_safe(entry_path)
    if not is_cut(entry_path):
        assert original_of(entry_path) == path


@given(many_paths)
def test_names_are_unique_after_folding_and_no_folder_of_each_other(originals: list[str]) -> None:
    namer = EntryNamer("OneDrive", "onedrive")
    given_names = {original: namer.name(original) for original in originals}
    for original, entry_path in given_names.items():
        assert_safe(entry_path)
        assert is_cut(entry_path) or original_of(entry_path) == original
    names = {folded(entry_path) for entry_path in given_names.values()}
    assert len(names) == len(given_names)
    parents = {"/".join(name.split("/")[:n]) for name in names for n in range(1, name.count("/") + 1)}
    assert not names & parents


@given(many_paths)
def test_the_same_name_again_is_given_again(originals: list[str]) -> None:
    namer = EntryNamer("OneDrive", "onedrive")
    first = [namer.name(original) for original in originals]
    assert [namer.name(original) for original in originals] == first
    assert [EntryNamer("OneDrive", "onedrive").name(o) for o in originals[:1]] == first[:1]


@given(many_paths, st.integers(0, 25))
def test_a_resumed_namer_goes_on_alike(originals: list[str], at: int) -> None:
    whole = EntryNamer("OneDrive", "onedrive")
    names = [whole.name(original) for original in originals]
    resumed = EntryNamer("OneDrive", "onedrive")
    for entry_path in reversed(names[:at]):
        resumed.remember(entry_path)
    assert [resumed.name(original) for original in originals[at:]] == names[at:]


@given(paths, st.integers(1, 9999))
def test_a_revision_is_safe_another_and_turns_back(path: str, revision: int) -> None:
    entry_path = EntryNamer("OneDrive", "onedrive").name(path)
    revised = revised_path(entry_path, revision)
    assert folded(revised) != folded(entry_path)
    assert len(revised.encode()) <= 1024 - 37
    assert all(len(segment.encode()) <= MAX_SEGMENT_BYTES for segment in revised.split("/"))
    if not is_cut(revised):
        assert original_of(revised) == path


@given(segments.filter(bool), segments.filter(bool), segments.filter(bool))
def test_sources_never_share_a_folder(product: str, one: str, other: str) -> None:
    parts = [part_path(product, name, 0, 7, 1) for name in (one, other)]
    assert all(re.fullmatch(r"data/[^/]+/[^/]+/part-00000-00007\.r1\.jsonl", part) for part in parts)
    assert (folded(parts[0]) == folded(parts[1])) == (one == other)


@given(paths)
def test_a_file_is_never_a_part(path: str) -> None:
    assert not re.match(r"part-[0-9]", EntryNamer("P", "s").name(path).split("/")[3], re.IGNORECASE)


@given(st.dictionaries(st.integers(0, 2**64 - 2), st.integers(0, 2**64 - 1), max_size=300))
def test_the_table_is_a_map(items: dict[int, int]) -> None:
    table = DigestTable()
    for key, value in items.items():
        assert table.get(key) is None
        table.put(key, value ^ 1)
        table.put(key, value)
    assert len(table) == len(items)
    assert {key: table.get(key) for key in items} == items


@given(st.lists(st.integers(0, 9) | st.integers(0, 2**64 - 2), max_size=300))
def test_the_table_counts(keys: list[int]) -> None:
    table = DigestTable()
    times = [table.add_one(key) for key in keys]
    assert times == [keys[: at + 1].count(key) for at, key in enumerate(keys)]
    assert len(table) == len(set(keys))
