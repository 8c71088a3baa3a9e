"""Whatever is logged, and by whomever: one event is one line, and in JSON it is read back as what was said."""

import io
import json
import logging
import unicodedata
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from rightful import logs

NASTY = [
    "\n",
    "\r",
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\u202e",
    "\u2066",
    "\u061c",
    "\u2028",
    "\x85",
    "\x0b",
    "\x00",
    " level=error",
    "'",
    '"',
    "=",
]
texts = st.one_of(st.text(max_size=30), st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=5)), max_size=6).map("".join))
values = st.recursive(
    st.one_of(texts, st.integers(), st.floats(), st.booleans(), st.none(), st.binary(max_size=10)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
names = st.sampled_from(["name", "code", "source", "error", "exception", "stack"])


@pytest.fixture(scope="module", autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def line_of(form: str, event: str, members: dict[str, object], foreign: str) -> list[str]:
    stream = io.StringIO()
    logs.configure({"RIGHTFUL_LOG_LEVEL": "debug", "RIGHTFUL_LOG_FORMAT": form}, stream=stream)
    structlog.get_logger("ours").info(event, **members)
    logging.getLogger("library").warning("%s", foreign)
    text = stream.getvalue()
    assert text.endswith("\n")
    obeyed = {
        character
        for character in text
        if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
        or unicodedata.bidirectional(character) in {"RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI"}
    }
    assert obeyed <= {"\n"}, obeyed
    return text.splitlines()


@given(event=texts, members=st.dictionaries(names, values, max_size=3), foreign=texts)
def test_json_line_is_one_and_says_what_was_said(event: str, members: dict[str, object], foreign: str) -> None:
    ours, library = (json.loads(line, parse_constant=pytest.fail) for line in line_of("json", event, members, foreign))
    assert (ours["level"], ours["logger"]) == ("info", "ours")
    shown = {f"{name}_" if name in {"exception", "stack"} else name for name in members}
    assert ours.keys() == {"event", "level", "logger", "timestamp"} | shown
    assert (library["level"], library["logger"]) == ("warning", "library")


@given(event=texts, name=names, value=texts, foreign=texts)
def test_console_line_is_one_and_a_value_is_no_second_one(event: str, name: str, value: str, foreign: str) -> None:
    ours, library = line_of("console", event, {name: value}, foreign)
    assert "[info" in ours
    assert "[warning" in library
    shown = ours.partition(f" {name}=")[2] if f"{name}=" not in event and "=" not in value else ""
    assert not set(shown) & set(" '\"") or (shown[0] in "'\"" and shown[-1] == shown[0])
