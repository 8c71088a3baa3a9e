import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from rightful.errors import PackageError
from rightful.package.bagit import BadLine, Line, format_bag_info, format_manifest, parse_bag_info, parse_manifest, path_problem

ONE = hashlib.sha256(b"1").hexdigest()
TWO = hashlib.sha256(b"2").hexdigest()


def test_lines_are_digest_two_spaces_path() -> None:
    assert b"".join(format_manifest([("data/a b", ONE), ("data/é", TWO)])) == f"{ONE}  data/a b\n{TWO}  data/é\n".encode()


def test_large_manifest_comes_in_bounded_chunks() -> None:
    chunks = list(format_manifest((f"data/{number:07d}", ONE) for number in range(5000)))
    assert len(chunks) > 4
    assert max(map(len, chunks)) < 70_000
    assert [line.path for line in parse_manifest(chunks) if isinstance(line, Line)] == [f"data/{number:07d}" for number in range(5000)]


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "a//b", "a/./b", "a/../b", "..", "a\\b", "a%b", "a ", "a\u3000"),
        *("a\nb", "a\rb", "a\0", "a\x85b", "a\u2028b", "a\udc80"),
        *("x" * 256, "é" * 128, "/".join(["x" * 200] * 6)),
    ],
)
def test_path_that_tools_read_differently_is_refused(path: str) -> None:
    assert path_problem(path)
    with pytest.raises(PackageError):
        list(format_manifest([(path, ONE)]))


@pytest.mark.parametrize(
    "path", ["data/-x", "data/ x", "data/*", "data/a b", "data/日本", "data/.x", "data/" + "x" * 255, "data/a  b", "data/#"]
)
def test_awkward_path_is_taken(path: str) -> None:
    assert not path_problem(path)
    assert list(parse_manifest(format_manifest([(path, ONE)]))) == [Line(path, ONE)]


@pytest.mark.parametrize("entries", [[("b", ONE), ("a", ONE)], [("a", ONE), ("a", ONE)], [("a", ONE.upper())], [("a", "")]])
def test_faulty_entries_are_not_written(entries: list[tuple[str, str]]) -> None:
    with pytest.raises(PackageError):
        list(format_manifest(entries))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (f"{ONE} data/b\n", "two spaces"),
        (f"{ONE} *data/b\n", "two spaces"),
        (f"{ONE.upper()}  data/b\n", "lower case"),
        (f"{ONE[1:]}  data/b\n", "SHA-256"),
        (f"{ONE}  \n", "path"),
        (f"{ONE}  data/b", "no end"),
        (f"{ONE}  data/b\r\n", "control character"),
        (f"{ONE}  data/../b\n", "`..`"),
        (f"{ONE}  data/a\n", "listed twice"),
        (f"{ONE}  data/A\n", "out of order"),
        ("\n", "SHA-256"),
        ("# comment\n", "SHA-256"),
        (f"{ONE}  {'x' * 5000}", "too long"),
    ],
)
def test_bad_line_is_named(line: str, problem: str) -> None:
    found = list(parse_manifest([f"{ONE}  data/a\n{line}".encode()]))
    assert found[0] == Line("data/a", ONE)
    assert isinstance(found[1], BadLine)
    assert found[1].number == 2
    assert problem in found[1].problem


def test_line_that_is_not_utf8_is_bad() -> None:
    assert list(parse_manifest([ONE.encode() + b"  data/\xff\n"])) == [BadLine(1, "is not UTF-8")]


def test_endless_line_is_given_up_early() -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(3):
            yield b"x" * 1000
        pytest.fail("read on")

    assert [type(line) for line in parse_manifest(endless())] == [BadLine]


def test_bag_info_has_what_rfc_8493_reserves() -> None:
    content = format_bag_info(
        organization="Contoso\n Ltd",
        operation_id="op-1",
        bagged_at=datetime(2026, 3, 1, 23, 59, tzinfo=UTC),
        software_agent="Rightful 1",
        payload_bytes=12,
        payload_entries=3,
    )
    assert parse_bag_info(content) == {
        "Source-Organization": "Contoso Ltd",
        "External-Identifier": "op-1",
        "External-Description": "Personal data held on one data subject",
        "Bagging-Date": "2026-03-01",
        "Bag-Software-Agent": "Rightful 1",
        "Payload-Oxum": "12.3",
    }


@pytest.mark.parametrize("content", [b"\xff\n", b"Payload-Oxum: 1.1", b"no colon\n", b"A: 1\nA: 2\n", b" folded: 1\n", b"\n"])
def test_malformed_bag_info_is_said(content: bytes) -> None:
    assert isinstance(parse_bag_info(content), str)
