"""Who works beside others, and who alone: what may kill the process is done with nothing beside it, so that nothing else is blamed.

A thread works in company from before it claims until it is done with the claim. One that has claimed a suspect sends the others away:
nobody claims any more, it waits until they are done, and stays alone while it finds suspects, all within bounds (`engines/solitude.py`).
The first one to come is alone from the start: after a death the oldest work, and with it most suspects, comes first, and nothing that
takes long is in its way.
"""

import threading
import time
from collections.abc import Callable

from rightful.engines.solitude import LOOK_AGAIN_S, Solitude

_MOST_TOGETHER = 1 << 20


class Company:
    """Keeps count of threads that work. Safe to use from any of them."""

    def __init__(self, is_over: Callable[[], bool], *, clock: Callable[[], float] = time.monotonic) -> None:
        """`is_over` says that nobody is to wait any more."""
        self._is_over = is_over
        self._clock = clock
        self._changed = threading.Condition()
        self._solitude = Solitude()
        self.together = 1
        """How many suspects are done in one go: twice as many each time that nobody died of it, so that those of a mere power cut, of
        which none is guilty, are soon done with."""

    def join(self) -> bool:
        """Begin to work, when nobody else is alone or wants to be; False where it is over."""
        me = threading.get_ident()
        with self._changed:
            while not self._is_over():
                if self._solitude.begin(me, self._clock()):
                    return True
                self._changed.wait(LOOK_AGAIN_S)
        return False

    def leave(self) -> None:
        """Be done; who is alone stays that."""
        with self._changed:
            self._solitude.end()
            self._changed.notify_all()

    def send_away(self) -> float:
        """Wait, while working, until nobody else does, and let nobody begin. Return 0.0, else in how many seconds to try again."""
        me = threading.get_ident()
        with self._changed:
            while not self._is_over():
                wait_s = self._solitude.ask(me, self._clock())
                if wait_s is not None:
                    self._changed.notify_all()
                    return wait_s
                self._changed.wait(LOOK_AGAIN_S)
        return LOOK_AGAIN_S

    def others(self) -> int:
        """Say how many work beside one: none, but where nobody would have been alone for hours."""
        with self._changed:
            return self._solitude.others

    def survived(self) -> None:
        """Note that nobody died of as many suspects as were done together."""
        with self._changed:
            self.together = min(2 * self.together, _MOST_TOGETHER)

    def call_back(self) -> None:
        """Be alone no more, if one was."""
        with self._changed:
            self._solitude.call_back(threading.get_ident(), self._clock())
            self._changed.notify_all()
