"""Where claims of a service on another machine are dealt with: what each needs comes with it, sealed, and nothing else is known here.

What a configuration is made into (connectors, the connection to the store) is kept while it is used, by its digest, and dropped a while
after. It writes to the store for the service that leads, in the term that the claim came in: what has changed hands since writes no
more.
Personal data goes from the sources to the storage location, and by no other way: what is answered is how it ended.
"""

import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress

import msgspec
import structlog

from rightful import __version__
from rightful.age import message
from rightful.age.keys import Recipient
from rightful.clock import Clock, SystemClock
from rightful.config.model import Config
from rightful.config.packed import unpack
from rightful.engines.counted import Recorder
from rightful.engines.task import End, Outcome, Task, unseal
from rightful.errors import ExportError
from rightful.export import runtime
from rightful.export.stopping import Stopping
from rightful.export.work import Work
from rightful.faults import describe
from rightful.storage.registry import Storages
from rightful.store.metering import MeteredStore
from rightful.store.place import Led, Shared, place_of
from rightful.store.values import StoreFault
from rightful.traces import Traces

_log = structlog.get_logger(__name__)

LOOK_S = 0.5
"""How often the store is asked which operations have ended: what is being sent for those ends at once."""
_REMEMBERED_EACH_S = 10.0
"""The same, for those that nothing is sent for, but whose identifiers are remembered."""
_IDLE_S = 300.0

_BEGUN = 10_000
"""How many tasks are remembered: far more than can be under way when a worker loses its scheduler."""

OpenStore = Callable[[Config, int], Led]
"""Opens a store for who leads in a term."""


def open_store(config: Config, term: int) -> Led:
    """Open the store of a configuration for who leads in a term."""
    place = place_of(config.store, config.store_path)
    if not isinstance(place, Shared):
        raise ExportError("the store is a file, which no other machine can write to", hint="keep the store in PostgreSQL")
    return place.open_delegated(term)


class Worksite:
    """Deals with claims, several side by side. Safe to use from any thread."""

    def __init__(self, *, clock: Clock | None = None, open_store: OpenStore = open_store) -> None:
        self._clock = clock or SystemClock()
        self._open_store = open_store
        self._identity = message.new_identity()
        self._guard = threading.Lock()
        self._rooms: dict[tuple[bytes, str, int], _Room] = {}
        self._begun: OrderedDict[bytes, None] = OrderedDict()
        self._traces: dict[str, Traces] = {}
        """By the address that they are sent to."""
        self._closing = threading.Event()
        self._watching = threading.Thread(target=self._watch, name="ended", daemon=True)
        self._watching.start()

    @property
    def recipient(self) -> Recipient:
        """What is sent here is sealed to this; the key to it is made anew with each worker, and never leaves it."""
        return self._identity.recipient

    def deal(self, sealed: bytes) -> bytes:
        """Do what was sent; return what there is to say of it. Never raises."""
        try:
            outcome = self._do(sealed)
        except BaseException as error:  # noqa: BLE001 - whoever calls this would log the text of whatever it is, and send it on
            outcome = Outcome(end=End.FAULT, detail=describe(error))
        return msgspec.msgpack.encode(outcome)

    def _do(self, sealed: bytes) -> Outcome:
        try:
            task = unseal(sealed, self._identity)
        except (ValueError, msgspec.MsgspecError) as error:
            return Outcome(end=End.REFUSED, detail=f"what was sent cannot be opened here ({type(error).__name__})")
        if task.version != __version__:
            return Outcome(end=End.REFUSED, detail=f"the service is of version {task.version}, this worker of {__version__}")
        if task.claim is None:
            return self._look(task)
        if self._closing.is_set() or not self._is_first(sealed):
            return Outcome(end=End.STOPPED)
        room = self._enter(task)
        end, detail = End.DONE, ""
        try:
            room.work.deal(task.claim)
        except Stopping:
            end = End.STOPPED
        except BaseException as error:  # noqa: BLE001 - as above; what was counted until then is told all the same
            end, detail = End.FAULT, describe(error)
        finally:
            self._leave(room)
        return Outcome(end=end, detail=detail, counted=room.counts.drain())

    def _is_first(self, sealed: bytes) -> bool:
        """Say whether a task comes for the first time: Dask sends what was lost again to a worker that comes back to its address.

        What was begun before may still run; by the same claim both would write.
        """
        digest = hashlib.sha256(sealed).digest()  # no two are sealed alike
        with self._guard:
            is_first = digest not in self._begun
            self._begun[digest] = None
            while len(self._begun) > _BEGUN:
                self._begun.popitem(last=False)
        return is_first

    def _look(self, task: Task) -> Outcome:
        """See that all is here that is needed; connectors that are not installed are found by making what they belong to."""
        missing = tuple(number for number, path in enumerate(task.paths) if not os.access(path, os.R_OK))
        for tenant in runtime.build(unpack(task.config)).values() if task.config else ():
            tenant.close()
        return Outcome(end=End.DONE, missing=missing)

    def interrupt(self) -> None:
        """Let what runs come to its next checkpoint, and no further; what comes later is done as ever."""
        with self._guard:
            rooms = list(self._rooms.values())
            self._rooms.clear()
            for room in rooms:
                room.is_over = True
        for room in rooms:
            room.work.stop()
            self._close_unused(room)

    def close(self, patience_s: float) -> None:
        """Do nothing any more; return when what runs has come to its next checkpoint, or has had its time."""
        self._closing.set()
        with self._guard:
            users = [room for room in self._rooms.values() if room.users]
        self.interrupt()
        deadline = time.monotonic() + patience_s
        for room in users:
            room.closed.wait(max(0.0, deadline - time.monotonic()))
        self._watching.join(LOOK_S)
        with self._guard:
            sending = list(self._traces.values())
        for traces in sending:
            traces.close()

    def _enter(self, task: Task) -> "_Room":
        """Return what the task is done with, made where it is not there."""
        key = (hashlib.sha256(task.config).digest(), task.owner, task.term)
        with self._guard:
            room = self._rooms.get(key)
            if room is None:
                room = self._rooms[key] = _Room(task, self._clock, self._open_store, self._traces_to)
            room.users += 1
            return room

    def _traces_to(self, address: str) -> Traces:
        """Return what sends traces to an address, the same for all rooms: none where none is named or installed."""
        if address not in self._traces:
            self._traces[address] = _made_traces(address)
        return self._traces[address]

    def _leave(self, room: "_Room") -> None:
        with self._guard:
            room.users -= 1
            room.used_at = time.monotonic()
        self._close_unused(room)

    def _close_unused(self, room: "_Room") -> None:
        with self._guard:
            if room.users or not room.is_over or room.is_closing:
                return
            room.is_closing = True
        room.close()

    def _watch(self) -> None:
        looked_at = 0.0
        while not self._closing.wait(LOOK_S):
            now = time.monotonic()
            is_thorough = now - looked_at >= _REMEMBERED_EACH_S
            looked_at = now if is_thorough else looked_at
            with self._guard:
                rooms = list(self._rooms.items())
            for key, room in rooms:
                try:
                    room.forget_ended(is_thorough=is_thorough)
                except StoreFault as error:
                    _log.warning("the store cannot be asked what has ended", error=describe(error))
                except Exception as error:  # noqa: BLE001 - without this thread nothing would end that is cancelled
                    _log.error("the store cannot be asked what has ended", error=describe(error))
                with self._guard:
                    if not room.users and (room.is_lost or now - room.used_at > _IDLE_S):
                        self._rooms.pop(key, None)
                        room.is_over = True
                self._close_unused(room)


def _made_traces(address: str) -> Traces:
    if not address:
        return Traces()
    try:
        from rightful.tracing import OtelTraces  # noqa: PLC0415 - an extra
    except ModuleNotFoundError:
        _log.warning("no traces are sent from here: what sends them is not installed; install rightful[otel]")
        return Traces()
    try:
        return OtelTraces(address)
    except Exception as error:  # noqa: BLE001 - of the library, which reads this machine's own OTEL_*: work goes on without traces
        _log.warning("no traces are sent from here: what sends them does not begin", error=describe(error))
        return Traces()


class _Room:
    """What a configuration is made into, for one term of one service."""

    def __init__(self, task: Task, clock: Clock, open_store: OpenStore, traces_to: Callable[[str], Traces]) -> None:
        config = unpack(task.config)
        self.users = 0
        self.used_at = time.monotonic()
        self.is_over = False
        self.is_closing = False
        self.closed = threading.Event()
        opened = open_store(config, task.term)
        self._lost = opened.lost
        self.counts = Recorder()
        self._store = MeteredStore(opened, clock, self.counts)
        try:
            self._store.announce(task.announcing)
            self._tenants = runtime.build(config)
        except BaseException:
            self._store.close()
            raise
        self._storages = Storages()
        self.work = Work(
            config=config,
            tenants=self._tenants,
            store=self._store,
            storages=self._storages,
            clock=clock,
            owner=task.owner,
            traces=traces_to(config.server.traces),
        )
        self.work.estimator.start()

    @property
    def is_lost(self) -> bool:
        """Whether another service leads by now."""
        return self._lost.is_set()

    def forget_ended(self, *, is_thorough: bool) -> None:
        """Stop what is sent for operations that have ended, and forget whom they were about."""
        for operation_id in self._store.ended(self.work.held() if is_thorough else self.work.sending()):
            self.work.cancel(operation_id)

    def close(self) -> None:
        """Let go of everything."""
        self.work.stop()
        self.work.estimator.join()
        self._storages.close()
        for tenant in self._tenants.values():
            with suppress(Exception):  # a connector of a third party: the others are to be closed all the same
                tenant.close()
        self._store.close()
        self.closed.set()
