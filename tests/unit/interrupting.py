"""Ctrl-C for the main thread, which tests run in."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import rightful

_SOON_S = 0.2
_OURS = str(Path(rightful.__file__).parent)


@contextmanager
def interrupted() -> Iterator[None]:
    """Raise `KeyboardInterrupt` while the block waits."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(_SOON_S, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        signal.signal(signal.SIGINT, before)


def interrupted_everywhere(run: Callable[[], object]) -> Iterator[int]:
    """Call it again and again, each time interrupted before another line of ours; yield the number of the line after each call.

    Ends with a call that no interrupt was left for.
    """
    number = 0
    while True:
        number += 1
        left = number

        def trace(frame: FrameType, event: str, _argument: Any) -> Any:
            nonlocal left
            if not frame.f_code.co_filename.startswith(_OURS):
                return None
            left -= event == "line"
            if not left:
                left -= 1
                raise KeyboardInterrupt
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            run()
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(before)
        yield number
        if left > 0:
            return
