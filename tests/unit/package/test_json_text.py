import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightful.package.json_text import NameTwice, are_documents, split_members

DEEP = "[" * 3000


def ascii_start(text: str) -> str:
    return ascii(text[:20])


@pytest.mark.parametrize(
    "text", ["null", " 1.5e-3\n", '"\\ud800"', DEEP + "]" * 3000, '{"a":{"b":[{}]},"a":1}', "1e999999"], ids=ascii_start
)
def test_a_document_counts_as_one(text: str) -> None:
    assert are_documents([text])


@pytest.mark.parametrize(
    "text", ["", " ", DEEP, DEEP + "]" * 2999, DEEP + "}" * 3000, '"\\ud800" 1', '["\\ud800",]', '{"\\ud800"}', "\x0b1", "[1][2]"]
)
def test_anything_else_does_not(text: str) -> None:
    assert not are_documents(["1", text])


def test_short_random_texts_are_judged_as_the_standard_library_judges_them() -> None:
    draw = random.Random(1)
    texts = ["".join(draw.choices('[]{},:"a1 -.e\\u0\n', k=draw.randint(1, 9))) for _ in range(10_000)]
    found = texts + [f'["\\ud800",{text}]' for text in texts]  # the second half is what msgspec refuses in any case
    assert [are_documents([text]) for text in found] == [is_json(text) for text in found]


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_members_are_split_where_the_fast_reader_gives_up() -> None:
    text = ' {"a" : ["\\ud800", {"b": 1}] , "c":"{,}", "d\\n": {} , "e":1}\n'
    assert split_members(text) == {"a": '["\\ud800", {"b": 1}]', "c": '"{,}"', "d\n": "{}", "e": "1"}


def test_an_empty_object_has_no_members() -> None:
    assert split_members("{}") == {}


@pytest.mark.parametrize("text", ["[1]", "1", '{"a":', DEEP + "]" * 3000, '["\\ud800"]'], ids=ascii_start)
def test_what_is_no_object_has_no_members_to_split(text: str) -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        split_members(text)


_values = st.sampled_from([None, 10**30, ":", '\\"a":', {}, {"a": {":a": 1}}, [[":"], {"b": "}"}], "\ud800:"])


@given(st.lists(st.tuples(st.text(':"\\\\ab\\ud800', max_size=2), _values), max_size=4), st.sampled_from([":", " : "]), st.booleans())
def test_two_members_of_one_name_are_refused(members: list[tuple[str, object]], colon: str, escaped: bool) -> None:  # noqa: FBT001
    names = [json.dumps(name) if not escaped else '"' + "".join(f"\\u{ord(each):04x}" for each in name) + '"' for name, _ in members]
    text = "{" + ",".join(name + colon + json.dumps(value) for name, (_, value) in zip(names, members, strict=True)) + "}"
    if len(dict(members)) == len(members):
        assert {name: json.loads(value) for name, value in split_members(text).items()} == dict(members)
    else:
        with pytest.raises(NameTwice):
            split_members(text)
