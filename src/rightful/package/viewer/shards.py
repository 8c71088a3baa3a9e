"""Shards: lines of a dataset as a script that START-HERE.html loads, since a page opened from disk cannot read files.

A shard is one call, `rightfulShard([[rows, bytes, "…"], …])`: blocks of whole lines, byte for byte those of the part, each compressed (a
raw LZ4 block) and in base64. Compressed, they cost half of what the part does rather than as much again, and since base64 needs no
escaping, no content can end the string that it stands in. Blocks are small, so that one page of a table needs one or two of them.
"""

import base64
from collections.abc import Iterable, Iterator

import pyarrow as pa

from rightful.package.parts import Part, PartCutter

_BLOCK_BYTES = 256 * 1024


def encode_shard(pieces: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return the script of lines that come in pieces of whole lines; where the pieces end does not show in it."""
    blocks = [_encode(block) for block in _blocks(pieces)]
    return (b"rightfulShard([\n", b",\n".join(blocks), b"\n]);\n")


def _blocks(pieces: Iterable[bytes]) -> Iterator[Part]:
    cutter = PartCutter(_BLOCK_BYTES)
    for piece in pieces:
        yield from cutter.feed(piece)
    last = cutter.finish()
    if last is not None:
        yield last


def _encode(block: Part) -> bytes:
    text = b"".join(block.content)
    return b'[%d,%d,"%s"]' % (block.rows, len(text), base64.b64encode(pa.compress(text, codec="lz4_raw", asbytes=True)))
