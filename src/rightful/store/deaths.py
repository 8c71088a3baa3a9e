"""What a service may have died of: how often it did with a piece of work, over how long, and when that is tried again.

A service that dies takes all down that it was about, guilty or not, and it dies of many things. So work is suspected after a few deaths,
and done with nothing beside it from then on; only deaths there count further. Whoever kills a service ten times within seconds has not
shown that a piece of work did it: each such death has the next try wait twice as long, and it takes many, over an hour, to blame it.
"""

import msgspec

SUSPECTED = 2
"""With so many deaths, beside whatever else, work may be what the service died of: it is claimed apart."""
ALONE = 10
"""So many more, alone, it takes to blame it."""
OVER_S = 3600.0
"""And so long from the first of those to the latest."""
LONGEST_PAUSE_S = 600
"""After a death alone the next try waits 1, 2, 4, … seconds, and no longer than this."""


class Deaths(msgspec.Struct, frozen=True):
    """How often the service died with a piece of work, with nothing of it brought further in between."""

    times: int = 0
    over_s: float = 0.0
    """From the first death with nothing beside it to the latest."""

    @property
    def are_suspicious(self) -> bool:
        """Whether the work may be what the service died of."""
        return self.times >= SUSPECTED

    @property
    def are_proof(self) -> bool:
        """Whether it is."""
        return self.times >= SUSPECTED + ALONE and self.over_s >= OVER_S


def deaths_of(times: int, first_at: int, last_at: int) -> Deaths:
    """Return what a store has put down, in microseconds; times of deaths beside others are not known, nor needed."""
    return Deaths(times, max(0, last_at - first_at) / 1e6 if times > SUSPECTED else 0.0)


def pause_s(times: int) -> int:
    """Return how long the next try waits after a death alone, which was not the first of so many before it."""
    return min(LONGEST_PAUSE_S, 1 << min(times - SUSPECTED, 10))
