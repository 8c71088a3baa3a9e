"""When one of several that work may be alone, and how long others wait for that.

Who wants to be alone has nobody begin any more, and waits until those who have begun are done. Both are bounded, so that nobody waits for
ever, neither who wants to be alone nor who does not:

- One waits so long in vain at first, twice as long each next time, and no longer than some limit. In between all begin as ever, six times
  as long as was waited. That is put off for all who want to be alone, whoever waited: else each would hold up the others in its turn.
- Who is alone stays that, for one piece of work after the other, for so long; then others begin beside it. They have at least as long as
  they were kept before anybody wants to be alone again.
- What lasts longer than anybody waits for, and never leaves a gap, would keep one from its turn for ever. After hours in vain it has its
  turn beside others.
"""

from collections.abc import Hashable

FIRST_PATIENCE_S = 5.0
"""How long who wants to be alone waits for those who have begun."""
LONGEST_PATIENCE_S = 300.0
"""After so long in vain it waits twice as long the next time, and no longer than this."""
PUT_OFF_TIMES = 6
"""After how many times as long as that it tries again."""
ALONE_S = 900.0
"""How long one may be alone at a time."""
LONGEST_VAIN_S = 6 * 3600.0
"""After so long in vain nobody waits for a turn alone any more, until there is one of itself."""
LOOK_AGAIN_S = 0.5
"""When who found somebody else waiting to be alone tries again."""


class Solitude:
    """Says who may begin, and who may be alone. Not safe by itself: whoever uses it from several threads holds a lock.

    `who` stands for one that works, on one thing at a time; `now` never goes back.
    """

    def __init__(self) -> None:
        self._at_work = 0
        self._has_begun = False
        self._alone: Hashable | None = None
        """Who is alone, or waits to be."""
        self._is_waiting = False
        self._since = 0.0
        """Since when nobody else begins."""
        self._until = 0.0
        """Until when, at the latest."""
        self._not_before = 0.0
        self._patience_s = FIRST_PATIENCE_S
        self._vain_since: float | None = None

    @property
    def others(self) -> int:
        """How many work beside one."""
        return self._at_work - 1

    def begin(self, who: Hashable, now: float) -> bool:
        """Begin to work, if nobody else is alone or waits to be. The first one of all is alone."""
        self._end_in_time(now)
        if self._alone not in {None, who}:
            return False
        if not self._has_begun:
            self._has_begun = True
            self._alone, self._since, self._until = who, now, now + ALONE_S
        self._at_work += 1
        return True

    def end(self) -> None:
        """Be done; who is alone stays that."""
        self._at_work -= 1

    def ask(self, who: Hashable, now: float) -> float | None:
        """Ask for a turn alone, while working: 0.0: it is now; None: wait, and ask again; else in so many seconds."""
        self._end_in_time(now)
        if self._alone is None:
            has_waited = self._vain_since is not None and now - self._vain_since >= LONGEST_VAIN_S
            if has_waited and self.others:
                return 0.0
            if now < self._not_before and not has_waited:
                return self._not_before - now
            self._alone, self._is_waiting, self._since, self._until = who, True, now, now + self._patience_s
        elif self._alone != who:
            return LOOK_AGAIN_S
        if self.others:
            return None
        if self._is_waiting:
            self._is_waiting, self._until = False, now + ALONE_S
            self._patience_s, self._vain_since = FIRST_PATIENCE_S, None
        return 0.0

    def call_back(self, who: Hashable, now: float) -> None:
        """Be alone no more, if one was."""
        self._end_in_time(now)
        if self._alone == who:
            self._let_others_begin(now, now - self._since)

    def _end_in_time(self, now: float) -> None:
        if self._alone is None or now < self._until:
            return
        if not self._is_waiting:
            self._let_others_begin(self._until, self._until - self._since)
            return
        self._vain_since = self._since if self._vain_since is None else self._vain_since
        self._let_others_begin(self._until, PUT_OFF_TIMES * self._patience_s)
        self._patience_s = min(2 * self._patience_s, LONGEST_PATIENCE_S)

    def _let_others_begin(self, now: float, for_s: float) -> None:
        self._alone, self._is_waiting, self._not_before = None, False, now + for_s
