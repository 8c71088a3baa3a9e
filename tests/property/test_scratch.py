"""What was put by comes back as it was, in whatever order it is asked for, and however often."""

from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from rightful.scratch import Scratch

_pieces = st.lists(st.binary(max_size=70), max_size=30)


@given(_pieces, st.lists(st.integers(0, 29), max_size=200), st.integers(1, 64))
def test_pieces_come_back_in_any_order(pieces: list[bytes], order: list[int], chunk_bytes: int) -> None:
    with closing(Scratch()) as scratch:
        places = [scratch.append(piece) for piece in pieces]
        for number in (number for number in order if number < len(pieces)):
            assert b"".join(scratch.read(*places[number], chunk_bytes=chunk_bytes)) == pieces[number]


@given(_pieces, st.integers(0, 29), st.integers(0, 29))
def test_readings_that_are_under_way_at_once_or_given_up_do_not_disturb_each_other(pieces: list[bytes], one: int, other: int) -> None:
    with closing(Scratch()) as scratch:
        places = [scratch.append(piece) for piece in [b"first", *pieces, b"last"]]
        expected = [b"first", *pieces, b"last"]
        one, other = one % len(places), other % len(places)
        next(scratch.read(*places[one], chunk_bytes=1), None)  # given up
        both = scratch.read(*places[one], chunk_bytes=3), scratch.read(*places[other], chunk_bytes=5)
        found = [b"", b""]
        for _ in range(80):
            for number, each in enumerate(both):
                found[number] += next(each, b"")
        assert found == [expected[one], expected[other]]
        assert [b"".join(scratch.read(*place)) for place in places] == expected
