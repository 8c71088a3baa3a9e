"""Who works beside others, and who alone: what may kill the process is done with nothing beside it, so that nothing else is blamed.

A thread works in company from before it claims until it is done with the claim. One that has claimed a suspect sends the others away:
nobody claims any more, it waits until they are done, and stays alone while it finds suspects. The first one to come is alone from the
start: after a death the oldest work, and with it most suspects, comes first, and nothing that takes long is in its way.
"""

import threading
import time
from collections.abc import Callable

PATIENCE_S = 5.0
"""How long a suspect keeps others from beginning while it waits for those who have begun: one of them may take hours."""
PUT_OFF_S = 30.0
"""When it tries again."""
_LOOK_S = 0.5
_ANYBODY = 0


class Company:
    """Keeps count of threads that work. Safe to use from any of them."""

    def __init__(self, is_over: Callable[[], bool], *, patience_s: float = PATIENCE_S) -> None:
        """`is_over` says that nobody is to wait any more."""
        self._is_over = is_over
        self._patience_s = patience_s
        self._changed = threading.Condition()
        self._working = 0
        self._alone: int | None = _ANYBODY
        """The thread that is alone, or wants to be."""
        self.together = 1
        """How many suspects are done in one go: twice as many each time that nobody died of it, so that those of a mere power cut, of
        which none is guilty, are soon done with."""

    def join(self) -> bool:
        """Begin to work, when nobody else wants to be alone; False where it is over."""
        me = threading.get_ident()
        with self._changed:
            while self._alone not in {None, _ANYBODY, me} and not self._is_over():
                self._changed.wait(_LOOK_S)
            if self._is_over():
                return False
            if self._alone == _ANYBODY:
                self._alone = me
            self._working += 1
            return True

    def leave(self) -> None:
        """Be done; who is alone stays that."""
        with self._changed:
            self._working -= 1
            self._changed.notify_all()

    def send_away(self) -> float:
        """Wait, while working, until nobody else does, and let nobody begin. Return 0.0, else in how many seconds to try again."""
        me = threading.get_ident()
        deadline = time.monotonic() + self._patience_s
        with self._changed:
            if self._alone not in {None, me}:
                return _LOOK_S
            self._alone = me
            while self._working > 1 and not self._is_over() and time.monotonic() < deadline:
                self._changed.wait(min(_LOOK_S, self._patience_s))
            if self._working == 1 and not self._is_over():
                return 0.0
            self._alone = None
            self._changed.notify_all()
            return PUT_OFF_S

    def call_back(self) -> None:
        """Be alone no more, if one was."""
        with self._changed:
            if self._alone == threading.get_ident():
                self._alone = None
                self._changed.notify_all()
