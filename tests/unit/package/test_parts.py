import pyarrow as pa
import pytest

from rightful.package.parts import Part, PartCutter


def cut(limit: int, *feeds: bytes) -> list[tuple[bytes, int, int, object]]:
    cutter = PartCutter(limit)
    parts: list[Part] = []
    for feed in feeds:
        parts += cutter.feed(feed)
    last = cutter.finish()
    return [(b"".join(part.content), part.rows, part.size_bytes, part.last_key) for part in [*parts, *([last] if last else [])]]


def test_a_part_takes_the_lines_that_fit() -> None:
    assert cut(6, b"a\nb\ncc\nd\n") == [(b"a\nb\n", 2, 4, None), (b"cc\nd\n", 2, 5, None)]


def test_a_part_may_be_filled_to_the_last_byte() -> None:
    assert cut(4, b"a\nb\nc\n") == [(b"a\nb\n", 2, 4, None), (b"c\n", 1, 2, None)]


def test_a_longer_line_is_a_part_of_its_own() -> None:
    assert cut(4, b"a\nlonger\nb\n") == [(b"a\n", 1, 2, None), (b"longer\n", 1, 7, None), (b"b\n", 1, 2, None)]


def test_a_longer_line_at_the_end_of_a_feed_takes_nothing_more() -> None:
    assert cut(4, b"longer\n", b"b\nc\n") == [(b"longer\n", 1, 7, None), (b"b\nc\n", 2, 4, None)]


def test_nothing_fed_makes_no_part() -> None:
    assert cut(4) == []
    assert cut(4, b"", b"") == []


def test_the_last_key_is_that_of_the_last_line() -> None:
    cutter = PartCutter(4)
    first = list(cutter.feed(b"a\nb\nc\n", [1, 2, 3]))
    second = list(cutter.feed(b"d\ne\n", pa.array([4, 5])))
    last = cutter.finish()

    assert [part.last_key for part in first + second] == [2, 4]
    assert last is not None
    assert last.last_key == 5
    assert type(last.last_key) is int


def test_a_cutter_starts_again_after_its_last_part() -> None:
    cutter = PartCutter(4)
    list(cutter.feed(b"a\n"))
    assert cutter.finish() is not None
    assert cutter.finish() is None


def test_a_part_does_not_show_its_content() -> None:
    assert repr(next(PartCutter(1).feed(b"secret\n" * 2, ["key", "key"]))) == "Part(rows=1, size_bytes=7)"


def test_half_a_line_is_refused() -> None:
    with pytest.raises(ValueError, match="whole line"):
        list(PartCutter(4).feed(b"a"))


def test_a_part_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="room"):
        PartCutter(0)


def test_lines_that_are_not_counted_are_cut_alike() -> None:
    cutter = PartCutter(6, counts_rows=False)
    parts = [*cutter.feed(b"a\nb\ncc\n"), *cutter.feed(b"d\ne\n"), cutter.finish()]
    assert [(b"".join(part.content), part.rows) for part in parts if part] == [(b"a\nb\n", 0), (b"cc\nd\n", 0), (b"e\n", 0)]
