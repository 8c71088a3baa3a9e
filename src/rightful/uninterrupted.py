"""Work that no Ctrl-C tears: what a signal raises, it raises between any two steps of the main thread, and in no other."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

T = TypeVar("T")


def uninterrupted(task: Callable[[], T]) -> T:
    """Run a task to its end in this thread, or in one of its own where this is the main one.

    The main thread waits for the end also where it is interrupted meanwhile, then raises the interrupt. Another one ends the wait, and
    the task goes on.
    """
    if threading.current_thread() is not threading.main_thread():
        return task()
    outcome: Future[T] = Future()
    threading.Thread(target=_settle, args=(task, outcome)).start()
    try:
        return outcome.result()
    except BaseException:
        wait([outcome])
        raise


def _settle(task: Callable[[], T], outcome: Future[T]) -> None:
    try:
        outcome.set_result(task())
    except BaseException as error:  # noqa: BLE001 - handed to the thread that waits for it
        outcome.set_exception(error)
