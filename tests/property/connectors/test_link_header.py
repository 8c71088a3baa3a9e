"""The `Link` header: what is written by the RFC is read as it was meant, what is not is refused, never half read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rightful.connectors.link_header import Link, next_target, parse

_TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789!#$%&'*+-.^_`|~", min_size=1, max_size=12)
_RELATION = st.from_regex(r"[a-z][a-z0-9.-]{0,9}", fullmatch=True) | st.just("https://r.example/x")
_TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=20)
_OWS = st.sampled_from(["", " ", "\t", "  "])


@st.composite
def _written(draw: st.DrawFn) -> tuple[str, Link]:
    """Write a link in one of the ways that there are."""

    def quoted(text: str) -> str:
        return '"' + "".join(f"\\{each}" if each in '"\\' or draw(st.booleans()) else each for each in text) + '"'

    target = draw(st.from_regex(r"[!#-;=?-~]{0,20}", fullmatch=True))
    relations = draw(st.lists(_RELATION, min_size=1, max_size=3))
    texts = draw(st.lists(st.tuples(_TOKEN.filter(lambda name: name.lower() not in {"rel", "anchor"}), _TEXT), max_size=3))
    parameters = [f"{name}={quoted(text)}" for name, text in texts]
    is_plain = len(relations) == 1 and draw(st.booleans())
    rel = relations[0] if is_plain else quoted(" ".join(relations))
    parameters.insert(
        draw(st.integers(0, len(parameters))), f"{draw(st.sampled_from(['rel', 'REL', 'Rel']))}{draw(_OWS)}={draw(_OWS)}{rel}"
    )
    text = f"<{target}>" + "".join(f"{draw(_OWS)};{draw(_OWS)}{parameter}" for parameter in parameters)
    return text, Link(target.strip(), frozenset(each.lower() for each in relations))


@settings(deadline=None)
@given(st.lists(_written(), max_size=4), st.lists(st.sampled_from([",", " , ", ",,", ", ,"]), min_size=4, max_size=4))
def test_what_is_written_is_read(links: list[tuple[str, Link]], commas: list[str]) -> None:
    text = "".join(link + comma for (link, _), comma in zip(links, commas, strict=False))
    assert parse([text]) == tuple(link for _, link in links)
    assert parse([link for link, _ in links]) == tuple(link for _, link in links)


@settings(deadline=None)
@given(st.text("<>;,=\"'\\ \trelnxtab/", max_size=30))
def test_anything_is_read_whole_or_refused(text: str) -> None:
    try:
        links = parse([text])
    except ValueError:
        return
    assert bool(links) == bool(text.strip(" \t,"))
    assert all(link.target in text for link in links)


@pytest.mark.parametrize(
    ("values", "target"),
    [
        ([], ""),
        (["</2>; rel=next"], "/2"),
        (['</2>; rel="next"'], "/2"),
        (["</2>;rel=NEXT"], "/2"),
        (['</1>; rel="prev", </2>; rel="last  next"'], "/2"),
        (["</1>; rel=prev", "</2>; rel=next"], "/2"),
        (['</1>; title="; rel=next"; rel=prev'], ""),
        (['</1>; title="<x>; rel=\\"next\\", "; rel=prev, </2>; rel=next'], "/2"),
        (["</2>; rel=next; rel=prev"], "/2"),
        (["</1>; rel=prev; rel=next"], ""),
        (["</2>; type=text/html; rel=next; title*=UTF-8''%e2%82%ac"], "/2"),
        (["</2?a=1,2;rel=x>; rel=next"], "/2?a=1,2;rel=x"),
        (["</2>; rel=next, </2>; rel=next"], "/2"),
        (["</1>; xrel=next"], ""),
        (["</1>"], ""),
        ([",, </2>;; rel=next ;,"], "/2"),
        (["</n>; rel=nextpage"], ""),
    ],
)
def test_next_page_is_found(values: list[str], target: str) -> None:
    assert next_target(values) == target


@pytest.mark.parametrize(
    "value",
    [
        "/2; rel=next",
        "</2>; rel='next'",
        '</2>; rel="next',
        '</2>; rel="next\\',
        "</2; rel=next",
        "</2>; rel",
        '</2>; rel=""',
        "</2>; rel=",
        "</2> rel=next",
        "</2>; rel=next </3>; rel=prev",
        '</2>; rel="next"x',
        "</2>; rel=next; anchor=/other",
        "</2>; rel=next, </3>; rel=next",
        "</2>; r\u00e9l=next",
    ],
)
def test_what_is_not_written_so_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        next_target([value])
