"""Walking a tree: everything, once, in order; and after any cursor exactly the rest."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from rightful.connectors import tree
from rightful.connectors.file_tree import order

names = st.one_of(
    st.sampled_from(["a", "b", "ab", "a.b", "A", "-", " ", ".", "é", "\U0001f600", "\uffee", "\udcff", "\n"]),
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="/\0"), min_size=1, max_size=3),
).filter(lambda name: name not in {".", ".."})
trees = st.recursive(st.just(None), lambda children: st.dictionaries(names, children, max_size=5), max_leaves=15)


def plant(folder: bytes, content: object) -> Iterator[str]:
    """Make a tree; yield the paths of its files."""
    if content is None:
        Path(os.fsdecode(folder)).write_bytes(b"")
        yield ""
        return
    assert isinstance(content, dict)
    Path(os.fsdecode(folder)).mkdir()
    for name, child in content.items():
        for path in plant(folder + b"/" + os.fsencode(name), child):
            yield f"{name}/{path}" if path else name


def paths(root: bytes, after: str | None = None) -> list[str]:
    fd = os.open(root, os.O_RDONLY)
    found = list(tree.walk(fd, after=order(after) if after is not None else (), is_wanted=lambda *_: True))
    return [item.path for item in found]


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(names, trees, max_size=5), st.lists(names, min_size=1, max_size=3).map("/".join))
def test_a_walk_yields_all_in_order_and_goes_on_after_any_path(content: dict[str, object], elsewhere: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = os.fsencode(name) + b"/root"
        expected = sorted(plant(root, content), key=order)
        assert paths(root) == expected
        for after in (*expected, elsewhere, "zz", " "):
            assert paths(root, after) == [path for path in expected if order(path) > order(after)]
