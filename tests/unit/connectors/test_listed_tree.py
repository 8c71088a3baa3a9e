"""Walking a tree that is listed folder by folder, where a folder changed since the read that it goes on from."""

import errno
from collections.abc import Iterator, Mapping

import pytest

from rightful.connectors.file_tree import TreeFile, TreeFolder, TreeSkip, order
from rightful.connectors.listed_tree import Listed, ListedWalk

TREE: Mapping[str, tuple[Listed, ...]] = {
    "": (TreeFolder("a"), TreeFile("a-", 1, None, ()), TreeFolder("b")),
    "a": (TreeFile("a/1", 1, None, ()), TreeFile("a/2", 1, None, ()), TreeFolder("a/c")),
    "a/c": (TreeFile("a/c/3", 1, None, ()),),
    "b": (TreeFile("b/4", 1, None, ()),),
}


def walk(after: str, *, denied: str | None = None, instead: Listed | None = None) -> list[tuple[str, type[Listed]]]:
    def list_folder(path: str) -> Iterator[Listed]:
        if path == denied:
            raise OSError(errno.EACCES, "permission denied")
        return iter([instead if instead is not None and each.path == instead.path else each for each in TREE[path]])

    found = ListedWalk(list_folder=list_folder, source_name="home", after=order(after), is_wanted=lambda *_: True)
    return [(item.path, type(item)) for item in found]


def test_a_folder_with_the_cursor_in_it_that_cannot_be_listed_any_more_is_told() -> None:
    assert walk("a/1", denied="a") == [("a", TreeSkip), ("a-", TreeFile), ("b/4", TreeFile)]
    assert walk("a/c/3", denied="a") == [("a", TreeSkip), ("a-", TreeFile), ("b/4", TreeFile)]
    assert walk("a/c/3", denied="a/c") == [("a/c", TreeSkip), ("a-", TreeFile), ("b/4", TreeFile)]
    assert walk("a", denied="a") == [("a-", TreeFile), ("b/4", TreeFile)]  # it was told, and is what is gone on after


@pytest.mark.parametrize("after", ["a/1", "a/c/3", "a/nothing/more"])
def test_what_cannot_be_read_in_the_place_of_a_folder_with_the_cursor_in_it_is_told(after: str) -> None:
    link = TreeSkip("a", "symbolic link, not followed")
    assert walk(after, instead=link) == [("a", TreeSkip), ("a-", TreeFile), ("b/4", TreeFile)]


def test_a_file_in_the_place_of_such_a_folder_came_later_and_lies_before_the_cursor() -> None:
    assert walk("a/1", instead=TreeFile("a", 1, None, ())) == [("a-", TreeFile), ("b/4", TreeFile)]
