"""Whether the service can take work: asked by anybody, so that asking often must cost nothing."""

import threading

import structlog

from rightful.clock import Clock
from rightful.engines.interface import Engine
from rightful.export.interface import Unready
from rightful.faults import describe
from rightful.store.interface import Store
from rightful.store.values import StoreFault

_log = structlog.get_logger(__name__)

_FRESH_S = 1.0
"""How long an answer of the store counts: whoever asks all the time causes one small write a second."""
_PATIENCE_S = 5.0
"""A store that takes longer to write a page is as good as none."""


class Readiness:
    """Looks whether the store can be written and the engine works. Safe to use from any thread; one at a time asks the store."""

    def __init__(self, store: Store, engine: Engine, clock: Clock) -> None:
        self._store = store
        self._engine = engine
        self._clock = clock
        self._asking = threading.Lock()
        self._asked_at = -_FRESH_S
        self._is_writable = True
        self._is_stopping = False

    def stop(self) -> None:
        """Say from now on that the service stops."""
        self._is_stopping = True

    def unready(self) -> Unready | None:
        """Return the first reason there is, None where there is none."""
        if self._is_stopping:
            return Unready.STOPPING
        if not self._engine.is_alive():
            return Unready.ENGINE
        return None if self._can_write() else Unready.STORE

    def _can_write(self) -> bool:
        asked_s = self._clock.monotonic() - self._asked_at
        if asked_s < _FRESH_S or not self._asking.acquire(blocking=False):
            return self._is_writable and asked_s < _PATIENCE_S
        try:
            self._asked_at = self._clock.monotonic()
            self._is_writable = self._ask()
        finally:
            self._asking.release()
        return self._is_writable

    def _ask(self) -> bool:
        try:
            self._store.check()
        except StoreFault as error:
            _log.warning("the store cannot be written", error=describe(error))
            return False
        return True
