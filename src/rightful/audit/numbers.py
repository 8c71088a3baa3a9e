"""Sets of numbers, kept as the ranges that they make: what is asked of them takes as long as there are few ranges. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator


class Numbers:
    """Numbers that are taken."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        """Of ranges that neither meet nor overlap, in their order."""

    def add(self, numbers: range) -> None:
        """Take these; some of them, or all, may be taken already."""
        start, stop = numbers.start, numbers.stop
        first, after = bisect_left(self._stops, start), bisect_right(self._starts, stop)
        if first < after:
            start, stop = min(start, self._starts[first]), max(stop, self._stops[after - 1])
        self._starts[first:after] = [start]
        self._stops[first:after] = [stop]

    def are_free(self, numbers: range) -> bool:
        """Say whether none of these is taken."""
        return all(is_free for _, is_free in self.parts(numbers))

    def parts(self, numbers: range) -> Iterator[tuple[range, bool]]:
        """Cut these where they begin or cease to be taken: parts in their order, and whether each is free; add nothing meanwhile."""
        at = numbers.start
        following = bisect_right(self._stops, at)
        while at < numbers.stop:
            start = self._starts[following] if following < len(self._starts) else numbers.stop
            is_free = at < start
            end = min(start if is_free else self._stops[following], numbers.stop)
            yield range(at, end), is_free
            following += not is_free
            at = end
