"""Everything at once: faults of sources, storage and store, lost answers, a clock that jumps, stops, cancels and resumes, in several threads.

In the end every package is whole and holds what the sources hold, each row and file once.
"""

import random
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.export.world import OWNER, TENANT, World

from rightful.clock import SystemClock
from rightful.config.model import ExportSettings
from rightful.connectors.interface import Connector, Cursor, Item, Partition, ReadHeader
from rightful.engines.embedded import EmbeddedEngine
from rightful.errors import Conflict, InvalidRequest, SourceUnavailable, StorageUnavailable, Throttled
from rightful.export import audit_trail
from rightful.export.service import Service
from rightful.export.work import Work
from rightful.operation.model import DataPolicyOperation, OperationStatus
from rightful.package.schema import Column, ColumnKind
from rightful.package.verify import PackageState
from rightful.storage.interface import Storage
from rightful.storage.registry import Storages
from rightful.store.sqlite import SqliteStore
from rightful.store.values import StoreFault
from rightful.subject.model import IdentifiedSubject
from rightful.testing.memory_connector import MemoryConnector

pytestmark = pytest.mark.timeout(300)

_DISTURBANCES = 120
_PATIENCE_S = 100.0
_PEOPLE = {str(number): {"upn": (f"u{number}@x.example",)} for number in range(12)}
_COLUMNS = (Column(name="id", kind=ColumnKind.INT), Column(name="upn", kind=ColumnKind.TEXT), Column(name="note", kind=ColumnKind.TEXT))
_ROWS = [{"id": number, "upn": f"u{number % 12}@x.example", "note": "x" * (number * 7919 % 40_000)} for number in range(600)]
_FILES = {f"u{number}@x.example": {f"d/{k}.txt": bytes(k) for k in range(10)} | {"large": bytes(5_000_000)} for number in range(0, 12, 3)}


class _Chance:
    """Decides what goes wrong, until it is calm: at each site by numbers of its own, so that a seed repeats as far as threads let it."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._sites: dict[str, random.Random] = {}
        self._lock = threading.Lock()
        self.is_calm = False

    def hits(self, site: str, probability: float) -> bool:
        with self._lock:
            if site not in self._sites:
                self._sites[site] = random.Random(f"{self._seed} {site}")
            return not self.is_calm and self._sites[site].random() < probability


class _JumpingClock(SystemClock):
    """The machine's, put forward and back; it does not wait for long."""

    ahead_s = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead_s)

    def sleep(self, duration_s: float) -> None:
        super().sleep(min(duration_s, 0.01))


class _Source(MemoryConnector):
    def __init__(self, name: str, chance: _Chance, **options: Any) -> None:
        super().__init__(**options)
        self._name = name
        self._chance = chance

    def read(
        self, partition: Partition, subjects: Sequence[IdentifiedSubject], cursor: Cursor | None = None
    ) -> Iterator[ReadHeader | Item]:
        site = f"read {self._name} {partition.number} {sorted(each.subject.subject_id for each in subjects)}"
        for item in super().read(partition, subjects, cursor):
            yield item
            if self._chance.hits(site, 0.1):
                raise SourceUnavailable("it does not answer", source_name=self.source_name)
            if self._chance.hits(site, 0.05):
                raise ValueError("a fault of the program")


class _Store(SqliteStore):
    """Every write may fail: before it is made, or after, as if its answer were lost."""

    chance = _Chance(0)

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return self._unsure(name, found) if name in _WRITES else found

    def _unsure(self, name: str, write: Any) -> Any:
        def call(*args: Any, **more: Any) -> Any:
            self._fail(name)
            outcome = write(*args, **more)
            self._fail(name)
            return outcome

        return call

    def _fail(self, name: str) -> None:
        if self.chance.hits(name, 0.02):
            raise StoreFault("the store cannot be written")


_WRITES = {"begin", "promote", "drop", "claim", "split", "stage", "checkpoint", "retry", "retry_finish", "complete", "fail"}


class _Folder:
    """A folder whose puts and syncs may fail, and that cannot be read: as a write-only SAS."""

    def __init__(self, inner: Any, chance: _Chance) -> None:
        self._inner, self._chance = inner, chance
        self.properties, self.close = inner.properties, inner.close

    def put(self, path: str, chunks: Iterable[bytes], **more: Any) -> Any:
        site = f"put {path.partition('/')[2]}"  # whose it is says the operation's id, another one each time
        self._fail(site, 0.04)
        outcome = self._inner.put(path, chunks, **more)
        self._fail(site, 0.04)
        return outcome

    def sync(self) -> None:
        self._fail("sync", 0.02)
        self._inner.sync()

    def _fail(self, site: str, probability: float) -> None:
        if self._chance.hits(site, probability):
            raise StorageUnavailable("the storage location does not answer")


class _Turmoil:
    """A service with its engine, and what is done to it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = _Chance(seed)
        self._random = random.Random(seed)
        shared: dict[str, Any] = {"columns": _COLUMNS, "match": {"upn": "upn"}, "rows": _ROWS, "batch_rows": 20}
        sources: dict[str, Connector] = {
            "keyed": _Source("keyed", self.chance, key="id", **shared),
            "plain": _Source("plain", self.chance, partitions=3, **shared),
            "files": _Source("files", self.chance, files=_FILES),
        }
        self.world = World(folder, _PEOPLE, sources, export=ExportSettings(part_mib=1, retry_s=0.01))
        self.world.service.stop()
        self._clock = _JumpingClock()
        self._start()
        with ThreadPoolExecutor(6) as pool:
            self.operations = dict(zip(_PEOPLE, pool.map(self._submit, _PEOPLE), strict=True))

    def _submit(self, person: str) -> DataPolicyOperation:
        for _ in range(100):
            try:
                return self.world.submit(person)
            except (StoreFault, InvalidRequest, Throttled):
                time.sleep(0.01)
        raise AssertionError("no submit went through")

    def _start(self) -> None:
        world, chance = self.world, self.chance

        class _Folders(Storages):
            def open(self, location_text: str, policy: Any) -> Storage:
                return _Folder(super().open(location_text, policy), chance)

        store = _Store(world.config.folder / "store.db", self._clock)
        store.chance = chance
        storages = _Folders(clock=self._clock)
        work = Work(config=world.config, tenants=world.tenants, store=store, storages=storages, clock=self._clock, owner=OWNER)
        engine = EmbeddedEngine(store, work, owner=OWNER, clock=self._clock)
        world.store, world.storages, world.work = store, storages, work
        world.trail = audit_trail.build(world.config, store, self._clock)
        world.service = Service(
            config=world.config,
            tenants=world.tenants,
            store=store,
            storages=storages,
            engine=engine,
            work=work,
            trail=world.trail,
            clock=self._clock,
        )
        world.service.start()

    def disturb(self) -> None:
        """Do one thing that somebody might do."""
        what = self._random.random()
        operation = self._random.choice(list(self.operations.values()))
        try:
            if what < 0.2:
                self.world.service.cancel(TENANT, operation.operation_id)
            elif what < 0.8:
                self.resume(operation)
            elif what < 0.95:
                self._clock.ahead_s += self._random.choice((61, -30))  # 61: every lease runs out
            else:
                self.world.service.stop()
                self._start()
        except (Conflict, StoreFault):
            pass

    def resume(self, operation: DataPolicyOperation) -> OperationStatus:
        """Resume an operation that has failed; return how it stands."""
        status = self.world.get(operation).status
        if status is OperationStatus.FAILED:
            self.world.service.resume(TENANT, operation.operation_id, None)
        return status

    def settle(self) -> None:
        """Let it work undisturbed until everything is complete."""
        self.chance.is_calm = True
        self._clock.ahead_s += 3600
        until = time.monotonic() + _PATIENCE_S
        while {self.resume(operation) for operation in self.operations.values()} != {OperationStatus.COMPLETE}:
            assert time.monotonic() < until, [self.world.get(operation) for operation in self.operations.values()]
            time.sleep(0.05)


@pytest.mark.parametrize("seed", [1, 2])
def test_every_package_is_whole_in_the_end(tmp_path: Path, seed: int) -> None:
    turmoil = _Turmoil(tmp_path, seed)
    world, seen = turmoil.world, dict[str, DataPolicyOperation]()
    for _ in range(_DISTURBANCES):
        for operation in turmoil.operations.values():
            now, before = world.get(operation), seen.get(operation.operation_id)
            seen[operation.operation_id] = now
            if before is not None and before.status is not OperationStatus.FAILED:
                assert now.status not in ({OperationStatus.NOT_STARTED} if before.status is OperationStatus.RUNNING else set())
                assert now.status is OperationStatus.FAILED or now.progress_percent >= before.progress_percent
                assert now.status is OperationStatus.COMPLETE or before.status is not OperationStatus.COMPLETE
        turmoil.disturb()
        time.sleep(0.02)
    turmoil.settle()
    for person, operation in turmoil.operations.items():
        (upn,) = _PEOPLE[person]["upn"]
        wanted = [row["id"] for row in _ROWS if row["upn"] == upn]
        assert world.verify(operation).state is PackageState.WHOLE
        assert world.rows(operation, "keyed") == wanted
        assert sorted(world.rows(operation, "plain")) == wanted
        files = world.ledger(operation)["files"]
        assert (files["files"], files["skipped"], files["superseded"]) == (len(_FILES.get(upn, ())), [], [])
    world.service.stop()
