"""Who waits for a storage location is woken when the service stops."""

import threading

import pytest

from rightful.clock import SystemClock
from rightful.export.stopping import Stopping, StoppingClock
from rightful.testing.clock import ManualClock


def test_sleep_lasts_as_long_as_was_asked_for() -> None:
    inner = ManualClock()
    StoppingClock(inner, threading.Event()).sleep(30.05)
    assert inner.monotonic() == pytest.approx(30.05)


def test_sleeper_is_woken_when_the_service_stops() -> None:
    stopping, ended = threading.Event(), threading.Event()

    def sleep() -> None:
        with pytest.raises(Stopping):
            StoppingClock(SystemClock(), stopping).sleep(3600)
        ended.set()

    thread = threading.Thread(target=sleep, daemon=True)
    thread.start()
    stopping.set()
    assert ended.wait(10)
