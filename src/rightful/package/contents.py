"""What lies under `data/` in a package, as plain values."""

from collections.abc import Iterable

import msgspec

from rightful.package.activity import Activity
from rightful.package.schema import Column

PAYLOAD = "data/"
"""The folder of everything that was found."""


class ShardEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What START-HERE.html shows records of a part from: an entry under `view/`."""

    path: str
    rows: int
    activity: Activity | None = None
    """When its records are from, where a column says so."""


class PayloadEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry under `data/`: a part of a dataset, or a file."""

    path: str
    sha256: str
    size_bytes: int
    source_name: str
    rows: int | None = None
    """Of a part of a dataset; None for a file."""
    is_copy: bool = False
    """Whether another entry has the same records, in the form that is counted."""
    columns: tuple[Column, ...] = ()
    """Of a part of a dataset."""
    shards: tuple[ShardEntry, ...] = ()
    """Of a part, in the order of its records; none where START-HERE.html does not show it."""
    superseded_by: str = ""
    """The path of the revision that counts instead, because the source changed while it was read; empty for what counts."""
    is_changed: bool | None = None
    """Of a file of a difference: whether the earlier operation had one of its path; None where that is not known."""


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """How much one source brought, without what was superseded; of what lies there in several forms, bytes alone count for each."""

    rows: int = 0
    parts: int = 0
    files: int = 0
    size_bytes: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            rows=self.rows + other.rows,
            parts=self.parts + other.parts,
            files=self.files + other.files,
            size_bytes=self.size_bytes + other.size_bytes,
        )


def tally(entries: Iterable[PayloadEntry]) -> dict[str, Tally]:
    """Count what counts, by source; a source that brought nothing is not in the answer."""
    found: dict[str, list[int]] = {}
    for entry in entries:
        if entry.superseded_by:
            continue
        counts = found.setdefault(entry.source_name, [0, 0, 0, 0])
        if not entry.is_copy:
            counts[0] += entry.rows or 0
            counts[1 if entry.rows is not None else 2] += 1
        counts[3] += entry.size_bytes
    return {name: Tally(rows=rows, parts=parts, files=files, size_bytes=size) for name, (rows, parts, files, size) in found.items()}
