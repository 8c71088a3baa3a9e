"""Ctrl-C for the main thread, which tests run in."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import rightful

_PATIENCE_S = 20
_OURS = str(Path(rightful.__file__).parent)


@contextmanager
def interrupted(when: Callable[[], bool], then: Callable[[], object]) -> Iterator[None]:
    """Raise `KeyboardInterrupt` in the block as soon as something holds, which it waits for in vain; `then` ends its wait afterwards."""
    is_met = threading.Event()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        is_met.set()
        raise KeyboardInterrupt

    def watch() -> None:
        until_s = time.monotonic() + _PATIENCE_S
        while not when():
            if time.monotonic() > until_s:
                return
            time.sleep(0.001)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        is_met.wait(_PATIENCE_S)
        then()

    before = signal.signal(signal.SIGINT, interrupt)
    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        watching.join()
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
