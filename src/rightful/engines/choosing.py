"""Which worker gets a claim: the one that has least to do, or the one that has done before what belongs together."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable

from rightful.engines.cluster import Member
from rightful.store.values import FinishSet, ReadSet

_AGAIN_S = 30.0
"""When a worker that could not do what it got gets work again beside others."""


class Choosing:
    """Knows where what belongs together is done, and who lately could not do what it got. For one thread."""

    def __init__(self, together: Callable[[ReadSet], Hashable | None], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._together = together
        self._homes: dict[Hashable, Member] = {}
        self._faulty: dict[Member, float] = {}
        """Until when it gets nothing while others can: having least to do, it would get everything."""

    def able(self, among: tuple[Member, ...]) -> tuple[Member, ...]:
        """Return those that are to be given work now; all of them where none did better."""
        now = self._monotonic()
        return tuple(member for member in among if self._faulty.get(member, now) <= now) or among

    def note_end(self, member: Member, *, is_fault: bool) -> None:
        """Note whether a worker could do what it got."""
        if is_fault:
            self._faulty[member] = self._monotonic() + _AGAIN_S
        else:
            self._faulty.pop(member, None)

    def keep(self, usable: Collection[Member]) -> None:
        """Forget who is gone; what was done there, and where something went wrong, finds another home."""
        self._faulty = {member: until for member, until in self._faulty.items() if member in usable}
        self._homes = {key: member for key, member in self._homes.items() if member in usable and member not in self._faulty}

    def home(self, claim: ReadSet | FinishSet) -> Member | None:
        """Return who does what belongs together with a claim, where that is settled."""
        return self._homes.get(self._key(claim))

    def choose(self, claim: ReadSet | FinishSet, among: tuple[Member, ...], busy: Iterable[Member]) -> Member:
        """Return who has least to do, for as many threads as it has, or the claim's home; `busy` has a worker once for each claim."""
        held = Counter(busy)

        def load(member: Member) -> tuple[float, str]:
            return held[member] / member.threads, member.address

        key = self._key(claim)
        if key is None:
            return min(among, key=load)
        home = self._homes.get(key)
        if home is None:
            lodgers = Counter(self._homes.values())
            home = self._homes[key] = min(among, key=lambda member: (lodgers[member], *load(member)))
        return home

    def _key(self, claim: ReadSet | FinishSet) -> Hashable | None:
        return self._together(claim) if isinstance(claim, ReadSet) else None
