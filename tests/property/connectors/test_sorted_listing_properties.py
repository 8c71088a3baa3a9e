"""A listing comes out sorted, whole and unchanged, whether it was held or written out."""

import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightful.connectors.file_tree import TreeFile, TreeFolder, TreeSkip, order
from rightful.connectors.sorted_listing import SortedListing
from rightful.errors import SourceUnavailable

NAMES = (
    st.binary(min_size=1, max_size=4)
    .filter(lambda name: not set(b"\0/") & set(name))
    .map(lambda name: name.decode(errors="surrogateescape"))
)
PATHS = st.lists(st.one_of(NAMES, st.sampled_from(["a", "a ", "a-", "a.", "a0", "é"])), min_size=1, max_size=4).map("/".join)
FILES = st.builds(
    TreeFile,
    PATHS,
    st.integers(0, 1 << 62),
    st.one_of(st.none(), st.integers(-(1 << 62), 1 << 62)),
    st.lists(st.one_of(st.integers(0, 1 << 62), st.text(max_size=4)), max_size=3).map(tuple),
    mode=st.one_of(st.none(), st.integers(0, 0o7777)),
    etag=st.text(max_size=4),
)
LISTED = st.lists(st.one_of(FILES, st.builds(TreeSkip, PATHS, st.text(max_size=9)), st.builds(TreeFolder, PATHS)), max_size=40)


@pytest.mark.parametrize("held", [2_000, 3, 1])
@given(listed=LISTED)
def test_everything_comes_in_order(held: int, listed: list[TreeFile | TreeSkip | TreeFolder]) -> None:
    listing = SortedListing(listed, "home", held=held)
    assert list(listing) == sorted(listed, key=lambda item: order(item.path))
    listing.close()


def test_memory_does_not_grow_with_what_is_listed() -> None:
    peaks = []
    for count in (6_000, 18_000):
        tracemalloc.start()
        listing = SortedListing(
            (TreeFile(f"folder/{n * 7919 % count:08}.txt", n, n, (n, "etag"), etag="etag") for n in range(count)), "home"
        )
        assert [int(file.path[7:15]) for file in listing] == list(range(count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        listing.close()
    assert peaks[1] < 5 << 20
    assert peaks[1] - peaks[0] < 3 << 20


def test_what_cannot_be_put_down_is_no_fault_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(SourceUnavailable, match="cannot be put down") as caught:
        SortedListing((TreeFile(str(n), 0, 0, ()) for n in range(9)), "home", held=3)
    assert "TMPDIR" in caught.value.hint
