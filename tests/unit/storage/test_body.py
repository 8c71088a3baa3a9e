"""Bodies of known length."""

import pytest

from rightful.storage.body import Blocks, exactly


def test_chunks_pass_in_order_without_empty_ones() -> None:
    assert list(exactly([b"", b"a", b"", b"bc"], 3)) == [b"a", b"bc"]


@pytest.mark.parametrize(
    ("chunks", "size_bytes", "sent"), [([b"a", b"b", b"c"], 2, [b"a"]), ([b"a", b"b"], 3, [b"a"]), ([b"a"], 0, []), ([], 1, [])]
)
def test_last_chunk_is_held_back_when_the_size_is_wrong(chunks: list[bytes], size_bytes: int, sent: list[bytes]) -> None:
    left: list[bytes] = []

    def send() -> None:
        for chunk in exactly(chunks, size_bytes):
            left.append(chunk)  # noqa: PERF402 - what left before the error counts

    with pytest.raises(ValueError, match="bytes"):
        send()
    assert left == sent


def test_blocks_have_their_lengths() -> None:
    blocks = Blocks(iter([b"abc", b"defgh", b"i"]))
    assert [b"".join(blocks.take(length)) for length in (2, 4, 3, 1)] == [b"ab", b"cdef", b"ghi", b""]
