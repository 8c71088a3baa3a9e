"""How seldom work begins while it gives way to something more urgent."""

RESTS_TIMES = 3.0
"""The next begins so many times as long after the last one as that took."""
LONGEST_S = 0.5
"""And no later than that after it began: somebody's first read still starts soon."""
LOOK_AGAIN_S = 0.05


class Rest:
    """Says when the next piece of work may begin. Not safe by itself: whoever uses it from several threads holds a lock."""

    def __init__(self) -> None:
        self._until = 0.0

    def is_over(self, now: float) -> bool:
        """Say whether the rest is over; then the next piece begins, and so does the next rest."""
        if now < self._until:
            return False
        self._until = now + LONGEST_S
        return True

    def note(self, began: float, now: float) -> None:
        """Note how long a piece took."""
        self._until = min(self._until, now + RESTS_TIMES * (now - began))
