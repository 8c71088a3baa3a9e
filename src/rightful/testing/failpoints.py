"""Named moments around each durable step of store and storage, at which a service under test dies or something fails.

A kill in this process: from the moment that `Killed` is raised on, every step of every thread raises it too, so that nothing reaches the
store or a storage location any more. Whoever tests throws the objects away and starts new ones on what the store and the locations hold.

    points = Failpoints(kill_at(17))
    store = failing_store(SqliteStore(path, clock), points)
    storages = FailingStorages(points, clock=clock)
    ...
    points.trace  # the steps so far: one seed, one trace

A method that changes something has two of them, `store.stage.before` and `store.stage.after`: where the process dies with nothing done,
and where it dies with all done and nobody told. What lies between is one transaction, and the store's own business. A put has a third,
`halfway`: after its first chunk.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

from rightful.storage.interface import Properties, Storage
from rightful.storage.location import StoragePolicy
from rightful.storage.registry import Storages
from rightful.store.interface import Store

STORE_STEPS = (
    "begin",
    "promote",
    "drop",
    "decide",
    "extend",
    "claim",
    "heartbeat",
    "release_all",
    "split",
    "estimate",
    "stage",
    "checkpoint",
    "retry",
    "retry_finish",
    "complete",
    "fail",
    "resume",
    "begin_removal",
    "forget_entries",
    "forget_fingerprints",
    "forget_old_fingerprints",
    "check",
    "record",
    "add_chain_checkpoint",
    "forget_event",
    "put_off_event",
    "keep_events",
)
"""Methods of a store that commit something, while requests are answered."""
STORE_PURGES = ("purge_operations", "purge_receipts", "put_chain_start", "purge_records", "put_purged")
"""Those that commit something once a day."""
STORE_LOOKS = (
    "count_open",
    "intents",
    "bound",
    "unanswered",
    "get",
    "list",
    "count",
    "entries",
    "first_entries",
    "outcomes",
    "fingerprints",
    "fingerprint_use",
    "waiting_since",
    "working_on",
    "ended",
    "chain",
    "last_chain_checkpoint",
    "retention",
    "announce",
    "outgoing",
    "close",
)
"""Those that commit nothing."""
STORAGE_STEPS = ("put", "sync", "put_piece", "join", "put_append", "append", "delete", "remove")
"""Methods of a storage, and of its abilities, that change what lies there."""
STORAGE_LOOKS = ("properties", "read", "read_at", "list", "within", "on", "close")
"""Those that change nothing."""
WORK_STEPS = ("work.claimed", "work.done", "service.started", "service.answered")
"""Between the steps: work was claimed, or done; the service takes requests; a caller has its answer."""

HALFWAY = "storage.put.halfway"

FAILPOINTS = (
    *(f"store.{name}.{when}" for name in STORE_STEPS for when in ("before", "after")),
    *(f"storage.{name}.{when}" for name in STORAGE_STEPS for when in ("before", "after")),
    HALFWAY,
    *WORK_STEPS,
)
"""All names there are but those of a purge."""
PURGE_FAILPOINTS = tuple(f"store.{name}.{when}" for name in STORE_PURGES for when in ("before", "after"))
"""Those."""


class Killed(BaseException):
    """The process is dead. No Exception: nothing may deal with it."""


Script = Callable[[int, str], None]
"""Called with each step's number (from 1 on) and name; what it raises happens there: `Killed`, or an error of store or storage."""


class Failpoints:
    """Counts the steps of one life of a service, and lets them fail as a script says. Safe to use from any thread."""

    def __init__(self, script: Script = lambda _number, _name: None) -> None:
        self.trace: list[str] = []
        self.is_dead = False
        self._script = script
        self._lock = threading.Lock()

    def reach(self, name: str) -> None:
        """Come to a step."""
        with self._lock:
            if self.is_dead:
                raise Killed(name)
            self.trace.append(name)
            number = len(self.trace)
        try:
            self._script(number, name)
        except Killed:
            self.is_dead = True
            raise

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a call with a step before and one after it."""

        def step(*args: Any, **more: Any) -> Any:
            self.reach(f"{name}.before")
            outcome = call(*args, **more)
            self.reach(f"{name}.after")
            return outcome

        return step


def kill_at(number: int) -> Script:
    """Make a script that kills at a step."""

    def script(reached: int, name: str) -> None:
        if reached == number:
            raise Killed(name)

    return script


def kill_when(name: str, *, occurrence: int = 1) -> Script:
    """Make a script that kills when a step of this name is reached for so many times."""
    left = [occurrence]

    def script(_number: int, reached: str) -> None:
        left[0] -= reached == name
        if not left[0]:
            raise Killed(name)

    return script


class _Failing:
    """Passes everything on, with steps around the methods that are named."""

    def __init__(self, inner: object, points: Failpoints, kind: str, steps: Sequence[str]) -> None:
        self._inner = inner
        self._steps = {name: points.around(f"{kind}.{name}", getattr(inner, name)) for name in steps if hasattr(inner, name)}

    def __getattr__(self, name: str) -> Any:
        return self._steps[name] if name in self._steps else getattr(self._inner, name)


def failing_store(store: Store, points: Failpoints) -> Store:
    """Put the steps around what a store commits."""
    return cast("Store", _Failing(store, points, "store", (*STORE_STEPS, *STORE_PURGES)))


class _FailingStorage(_Failing):
    def __init__(self, inner: Storage, points: Failpoints) -> None:
        super().__init__(inner, points, "storage", STORAGE_STEPS)
        self._points = points

    @property
    def properties(self) -> Properties:
        return cast("Properties", self._inner.properties)  # type: ignore[attr-defined] # a storage

    def put(self, path: str, chunks: Iterable[bytes], *, size_bytes: int) -> Any:
        return self._steps["put"](path, self._halved(chunks), size_bytes=size_bytes)

    def _halved(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for number, chunk in enumerate(chunks):
            yield chunk
            if number == 0:
                self._points.reach(HALFWAY)

    def like(self, storage: Storage) -> Storage:
        """Put the same steps around what this one becomes, in haste or on a leash."""
        return failing_storage(storage, self._points)


def failing_storage(storage: Storage, points: Failpoints) -> Storage:
    """Put the steps around what changes a storage location. What is returned has just the abilities that the storage has."""
    optional = [name for name in (*STORAGE_STEPS, *STORAGE_LOOKS) if hasattr(storage, name) and name not in vars(_FailingStorage)]
    passing = {name: _becoming(name) if name in {"within", "on"} else _passing(name) for name in optional}
    # A class of its own: whoever asks which abilities there are may look at that.
    return cast("Storage", type("FailingStorage", (_FailingStorage,), passing)(storage, points))


def _becoming(name: str) -> Callable[..., Any]:
    return lambda self, *args: self.like(self.__getattr__(name)(*args))


def _passing(name: str) -> Callable[..., Any]:
    return lambda self, *args, **more: self.__getattr__(name)(*args, **more)


class FailingStorages(Storages):
    """Storages whose locations have the steps; the same one for the same location, as ever."""

    def __init__(self, points: Failpoints, **more: Any) -> None:
        super().__init__(**more)
        self._points = points
        self._failing: dict[int, tuple[Storage, Storage]] = {}

    def open(self, location_text: str, policy: StoragePolicy) -> Storage:
        """Open a location that was accepted before."""
        inner = self.really_open(location_text, policy)
        # What is of no use any more is dropped by who opens it, and has to be closed.
        self._failing = {each: pair for each, pair in self._failing.items() if not getattr(pair[0], "is_broken", False)}
        if id(inner) not in self._failing:
            self._failing[id(inner)] = (inner, failing_storage(inner, self._points))
        return self._failing[id(inner)][1]

    def really_open(self, location_text: str, policy: StoragePolicy) -> Storage:
        """Open what the steps are put around."""
        return super().open(location_text, policy)
