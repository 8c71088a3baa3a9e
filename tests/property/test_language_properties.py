"""Whatever a directory or a caller writes for a language, it is one that there is, or none."""

from hypothesis import given
from hypothesis import strategies as st

from rightful.language import OFFERED, lookup, prefer

SUBTAGS = st.text("abcdehijnstwzHTWC0129", min_size=1, max_size=8)
TAGS = st.lists(st.sampled_from(["de", "zh", "Hans", "Hant", "TW", "cmn", "x", "u"]) | SUBTAGS, min_size=1, max_size=6).map("-".join)
WEIGHTS = st.sampled_from(["", ";q=0", ";q=0.5", "; q=1.000", ";q=2", ";q"])
WISHES = st.lists(st.tuples(TAGS, WEIGHTS), max_size=5)


@given(st.text() | TAGS | WISHES.map(lambda wishes: ", ".join(tag + weight for tag, weight in wishes)))
def test_any_text_has_a_language_that_there_is_or_none(text: str) -> None:
    assert lookup(text) in {"", *OFFERED}
    assert prefer(text) in {"", *OFFERED}


@given(st.sampled_from(OFFERED), st.lists(SUBTAGS.filter(lambda subtag: len(subtag) > 4), max_size=3))  # neither a script nor a region
def test_language_suits_all_that_is_narrower(language: str, narrower: list[str]) -> None:
    tag = "-".join([language, *narrower])
    assert lookup(tag) == lookup(tag.upper()) == prefer(tag) == prefer(tag.replace("-", "_")) == language


@given(TAGS)
def test_readers_of_the_traditional_script_are_not_written_to_in_the_other(tag: str) -> None:
    assert lookup(f"zh-Hant-{tag}") == ""


@given(TAGS, TAGS)
def test_what_is_wanted_more_comes_first(first: str, second: str) -> None:
    assert prefer(f"{first};q=0.2, {second};q=0.8") == (lookup(second) or lookup(first))
