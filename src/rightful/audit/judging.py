"""Names what was done to a chain, from the places where it does not go on. Pure.

A chain comes as stretches: records in places one after another, numbered one by one, each of which fits the one before it. A record that
does not go on with what stands before it is a stretch by itself, a suspect. An untouched chain is one stretch.

1. A suspect is genuine if it fits a hash that was seen for the number before its own and makes one that was seen for its own number.
2. Each number belongs to one record; copies of it are left over.
3. What is left over is changed if the number that it stands for is free, and inserted otherwise. A record whose predecessor is gone cannot
   be checked by itself and keeps the number that it says, where that is in order.
4. Numbers that no record has are removed. Records stand in the wrong place if they do not follow each other by their numbers. How many
   come before counts: nobody is accused because others were inserted or removed before.

Where no rule finds anything, each number is there once, at its place, and fits the one before.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import pairwise

from rightful.audit.finding import FindingKind
from rightful.audit.numbers import Numbers
from rightful.audit.record import link

Flaw = tuple[FindingKind, int, int, str]
"""The kind, the first and the last record, and what is known of it."""


@dataclass(slots=True)
class Stretch:
    """Records that go on with each other, or one suspect."""

    place: int
    number: int
    """Which record of the chain the first one says to be."""
    count: int
    suspect: bytes | None = None
    """A suspect's text."""
    is_linked: bool = True
    """False for a suspect that does not fit the hash before it, or cannot be read."""
    is_recorded: bool = False
    """Whether it holds what was recorded under its numbers, and no copy of it; found when the chain is judged."""

    @property
    def numbers(self) -> range:
        """Which records of the chain they say to be."""
        return range(self.number, self.number + self.count)


def judge(stretches: Sequence[Stretch], hashes: Mapping[int, AbstractSet[bytes]], after: int = 0) -> tuple[list[Flaw], list[Stretch], int]:
    """Return what was done, the stretches that hold what was recorded, and the highest number that is accounted for.

    `hashes` were seen before and at the suspects, and at the end, by the numbers that they may belong to. The
    chain begins after record `after`.
    """
    pieces, taken = _pieces(stretches, hashes, after)
    flaws, kept, changed = _leftovers(pieces, taken, after)
    there = [Stretch(after, after, 1), *sorted([*kept, *changed], key=lambda piece: piece.number)]
    for before, piece in pairwise(there):
        if before.numbers.stop < piece.number:
            detail = f"record {piece.number}, the first after the gap, cannot be checked by itself"
            flaws.append((FindingKind.REMOVED, before.numbers.stop, piece.number - 1, detail))
    flaws += _reordered(kept, after, is_complete=not flaws)
    return flaws, kept, there[-1].numbers.stop - 1


def _pieces(stretches: Sequence[Stretch], hashes: Mapping[int, AbstractSet[bytes]], after: int) -> tuple[list[Stretch], Numbers]:
    """Cut stretches where they begin or cease to be what was recorded, long ones first; return them by their places, and their numbers.

    A stretch is cut nowhere else, so that there are at most some four times as many pieces as stretches, however they overlap.
    """
    pieces: list[Stretch] = []
    taken = Numbers()
    taken.add(range(after + 1))  # nothing that stands here is one of those before the start
    for each in sorted(stretches, key=lambda each: (each.suspect is not None, -each.count)):
        if each.suspect is not None and not _is_genuine(each.suspect, each.number, hashes):
            pieces.append(each)
            continue
        for numbers, is_free in taken.parts(each.numbers):
            place = each.place + numbers.start - each.number
            pieces.append(replace(each, place=place, number=numbers.start, count=len(numbers), is_recorded=is_free))
        taken.add(each.numbers)
    return sorted(pieces, key=lambda piece: piece.place), taken


def _is_genuine(text: bytes, number: int, hashes: Mapping[int, AbstractSet[bytes]]) -> bool:
    made = {link(before, text) for before in hashes.get(number - 1, ())}
    return not made.isdisjoint(hashes.get(number, ()))


def _leftovers(pieces: Sequence[Stretch], taken: Numbers, after: int) -> tuple[list[Flaw], list[Stretch], list[Stretch]]:
    """Return the flaws of what does not fit, the pieces that are kept, and the changed ones with the numbers that they stand for."""
    flaws: list[Flaw] = []
    kept: list[Stretch] = []
    changed: list[Stretch] = []
    following = [piece for piece in reversed(pieces) if piece.is_recorded]
    before: int = after  # the number of the last record that has one
    adjacent: int | None = after  # that of the record right before, None where it was inserted
    was_standing_in = False  # whether the record right before is one that stands for another
    for piece in pieces:
        first, last = piece.place, piece.place + piece.count - 1
        is_changed = is_standing_in = False
        if piece.is_recorded:
            following.pop()
            held = piece
            is_changed = not piece.is_linked and adjacent == piece.number - 1
        else:
            number = _number(piece, before, following[-1].number if following else None, taken)
            if number is None:
                if adjacent is None:
                    first = flaws.pop()[1]
                flaws.append((FindingKind.INSERTED, first, last, "the service did not write it here; what comes after was renumbered"))
                adjacent, was_standing_in = None, False
                continue
            held = replace(piece, number=number)
            is_changed = not taken.are_free(range(number - 1, number))
            is_standing_in = is_changed and number != piece.number
            taken.add(held.numbers)
        if is_changed:
            if is_standing_in and was_standing_in:
                first = flaws.pop()[1]
            added = "" if following else " or added"
            neighbour = f"; or record {first - 1} was, with its hash" if first > after + 1 else ""
            flaws.append((FindingKind.CHANGED, first, last, f"it was changed{added} after it was recorded{neighbour}"))
        (kept if held is piece or not is_changed else changed).append(held)
        before = adjacent = held.numbers.stop - 1
        was_standing_in = is_standing_in
    return flaws, kept, changed


def _number(piece: Stretch, before: int, after: int | None, taken: Numbers) -> int | None:
    """Return the number that a leftover piece stands for, None where it stands for none."""
    number = piece.number
    if (after is None or number < after) and taken.are_free(piece.numbers):
        is_predecessor_there = not taken.are_free(range(number - 1, number))
        if is_predecessor_there or before < number:
            return number
    following = before + 1
    return following if taken.are_free(range(following, following + piece.count)) else None


def _reordered(kept: Sequence[Stretch], after: int, *, is_complete: bool) -> Iterator[Flaw]:
    """Find what stands in the wrong place; where no record is missing and none is added, each has the place of its number."""
    due: dict[int, int] = {}
    place = after + 1
    for piece in sorted(kept, key=lambda piece: piece.number):
        due[piece.number] = place
        place += piece.count
    place = after + 1
    moved: list[Stretch] = []
    for piece in kept:
        is_moved = piece.place != piece.number if is_complete else place != due[piece.number]
        place += piece.count
        if not is_moved:
            continue
        if moved and (moved[-1].place + moved[-1].count, moved[-1].numbers.stop) == (piece.place, piece.number):
            moved[-1] = replace(moved[-1], count=moved[-1].count + piece.count)
        else:
            moved.append(piece)
    for piece in moved:
        last = piece.numbers.stop - 1
        here = f"here stands record {last}" if piece.count == 1 else f"here stand records {piece.number} to {last}"
        yield FindingKind.REORDERED, piece.place, piece.place + piece.count - 1, here
