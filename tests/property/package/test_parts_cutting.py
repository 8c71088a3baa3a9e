"""Where parts end depends on the lines alone."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from rightful.package.parts import Part, PartCutter

LINES = st.lists(st.binary(max_size=12).map(lambda text: text.replace(b"\n", b" ") + b"\n"), max_size=30)
LIMITS = st.integers(1, 40)


def cut(limit: int, lines: list[bytes], cuts: list[int], start: int = 0) -> list[Part]:
    """Feed the lines in pieces; a line's key is its number in the whole stream."""
    cutter = PartCutter(limit)
    parts: list[Part] = []
    for first, end in pairwise(sorted({start, *(place for place in cuts if start <= place <= len(lines)), len(lines)})):
        parts += cutter.feed(b"".join(lines[first:end]), range(first, end))
    last = cutter.finish()
    return parts if last is None else [*parts, last]


def shapes(parts: list[Part]) -> list[tuple[bytes, int, int, object]]:
    return [(b"".join(part.content), part.rows, part.size_bytes, part.last_key) for part in parts]


def one_by_one(limit: int, lines: list[bytes]) -> list[tuple[bytes, int, int, object]]:
    """The rule itself, line by line."""
    parts: list[list[int]] = []
    for number, line in enumerate(lines):
        if parts and sum(len(lines[index]) for index in parts[-1]) + len(line) <= limit:
            parts[-1].append(number)
        else:
            parts.append([number])
    return [(text := b"".join(lines[index] for index in part), len(part), len(text), part[-1]) for part in parts]


@settings(max_examples=500, deadline=None)
@given(LIMITS, LINES, st.lists(st.integers(0, 30)))
def test_any_way_of_feeding_gives_the_parts_of_the_rule(limit: int, lines: list[bytes], cuts: list[int]) -> None:
    assert shapes(cut(limit, lines, cuts)) == one_by_one(limit, lines)


@settings(max_examples=500, deadline=None)
@given(LIMITS, LINES, st.lists(st.integers(0, 30)), st.lists(st.integers(0, 30)), st.data())
def test_resuming_after_a_part_gives_the_remaining_parts(
    limit: int, lines: list[bytes], cuts: list[int], later: list[int], data: st.DataObject
) -> None:
    parts = cut(limit, lines, cuts)
    done = data.draw(st.integers(0, len(parts)))
    start = 0
    if done:
        key = parts[done - 1].last_key
        assert isinstance(key, int)
        start = key + 1
    assert shapes(cut(limit, lines, later, start)) == shapes(parts[done:])
