"""URLs and patterns of local files."""

from pathlib import Path

import pytest

from rightful.connectors.local_paths import local_path, path_matcher, pattern_problem
from rightful.errors import ConfigurationError


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("file:///srv/x", "/srv/x"),
        ("file:///srv/a%20b%25/*?.parquet", "/srv/a b%/*?.parquet"),
        ("FILE:///srv/x#y", "/srv/x#y"),
        ("x/y", "/etc/rightful/x/y"),
        ("/abs", "/abs"),
        ("a:b", "/etc/rightful/a:b"),
    ],
)
def test_a_url_becomes_a_path(url: str, expected: str) -> None:
    assert local_path(url, Path("/etc/rightful")) == Path(expected)


@pytest.mark.parametrize("url", ["s3://bucket/x", "file://server/x", "file://./x", "https://x/y"])
def test_what_is_not_local_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        local_path(url, Path("/"))


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        ("*.pdf", ["a.pdf", "x/y/a.pdf", ".pdf", "a\nb.pdf"], ["a.PDF", "a.pdf/x", "apdf"]),
        ("**/*.parquet", ["a.parquet", "x/a.parquet", "x/y/a.parquet"], ["a.parquet.tmp"]),
        ("x/**", ["x/a", "x/y/z", "x/"], ["x", "y/x/a"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/bb", "a/xb/c"]),
        ("a?c/d", ["abc/d", "a.c/d"], ["ac/d", "a/c/d"]),
        ("[a-c][!x]", ["ab", "q/c1"], ["ax", "db", "a/", "a"]),
        ("[]^]", ["]", "^"], ["a"]),
        ("[", ["["], ["a"]),
        ("a+(b)$", ["a+(b)$"], ["aab"]),
        ("*", ["x", "a/b"], []),
    ],
)
def test_patterns(pattern: str, fitting: list[str], others: list[str]) -> None:
    matcher = path_matcher([pattern])
    assert [path for path in fitting if not matcher(path)] == []
    assert [path for path in others if matcher(path)] == []


def test_no_patterns_fit_nothing() -> None:
    assert not path_matcher([])("a")


@pytest.mark.parametrize("pattern", ["", "/", "[z-a]", "x/[]", "[]/x[y]", "[!]*"])
def test_what_can_be_no_pattern_is_told(pattern: str) -> None:
    assert pattern_problem(pattern)


@pytest.mark.parametrize("pattern", ["*", "[", "a]", "[]^]", "[!a]", "[^a]", "[a-]", "[[]", "/x/"])
def test_whatever_else_there_is_is_a_pattern(pattern: str) -> None:
    assert not pattern_problem(pattern)
