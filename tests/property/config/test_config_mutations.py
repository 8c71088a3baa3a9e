"""Whatever is done to a valid file, reading it gives a configuration or a `ConfigurationError`, and no secret is in its text."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.config.examples import SEAL_KEY, WHOLE, read

from rightful.errors import ConfigurationError

SECRETS = ("hunter2", SEAL_KEY)
PIECES = st.sampled_from(
    ["{", "}", "[", "]", ":", "\n", "- ", "  ", "&a ", "*a", "!!int ", "${X}", "${", "$$", "'", '"', "~", "null", "<<: ", "#", "|\n", ">\n", "---\n", "...\n", "\t", "? ", "%", "@", "é", "\u2028", "\\", "{file: x}", "{file: .}", "{file: {file: x}}", "1e999", ".nan", "0x10", "true", "a: b", "\x00", "\ufeff"]
)  # fmt: skip


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    text = WHOLE
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 0, 1, 2, 5, 20, 200])))
        text = text[:start] + draw(PIECES | st.text(max_size=5)) + text[end:]
    return text.encode("utf-8", "surrogatepass")


def outcome(content: bytes) -> str:
    with tempfile.TemporaryDirectory() as folder:
        try:
            read(Path(folder), content)
        except ConfigurationError as error:
            return f"{error.message} {error.hint}"
    return ""


@settings(max_examples=400, deadline=None)
@given(mutations())
def test_mutated_file_is_read_or_refused(content: bytes) -> None:
    said = outcome(content)
    assert not any(secret in said for secret in SECRETS), said


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_lines_may_vanish_double_or_move(data: st.DataObject) -> None:
    lines = WHOLE.splitlines(keepends=True)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        line = lines.pop(at) if data.draw(st.booleans()) else lines[at]
        if data.draw(st.booleans()):
            lines.insert(data.draw(st.integers(0, len(lines))), data.draw(st.sampled_from(["", "  ", "    "])) + line)
    said = outcome("".join(lines).encode())
    assert not any(secret in said for secret in SECRETS), said


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_bytes_of_any_kind_are_refused(content: bytes) -> None:
    assert outcome(content)
