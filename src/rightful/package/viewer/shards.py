"""Shards: lines of a dataset as a script that START-HERE.html loads, since a page opened from disk cannot read files.

A shard is one call, with a line for each block of whole lines, byte for byte those of the part, compressed (a raw LZ4 block) and in base64:

    typeof <name>=="function"&&<name>(()=>{/*
    <rows> <bytes> <base64>
    */});

Any page that was opened from disk may load a script of the package: an HTML file among the person's own, that somebody sent them, as well.
So the name of the function is a secret of the package, which stands in START-HERE.html alone; a page can read no other. It is asked for
before it is called, since an error would tell it.

In a package that is the difference to an earlier one, a line ends with the numbers of those of its rows that have changed, `-` for none;
the others are new.

Compressed, they cost half of what the part does rather than as much again, and base64 has no asterisk that could end the comment. In a
comment, of which the page asks the function's text, a browser passes over them and keeps them once; strings it would copy. Blocks are
small, so that one page of a table needs one or two of them, and shards are, since a browser has to load all of one.
"""

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa

from rightful.package.parts import Part, PartCutter

OPEN_CALL = "rightfulShard"
"""What the shards of earlier versions call."""

_BLOCK_BYTES = 32 * 1024
_SHARD_BYTES = 4352 * 1024
"""A quarter of a part of 16 MiB, and a little more, so that what is left of it makes no fifth."""


class Shard(NamedTuple):
    """A script, and how many lines it has."""

    content: tuple[bytes, ...]
    lines: tuple[bytes, ...]
    """What it was made of, in pieces of whole lines."""
    rows: int


Changed = Callable[[bytes], Sequence[int] | None]
"""Tells which of some lines have changed since an earlier package; None where the package is no difference."""


def call_of(secret: str) -> str:
    """Return the name of the function that the shards of a package call, of its secret in hex; empty where it has none."""
    return f"{OPEN_CALL}_{secret}" if secret else OPEN_CALL


def encode_shards(pieces: Iterable[bytes], changed: Changed = lambda _: None, *, call: str) -> Iterator[Shard]:
    """Yield the scripts of lines that come in pieces of whole lines; where the pieces end does not show in it."""
    for part in _cut(pieces, _SHARD_BYTES, counts_rows=False):
        content, rows = _script(part.content, changed, call)
        yield Shard(content, part.content, rows)


def encode_shard(pieces: Iterable[bytes], changed: Changed = lambda _: None, *, call: str) -> tuple[bytes, ...]:
    """Return the script of lines that come in pieces of whole lines; where the pieces end does not show in it."""
    return _script(pieces, changed, call)[0]


def _script(pieces: Iterable[bytes], changed: Changed, call: str) -> tuple[tuple[bytes, ...], int]:
    """Return a script, and how many lines it has."""
    blocks: list[bytes] = []
    rows = 0
    for block in _cut(pieces, _BLOCK_BYTES):
        blocks.append(_encode(block, changed))
        rows += block.rows
    return (f'typeof {call}=="function"&&{call}(()=>{{/*\n'.encode(), *blocks, b"*/});\n"), rows


def _cut(pieces: Iterable[bytes], limit_bytes: int, *, counts_rows: bool = True) -> Iterator[Part]:
    cutter = PartCutter(limit_bytes, counts_rows=counts_rows)
    for piece in pieces:
        yield from cutter.feed(piece)
    last = cutter.finish()
    if last is not None:
        yield last


def _encode(block: Part, changed: Changed) -> bytes:
    text = b"".join(block.content)
    rows = changed(text)
    marks = b"" if rows is None else b" " + (",".join(map(str, rows)) or "-").encode()
    return b"%d %d %s%s\n" % (block.rows, len(text), base64.b64encode(pa.compress(text, codec="lz4_raw", asbytes=True)), marks)
