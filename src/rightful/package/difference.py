"""What became of the records and files of an earlier package: compared by their fingerprints alone, one source at a time.

Whoever removes from the earlier package what is gone, lets each record of the difference take the place of the one that it still has with
the same key, if any, and adds what is there again, has the later package. So with files, by their paths.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from rightful.ids import OperationId
from rightful.package.fingerprint import SIZE, UNREAD, WHICH, is_file

PATH = "changes.json"
LIST_PATH = "gone.jsonl"
FORMAT = "rightful-changes/1"

_CHUNK_BYTES = 64 * 1024


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How many records, or files, of a source are what they are since the earlier package."""

    new: int = 0
    changed: int = 0
    gone: int = 0
    unchanged: int = 0
    unread: int = 0
    """Files that could not be read now: nothing can be said of them."""
    again: int = 0
    """Of the new ones: records that the earlier package has, fewer times. They are named and not sent."""

    @property
    def sent(self) -> int:
        """How many of them the package of the difference has."""
        return self.new + self.changed - self.again

    def __add__(self, other: "Counts") -> "Counts":
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return Counts(**dict(zip(Counts.__struct_fields__, (one + another for one, another in pairs), strict=True)))


class SourceChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one source."""

    records: Counts
    files: Counts
    key: tuple[str, ...] = ()
    """The columns that name a record; none where it is named by all that it holds."""
    is_searched: bool = True
    """Whether the later package's search had the source; what is not searched is not gone."""
    was_searched: bool = True
    """Whether the earlier one's had."""


class Since(msgspec.Struct, frozen=True, kw_only=True):
    """The earlier package that one is the difference to."""

    operation_id: OperationId
    receipt_sha256: str
    is_policy_same: bool
    """Whether both were made by the same rules."""
    is_software_same: bool
    """Whether both were made by the same version."""
    fingerprint_key: bytes
    sources: Mapping[str, SourceChanges]
    """By source: those of the later package in its order, then those that only the earlier one had."""

    def totals(self) -> tuple[Counts, Counts]:
        """Return the sums over all sources: of records, of files."""
        searched = [each for each in self.sources.values() if each.is_searched]
        return sum((each.records for each in searched), Counts()), sum((each.files for each in searched), Counts())


class Named(NamedTuple):
    """Something that the difference names and does not have."""

    fingerprint: bytes
    copies: int
    is_gone: bool
    """Gone; else there again, so many times more."""


def cut(fingerprints: bytes) -> Iterator[bytes]:
    """Yield fingerprint after fingerprint."""
    return (fingerprints[start : start + SIZE] for start in range(0, len(fingerprints), SIZE))


class Comparison:
    """One source then and now; `records` and `files` are known when `run` has come to its end."""

    def __init__(self) -> None:
        self._counts: tuple[dict[str, int], dict[str, int]] = ({}, {})

    @property
    def records(self) -> Counts:
        """What became of records."""
        return Counts(**self._counts[0])

    @property
    def files(self) -> Counts:
        """What became of files."""
        return Counts(**self._counts[1])

    def run(self, then: Iterable[bytes], now: Iterable[bytes], *, is_partial: bool = False) -> Iterator[Named]:
        """Compare, both in ascending order; yield what is gone and what is there again, in ascending order.

        `is_partial`: what is missing now may be there, unread (`may_hide`), and is not called gone.
        """
        for before, after in _matched(then, now):
            counts = self._counts[is_file((before or after)[0])]
            if is_partial and not after:
                counts["unread"] = counts.get("unread", 0) + len(before)
            else:
                yield from _compare(counts, before, after)


def may_hide(then: Iterable[bytes], now: Iterable[bytes]) -> bool:
    """Say whether something could not be read now that was no file then: a folder, or a whole mailbox, with what is in it."""
    unread = {each[:WHICH] for each in now if is_file(each) and each.endswith(UNREAD)}
    return bool(unread) and not unread <= {each[:WHICH] for each in then}


def _matched(then: Iterable[bytes], now: Iterable[bytes]) -> Iterator[tuple[Sequence[bytes], Sequence[bytes]]]:
    """Yield what has the same first bytes, then and now; one of both may be nothing."""
    olds, news = _grouped(then), _grouped(now)
    old, new = next(olds, None), next(news, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old[0] < new[0]):
            assert old is not None
            yield old[1], ()
            old = next(olds, None)
        elif old is None or new[0] < old[0]:
            yield (), new[1]
            new = next(news, None)
        else:
            yield old[1], new[1]
            old, new = next(olds, None), next(news, None)


def _grouped(fingerprints: Iterable[bytes]) -> Iterator[tuple[bytes, list[bytes]]]:
    return ((which, list(several)) for which, several in groupby(fingerprints, key=lambda each: each[:WHICH]))


def _compare(counts: dict[str, int], before: Sequence[bytes], after: Sequence[bytes]) -> Iterator[Named]:
    def count(name: str, number: int = 1) -> None:
        if number:
            counts[name] = counts.get(name, 0) + number

    if is_file((before or after)[0]):
        read = [each for each in after if not each.endswith(UNREAD)]
        if after and not read:
            count("unread")
            return
        # What could not be read then is new now, where it is there.
        before, after = [each for each in before if not each.endswith(UNREAD)], read
    if len(before) == 1 and len(after) == 1:
        count("unchanged" if before[0] == after[0] else "changed")
        return
    # Several of one name: a record without a key that is there several times, or a key that is none.
    old, new = Counter(before), Counter(after)
    count("unchanged", sum((old & new).values()))
    count("gone", sum((old - new).values()))
    count("new", sum((new - old).values()))
    has_sent = any(each not in old for each in new)
    count("again", sum((new - old)[each] for each in new if each in old))
    gone, again = (old, Counter({each: number for each, number in new.items() if each in old})) if has_sent else (old - new, new - old)
    for each in sorted({*gone, *again}):
        if gone[each]:
            yield Named(each, gone[each], is_gone=True)
        if again[each]:
            yield Named(each, again[each], is_gone=False)


def format_list(sources: Iterable[tuple[str, Iterable[Named]]]) -> Iterator[bytes]:
    """Write gone.jsonl, in chunks: a line for each thing that is gone or there again, by source."""
    buffer = bytearray()
    for name, named in sources:
        for each in named:
            line = {"source": name, ("gone" if each.is_gone else "again"): each.fingerprint.hex(), "copies": each.copies}
            buffer += msgspec.json.encode(line) + b"\n"
            if len(buffer) >= _CHUNK_BYTES:
                yield bytes(buffer)
                buffer.clear()
    yield bytes(buffer)


def format_changes(since: Since, operation_id: OperationId) -> bytes:
    """Write changes.json, indented for people; the same values give the same bytes."""
    records, files = since.totals()
    members = {
        "format": FORMAT,
        "operationId": operation_id,
        "since": format_since(since),
        "fingerprintKey": since.fingerprint_key.hex(),
        "records": format_counts(records),
        "files": format_counts(files),
        "sources": {
            name: {
                "searched": each.is_searched,
                "searchedBefore": each.was_searched,
                "key": each.key,
                "records": format_counts(each.records),
                "files": format_counts(each.files),
            }
            for name, each in since.sources.items()
        },
    }
    return msgspec.json.format(msgspec.json.encode(members), indent=2) + b"\n"


def format_since(since: Since) -> dict[str, object]:
    """Return which package it is the difference to, as changes.json, ledger.json and receipt.json have it."""
    return {
        "operationId": since.operation_id,
        "receiptSha256": since.receipt_sha256,
        "samePolicy": since.is_policy_same,
        "sameSoftware": since.is_software_same,
    }


def format_counts(counts: Counts) -> dict[str, int]:
    """Return counts as changes.json and ledger.json have them; what happens to few is there only where it did."""
    members = {"new": counts.new, "changed": counts.changed, "gone": counts.gone, "unchanged": counts.unchanged}
    return members | {name: value for name, value in (("again", counts.again), ("unread", counts.unread)) if value}
