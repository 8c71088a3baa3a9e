"""Sets of numbers that are kept as ranges are as sets that hold each number."""

from hypothesis import given
from hypothesis import strategies as st

from rightful.audit.numbers import Numbers

RANGES = st.builds(lambda start, count: range(start, start + count), st.integers(-5, 40), st.integers(1, 12))


@given(st.lists(RANGES, max_size=12), RANGES)
def test_parts_say_what_is_taken_and_are_as_few_as_can_be(added: list[range], asked: range) -> None:
    numbers, model = Numbers(), set[int]()
    for each in added:
        numbers.add(each)
        model |= set(each)
    parts = list(numbers.parts(asked))
    assert [number for part, _ in parts for number in part] == list(asked)
    assert {number for part, is_free in parts if is_free for number in part} == set(asked) - model
    assert all(parts[at][1] != parts[at + 1][1] for at in range(len(parts) - 1))
    assert numbers.are_free(asked) == model.isdisjoint(asked)
