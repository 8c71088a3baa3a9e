"""What a caller says of its trace counts only where it is well formed (W3C Trace Context 3.2.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightful.traces import SpanPlace, format_traceparent, parse_traceparent, put, traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_place_is_read_from_what_a_caller_says() -> None:
    place = SpanPlace(int(TRACE, 16), int(SPAN, 16), is_sampled=True)
    assert parse_traceparent([f"00-{TRACE}-{SPAN}-01"]) == place
    assert parse_traceparent([f"00-{TRACE}-{SPAN}-03"]) == place  # other flags are for later versions
    assert parse_traceparent([f"00-{TRACE}-{SPAN}-00"]) == SpanPlace(place.trace_id, place.span_id, is_sampled=False)
    assert parse_traceparent([f"cc-{TRACE}-{SPAN}-01-what-comes-later"]) == place


@pytest.mark.parametrize(
    "values",
    [
        [],
        [""],
        [f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01"],
        [f"00-{TRACE}-{SPAN}-01-more"],
        [f"ff-{TRACE}-{SPAN}-01"],
        [f"00-{TRACE.upper()}-{SPAN}-01"],
        [f"00-{'0' * 32}-{SPAN}-01"],
        [f"00-{TRACE}-{'0' * 16}-01"],
        [f"00-{TRACE}-{SPAN}-1"],
        [f"00-{TRACE}-{SPAN}-01 "],
        [f"00-{TRACE}-{SPAN}-01\n"],
        [f"00-{TRACE[:-1]}-{SPAN}-01"],
        [f"00_{TRACE}_{SPAN}_01"],
        [f"cc-{TRACE}-{SPAN}-01what-comes-later"],
    ],
    ids=repr,
)
def test_anything_else_is_nothing(values: list[str]) -> None:
    assert parse_traceparent(values) is None


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())
def test_place_comes_back_as_it_was_said(trace_id: int, span_id: int, is_sampled: bool) -> None:  # noqa: FBT001 - hypothesis calls it
    place = SpanPlace(trace_id, span_id, is_sampled=is_sampled)
    assert parse_traceparent([format_traceparent(place)]) == place


@given(st.text(max_size=80))
def test_no_text_breaks_the_parser(text: str) -> None:
    found = parse_traceparent([text])
    assert found is None or format_traceparent(found)[3:52] in text


def test_steps_outside_of_traced_work_say_nothing() -> None:
    with put("4bf92f35-77b3-4da6-a3ce-929d0e0e4736", 1):
        assert traceparent() == ""
