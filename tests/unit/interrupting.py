"""Ctrl-C for a thread that waits."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SOON_S = 0.2


@contextmanager
def interrupted() -> Iterator[None]:
    """Raise `KeyboardInterrupt` in the main thread, which tests run in, while the block waits."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(_SOON_S, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        signal.signal(signal.SIGINT, before)
