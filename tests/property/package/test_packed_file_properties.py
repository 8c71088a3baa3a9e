"""A part of a file is what lies there, whatever the blocks, and however many ask."""

import io
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from rightful.package.packed_file import Positioned, StoredFile

CONTENT = bytes(range(251)) * 3
places = st.integers(0, len(CONTENT) + 20)


def stored(size_bytes: int, block_bytes: int) -> StoredFile:
    content = CONTENT[:size_bytes]
    return StoredFile(lambda _path, start, length: content[start : start + length], "p.zip", size_bytes, block_bytes=block_bytes)


@given(st.integers(0, len(CONTENT)), st.integers(1, 300), st.lists(st.tuples(places, places), max_size=20), st.integers(1, 4))
def test_parts_are_what_lies_there(size_bytes: int, block_bytes: int, asked: list[tuple[int, int]], threads: int) -> None:
    with closing(stored(size_bytes, block_bytes)) as file, ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda each: file.read_at(*each), asked))
    assert found == [CONTENT[:size_bytes][start : start + length] for start, length in asked]


@given(st.integers(0, len(CONTENT)), st.integers(1, 300), places, places)
def test_what_is_shown_of_a_part_begins_it_and_is_empty_only_where_it_is(
    size_bytes: int, block_bytes: int, start: int, length: int
) -> None:
    part = CONTENT[:size_bytes][start : start + length]
    shown = stored(size_bytes, block_bytes).look_at(start, length)
    assert part.startswith(shown)
    assert bool(shown) == bool(part)


@given(
    st.integers(0, len(CONTENT)),
    st.lists(st.tuples(st.sampled_from([os.SEEK_SET, os.SEEK_CUR, os.SEEK_END]), st.integers(-800, 800), st.integers(-1, 900))),
)
def test_positioned_file_reads_as_every_other_does(size_bytes: int, steps: list[tuple[int, int, int]]) -> None:

    ours, theirs = Positioned(stored(size_bytes, 100)), io.BytesIO(CONTENT[:size_bytes])
    for whence, offset, length in steps:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: ours.tell(), os.SEEK_END: size_bytes}[whence]
        try:
            assert ours.seek(offset, whence) == base + offset
        except OSError:
            assert base + offset < 0
            continue
        theirs.seek(base + offset)
        assert ours.read(length) == theirs.read(length)
        assert ours.tell() == theirs.tell()
